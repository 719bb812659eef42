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

interface Watch<T> {
  readonly directory: Directory;
  readonly type: string;
  /** What there is to tell of the type; undefined when all is as it was told last. */
  news(): T | undefined;
  /** Called once, when nobody reads any more. */
  left(): void;
}

/** The type as it is, then each change, until the feed or the signal ends that. */
function follow<T>({ directory, type, news, left }: Watch<T>, feed: Feed<T>, signal: AbortSignal) {
  const look = (): void => {
    const found = news();
    if (found !== undefined) feed.push(found);
  };
  look();
  const unsubscribe = directory.subscribe(type, look);
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
  const end = (): void =>
    feed.end(refusal('unauthenticated', `${plugin.runtimeId} is gone from this host; shake hands again.`));
  plugin.watches.add(end);
  let last: TypeState | undefined;
  const news = (): ServiceEvent | undefined => {
    const state = directory.stateOf(type, last?.registration?.provider);
    if (last !== undefined && isSame(last, state)) return undefined;
    last = state;
    return eventOf(type, state);
  };
  const left = (): void => void plugin.watches.delete(end);
  return follow({ directory, type, news, left }, feed, signal);
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
  let last: ServingStatus | undefined;
  const news = (): { status: ServingStatus } | undefined => {
    const status = servingStatus(directory, service);
    return status === last ? undefined : { status: (last = status) };
  };
  return follow({ directory, type: service, news, left }, createFeed(), signal);
}
