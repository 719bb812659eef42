import { XiError } from './error.js';
import type { Problem } from './functions.gen.js';
import { lines } from './lines.js';

/**
 * What a call sends, item by item. The request goes out when the loop begins; leaving the loop ends the call on the server,
 * too. It can be looped over once.
 */
export interface Stream<Item, Result> extends AsyncIterable<Item> {
  /**
   * The call's result, after its last item. Asked for without a loop, it makes the call and drops the items. A loop that is
   * left early makes it reject with an AbortError.
   */
  readonly result: Promise<Result>;
}

type Line<Item, Result> =
  | { type: 'item'; item: Item }
  | { type: 'heartbeat' }
  | { type: 'result'; result: Result }
  | { type: 'end' }
  | { type: 'error'; error: Problem };

export interface Source {
  /** Sends the request and answers its body; called once, when the stream is first read. */
  open(signal: AbortSignal): Promise<ReadableStream<Uint8Array> | null>;
  /** The error of a body that ends too early. */
  cut(why: string, cause?: unknown): XiError;
  /** The caller's: its reason is what they get when it fires. */
  readonly signal: AbortSignal | undefined;
}

export function createStream<Item, Result>({ open, cut, signal }: Source): Stream<Item, Result> {
  const leaving = new AbortController();
  let settle!: (result: Result) => void;
  let fail!: (reason: unknown) => void;
  const result = new Promise<Result>((resolve, reject) => {
    settle = resolve;
    fail = reject;
  });
  // Whoever loops meets the failure there; the result need not be asked for.
  result.catch(() => undefined);

  /** Ends the request; of no effect when all is over. */
  const leave = (): void => {
    const left = new DOMException('The stream was left before its end.', 'AbortError');
    fail(left);
    leaving.abort(left);
  };

  /** The items of a body of NDJSON, then its result. */
  async function* read(body: ReadableStream<Uint8Array>): AsyncGenerator<Item, Result, undefined> {
    try {
      for await (const text of lines(body)) {
        const line = JSON.parse(text) as Line<Item, Result>;
        if (line.type === 'item') yield line.item;
        else if (line.type === 'result') return line.result;
        else if (line.type === 'end') return undefined as Result;
        else if (line.type === 'error') throw new XiError(line.error);
      }
    } catch (error) {
      if (error instanceof XiError) throw error;
      if (error instanceof SyntaxError) throw cut('it ends amid a line, or is no NDJSON', error);
      throw cut('the connection broke', error);
    }
    throw cut('the connection ended');
  }

  async function* run(): AsyncGenerator<Item, void, undefined> {
    const abort = (): void => leaving.abort(signal?.reason);
    try {
      if (signal?.aborted === true) abort();
      signal?.addEventListener('abort', abort, { once: true });
      const body = await open(leaving.signal);
      if (body === null) throw cut('it is empty');
      settle(yield* read(body));
    } catch (error) {
      const seen: unknown = leaving.signal.aborted ? leaving.signal.reason : error;
      fail(seen);
      throw seen;
    } finally {
      signal?.removeEventListener('abort', abort);
      leave();
    }
  }

  let begun = false;
  const iterate = (): AsyncGenerator<Item, void, undefined> => {
    if (begun)
      throw new TypeError('a stream can be looped over once, and awaiting its result before is that once');
    begun = true;
    const items = run();
    const end = items.return.bind(items);
    // A generator would first wait for the item that a pending `next` waits for.
    items.return = (value) => {
      leave();
      return end(value);
    };
    return items;
  };
  const drain = async (): Promise<void> => {
    if (begun) return;
    const items = iterate();
    while ((await items.next()).done !== true);
  };
  return {
    [Symbol.asyncIterator]: iterate,
    get result() {
      // In a microtask, so that `const { result } = stream` may be followed by a loop.
      queueMicrotask(() => void drain().catch(() => undefined));
      return result;
    },
  };
}
