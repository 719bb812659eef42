/** What the built-in commands of `exec` share. */
import type { Readable, Writable } from 'node:stream';
import type { View } from '../folders/view.js';
import { wordsOf } from '../folders/view.js';

export interface ExecContext {
  readonly view: View;
  readonly environment: ReadonlyMap<string, string>;
  readonly hostname: string;
  readonly stdin: Readable | undefined;
  /** Resolves when the reader takes more. What nobody wants is dropped. */
  out(data: Uint8Array | string): Promise<void>;
  err(data: Uint8Array | string): Promise<void>;
  readonly signal: AbortSignal;
}

/** Runs with the arguments that come after its name; answers the exit code. */
export type Builtin = (args: readonly string[], context: ExecContext) => Promise<number>;

/** A command that ends with a message and a code. */
export class Failure extends Error {
  constructor(
    message: string,
    readonly code = 1,
  ) {
    super(message);
  }
}

/** Writes to a stream; each write resolves when it is done, so that nothing is left when the last of them has. */
export const writerOf =
  (stream: Writable | undefined, signal: AbortSignal) =>
  async (data: Uint8Array | string): Promise<void> => {
    signal.throwIfAborted();
    if (stream === undefined || data.length === 0) return;
    await new Promise<void>((resolve, reject) => {
      const leave = (): void => reject(signal.reason as Error);
      signal.addEventListener('abort', leave, { once: true });
      stream.write(data, (error) => {
        signal.removeEventListener('abort', leave);
        if (error) reject(new Failure('write error: Broken pipe'));
        else resolve();
      });
    });
  };

/** Does something for each operand, and tells of those that fail: the code is then 1, or as given. */
export const forEach = async (
  name: string,
  operands: readonly string[],
  { context, code = 1 }: { context: ExecContext; code?: number },
  work: (operand: string) => Promise<void>,
): Promise<number> => {
  let result = 0;
  for (const operand of operands) {
    try {
      await work(operand);
    } catch (error) {
      context.signal.throwIfAborted();
      await context.err(`${name}: ${operand}: ${wordsOf(error)}\n`);
      result = code;
    }
  }
  return result;
};
