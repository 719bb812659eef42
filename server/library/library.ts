/**
 * The one way to call a function, for every face: validate → run under one signal → check the result → audit.
 */
import { hash } from 'node:crypto';
import { contracts } from '../../schemas/index.js';
import type { ErrorCode, ObjectRef } from '../../schemas/errors.js';
import type { Contract, FunctionName } from '../../schemas/index.js';
import { AppError, asAppError } from '../errors.js';
import { endedBy, fromKube } from '../kube-errors.js';
import type { Deps, Log } from '../ports.js';
import type { Call, Caller, Implementations, Progress } from './implementation.js';
import { nearest } from './nearest.js';
import { LinkedSignal, relay } from './signals.js';
import type { Ending } from './signals.js';
import { compileParams, compileResult } from './validate.js';
import type { Checked } from './validate.js';

export interface CallOptions {
  readonly caller: Caller;
  readonly requestId: string;
  /** Fires when the caller leaves. */
  readonly signal?: Ending | undefined;
  /** The caller's deadline in seconds. Without it: the wait's own, else the server's default; streams have none. */
  readonly timeoutSeconds?: number | undefined;
  readonly dryRun?: boolean | undefined;
}

export interface Library {
  readonly contracts: readonly Contract[];
  /** The error for a name that no function has, with the nearest one. */
  unknown(name: string): AppError;
  /** Calls a function and answers its result; items on the way are dropped. @throws AppError */
  call(name: string, params: unknown, options: CallOptions): Promise<unknown>;
  /** Calls a function that has items: batches of items, then the result. Nothing runs before the first `next`. */
  stream(name: string, params: unknown, options: CallOptions): Progress<unknown, unknown>;
}

export interface LibraryOptions {
  readonly implementations: Implementations;
  readonly deps: Deps;
  readonly log: Log;
  /** Seconds that a call may take when nobody says otherwise. */
  readonly defaultTimeoutSeconds: number;
  /** Fires when the server begins to stop: streams end. */
  readonly stopping: AbortSignal;
  /** Fires when the time for stopping is over: all calls end. */
  readonly halting: AbortSignal;
}

type Run = (
  deps: Deps,
  params: Record<string, unknown>,
  call: Call,
) => Promise<unknown> | Progress<unknown, unknown>;

interface Entry {
  readonly contract: Contract;
  readonly implementation: Run;
  readonly check: (params: unknown) => Checked;
  readonly wrong: (result: unknown) => string | undefined;
}

const isProgress = (value: object): value is Progress<unknown, unknown> => Symbol.asyncIterator in value;

/** A class, since one is made for every call and its signal only for some. */
class RunningCall implements Call {
  readonly requestId: string;
  readonly caller: Caller;
  readonly dryRun: boolean;

  constructor(
    private readonly options: CallOptions,
    private readonly linked: Pick<LinkedSignal, 'signal' | 'remainingMs'>,
    readonly given: Call['given'],
    private readonly parentLog: Log,
  ) {
    this.requestId = options.requestId;
    this.caller = options.caller;
    this.dryRun = options.dryRun === true;
  }

  get signal(): AbortSignal {
    return this.linked.signal;
  }

  get log(): Log {
    return this.parentLog.child({ reqId: this.requestId });
  }

  io(): ReturnType<Call['io']> {
    return { signal: this.linked.signal, timeoutMs: this.linked.remainingMs() };
  }

  until(signal: AbortSignal): Call {
    const linked = {
      signal: AbortSignal.any([this.linked.signal, signal]),
      remainingMs: () => this.linked.remainingMs(),
    };
    return new RunningCall(this.options, linked, this.given, this.parentLog);
  }
}

/** Runs to the result; items on the way are dropped. */
async function resultOf(running: Progress<unknown, unknown>): Promise<unknown> {
  for (;;) {
    const step = await running.next();
    if (step.done === true) return step.value;
  }
}

/** What the call is about: the first object that the contract's permissions name. */
function objectOf({ permissions }: Contract, params: Record<string, unknown>): ObjectRef | undefined {
  for (const { group, resource, namespace, object } of permissions) {
    const name = object === undefined ? undefined : params[object];
    if (typeof name !== 'string') continue;
    const where = namespace === undefined ? undefined : params[namespace];
    return {
      resource: group === '' ? resource : `${resource}.${group}`,
      ...(typeof where === 'string' ? { namespace: where } : {}),
      name,
    };
  }
  return undefined;
}

/** Codes that are about the object of the call rather than about the call itself. */
const ABOUT_OBJECT = new Set<ErrorCode>([
  'permission_denied',
  'not_found',
  'already_exists',
  'conflict',
  'rejected_by_cluster',
  'bad_gateway',
  'deadline_exceeded',
]);

