/** What the plugin's host has of its services: registered where they are now, and taken away when the plugin stops. */
import { ConnectError } from '../../connect/index.js';
import type { ConnectClient } from '../../connect/index.js';
import { ServiceRegistry } from '../../proto/gen/connectplugin/v1/plugin_pb.js';
import type { HealthBook } from './health.js';
import type { Host } from './link.js';
import type { ProvidedService, Settings } from './options.js';

export interface Registrations {
  /** Registers what is not registered at this URL yet, until the plugin stops. What the host refuses is told as the plugin's health. */
  register(host: Host, at: string): Promise<void>;
  /** All services are registered. */
  complete(): boolean;
  /** The host may have forgotten them: they are registered anew, and unregistered at the end all the same. */
  doubt(): void;
  /** Another host knows of none. */
  forget(): void;
  /** Unregisters all that the host is known to have. */
  unregister(client: ConnectClient): Promise<void>;
}

export interface RegistrationsOptions {
  readonly settings: Settings;
  readonly health: HealthBook;
  /** Fires when the plugin begins to stop. */
  readonly stopping: AbortSignal;
}

/** Answers that stay the same for the same question, until somebody changes the host's configuration. */
const REFUSALS: ReadonlySet<string> = new Set([
  'permission_denied',
  'invalid_argument',
  'already_exists',
  'failed_precondition',
  'unimplemented',
]);
const REFUSED_MS = 30_000;
const FAREWELL_MS = 2_000;

/** Where and as what a service is registered, or why not. */
interface Registration {
  readonly id: string | undefined;
  readonly baseUrl: string;
  readonly refusal?: string;
  readonly refusedAt?: number;
}

const isRegistered = (registration: Registration | undefined): boolean =>
  registration?.id !== undefined && registration.baseUrl !== '';

/** A signal that follows another one after so many milliseconds. */
function later(signal: AbortSignal, ms: number): AbortSignal {
  const following = new AbortController();
  signal.addEventListener('abort', () => void setTimeout(() => following.abort(), ms).unref(), {
    once: true,
  });
  return following.signal;
}

export function createRegistrations({ settings, health, stopping }: RegistrationsOptions): Registrations {
  const { id, log, provides } = settings;
  const known = new Map<string, Registration>();
  const { registerService, unregisterService } = ServiceRegistry.method;
  // A host may have what it has not answered yet, and only its answer says how to take that back.
  const signal = later(stopping, FAREWELL_MS);

  const registerOne = async (client: ConnectClient, service: ProvidedService, at: string): Promise<void> => {
    const { type, version, path, metadata } = service;
    const before = known.get(type);
    const { registrationId } = await client.unary(
      registerService,
      { serviceType: type, version, endpointPath: path, metadata: { ...metadata, base_url: at } },
      { signal },
    );
    known.set(type, { id: registrationId, baseUrl: at });
    log.info(`${id} provides ${type} ${version} at ${at}${path}`);
    if (before?.id !== undefined && before.id !== registrationId)
      // A host that replaced the registration by itself knows it no more.
      await client.unary(unregisterService, { registrationId: before.id }, { signal }).catch(() => undefined);
  };

  const isDone = (type: string, at: string): boolean => {
    const { baseUrl: registeredAt, refusedAt } = known.get(type) ?? {};
    if (registeredAt !== at) return false;
    return refusedAt === undefined || performance.now() - refusedAt < REFUSED_MS;
  };

  const refused = ({ identity }: Host, type: string, at: string, why: string): void => {
    const refusal = `the host ${identity.hostUrl} refuses the service ${type}: ${why}`;
    known.set(type, { id: undefined, baseUrl: at, refusal, refusedAt: performance.now() });
    log.warn(`${id}: ${refusal}`);
  };

  return {
    async register(host, at) {
      for (const service of provides) {
        if (stopping.aborted) return;
        if (isDone(service.type, at)) continue;
        try {
          await registerOne(host.client, service, at);
        } catch (error) {
          const { code, message } = ConnectError.from(error);
          if (!REFUSALS.has(code)) throw error;
          refused(host, service.type, at, message);
        }
      }
      health.hindered([...known.values()].find(({ refusal }) => refusal !== undefined)?.refusal);
    },
    complete: () => provides.every(({ type }) => isRegistered(known.get(type))),
    doubt() {
      for (const [type, before] of known) known.set(type, { ...before, baseUrl: '' });
    },
    forget: () => known.clear(),
    async unregister(client) {
      const ids = [...known.values()].flatMap(({ id: registrationId }) => registrationId ?? []);
      await Promise.allSettled(
        ids.map((registrationId) =>
          client.unary(unregisterService, { registrationId }, { timeoutMs: FAREWELL_MS }),
        ),
      );
      known.clear();
    },
  };
}
