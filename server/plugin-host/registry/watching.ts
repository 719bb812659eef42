/** The streams of the registry: how a type of service is, from now on. */
import type { CallContext } from '../../../connect/types.js';
import { ServiceState } from '../../../proto/gen/connectplugin/v1/plugin_pb.js';
import { ServingStatus } from '../../../proto/gen/connectplugin/health/v1/health_pb.js';
import type { Registration } from '../port.js';
import type { Directory, TypeState } from './directory.js';
import { createFeed } from './feed.js';
import type { Feed } from './feed.js';
import type { PluginEntry } from './model.js';
import { refusal } from './refusal.js';

const STATES = {
  available: ServiceState.AVAILABLE,
  degraded: ServiceState.DEGRADED,
  unavailable: ServiceState.UNAVAILABLE,
} as const;

/** An endpoint as plugins are told it: the path at the host by which the provider is called. */
export const endpointOf = ({ type, provider, version, metadata }: Registration) => ({
  providerId: provider,
  version,
  endpointUrl: `/services/${type}/${provider}`,
  metadata: { ...metadata },
});

export interface ServiceEvent {
  readonly serviceType: string;
  readonly state: ServiceState;
  readonly endpoint?: ReturnType<typeof endpointOf>;
}

const eventOf = (serviceType: string, { state, registration }: TypeState): ServiceEvent => ({
  serviceType,
  state: STATES[state],
  ...(registration === undefined ? {} : { endpoint: endpointOf(registration) }),
});

/** Whether a watcher would be told the same. Targets do not count: the router sees to them. */
const isSame = (one: TypeState, other: TypeState): boolean =>
  one.state === other.state &&
  one.registration?.id === other.registration?.id &&
  one.registration?.provider === other.registration?.provider &&
  one.registration?.version === other.registration?.version &&
  one.registration?.metadata === other.registration?.metadata;

async function* reading<T>(feed: Feed<T>, signal: AbortSignal, leave: () => void): AsyncGenerator<T> {
  try {
    yield* feed.read(signal);
  } finally {
    leave();
  }
}

/** The type's state for one plugin: as it is, then each change, until the plugin's identity ends. */
export function watchType(
  directory: Directory,
  plugin: PluginEntry,
  type: string,
  { signal }: CallContext,
): AsyncGenerator<ServiceEvent> {
  const feed = createFeed<ServiceEvent>();
  let last = directory.stateOf(type);
  feed.push(eventOf(type, last));
  const unsubscribe = directory.subscribe(type, () => {
    const next = directory.stateOf(type, last.registration?.provider);
    if (isSame(last, next)) return;
    last = next;
    feed.push(eventOf(type, next));
  });
  const end = (): void =>
    feed.end(refusal('unauthenticated', `${plugin.runtimeId} is gone from this host; shake hands again.`));
  plugin.watches.add(end);
  const leave = (): void => {
    unsubscribe();
    plugin.watches.delete(end);
  };
  signal.addEventListener('abort', leave);
  if (signal.aborted) leave();
  return reading(feed, signal, leave);
}

/** How a type, or with an empty name the host, is served. */
export function servingStatus(directory: Directory, service: string): ServingStatus {
  if (service === '') return ServingStatus.SERVING;
  if (directory.candidates(service, '').length > 0) return ServingStatus.SERVING;
  return directory.has(service) ? ServingStatus.NOT_SERVING : ServingStatus.SERVICE_UNKNOWN;
}

export function watchServing(
  directory: Directory,
  service: string,
  signal: AbortSignal,
  left: () => void,
): AsyncGenerator<{ status: ServingStatus }> {
  const feed = createFeed<{ status: ServingStatus }>();
  let last = servingStatus(directory, service);
  feed.push({ status: last });
  const unsubscribe = directory.subscribe(service, () => {
    const next = servingStatus(directory, service);
    if (next === last) return;
    last = next;
    feed.push({ status: next });
  });
  let gone = false;
  const leave = (): void => {
    if (gone) return;
    gone = true;
    unsubscribe();
    left();
  };
  signal.addEventListener('abort', leave);
  if (signal.aborted) leave();
  return reading(feed, signal, leave);
}
