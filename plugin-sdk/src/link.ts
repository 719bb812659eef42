/**
 * The way to the host: shake hands, register, tell how one is, again and again. Whatever fails is tried anew, and a host that
 * has forgotten the plugin is told of it from the beginning.
 */
import Pool from 'undici/lib/dispatcher/pool.js';
import { ConnectError, createConnectClient } from '../../connect/index.js';
import type { ConnectClient } from '../../connect/index.js';
import {
  HandshakeService,
  PluginLifecycle,
  ServiceRegistry,
} from '../../proto/gen/connectplugin/v1/plugin_pb.js';
import { healthMessage } from './health.js';
import type { HealthBook } from './health.js';
import type { ProvidedService, Settings } from './options.js';
import { createBackOff, createPause } from './pause.js';
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
  /** Waits for one. Rejects with the signal's reason. */
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
  /** Unregisters and tells the host nothing more; calls go on. */
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
/** Answers that stay the same for the same question, until somebody changes the host's configuration. */
const REFUSALS: ReadonlySet<string> = new Set([
  'permission_denied',
  'invalid_argument',
  'already_exists',
  'failed_precondition',
  'unimplemented',
]);
/** Between tries to reach a host, and to be taken by one that refuses. */
const UNREACHED_MS = 1_000;
const UNWANTED_MS = 5_000;
const REFUSED_MS = 30_000;
const FAREWELL_MS = 2_000;

const inReach = (error: unknown): boolean => ConnectError.from(error).code !== 'unavailable';

/** Where and as what a service is registered, or why not. */
interface Registration {
  readonly id: string | undefined;
  readonly baseUrl: string;
  readonly refusal?: string;
  readonly refusedAt?: number;
}

export function createLink({ settings, health, baseUrl }: LinkOptions): Link {
  const { id, log, heartbeatMs } = settings;
  const pause = createPause();
  const backOff = createBackOff();
  const registrations = new Map<string, Registration>();
  const listeners = new Set<() => void>();
  const stopping = new AbortController();
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
    registrations.clear();
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

  const registerOne = async ({ client }: Host, service: ProvidedService, at: string): Promise<void> => {
    const { type, version, path, metadata } = service;
    const before = registrations.get(type);
    const { registrationId } = await client.unary(
      ServiceRegistry.method.registerService,
      { serviceType: type, version, endpointPath: path, metadata: { ...metadata, base_url: at } },
      { signal: stopping.signal },
    );
    registrations.set(type, { id: registrationId, baseUrl: at });
    log.info(`${id} provides ${type} ${version} at ${at}${path}`);
    if (before?.id !== undefined && before.id !== registrationId)
      // A host that replaced the registration by itself knows it no more.
      await client
        .unary(
          ServiceRegistry.method.unregisterService,
          { registrationId: before.id },
          { signal: stopping.signal },
        )
        .catch(() => undefined);
  };

  const isDone = (type: string, at: string): boolean => {
    const { baseUrl: registeredAt, refusedAt } = registrations.get(type) ?? {};
    if (registeredAt !== at) return false;
    return refusedAt === undefined || performance.now() - refusedAt < REFUSED_MS;
  };

  const register = async (known: Host): Promise<void> => {
    const at = baseUrl();
    for (const service of settings.provides) {
      if (isDone(service.type, at)) continue;
      try {
        await registerOne(known, service, at);
      } catch (error) {
        const { code, message } = ConnectError.from(error);
        if (!REFUSALS.has(code)) throw error;
        const refusal = `the host ${known.identity.hostUrl} refuses the service ${service.type}: ${message}`;
        registrations.set(service.type, {
          id: undefined,
          baseUrl: at,
          refusal,
          refusedAt: performance.now(),
        });
        log.warn(`${id}: ${refusal}`);
      }
    }
    health.hindered([...registrations.values()].find(({ refusal }) => refusal !== undefined)?.refusal);
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
    if (code === 'unavailable')
      for (const [type, before] of registrations) registrations.set(type, { ...before, baseUrl: '' });
  };

  const beat = async (): Promise<void> => {
    if (host === undefined && settings.hostUrl !== undefined) await shakeHands(settings.hostUrl);
    if (host === undefined) return;
    const known = host;
    await register(known);
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

  const farewell = async (): Promise<void> => {
    if (host === undefined) return;
    const { client } = host;
    const ids = [...registrations.values()].flatMap(({ id: registrationId }) => registrationId ?? []);
    const method = ServiceRegistry.method.unregisterService;
    await Promise.allSettled(
      ids.map((registrationId) => client.unary(method, { registrationId }, { timeoutMs: FAREWELL_MS })),
    );
    registrations.clear();
  };

  let stopTelling: () => void = () => undefined;
  let running: Promise<void> | undefined;

  return {
    host: () => host,
    registered: () => {
      return (
        host !== undefined && settings.provides.every(({ type }) => isRegistered(registrations.get(type)))
      );
    },
    inTouch: () => inTouch && host !== undefined,
    whenKnown: knowing.value,
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
      stopping.abort();
      pause.wake();
      await running;
      await farewell();
    },
    close: forget,
  };
}

const isSame = (one: Identity, other: Identity | undefined): boolean =>
  one.runtimeId === other?.runtimeId &&
  one.runtimeToken === other.runtimeToken &&
  one.hostUrl === other.hostUrl;

const isRegistered = (registration: Registration | undefined): boolean =>
  registration?.id !== undefined && registration.baseUrl !== '';

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
