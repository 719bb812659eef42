/**
 * The parts of the plugin host as they see one another: the registry (who is there, what they provide, who may call), the
 * router (carries calls), the prober (who is alive), the manager (plugins that the host starts and stops).
 */
import type { Code } from '../../connect/types.js';

export type Health = 'healthy' | 'degraded' | 'unhealthy';

/** A way to call a provider: what the router dials. */
export interface Target {
  /** `http://127.0.0.1:8082`, without a slash at its end. */
  readonly baseUrl: string;
  /** `/storage.v1.Storage/`, with slashes at both ends. */
  readonly path: string;
}

/** One service of one plugin. */
export interface Registration {
  /** The registration's id. */
  readonly id: string;
  readonly type: string;
  readonly version: string;
  /** The plugin's runtime id. */
  readonly provider: string;
  readonly metadata: Readonly<Record<string, string>>;
  /** Where calls to it go now. Several for a plugin of several ready pods; the router takes one after another. */
  readonly targets: readonly Target[];
}

/** A plugin, as functions, the console and the graph show it. */
export interface PluginView {
  readonly runtimeId: string;
  readonly selfId: string;
  readonly selfVersion: string;
  /** How it came: it shook hands by itself, or its host manages it, or it was found in the cluster. */
  readonly origin: 'unmanaged' | 'managed' | 'discovered';
  readonly health: Health;
  readonly reason: string;
  readonly unavailableDependencies: readonly string[];
  /** Whether calls are routed to it; when not, why. */
  readonly routable: boolean;
  readonly unroutableBecause?: string;
  readonly services: readonly Registration[];
  /** What it said that it needs, or asked the registry for: type → minimum version. */
  readonly requires: Readonly<Record<string, string>>;
  readonly since: Date;
}

/** A plugin that proved who it is. */
export interface Caller {
  readonly runtimeId: string;
}

/** What keeps a call from being routed: the HTTP status and the Connect error that it is answered with. */
export class Unroutable extends Error {
  override readonly name = 'Unroutable';
  constructor(
    readonly status: 401 | 404 | 503,
    readonly code: Code,
    message: string,
  ) {
    super(message);
  }
}

export type HeaderOf = (name: string) => string | undefined;

/** What the router needs of the registry. Called for each call: everything is a lookup in memory. */
export interface Routes {
  /**
   * Who calls, by X-Plugin-Runtime-ID and Authorization, compared in constant time.
   * @throws Unroutable 401 when a header is missing, doubled, or of no plugin.
   */
  authenticate(header: HeaderOf): Caller;
  /**
   * Who is called. `-` as provider picks one by the selection of its type.
   * @throws Unroutable 404 for a type or provider that is not there, 503 for one that is unhealthy or does not answer.
   */
  resolve(type: string, provider: string): Registration;
  /** A call did not reach the target: nothing was sent. The provider is unroutable until it is seen alive again. */
  refused(registration: Registration, target: Target, why: string): void;
}

/** An address at which a plugin is asked how it is. */
export interface ProbedAddress {
  readonly runtimeId: string;
  readonly baseUrl: string;
  /** When the plugin came, in milliseconds. */
  readonly since: number;
  /** Whether calls are routed there. */
  readonly routable: boolean;
  /** Whether the plugin came by itself, so that what it declares is still to be asked. */
  readonly unmanaged: boolean;
}

/** What the prober needs of the registry. */
export interface Probed {
  /** Each address of each plugin. */
  toProbe(): Iterable<ProbedAddress>;
  /** What the GetPluginInfo of an unmanaged plugin says. */
  declares(runtimeId: string, info: { readonly selfId: string; readonly types: readonly string[] }): void;
  /** It answered a probe at this address; `health` when it told how it is. */
  alive(
    runtimeId: string,
    baseUrl: string,
    health?: { state: Health; reason: string; unavailableDependencies: readonly string[] },
  ): void;
  /** It did not answer at this address. */
  silent(runtimeId: string, baseUrl: string, why: string): void;
}

/** Whether, and where, a registration's `base_url` may point. Throws an Error whose message is for the plugin. */
export type AllowBaseUrl = (baseUrl: URL) => void;

/** Numbers of the host; the operator's /metrics and the host's own show them. */
export interface HostMetrics {
  /** A call was routed. */
  routed(
    labels: { caller: string; provider: string; type: string; method: string; status: number },
    seconds: number,
  ): void;
  registered(count: number): void;
}

/** Where lines go. `text` is the line for people; greps of the reference's logs must find what they look for. */
export interface HostLog {
  info(fields: object, text: string): void;
  warn(fields: object, text: string): void;
}
