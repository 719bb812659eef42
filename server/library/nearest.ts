/** The known name that comes nearest to a mistyped one. */

/** Edit distance that counts a swap of neighbours as one (optimal string alignment). */
function distance(a: string, b: string): number {
  let before: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let best = Math.min(previous[j]! + 1, row[j - 1]! + 1, previous[j - 1]! + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        best = Math.min(best, before[j - 2]! + 1);
      row.push(best);
    }
    before = previous;
    previous = row;
  }
  return previous[b.length]!;
}

const plain = (name: string): string => name.toLowerCase().replace(/[^a-z0-9]/g, '');

/**
 * The name of `known` that `name` was most likely meant to be; undefined when none is near. Case, `-` and `_` do not count,
 * and a name may stand for a longer one that it begins or ends.
 */
export function nearest(name: string, known: Iterable<string>): string | undefined {
  const wanted = plain(name.slice(0, 100));
  let best: string | undefined;
  let least = Math.max(1, Math.floor(wanted.length / 3)) + 0.5;
  for (const candidate of known) {
    const other = plain(candidate);
    let d = distance(wanted, other);
    if (wanted.length >= 3 && (other.startsWith(wanted) || other.endsWith(wanted))) d = Math.min(d, 1);
    if (d < least) [best, least] = [candidate, d];
  }
  return best;
}
