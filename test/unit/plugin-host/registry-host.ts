/** A registry on a real port, and plugins that call it with the real client. */
import { randomBytes } from 'node:crypto';
import { createConnectClient, createHandler, ConnectError, listenBoth } from '../../../connect/index.js';
import type { ConnectClient } from '../../../connect/index.js';
import type { HealthState } from '../../../proto/gen/connectplugin/v1/plugin_pb.js';
import {
  HandshakeService,
  PluginLifecycle,
  ServiceRegistry,
} from '../../../proto/gen/connectplugin/v1/plugin_pb.js';
import { withoutGrant } from '../../../server/plugin-host/registry/capability-path.js';
import { DEFAULT_COOKIE } from '../../../server/plugin-host/registry/handshake.js';
import { createRegistry } from '../../../server/plugin-host/registry/registry.js';
import type { Registry, RegistryOptions } from '../../../server/plugin-host/registry/registry.js';

export const HOUR = 3_600_000;

/** What a handshake says when all is right with it. */
export const GREETING = {
  coreProtocolVersion: 1,
  appProtocolVersion: 1,
  magicCookieKey: DEFAULT_COOKIE.key,
  magicCookieValue: DEFAULT_COOKIE.value,
};

export interface TestClock {
  /** Milliseconds; moved by hand. */
  now: number;
}

/** Lines that were logged, the text for people alone. */
export function memoryLog() {
  const lines: string[] = [];
  const add = (_fields: object, text: string): void => void lines.push(text);
  return { lines, info: add, warn: add };
}

/** A registry without a server. Base URLs may point to loopback by name or address. */
export function newRegistry(options: Partial<RegistryOptions> = {}) {
  const clock: TestClock = { now: 1_000_000 };
  const log = memoryLog();
  const registry = createRegistry({
    log,
    now: () => clock.now,
    allowBaseUrl: ({ hostname }) => {
      if (hostname !== 'localhost' && !hostname.startsWith('127.'))
        throw new Error('it is not an address of this pod.');
    },
    ...options,
  });
  return { registry, clock, lines: log.lines };
}

/** A client of the host as one plugin: it carries the plugin's identity. */
export interface TestPlugin {
  readonly runtimeId: string;
  readonly token: string;
  readonly client: ConnectClient;
  register(
    type: string,
    more?: { version?: string; path?: string; metadata?: Record<string, string> },
  ): Promise<string>;
  discover(type: string, minVersion?: string): Promise<string>;
  report(state: HealthState, reason?: string, unavailableDependencies?: string[]): Promise<void>;
}

export interface TestHost {
  readonly registry: Registry;
  readonly clock: TestClock;
  readonly lines: string[];
  readonly url: string;
  /** A client without identity, or with these headers. */
  client(headers?: Record<string, string>): ConnectClient;
  /** Shakes hands. */
  join(selfId: string, more?: { port?: number; selfVersion?: string }): Promise<TestPlugin>;
  close(): Promise<void>;
}

export const identityOf = ({
  runtimeId,
  token,
}: {
  runtimeId: string;
  token: string;
}): Record<string, string> => ({
  'x-plugin-runtime-id': runtimeId,
  authorization: `Bearer ${token}`,
});

export async function startHost(options: Partial<RegistryOptions> = {}): Promise<TestHost> {
  const { registry, clock, lines } = newRegistry(options);
  const stopping = new AbortController();
  const handle = createHandler(registry.handlers, { stopping: stopping.signal });
  const listener = await listenBoth({
    host: '127.0.0.1',
    port: 0,
    onRequest(request, response) {
      request.url = withoutGrant(request.url ?? '');
      if (!handle(request, response)) response.writeHead(404).end();
    },
  });
  const url = `http://127.0.0.1:${listener.port}`;
  const shared = createConnectClient({ baseUrl: url });

  const client = (headers: Record<string, string> = {}): ConnectClient => ({
    unary: (method, request, call) => shared.unary(method, request, { ...call, headers }),
    stream: (method, request, call) => shared.stream(method, request, { ...call, headers }),
    close: () => Promise.resolve(),
  });

  async function join(selfId: string, { port = 8000, selfVersion = '1.0.0' } = {}): Promise<TestPlugin> {
    const answer = await client().unary(HandshakeService.method.handshake, {
      ...GREETING,
      selfId,
      selfVersion,
    });
    const identity = { runtimeId: answer.runtimeId, token: answer.runtimeToken };
    const own = client(identityOf(identity));
    return {
      ...identity,
      client: own,
      async register(type, { version = '1.0.0', path = `/${type}.v1/`, metadata } = {}) {
        const { registrationId } = await own.unary(ServiceRegistry.method.registerService, {
          serviceType: type,
          version,
          endpointPath: path,
          metadata: metadata ?? { base_url: `http://127.0.0.1:${port}` },
        });
        return registrationId;
      },
      async discover(type, minVersion = '') {
        const { endpoint } = await own.unary(ServiceRegistry.method.discoverService, {
          serviceType: type,
          minVersion,
        });
        return endpoint?.providerId ?? '';
      },
      async report(state, reason = '', unavailableDependencies = []) {
        await own.unary(PluginLifecycle.method.reportHealth, { state, reason, unavailableDependencies });
      },
    };
  }

  return {
    ...{ registry, clock, lines, url, client, join },
    async close() {
      stopping.abort();
      await shared.close();
      await listener.close(100);
      await registry.close();
    },
  };
}

/** The code and the message that a call fails with. Throws when it does not fail. */
export async function failure(call: Promise<unknown>): Promise<{ code: string; message: string }> {
  try {
    await call;
  } catch (error) {
    if (error instanceof ConnectError) return { code: error.code, message: error.message };
    throw error;
  }
  throw new Error('the call did not fail');
}

export const someToken = (): string => randomBytes(32).toString('base64url');

/** What a prober tells of a plugin, asked at the first of its addresses. */
export const probe = (registry: Registry) => {
  const at = (runtimeId: string): string => registry.plugin(runtimeId)?.baseUrl ?? '';
  return {
    alive: (runtimeId: string, report?: Parameters<Registry['alive']>[2]) =>
      registry.alive(runtimeId, at(runtimeId), report),
    silent: (runtimeId: string, why: string) => registry.silent(runtimeId, at(runtimeId), why),
  };
};
