/** Where the API says that plugins are: EndpointSlices of labelled Services, as places to dial. Pure. */
import type { EndpointSlice } from '../../ports.js';
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

/** The Service that a slice belongs to, as `namespace/name`; undefined for a slice that says none. */
export function serviceOf({ metadata }: EndpointSlice): string | undefined {
  const name = metadata?.labels?.[SERVICE_LABEL];
  return name === undefined ? undefined : `${metadata?.namespace}/${name}`;
}

/** The port named `plugin`, else the only one. */
function portOf({ ports }: EndpointSlice): number | undefined {
  const usable = (ports ?? []).filter(({ protocol }) => protocol === undefined || protocol === 'TCP');
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

/** The pods behind the slices of one Service, one endpoint for each, IPv4 before IPv6, by a key of their own. */
export function endpointsOf(slices: Iterable<EndpointSlice>): Map<string, Endpoint> {
  const byPod = new Map<string, Endpoint>();
  const ordered = [...slices].sort((a, b) => (a.addressType < b.addressType ? -1 : 1));
  for (const slice of ordered) {
    const port = portOf(slice);
    if (port === undefined) continue;
    for (const endpoint of slice.endpoints ?? []) {
      const state = stateOf(endpoint);
      const host = urlHost(endpoint.addresses[0] ?? '');
      const { kind, name, namespace = slice.metadata?.namespace, uid } = endpoint.targetRef ?? {};
      // What no pod is behind is none of the cluster's own addresses.
      if (kind !== 'Pod' || host === undefined || !name || !uid || namespace === undefined) continue;
      if (state === 'gone' || byPod.has(uid)) continue;
      byPod.set(uid, { state, baseUrl: `http://${host}:${port}`, host, pod: { namespace, name, uid } });
    }
  }
  return new Map(
    [...byPod.values()].map((endpoint) => [`${endpoint.pod.uid} ${endpoint.baseUrl}`, endpoint]),
  );
}
