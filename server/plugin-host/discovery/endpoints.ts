/** Where the API says that plugins are: EndpointSlices of labelled Services, as places to dial. Pure. */
import type { EndpointSlice } from '../../ports.js';
import { quoted } from '../registry/rules.js';
import { urlHost } from './addresses.js';

const SERVICE_LABEL = 'kubernetes.io/service-name';
/** The port that is meant where a Service has several. */
const PORT_NAME = 'plugin';

/** A pod of a plugin. */
export interface Endpoint {
  /** `leaving`: asked to go, and still serving; `starting`: not ready, or no longer. */
  readonly state: 'ready' | 'starting' | 'leaving';
  /** `http://10.0.0.1:8082` */
  readonly baseUrl: string;
  /** As the URL has it. */
  readonly host: string;
  readonly pod: { readonly namespace: string; readonly name: string; readonly uid: string };
}

/** A pod among all: a slice written by hand may have the uid of any pod, but its namespace is its own. */
export const podKey = ({ namespace, uid }: Endpoint['pod']): string => `${namespace}/${uid}`;

/** An endpoint among all. */
const endpointKey = ({ pod, baseUrl }: Endpoint): string => `${podKey(pod)} ${baseUrl}`;

/** Whether it is the key of an endpoint of the pod. */
export const isOf = (pod: Endpoint['pod'], key: string): boolean => key.startsWith(`${podKey(pod)} `);

/** The Service that a slice belongs to, as `namespace/name`; undefined for a slice that says none. */
export function serviceOf({ metadata }: EndpointSlice): string | undefined {
  const name = metadata?.labels?.[SERVICE_LABEL];
  return name === undefined ? undefined : `${metadata?.namespace}/${name}`;
}

type Ports = NonNullable<EndpointSlice['ports']>;

const usablePorts = ({ ports }: EndpointSlice): Ports =>
  (ports ?? []).filter(({ protocol }) => protocol === undefined || protocol === 'TCP');

/** The port named `plugin`, else the only one. */
function portOf(slice: EndpointSlice): number | undefined {
  const usable = usablePorts(slice);
  const port = usable.find(({ name }) => name === PORT_NAME) ?? (usable.length === 1 ? usable[0] : undefined);
  return port?.port ?? undefined;
}

/** What is kept of a slice: all that is read here. */
export const slimSlice = ({ metadata, addressType, endpoints, ports }: EndpointSlice): EndpointSlice => ({
  metadata: {
    ...(metadata?.namespace === undefined ? {} : { namespace: metadata.namespace }),
    ...(metadata?.name === undefined ? {} : { name: metadata.name }),
    ...(metadata?.uid === undefined ? {} : { uid: metadata.uid }),
    ...(metadata?.resourceVersion === undefined ? {} : { resourceVersion: metadata.resourceVersion }),
    ...(metadata?.labels === undefined ? {} : { labels: metadata.labels }),
  },
  addressType,
  endpoints: (endpoints ?? []).map(({ addresses, conditions, targetRef }) => ({
    addresses,
    ...(conditions === undefined ? {} : { conditions }),
    ...(targetRef === undefined ? {} : { targetRef }),
  })),
  ...(ports === undefined ? {} : { ports }),
});

const stateOf = ({ conditions }: EndpointSlice['endpoints'][number]): Endpoint['state'] | 'gone' => {
  if (conditions?.terminating === true) return conditions.serving === true ? 'leaving' : 'gone';
  // Without a word on it, an endpoint is ready.
  return conditions?.ready === false ? 'starting' : 'ready';
};

/** Where an endpoint is and whose; else why nobody calls it. */
function placeOf(
  { metadata }: EndpointSlice,
  { addresses, targetRef }: EndpointSlice['endpoints'][number],
): Pick<Endpoint, 'host' | 'pod'> | string {
  const host = urlHost(addresses[0] ?? '');
  const { kind, name, namespace = metadata?.namespace, uid } = targetRef ?? {};
  // What no pod is behind is none of the cluster's own addresses.
  if (kind !== 'Pod' || host === undefined || !name || !uid || namespace === undefined)
    return `EndpointSlice ${metadata?.name} has endpoints that are no pods with an IP address`;
  // A Service has pods of its own namespace only: such a slice was written by hand, by one who may not even read that pod.
  if (namespace !== metadata?.namespace)
    return `EndpointSlice ${metadata?.name} names pods of namespace ${quoted(namespace)}, and may name those of its own only`;
  return { host, pod: { namespace, name, uid } };
}

/** The pods behind the slices of one Service, one endpoint for each, IPv4 before IPv6, by a key of their own. */
export function endpointsOf(slices: Iterable<EndpointSlice>): Map<string, Endpoint> {
  const byPod = new Map<string, Endpoint>();
  const ordered = [...slices].sort((a, b) => (a.addressType < b.addressType ? -1 : 1));
  for (const slice of ordered) {
    const port = portOf(slice);
    if (port === undefined) continue;
    for (const endpoint of slice.endpoints ?? []) {
      const state = stateOf(endpoint);
      const place = placeOf(slice, endpoint);
      if (typeof place === 'string' || state === 'gone' || byPod.has(place.pod.uid)) continue;
      byPod.set(place.pod.uid, { state, baseUrl: `http://${place.host}:${port}`, ...place });
    }
  }
  return new Map([...byPod.values()].map((endpoint) => [endpointKey(endpoint), endpoint]));
}

function whyNoPort(slice: EndpointSlice): string {
  const ports = usablePorts(slice).map(({ name, port }) => `${name ? `${name} ` : ''}${port}`);
  return ports.length === 0
    ? 'it has no TCP port'
    : `of its ports (${ports.join(', ')}) none is named ${PORT_NAME}: name that of the plugin so`;
}

/** Why endpoints of a Service are not called, whatever their pods are like: what its owner has to change. */
export function leftOutOf(slices: Iterable<EndpointSlice>): string {
  const reasons = new Set<string>();
  for (const slice of slices) {
    const endpoints = slice.endpoints ?? [];
    if (endpoints.length > 0 && portOf(slice) === undefined) reasons.add(whyNoPort(slice));
    for (const place of endpoints.map((endpoint) => placeOf(slice, endpoint)))
      if (typeof place === 'string') reasons.add(place);
  }
  return [...reasons].sort().join('; ');
}
