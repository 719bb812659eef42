/** Which pods answer for a Service, and on which ports: pure functions that slices and the classic Endpoints share. */
import type { EndpointSlice, Node, Pod, Service } from '../../../kube/objects.js';
import { isReady, isTerminal, uidOf } from '../meta.js';

export type Endpoint = EndpointSlice['endpoints'][number];
export type EndpointPort = NonNullable<EndpointSlice['ports']>[number];
type ServicePort = NonNullable<NonNullable<Service['spec']>['ports']>[number];

/** One pod behind a Service. */
export interface Backend {
  endpoint: Endpoint;
  ports: EndpointPort[];
}

const ZONE = 'topology.kubernetes.io/zone';

export const isHeadless = ({ spec }: Service): boolean =>
  spec?.clusterIP === undefined || spec.clusterIP === '' || spec.clusterIP === 'None';

/** The number that a Service's port leads to in this pod; undefined where the pod has no port of that name. */
const portOf = (pod: Pod, { targetPort, port, protocol = 'TCP' }: ServicePort): number | undefined => {
  const target = targetPort ?? port;
  if (typeof target !== 'string') return Number(target);
  if (/^\d+$/.test(target)) return Number(target);
  const sidecars = (pod.spec?.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === 'Always');
  return [...(pod.spec?.containers ?? []), ...sidecars]
    .flatMap(({ ports = [] }) => ports)
    .find((found) => found.name === target && (found.protocol ?? 'TCP') === protocol)?.containerPort;
};

const portsOf = (service: Service, pod: Pod): EndpointPort[] =>
  (service.spec?.ports ?? []).flatMap((servicePort): EndpointPort[] => {
    const port = portOf(pod, servicePort);
    if (port === undefined) return [];
    const { name = '', protocol = 'TCP', appProtocol } = servicePort;
    return [{ name, port, protocol, ...(appProtocol === undefined ? {} : { appProtocol }) }];
  });

/** What a pod's changes must touch for its Services' endpoints to change. */
export const footprint = (pod: Pod): unknown => [
  pod.metadata?.labels,
  pod.metadata?.deletionTimestamp,
  isReady(pod),
  isTerminal(pod),
  pod.status?.podIPs,
  pod.spec?.nodeName,
];

/**
 * The selected pods that answer for the Service, in the order of their names. One whose node is not there (yet) does not,
 * unless the Service publishes pods that are not ready.
 */
export const backendsOf = (
  service: Service,
  selected: readonly Pod[],
  nodeOf: (name: string) => Node | undefined,
): Backend[] => {
  const publishes = service.spec?.publishNotReadyAddresses === true;
  return [...selected]
    .sort((a, b) => ((a.metadata?.name ?? '') < (b.metadata?.name ?? '') ? -1 : 1))
    .flatMap((pod): Backend[] => {
      const { namespace = '', name = '' } = pod.metadata ?? {};
      const { nodeName, hostname, subdomain } = pod.spec ?? {};
      const addresses = (pod.status?.podIPs ?? []).map(({ ip }) => ip).filter((ip) => !ip.includes(':'));
      const node = nodeName === undefined ? undefined : nodeOf(nodeName);
      if (isTerminal(pod) || addresses.length === 0 || (node === undefined && !publishes)) return [];
      const serving = isReady(pod);
      const terminating = pod.metadata?.deletionTimestamp !== undefined;
      const zone = node?.metadata?.labels?.[ZONE];
      const endpoint: Endpoint = {
        addresses,
        conditions: { ready: publishes || (serving && !terminating), serving, terminating },
        ...(hostname && subdomain === service.metadata?.name ? { hostname } : {}),
        ...(nodeName === undefined ? {} : { nodeName }),
        targetRef: { kind: 'Pod', namespace, name, uid: uidOf(pod) },
        ...(zone ? { zone } : {}),
      };
      return [{ endpoint, ports: portsOf(service, pod) }];
    });
};
