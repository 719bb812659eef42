/**
 * The way to the host: shake hands, register, tell how one is, again and again. Whatever fails is tried anew, and a host that
 * has forgotten the plugin is told of it from the beginning.
 */
import Pool from 'undici/lib/dispatcher/pool.js';
import { ConnectError, createConnectClient } from '../../connect/index.js';
import type { ConnectClient } from '../../connect/index.js';
import { HandshakeService, PluginLifecycle } from '../../proto/gen/connectplugin/v1/plugin_pb.js';
import { healthMessage } from './health.js';
import type { HealthBook } from './health.js';
import type { Settings } from './options.js';
import { createBackOff, createPause } from './pause.js';
import { createRegistrations } from './registrations.js';
import { createWait } from './wait.js';

/** Who the plugin is to a host. */
export interface Identity {
  readonly runtimeId: string;
  readonly runtimeToken: string;
  /** Without a slash at its end. */
  readonly hostUrl: string;
}

/** A host that knows the plugin. */
export interface Host {
  readonly identity: Identity;
  /** Sends the identity along. */
  readonly client: ConnectClient;
  /** Connections to the host's origin, for calls of other kinds. */
  readonly pool: Pool;
  /** The path of the host's URL, without a slash at its end. */
  readonly prefix: string;
  /** Fires when the host does not know the plugin any more, or another one does. */
  readonly gone: AbortSignal;
}

export interface Link {
  /** The host, as long as it knows the plugin. */
  host(): Host | undefined;
  /** Waits for one. Rejects with the signal's reason, and with ConnectError when the plugin stops. */
  whenKnown(signal: AbortSignal): Promise<Host>;
  /** All services are registered there, now. */
  registered(): boolean;
  /** The host answered when it was last asked. */
  inTouch(): boolean;
  /** A host that manages the plugin says who it is. */
  adopt(identity: Identity): void;
  /** Asks the host whether it still knows this identity. */
  doubt(identity: Identity): void;
  /** Called whenever the plugin becomes known to a host, or registered, and after every heartbeat. */
  onBeat(listener: () => void): void;
  /** Begins to seek the host. */
  start(): void;
  /** Unregisters, what is being registered too, and tells the host nothing more; calls go on. */
  unregister(): Promise<void>;
  /** Ends all connections. */
  close(): void;
}

export interface LinkOptions {
  readonly settings: Settings;
  readonly health: HealthBook;
  /** Where the host reaches the plugin now. */
  readonly baseUrl: () => string;
}

/** The host does not know the identity (any more). */
const FORGOTTEN: ReadonlySet<string> = new Set(['unauthenticated', 'not_found']);
/** Between tries to reach a host, and to be taken by one that refuses. */
const UNREACHED_MS = 1_000;
const UNWANTED_MS = 5_000;

const inReach = (error: unknown): boolean => ConnectError.from(error).code !== 'unavailable';

