/** What a registry is told when it is made, and what it is bounded by. */
import type { AllowBaseUrl, HeaderOf, HostLog, HostMetrics } from '../port.js';
import type { GrantLimits, HostCapability } from './grants.js';
import type { Rate } from './limits.js';
import type { Selection } from './selection.js';

/** Bounds of a registry; the defaults are DEFAULT_LIMITS. Times in milliseconds. */
export interface RegistryLimits {
  readonly plugins: number;
  readonly servicesPerPlugin: number;
  /** Bytes that what plugins say of themselves may take, in all: about what the state file has. */
  readonly keptBytes: number;
  /** Watches that one plugin has open at a time. */
  readonly watchesPerPlugin: number;
  /** Watches of the health service, which needs no identity, in all. */
  readonly healthWatches: number;
  /** Handshakes of one address. */
  readonly handshakes: Rate;
  /** A token that nobody uses for so long lapses; a plugin that answers its host's probes counts as using it. */
  readonly tokenLapsesMs: number;
  /** A plugin that does not answer for so long is gone. */
  readonly goneAfterMs: number;
  /** How long a plugin has, once it shook hands anew, to register again what it had. */
  readonly supersededMs: number;
  /**
   * Identities that were not used for so long end when they unregistered all their services, and make room in a full host when they
   * provide nothing.
   */
  readonly unusedMs: number;
  readonly grants: GrantLimits;
}

const HOUR = 3_600_000;

export const DEFAULT_LIMITS: RegistryLimits = {
  plugins: 10_000,
  servicesPerPlugin: 64,
  keptBytes: 32 << 20,
  watchesPerPlugin: 256,
  healthWatches: 1024,
  handshakes: { burst: 2000, perSecond: 100 },
  tokenLapsesMs: 24 * HOUR,
  goneAfterMs: HOUR,
  supersededMs: 30_000,
  unusedMs: 60_000,
  grants: {
    lifetimeMs: HOUR,
    perPlugin: 16,
    requests: { burst: 10, perSecond: 1 },
    uses: { burst: 1000, perSecond: 200 },
  },
};

/** A plugin that wants an identity. */
export interface HandshakeCall {
  readonly selfId: string;
  readonly selfVersion: string;
  readonly header: HeaderOf;
  readonly remoteAddress: string;
}

/** Who vouches for a plugin, and what that allows. */
export interface Vouched {
  /** Such as a ServiceAccount. A plugin replaces stale entries of the same principal only. */
  readonly principal: string;
  /** Where this plugin may be reached; the registry's own rule when absent. */
  readonly allowBaseUrl?: AllowBaseUrl;
  /**
   * Whether the plugin still is at this URL. Asked before calls go there again after it did not answer, for what answers then may be
   * another's; false ends its identity. Rejects when nobody can say now.
   */
  readonly isStill?: (baseUrl: URL) => Promise<boolean>;
}

export interface RegistryOptions {
  readonly log: HostLog;
  /** Where a plugin's base_url may point. */
  readonly allowBaseUrl: AllowBaseUrl;
  readonly metrics?: HostMetrics | undefined;
  /** The time in milliseconds, the clock's by default. */
  readonly now?: (() => number) | undefined;
  /** The guard against talking to the wrong server; the protocol's own by default. */
  readonly cookie?: { readonly key: string; readonly value: string } | undefined;
  /** 1 by default. */
  readonly appProtocolVersion?: number | undefined;
  /** Told at the handshake. */
  readonly serverMetadata?: Readonly<Record<string, string>> | undefined;
  /** The URL that plugins reach the host at, for grants' endpoints; the call's Host header by default. */
  readonly hostUrl?: string | undefined;
  /** Self id → the types that it may register. One that is not named: what its GetPluginInfo declares, or any. */
  readonly allow?: Readonly<Record<string, readonly string[]>> | undefined;
  /**
   * Proves who shakes hands; absent where whoever reaches the host may. Throws an Error for the plugin, which is answered as
   * `unauthenticated`.
   */
  readonly identify?: ((call: HandshakeCall) => Promise<Vouched>) | undefined;
  /** Service type → how one of several providers is chosen; `first` by default. */
  readonly selection?: Readonly<Record<string, Selection>> | undefined;
  /** Capabilities beside the logger, whose handlers the caller serves and guards with `useGrant`. */
  readonly capabilities?: readonly HostCapability[] | undefined;
  /** File that the registry is kept in; nothing is kept by default. */
  readonly stateFile?: string | undefined;
  readonly limits?: Partial<RegistryLimits> | undefined;
}
