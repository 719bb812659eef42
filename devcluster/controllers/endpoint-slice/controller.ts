/** The EndpointSlice controller: where the pods behind each Service are to be reached. */
import { ENDPOINTS, ENDPOINT_SLICES, keyOf } from '../../../kube/index.js';
import type { EndpointSlice, Endpoints, Kube, KubeLog, Node, Pod, Service } from '../../../kube/index.js';
import { sameJson } from '../canonical.js';
import { createExpectations } from '../expectations.js';
import { byNamespace } from '../informer.js';
import type { Informer } from '../informer.js';
import { atOf, uidOf } from '../meta.js';
import { startQueue } from '../queue.js';
import { hasLabels } from '../selector.js';
import { endpointsOf } from './classic.js';
import { backendsOf, footprint } from './endpoints.js';
import { CONTROLLER, MANAGED_BY, SERVICE_NAME, planSlices } from './plan.js';

/**
 * Milliseconds for which the changes of pods are gathered before their Service is looked at: the more pods it has, the
 * more each look costs, and the more of them change at once.
 */
const gatherMs = (pods: number): number => Math.min(1_000, 20 + pods / 4);

export interface EndpointSliceControllerOptions {
  kube: Kube;
  log?: KubeLog | undefined;
  services: Informer<Service>;
  slices: Informer<EndpointSlice>;
  endpoints: Informer<Endpoints>;
  pods: Informer<Pod>;
  nodes: Informer<Node>;
  clock?: () => number;
}

export const startEndpointSliceController = (
  options: EndpointSliceControllerOptions,
): { stop(): Promise<void> } => {
  const { kube, log, services, slices, endpoints, pods, nodes, clock = Date.now } = options;
  const podsIn = pods.index(byNamespace);
  const servicesIn = services.index(byNamespace);
  const serviceKeys = ({ metadata }: EndpointSlice): string[] => {
    const name = metadata?.labels?.[SERVICE_NAME];
    const isOurs = metadata?.labels?.[MANAGED_BY] === CONTROLLER;
    return isOurs && name ? [`${metadata?.namespace}/${name}`] : [];
  };
  const slicesOf = slices.index(serviceKeys);
  /** How many pods each Service had when it was looked at last. */
  const sizes = new Map<string, number>();
  const sliceOf = slices.byUid();
  const creation = createExpectations((uid) => sliceOf(uid) !== undefined, { clock });

  const writeSlices = async (
    service: Service,
    plan: ReturnType<typeof planSlices>,
    signal: AbortSignal,
  ): Promise<void> => {
    const { namespace } = service.metadata ?? {};
    for (const slice of plan.create) {
      const made = await kube.create(ENDPOINT_SLICES, namespace, slice, { signal });
      creation.expect(keyOf(service), uidOf(made));
    }
    for (const slice of plan.update) await kube.replace(ENDPOINT_SLICES, atOf(slice), slice, { signal });
    for (const slice of plan.remove)
      await kube.delete(ENDPOINT_SLICES, atOf(slice), { signal, preconditions: { uid: uidOf(slice) } });
  };

  const writeEndpoints = async (
    wanted: Endpoints,
    before: Endpoints | undefined,
    { namespace, signal }: { namespace: string | undefined; signal: AbortSignal },
  ): Promise<void> => {
    if (before === undefined) return void (await kube.create(ENDPOINTS, namespace, wanted, { signal }));
    const relevant = ({ metadata, subsets }: Endpoints): unknown => [
      metadata?.labels,
      metadata?.annotations ?? {},
      subsets ?? [],
    ];
    if (!sameJson(relevant(wanted), relevant(before)))
      await kube.replace(ENDPOINTS, atOf(before), wanted, { signal });
  };

  const queue = startQueue({
    name: 'endpointslice',
    log,
    concurrency: 4,
    reconcile: async (key, signal) => {
      const service = services.store.get(key);
      const before = endpoints.store.get(key);
      if (service === undefined) {
        creation.forget(key);
        sizes.delete(key);
        // The slices go with their owner; this one has none.
        if (before !== undefined)
          await kube.delete(ENDPOINTS, atOf(before), { signal, preconditions: { uid: uidOf(before) } });
        return undefined;
      }
      const { selector, type } = service.spec ?? {};
      const hasSelector = Object.keys(selector ?? {}).length > 0;
      if (type === 'ExternalName' || !hasSelector) return undefined;
      if (service.metadata?.deletionTimestamp !== undefined) return undefined;
      const awaited = creation.pending(key);
      if (awaited !== undefined) return { requeueAfterMs: awaited };
      const { namespace = '' } = service.metadata ?? {};
      const selected = podsIn(namespace).filter(({ metadata }) =>
        hasLabels(metadata?.labels ?? {}, selector),
      );
      sizes.set(key, selected.length);
      const backends = backendsOf(service, selected, (name) => nodes.store.get(name));
      await writeSlices(service, planSlices(service, backends, slicesOf(key)), signal);
      await writeEndpoints(endpointsOf(service, backends, before), before, { namespace, signal });
      return undefined;
    },
  });

  const addSoon = (key: string): void => queue.addAfter(key, gatherMs(sizes.get(key) ?? 0));
  services.subscribe(({ object }) => queue.add(keyOf(object)));
  slices.subscribe(({ object, previous }) => {
    creation.seen(uidOf(object));
    for (const slice of [object, ...(previous === undefined ? [] : [previous])])
      for (const key of serviceKeys(slice)) addSoon(key);
  });
  endpoints.subscribe(({ object }) => {
    if (services.store.has(keyOf(object))) addSoon(keyOf(object));
  });
  pods.subscribe(({ object, previous }) => {
    const isSelected = ({ spec }: Service, { metadata }: Pod): boolean =>
      hasLabels(metadata?.labels ?? {}, spec?.selector);
    const concerned = servicesIn(object.metadata?.namespace ?? '').filter(
      (service) => isSelected(service, object) || (previous !== undefined && isSelected(service, previous)),
    );
    if (concerned.length === 0) return;
    if (previous !== undefined && sameJson(footprint(object), footprint(previous))) return;
    for (const service of concerned) addSoon(keyOf(service));
  });
  nodes.subscribe(({ type }) => {
    if (type !== 'modified') for (const key of services.store.keys()) queue.add(key);
  });
  return { stop: () => queue.stop() };
};
