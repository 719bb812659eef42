/** Where two answers differ, field by field. */
import type { Ignored, Json } from './case.js';

export interface Difference {
  readonly path: string;
  readonly recorded: Json | undefined;
  readonly got: Json | undefined;
}

const isObject = (value: Json | undefined): value is Record<string, Json> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The differences, in the order of the fields. The order of an object's fields does not count. */
export function differences(recorded: Json | undefined, got: Json | undefined, path = ''): Difference[] {
  if (Array.isArray(recorded) && Array.isArray(got)) {
    const length = Math.max(recorded.length, got.length);
    return Array.from({ length }, (_, index) =>
      differences(recorded[index], got[index], `${path}[${index}]`),
    ).flat();
  }
  if (isObject(recorded) && isObject(got)) {
    const keys = new Set([...Object.keys(recorded), ...Object.keys(got)]);
    return [...keys].flatMap((key) =>
      differences(recorded[key], got[key], path === '' ? key : `${path}.${key}`),
    );
  }
  return recorded === got ? [] : [{ path, recorded, got }];
}

/** The value without the ignored fields. */
export function without(value: Json, ignored: readonly Ignored[]): Json {
  let result = value;
  for (const { field } of ignored) result = drop(result, field.split('.'));
  return result;
}

function drop(value: Json, path: readonly string[]): Json {
  const [head, ...rest] = path;
  if (head === undefined) return value;
  const fits = (key: string): boolean => head === '*' || head === key;
  if (Array.isArray(value))
    return value.flatMap((item, index) =>
      !fits(String(index)) && !isSelected(head, item) ? [item] : rest.length === 0 ? [] : [drop(item, rest)],
    );
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, item]) =>
      !fits(key) ? [[key, item]] : rest.length === 0 ? [] : [[key, drop(item, rest)]],
    ),
  );
}

/** `manager=kubelet` selects the items of a list that have this value. */
const isSelected = (head: string, item: Json): boolean => {
  const [key = '', value] = head.split('=');
  return value !== undefined && isObject(item) && item[key] === value;
};

const SHOWN = 160;
const shown = (value: Json | undefined): string => {
  const text = value === undefined ? 'nothing' : JSON.stringify(value);
  return text.length > SHOWN ? `${text.slice(0, SHOWN)} … (${text.length} characters)` : text;
};

/** A difference as lines for people; texts that share a long beginning are shown from where they part. */
export const describe = ({ path, recorded, got }: Difference): string[] => {
  let [a, b] = [recorded, got];
  if (typeof a === 'string' && typeof b === 'string' && a.length > SHOWN) {
    let same = 0;
    while (same < a.length && a[same] === b[same]) same += 1;
    const cut = Math.max(0, same - 40);
    [a, b] = [(cut > 0 ? '… ' : '') + a.slice(cut), (cut > 0 ? '… ' : '') + b.slice(cut)];
  }
  return [`${path}`, `    recorded ${shown(a)}`, `    got      ${shown(b)}`];
};
