/**
 * Reads a list while it still comes in, so that the API server writes the end of it while we parse its beginning. It
 * relies on how the API server writes lists, kind and metadata before the items and each item's metadata first; what is
 * written otherwise is left to be parsed as a whole.
 */
import type { KubeList } from './objects.js';

const ITEMS = Buffer.from('"items":[');
/** Between two items. Inside of a JSON string its quotes would be escaped. */
const BETWEEN = Buffer.from('},{"metadata":{');
/** Bytes in which the first item must begin. */
const MAX_HEAD = 4096;

export interface ListReader<T> {
  push(chunk: Buffer): void;
  /** The list, after the last chunk; undefined when it is to be parsed as a whole. */
  end(): KubeList<T> | undefined;
}

export function createListReader<T>(): ListReader<T> {
  const items: T[] = [];
  /** What comes before the items; undefined until it is here. */
  let head: string | undefined;
  let rest: Buffer = Buffer.alloc(0);
  let isOther = false;

  const read = (): void => {
    if (head === undefined) {
      const start = rest.indexOf(ITEMS);
      if (start < 0) {
        isOther = rest.length > MAX_HEAD;
        return;
      }
      head = rest.toString('utf8', 0, start + ITEMS.length);
      rest = rest.subarray(start + ITEMS.length);
    }
    const last = rest.lastIndexOf(BETWEEN);
    if (last < 0) return;
    for (const item of JSON.parse(`[${rest.toString('utf8', 0, last + 1)}]`) as T[]) items.push(item);
    rest = rest.subarray(last + 2);
  };

  return {
    push(chunk) {
      if (isOther) return;
      rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      try {
        read();
      } catch {
        // A list inside of an item was cut, or it is no JSON, which is told by who parses the whole.
        isOther = true;
      }
    },
    end() {
      if (isOther || head === undefined) return undefined;
      try {
        const list = JSON.parse(head + rest.toString('utf8')) as KubeList<T>;
        for (const item of list.items) items.push(item);
        list.items = items;
        return list;
      } catch {
        return undefined;
      }
    },
  };
}
