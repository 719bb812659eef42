/** The bounds of a call: its caller's signal and its deadline, as one signal. */
import type { CallOptions } from './types.js';
import { ConnectError } from './error.js';

export interface Bound {
  readonly signal: AbortSignal;
  /** Why the call ended, if a bound ended it. */
  reached(): ConnectError | undefined;
  /** Ends the timer and the listener. */
  done(): void;
}

/** A bound that has been reached already aborts the signal at once. */
export function bound({ signal, timeoutMs }: CallOptions): Bound {
  const controller = new AbortController();
  let why: ConnectError | undefined;
  const end = (error: ConnectError): void => {
    why ??= error;
    controller.abort(error);
  };
  const cancel = (): void =>
    end(new ConnectError('canceled', 'the call was canceled', { cause: signal?.reason }));
  const expire = (): void => end(new ConnectError('deadline_exceeded', `no answer within ${timeoutMs} ms`));
  const timer = timeoutMs === undefined ? undefined : setTimeout(expire, Math.min(timeoutMs, 2 ** 31 - 1));
  if (signal?.aborted === true) cancel();
  else signal?.addEventListener('abort', cancel);
  return {
    signal: controller.signal,
    reached: () => why,
    done: () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', cancel);
    },
  };
}

/** What Connect-Timeout-Ms says: whole milliseconds, in the ten digits that the header has. */
export function timeoutHeader(timeoutMs: number): string {
  return String(Math.min(Math.max(Math.ceil(timeoutMs), 0), 9_999_999_999));
}