export function createLibrary({
  implementations,
  deps,
  log,
  defaultTimeoutSeconds,
  stopping,
  halting,
}: LibraryOptions): Library {
  const entries = new Map<string, Entry>();
  for (const name of Object.keys(contracts) as FunctionName[]) {
    const contract: Contract = contracts[name];
    entries.set(name, {
      contract,
      implementation: implementations[name] as Run,
      check: compileParams(contract, deps.defaultNamespace),
      wrong: compileResult(contract.result),
    });
  }

  const unknown = (name: string): AppError => {
    const near = nearest(name, entries.keys());
    return new AppError(
      'unknown_function',
      `There is no function ${JSON.stringify(name.slice(0, 100))}${near === undefined ? '.' : `; did you mean ${near}?`} GET /v1/functions lists them all.`,
      near === undefined ? {} : { suggestion: near },
    );
  };

  const find = (name: string): Entry => {
    const entry = entries.get(name);
    if (entry === undefined) throw unknown(name);
    return entry;
  };

  /** How long a call may take: undefined for as long as it likes. */
  const timeoutMs = (
    contract: Contract,
    { filled: params, given }: Checked,
    asked: number | undefined,
  ): number | undefined => {
    const waits = contract.mode === 'stream' || params['wait'] === true;
    const own = waits ? params['timeout_seconds'] : undefined;
    // A deadline of the caller's own and a time to wait that they gave: the shorter one. A default gives way.
    const limits = [asked, asked === undefined || given['timeout_seconds'] !== undefined ? own : undefined];
    const numbers = limits.filter((limit) => typeof limit === 'number');
    if (numbers.length > 0) return Math.min(...numbers) * 1000;
    return contract.mode === 'stream' ? undefined : defaultTimeoutSeconds * 1000;
  };

  /**
   * Begins a call: `run` starts the implementation, whose result goes through `settle` and whose failure through `fail`;
   * `end` comes last, whatever happens.
   */
  const begin = (name: string, params: unknown, options: CallOptions, ending: Ending) => {
    const { contract, implementation, check, wrong } = find(name);
    const started = performance.now();
    const dryRun = options.dryRun === true;
    let filled: Record<string, unknown> = {};
    let linked: LinkedSignal | undefined;
    let outcome = 'cancelled';
    let failure: AppError | undefined;
    return {
      run(): ReturnType<Run> {
        if (dryRun && contract.effect === 'read')
          throw new AppError('invalid_params', `${name} only reads: it has no dry_run.`);
        const checked = check(params);
        filled = checked.filled;
        linked = new LinkedSignal(
          [options.signal, ending],
          timeoutMs(contract, checked, options.timeoutSeconds),
        );
        if (linked.ended !== undefined) throw linked.ended;
        return implementation(deps, filled, new RunningCall(options, linked, checked.given, log));
      },
      settle(result: unknown): unknown {
        const fault = wrong(result);
        if (fault !== undefined) throw new Error(`the result of ${name} breaks its contract: ${fault}`);
        outcome = 'ok';
        return result;
      },
      fail(error: unknown): AppError {
        failure = asAppError(linked?.ended === undefined ? fromKube(error) : endedBy(linked.ended, error));
        const object = objectOf(contract, filled);
        const named = failure.details.object?.resource;
        if (
          object !== undefined &&
          ABOUT_OBJECT.has(failure.code) &&
          (named ?? object.resource) === object.resource
        )
          failure = failure.with({ object });
        // A fault of ours says nothing of whether the change was made before it.
        if (failure.code === 'internal' && contract.effect !== 'read' && linked !== undefined && !dryRun)
          failure = failure.with({ outcome: 'unknown' });
        // Of the caller's own signal, every other end than leaving has a code that says so.
        outcome =
          options.signal?.aborted === true && failure.code === 'overloaded' ? 'cancelled' : failure.code;
        return failure;
      },
      end(): void {
        linked?.release();
        const object = objectOf(contract, filled);
        const record = {
          reqId: options.requestId,
          audit: {
            function: name,
            caller: options.caller.name,
            face: options.caller.face,
            ...(object === undefined
              ? {}
              : { object: [object.namespace, object.name].filter(Boolean).join('/') }),
            params_hash: hash('sha256', JSON.stringify(filled)).slice(0, 16),
            dry_run: dryRun,
            outcome,
            duration_ms: Math.round((performance.now() - started) * 100) / 100,
          },
          ...(failure?.code === 'internal' ? { err: failure.cause } : {}),
        };
        if (failure?.code === 'internal') log.error(record, 'call failed');
        else log.info(record, failure === undefined ? 'call' : failure.message);
      },
    };
  };

  const untilStopping = relay(stopping);
  const untilHalting = relay(halting);

  return {
    contracts: [...entries.values()].map(({ contract }) => contract),
    unknown,
    async *stream(name, params, options) {
      const call = begin(name, params, options, untilStopping);
      try {
        const running = call.run();
        return call.settle(isProgress(running) ? yield* running : await running);
      } catch (error) {
        throw call.fail(error);
      } finally {
        call.end();
      }
    },
    // Not by way of `stream`: a generator costs a short call more than its work.
    async call(name, params, options) {
      const call = begin(name, params, options, untilHalting);
      try {
        const running = call.run();
        return call.settle(await (isProgress(running) ? resultOf(running) : running));
      } catch (error) {
        throw call.fail(error);
      } finally {
        call.end();
      }
    },
  };
}