export function createLink({ settings, health, baseUrl }: LinkOptions): Link {
  const { id, log, heartbeatMs } = settings;
  const pause = createPause();
  const backOff = createBackOff();
  const listeners = new Set<() => void>();
  const stopping = new AbortController();
  const registrations = createRegistrations({ settings, health, stopping: stopping.signal });
  let host: Host | undefined;
  const knowing = createWait(() => host);
  let leave = new AbortController();
  let inTouch = false;
  let told = '';

  const tell = (): void => {
    for (const listener of [...listeners]) listener();
  };

  const forget = (): void => {
    leave.abort();
    void host?.client.close();
    void host?.pool.close();
    host = undefined;
    registrations.forget();
  };

  const know = (identity: Identity): void => {
    forget();
    leave = new AbortController();
    host = {
      identity,
      client: clientOf(identity),
      pool: poolOf(identity),
      prefix: prefixOf(identity),
      gone: leave.signal,
    };
    log.info(`${id} is ${identity.runtimeId} to the host ${identity.hostUrl}`);
    knowing.look();
  };

  const shakeHands = async (hostUrl: string): Promise<void> => {
    const token = await settings.token?.();
    const client = createConnectClient({ baseUrl: hostUrl });
    try {
      const { runtimeId, runtimeToken } = await client.unary(
        HandshakeService.method.handshake,
        {
          coreProtocolVersion: 1,
          appProtocolVersion: settings.appProtocolVersion,
          magicCookieKey: settings.cookie.key,
          magicCookieValue: settings.cookie.value,
          clientMetadata: { base_url: baseUrl() },
          selfId: id,
          selfVersion: settings.version,
        },
        {
          signal: stopping.signal,
          ...(token === undefined ? {} : { headers: { authorization: `Bearer ${token}` } }),
        },
      );
      if (runtimeId === '' || runtimeToken === '')
        throw new ConnectError(
          'internal',
          `${hostUrl} shook hands, and gave no identity: it is no plugin host`,
        );
      know({ runtimeId, runtimeToken, hostUrl });
    } finally {
      void client.close();
    }
  };

  const report = ({ client }: Host): Promise<unknown> =>
    client.unary(PluginLifecycle.method.reportHealth, healthMessage(health.now()), {
      signal: stopping.signal,
    });

  const failed = (error: unknown): void => {
    inTouch = false;
    const { code, message } = ConnectError.from(error);
    if (host !== undefined && FORGOTTEN.has(code)) {
      log.warn(`${id}: the host ${host.identity.hostUrl} does not know ${host.identity.runtimeId} any more`);
      forget();
      // It is there, and takes who comes anew.
      backOff.reset();
    } else if (told !== message) {
      log.warn(`${id}: ${message}; trying again`);
      told = message;
    }
    // What comes back may be a host that has forgotten what was registered.
    if (code === 'unavailable') registrations.doubt();
  };

  const beat = async (): Promise<void> => {
    if (host === undefined && settings.hostUrl !== undefined) await shakeHands(settings.hostUrl);
    if (host === undefined) return;
    const known = host;
    await registrations.register(known, baseUrl());
    await report(known);
    inTouch = true;
    backOff.reset();
    told = '';
  };

  const run = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      let waitMs = heartbeatMs;
      try {
        await beat();
      } catch (error) {
        if (stopping.signal.aborted) return;
        failed(error);
        waitMs = backOff.next(inReach(error) ? UNWANTED_MS : UNREACHED_MS);
      }
      tell();
      await pause.wait(waitMs);
    }
  };

  let stopTelling: () => void = () => undefined;
  let running: Promise<void> | undefined;

  return {
    host: () => host,
    registered: () => host !== undefined && registrations.complete(),
    inTouch: () => inTouch && host !== undefined,
    whenKnown: (signal) => knowing.value(AbortSignal.any([signal, stopping.signal])),
    adopt(identity) {
      // A host says it again when it cannot know whether this is the process that it told; calls under way go on. Should
      // the host have forgotten the plugin meanwhile, the heartbeat finds out.
      if (!isSame(identity, host?.identity)) know(identity);
      pause.wake();
    },
    doubt(identity) {
      if (identity === host?.identity) pause.wake();
    },
    onBeat: (listener) => void listeners.add(listener),
    start() {
      stopTelling = health.onChange(() => pause.wake());
      running ??= run();
    },
    async unregister() {
      stopTelling();
      stopping.abort(new ConnectError('unavailable', `${id} stops, and is known to no host any more`));
      pause.wake();
      await running;
      if (host !== undefined) await registrations.unregister(host.client);
    },
    close: forget,
  };
}

const isSame = (one: Identity, other: Identity | undefined): boolean =>
  one.runtimeId === other?.runtimeId &&
  one.runtimeToken === other.runtimeToken &&
  one.hostUrl === other.hostUrl;

/** What says to a host who calls. */
export const identityHeaders = ({ runtimeId, runtimeToken }: Identity): Record<string, string> => ({
  'x-plugin-runtime-id': runtimeId,
  authorization: `Bearer ${runtimeToken}`,
});

const clientOf = (identity: Identity): ConnectClient =>
  createConnectClient({ baseUrl: identity.hostUrl, headers: identityHeaders(identity) });

/** Calls have deadlines of their own, and streams none. */
const poolOf = ({ hostUrl }: Identity): Pool =>
  new Pool(new URL(hostUrl).origin, { headersTimeout: 0, bodyTimeout: 0 });

const prefixOf = ({ hostUrl }: Identity): string => new URL(hostUrl).pathname.replace(/\/+$/, '');
