/** What an implementation is, derived from its contract. */
import type { TProperties } from '@sinclair/typebox';
import type { Contract, Contracts, Item, Params, Result } from '../../schemas/index.js';
import type { Deps, Log } from '../ports.js';

/** Who calls: the loopback listener's callers act as the operator itself. */
export interface Caller {
  readonly name: string;
  /** The face that they came through. */
  readonly face: 'http' | 'aplite' | 'internal';
}

/** One call under way, as an implementation sees it. */
export interface Call {
  readonly requestId: string;
  readonly caller: Caller;
  /** Fires when the caller leaves, the deadline passes or the server stops; its reason is then an AppError. */
  readonly signal: AbortSignal;
  /** Options for a call of the Kube port: the signal, and the milliseconds that are left (none: the port's own limit). */
  io(): { signal: AbortSignal; timeoutMs: number | undefined };
  /** The same call, but ended by this signal too. */
  until(signal: AbortSignal): Call;
  /** Server-side dry run: everything but the storing. Nothing is waited for then. */
  readonly dryRun: boolean;
  /** The params as the caller gave them, without defaults. */
  readonly given: Readonly<Record<string, unknown>>;
  readonly log: Log;
}

type PropertiesOf<C> = C extends Contract<string, infer P> ? P : TProperties;
type DefaultedKeys<P> = { [K in keyof P]: P[K] extends { default: unknown } ? K : never }[keyof P];
type AlwaysThere<C> = (DefaultedKeys<PropertiesOf<C>> | 'namespace') & keyof Params<C>;
type Defined<T> = { [K in keyof T]-?: Exclude<T[K], undefined> };

/** Params with defaults filled in, the namespace among them. */
export type Filled<C> = Omit<Params<C>, AlwaysThere<C>> & Defined<Pick<Params<C>, AlwaysThere<C>>>;

/** Items that came in one go. */
export interface Batch<I> extends Iterable<I> {
  /** The items' JSON, each between `before` and `after`: for batches that can say it faster than item by item. */
  encode?(before: string, after: string): Uint8Array;
}

/** Items in batches, then the result. */
export type Progress<I, R> = AsyncGenerator<Batch<I>, R, undefined>;

export type Implementation<C> = C extends { mode: unknown; item: undefined }
  ? (deps: Deps, params: Filled<C>, call: Call) => Promise<Result<C>>
  : (deps: Deps, params: Filled<C>, call: Call) => Progress<Item<C>, Result<C>>;

/** Every function of the contracts, implemented: the compiler finds what is missing. */
export type Implementations = { readonly [K in keyof Contracts]: Implementation<Contracts[K]> };
