/**
 * Reads a list while it still comes in: the API server writes its end while we parse its beginning, and neither its text
 * nor its objects are ever in memory as a whole. This relies on how the API server writes lists: kind and metadata before
 * the items, each item's metadata first. What is written otherwise is parsed at the end.
 */
import type { KubeList } from './objects.js';

const ITEMS = Buffer.from('"items":[');
/** Between two items. Inside of a JSON string its quotes would be escaped. */
const BETWEEN = Buffer.from('},{"metadata":{');

export interface ListReader<T, P> {
  push(chunk: Buffer): void;
  /** The list, after the last chunk. @param parse for what is left: a list as JSON; what it throws is passed on. */
  end(parse: (text: Buffer) => KubeList<T>): KubeList<P>;
}

/** @param project what is kept of each item. */
export function createListReader<T, P>(project: (item: T) => P): ListReader<T, P> {
  const items: P[] = [];
  /** What comes before the items; undefined until it is here. */
  let head: Buffer | undefined;
  /** What is not parsed yet. */
  let rest: Buffer[] = [];
  let isWhole = false;
  /** What `project` threw: to be told to who asked, not to the connection that the chunks come from. */
  let failed: { error: unknown } | undefined;

  const keep = (all: readonly T[]): void => {
    try {
      for (const item of all) items.push(project(item));
    } catch (error) {
      failed ??= { error };
    }
  };

  /** Takes the head off the first chunk. A list whose head is not there has no item that is worth the trouble. */
  const behead = (chunk: Buffer): Buffer => {
    const end = chunk.indexOf(ITEMS) + ITEMS.length;
    isWhole = end < ITEMS.length;
    if (isWhole) return chunk;
    head = chunk.subarray(0, end);
    return chunk.subarray(end);
  };

  return {
    push(given) {
      const chunk = head === undefined && !isWhole ? behead(given) : given;
      const last = isWhole ? -1 : chunk.lastIndexOf(BETWEEN);
      if (last < 0) {
        rest.push(chunk);
        return;
      }
      const text = Buffer.concat([...rest, chunk.subarray(0, last + 1)]).toString();
      let complete: T[];
      try {
        complete = JSON.parse(`[${text}]`) as T[];
      } catch {
        // The cut went through an item that holds a list like this one.
        isWhole = true;
        rest.push(chunk);
        return;
      }
      keep(complete);
      rest = [chunk.subarray(last + 2)];
    },
    end(parse) {
      const { items: left, ...list } = parse(Buffer.concat(head === undefined ? rest : [head, ...rest]));
      // Go writes an empty list as null.
      keep(left ?? []);
      if (failed !== undefined) throw failed.error;
      return { ...list, items };
    },
  };
}
