/** Work that is done one time after another, however often it is asked for. */

export interface Repeated {
  /** Asks for one more time. Resolves when nothing is asked for any more. */
  (): Promise<void>;
}

/** @param work must not reject; it may ask for one more time itself. */
export function repeated(work: () => Promise<void>, signal: AbortSignal): Repeated {
  let due = false;
  let running: Promise<void> | undefined;
  const run = async (): Promise<void> => {
    // So that it never ends before its caller knows of it.
    await Promise.resolve();
    while (due && !signal.aborted) {
      due = false;
      await work();
    }
    // In the same turn as the last look at what is due: who asks from here on begins anew.
    running = undefined;
  };
  return () => {
    due = true;
    return (running ??= run());
  };
}
