/** Numbers at 8 bytes each: an array of numbers that grows. */
export function growable(expected = 0) {
  let values = new Float64Array(Math.max(256, expected));
  let used = 0;
  return {
    push: (value: number): void => {
      if (used === values.length) {
        const old = values;
        values = new Float64Array(used * 2);
        values.set(old);
      }
      values[used++] = value;
    },
    at: (index: number): number => values[index]!,
    length: (): number => used,
  };
}
