/** What to do next for one Service: pure functions from its backends and slices to changes. */
import type { EndpointSlice, Service } from '../../../kube/objects.js';
import { SERVICES } from '../../../kube/objects.js';
import { canonical, sameJson } from '../canonical.js';
import { ownerReferenceTo, uidOf } from '../meta.js';
import { isHeadless } from './endpoints.js';
import type { Backend, Endpoint, EndpointPort } from './endpoints.js';

export const SERVICE_NAME = 'kubernetes.io/service-name';
export const MANAGED_BY = 'endpointslice.kubernetes.io/managed-by';
export const CONTROLLER = 'endpointslice-controller.k8s.io';
const HEADLESS = 'service.kubernetes.io/headless';
const OWN_LABELS = [SERVICE_NAME, MANAGED_BY, HEADLESS];

/** Endpoints a slice, at most. */
const LARGEST_SLICE = 100;

export interface SlicePlan {
  create: EndpointSlice[];
  update: EndpointSlice[];
  remove: EndpointSlice[];
}

/** The mark of headless Services on what is made for them. */
export const headlessLabel = (service: Service): Record<string, string> =>
  isHeadless(service) ? { [HEADLESS]: '' } : {};

const sliceLabels = (service: Service): Record<string, string> => ({
  ...Object.fromEntries(
    Object.entries(service.metadata?.labels ?? {}).filter(([key]) => !OWN_LABELS.includes(key)),
  ),
  ...headlessLabel(service),
  [SERVICE_NAME]: service.metadata?.name ?? '',
  [MANAGED_BY]: CONTROLLER,
});

const newSlice = (service: Service, ports: EndpointPort[], endpoints: Endpoint[]): EndpointSlice => ({
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: {
    generateName: `${service.metadata?.name}-`,
    labels: sliceLabels(service),
    ownerReferences: [ownerReferenceTo(SERVICES, service)],
  },
  addressType: 'IPv4',
  endpoints,
  ports,
});

/** One text for all equal sets of ports. */
export const portsKey = (ports: EndpointPort[] | undefined | null): string =>
  (ports ?? []).map(canonical).sort().join();
const endpointKey = ({ targetRef, addresses, hostname }: Endpoint): string =>
  JSON.stringify([targetRef?.uid, addresses, hostname]);
const endpointsIn = ({ endpoints }: EndpointSlice): Endpoint[] => endpoints ?? [];

/** The slices of one set of ports: each endpoint stays where it is, and the rest fills what is there before new ones. */
const planPorts = (
  service: Service,
  backends: readonly Backend[],
  slices: readonly EndpointSlice[],
): SlicePlan => {
  const wanted = new Map(backends.map(({ endpoint }) => [endpointKey(endpoint), endpoint]));
  const kept = slices.map((slice) => ({
    slice,
    endpoints: endpointsIn(slice).flatMap((endpoint) => {
      const found = wanted.get(endpointKey(endpoint));
      wanted.delete(endpointKey(endpoint));
      return found ?? [];
    }),
  }));
  const rest = [...wanted.values()];
  for (const { endpoints } of [...kept].sort((a, b) => b.endpoints.length - a.endpoints.length))
    endpoints.push(...rest.splice(0, Math.max(0, LARGEST_SLICE - endpoints.length)));
  const ports = backends[0]?.ports ?? [];
  const create: EndpointSlice[] = [];
  while (rest.length > 0) create.push(newSlice(service, ports, rest.splice(0, LARGEST_SLICE)));

  const labels = sliceLabels(service);
  const full = kept.filter(({ endpoints }) => endpoints.length > 0);
  return {
    create,
    update: full
      .filter(
        ({ slice, endpoints }) =>
          !sameJson(endpoints, endpointsIn(slice)) || !sameJson(labels, slice.metadata?.labels),
      )
      .map(({ slice, endpoints }) => ({ ...slice, endpoints, metadata: { ...slice.metadata, labels } })),
    remove: kept.filter(({ endpoints }) => endpoints.length === 0).map(({ slice }) => slice),
  };
};

/** What would be made takes the place of what would be removed: an address type is all that cannot change. */
const reuse = (
  { create, update, remove }: SlicePlan,
  isOwn: (slice: EndpointSlice) => boolean,
): SlicePlan => {
  const free = remove.filter(isOwn);
  const reused = create.slice(0, free.length).map(({ metadata, endpoints, ports }, at): EndpointSlice => {
    const { metadata: old, ...slice } = free[at] as EndpointSlice;
    const { labels } = metadata ?? {};
    return {
      ...slice,
      metadata: { ...old, ...(labels === undefined ? {} : { labels }) },
      endpoints,
      ...(ports === undefined ? {} : { ports }),
    };
  });
  const taken = free.slice(0, reused.length);
  return {
    create: create.slice(reused.length),
    update: [...update, ...reused],
    remove: remove.filter((slice) => !taken.includes(slice)),
  };
};

/** Slices of this Service that are to be made, changed and removed. A Service without any pods has one empty slice. */
export const planSlices = (
  service: Service,
  backends: readonly Backend[],
  slices: readonly EndpointSlice[],
): SlicePlan => {
  const isOwn = ({ metadata }: EndpointSlice): boolean =>
    metadata?.ownerReferences?.some(({ uid }) => uid === uidOf(service)) ?? false;
  const groups = new Map<string, { backends: Backend[]; slices: EndpointSlice[] }>();
  const groupOf = (key: string): { backends: Backend[]; slices: EndpointSlice[] } => {
    const group = groups.get(key) ?? { backends: [], slices: [] };
    groups.set(key, group);
    return group;
  };
  for (const backend of backends) groupOf(portsKey(backend.ports)).backends.push(backend);
  for (const slice of slices.filter(isOwn)) groupOf(portsKey(slice.ports)).slices.push(slice);

  const plans = [...groups.values()].map((group) => planPorts(service, group.backends, group.slices));
  const plan: SlicePlan = {
    create: plans.flatMap(({ create }) => create),
    update: plans.flatMap(({ update }) => update),
    remove: [...plans.flatMap(({ remove }) => remove), ...slices.filter((slice) => !isOwn(slice))],
  };
  if (backends.length > 0) return reuse(plan, isOwn);
  const placeholder = newSlice(service, [], []);
  const isPlaceholder = (slice: EndpointSlice): boolean =>
    isOwn(slice) &&
    endpointsIn(slice).length === 0 &&
    portsKey(slice.ports) === '' &&
    sameJson(slice.metadata?.labels, placeholder.metadata?.labels);
  const there = slices.find(isPlaceholder);
  const remove = plan.remove.filter((slice) => slice !== there);
  return reuse({ create: there === undefined ? [placeholder] : [], update: [], remove }, isOwn);
};
