/** Following objects as they change, for functions that wait or stream. */
import type { AppError } from '../errors.js';
import type { Call } from '../library/implementation.js';
import type { Deps, KubeObject, Resource } from '../ports.js';

export interface Source<T extends KubeObject> {
  resource: Resource<T>;
  namespace: string;
  labelSelector?: string | undefined;
  fieldSelector?: string | undefined;
}

/** One flag that many raise and one waits for. Raised while nobody waits, it is not lost. */
export interface Flag {
  raise(): void;
  /** Makes the present and every later wait fail. */
  fail(error: Error): void;
  raised(): Promise<void>;
}

export function createFlag(): Flag {
  let up = false;
  let failed: { error: Error } | undefined;
  let waiting: { resolve: () => void; reject: (error: Error) => void } | undefined;
  return {
    raise() {
      up = true;
      waiting?.resolve();
    },
    fail(error) {
      failed ??= { error };
      waiting?.reject(error);
    },
    raised: () =>
      new Promise<void>((resolve, reject) => {
        if (failed !== undefined) return reject(failed.error);
        const done = (): void => {
          up = false;
          waiting = undefined;
          resolve();
        };
        if (up) return done();
        waiting = { resolve: done, reject };
      }),
  };
}

export interface Observation<A, B> {
  /** The first source's objects, by `namespace/name`. */
  readonly first: ReadonlyMap<string, A>;
  /** The second's; empty without one. */
  readonly second: ReadonlyMap<string, B>;
  /** For those who wait for more than objects: raised, it resolves `changed` too. */
  readonly flag: Flag;
  /** Resolves once all is listed, and then after every change; several changes may come as one. */
  changed(): Promise<void>;
  stop(): Promise<void>;
}

/**
 * Follows one or two sources until the signal fires: `changed` then rejects with the signal's reason. It rejects too when
 * the API server refuses the reading outright.
 */
export function observe<A extends KubeObject, B extends KubeObject>(
  deps: Deps,
  call: Call,
  first: Source<A>,
  second: Source<B> | undefined,
): Observation<A, B> {
  const flag = createFlag();
  const abort = (): void => flag.fail(call.signal.reason as AppError);
  if (call.signal.aborted) abort();
  else call.signal.addEventListener('abort', abort, { once: true });
  const follow = <T extends KubeObject>(source: Source<T>) =>
    deps.reflect<T>({
      ...source,
      log: call.log,
      onChange: () => flag.raise(),
      // An API server that is away may come back before the deadline; a refusal stays one.
      onError: (error) => {
        if (error instanceof Error && isRefusal(error)) flag.fail(error);
      },
    });
  const one = follow(first);
  const two = second === undefined ? undefined : follow(second);
  const reflectors = two === undefined ? [one] : [one, two];
  for (const reflector of reflectors) void reflector.synced.then(() => flag.raise());
  return {
    first: one.store,
    second: two?.store ?? new Map<string, B>(),
    flag,
    async changed() {
      do await flag.raised();
      while (!reflectors.every((reflector) => reflector.isSynced()));
    },
    async stop() {
      call.signal.removeEventListener('abort', abort);
      await Promise.all(reflectors.map((reflector) => reflector.stop()));
    },
  };
}

export const isRefusal = (error: unknown): boolean => {
  const code = (error as { code?: unknown }).code;
  return code === 401 || code === 403 || code === 404 || code === 400;
};
