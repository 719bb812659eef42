/** One service of others: found, watched, and found anew when it moves or goes. */
import { ConnectError } from '../../connect/index.js';
import { ServiceRegistry } from '../../proto/gen/connectplugin/v1/plugin_pb.js';
import type { Host, Link } from './link.js';
import { createBackOff, createPause } from './pause.js';
import { createWait } from './wait.js';

/** Where calls to a provider go. */
export interface Provider {
  /** Its runtime id. */
  readonly id: string;
  /** Its version. */
  readonly version: string;
  /** To be appended to the host's URL; without a slash at its end. */
  readonly path: string;
  readonly metadata: Readonly<Record<string, string>>;
}

export interface Dependency {
  readonly type: string;
  /** The provider that was found last, unless it is known to be gone. */
  provider(): Provider | undefined;
  /** Asks the host now; several callers share one question. Rejects with ConnectError, `unavailable` when there is none. */
  find(): Promise<Provider>;
  /** A call failed in a way that may mean that the provider moved: asks the host, though not at every such call. */
  doubt(): void;
  /** Takes up again what waits for the host to answer. */
  hostAnswers(): void;
  /** Keeps looking and watching from now on. */
  watch(): void;
  /** Waits for a provider. Rejects with the signal's reason. */
  whenThere(signal?: AbortSignal): Promise<Provider>;
  /** Looks no more by itself. */
  unwatch(): void;
}

export interface DependencyOptions {
  readonly link: Link;
  readonly type: string;
  /** Empty for any. */
  readonly minVersion: string;
  /** A provider was found, changed or lost. */
  readonly onChange: () => void;
}

const MOST_MS = 5_000;
const DOUBT_MS = 250;

export function createDependency({ link, type, minVersion, onChange }: DependencyOptions): Dependency {
  const wanted = minVersion === '' ? type : `${type} ${minVersion}`;
  const stopping = new AbortController();
  const pause = createPause();
  let provider: Provider | undefined;
  const there = createWait(() => provider);
  let finding: Promise<Provider> | undefined;
  let askedAt = -Infinity;
  let watching = false;
  let waits = false;

  const settle = (found: Provider | undefined): void => {
    const changed = found?.path !== provider?.path;
    provider = found;
    there.look();
    if (changed) onChange();
  };

  const ask = async (): Promise<Provider> => {
    const host = link.host();
    if (host === undefined)
      throw new ConnectError('unavailable', `${wanted} cannot be looked for: no host knows this plugin`);
    try {
      const found = await discover(host, type, minVersion);
      settle(found);
      return found;
    } catch (cause) {
      const { code, message } = ConnectError.from(cause);
      if (code === 'unauthenticated') link.doubt(host.identity);
      // A host that does not answer says nothing about the service.
      if (code !== 'not_found' && code !== 'invalid_argument' && code !== 'permission_denied') throw cause;
      settle(undefined);
      throw new ConnectError(
        'unavailable',
        `nobody provides ${wanted} at ${host.identity.hostUrl}: ${message}`,
        {
          cause,
        },
      );
    }
  };

  const find = (): Promise<Provider> => {
    if (finding === undefined) askedAt = performance.now();
    finding ??= ask().finally(() => {
      finding = undefined;
    });
    return finding;
  };

  const doubt = (): void => {
    if (performance.now() - askedAt > DOUBT_MS) void find().catch(() => undefined);
  };

  /** Every event is a reason to ask again: the event knows nothing of the version that is needed. */
  const follow = async (host: Host, seen: () => void): Promise<void> => {
    const signal = AbortSignal.any([stopping.signal, host.gone]);
    const events = host.client.stream(ServiceRegistry.method.watchService, { serviceType: type }, { signal });
    for await (const _ of events) {
      seen();
      // A question that is under way may be older than the event.
      await finding?.catch(() => undefined);
      await find().catch(() => undefined);
    }
  };

  const run = async (): Promise<void> => {
    const backOff = createBackOff();
    while (!stopping.signal.aborted) {
      try {
        const host = await link.whenKnown(stopping.signal);
        await find().catch(() => undefined);
        await follow(host, backOff.reset);
      } catch {
        // The stream broke: what matters is in the next answer.
      }
      if (stopping.signal.aborted) return;
      waits = true;
      await pause.wait(backOff.next(MOST_MS));
      waits = false;
    }
  };

  return {
    type,
    provider: () => provider,
    find,
    doubt,
    hostAnswers() {
      if (waits) pause.wake();
      if (provider === undefined) doubt();
    },
    watch() {
      if (!watching) void run();
      watching = true;
    },
    whenThere: there.value,
    unwatch() {
      stopping.abort();
      pause.wake();
    },
  };
}

async function discover({ client }: Host, serviceType: string, minVersion: string): Promise<Provider> {
  const { endpoint } = await client.unary(ServiceRegistry.method.discoverService, {
    serviceType,
    minVersion,
  });
  if (endpoint?.endpointUrl.startsWith('/') !== true)
    throw new ConnectError('not_found', 'the host names no provider that it routes to');
  const { providerId, version, endpointUrl, metadata } = endpoint;
  return { id: providerId, version, path: endpointUrl.replace(/\/+$/, ''), metadata };
}
