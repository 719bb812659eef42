/** Functions about lightchain networks: which there are, and how they are. */
import { setTimeout as delay } from 'node:timers/promises';
import { invalidParams } from '../errors.js';
import type { Call, Implementations } from '../library/implementation.js';
import { LABELLED_PODS, NETWORK_LABEL, labelledPod, peerPodOf } from '../networks/peer-pod.js';
import type { LabelledPod, PeerPod } from '../networks/peer-pod.js';
import { PODS } from '../ports.js';
import type { Deps, NetworkRef } from '../ports.js';
import { pageOfSorted } from './list.js';
import { memberships } from './networks-members.js';
import { addLightpeer } from './networks-sidecar.js';
import { states } from './networks-state.js';
import { networkView, summaries, surveyOf } from './networks-view.js';
import { createFlag, isRefusal } from './observe.js';

/** How often the peers of a network that is watched are asked, in milliseconds: chains grow without a pod's changing. */
const ASK_MS = 1_000;

/** Yields the pods of a network whenever one has changed, and once in a while without. Ends by the call's signal. */
async function* followPods(deps: Deps, call: Call, ref: NetworkRef): AsyncGenerator<PeerPod[]> {
  const flag = createFlag();
  const abort = (): void => flag.fail(call.signal.reason as Error);
  if (call.signal.aborted) abort();
  else call.signal.addEventListener('abort', abort, { once: true });
  const reflectors = ref.namespaces.map((namespace) =>
    deps.reflect<LabelledPod>({
      resource: LABELLED_PODS,
      namespace,
      labelSelector: `${NETWORK_LABEL}=${ref.id}`,
      project: labelledPod,
      log: call.log,
      onChange: () => flag.raise(),
      onError: (error) => {
        if (error instanceof Error && isRefusal(error)) flag.fail(error);
      },
    }),
  );
  const timer = setInterval(() => flag.raise(), ASK_MS);
  for (const reflector of reflectors) void reflector.synced.then(() => flag.raise());
  try {
    for (;;) {
      await flag.raised();
      if (!reflectors.every((reflector) => reflector.isSynced())) continue;
      yield reflectors.flatMap(({ store }) => [...store.values()].flatMap(({ peer }) => peer ?? []));
      // Changes come in swarms.
      await delay(50);
    }
  } finally {
    clearInterval(timer);
    call.signal.removeEventListener('abort', abort);
    await Promise.all(reflectors.map((reflector) => reflector.stop()));
  }
}

export const networks = {
  async list_networks(deps, params, call) {
    const { namespace, all_namespaces: all } = params;
    if (all && call.given['namespace'] !== undefined)
      throw invalidParams('list_networks', [
        { field: 'namespace', message: 'must be absent with all_namespaces' },
      ]);
    // A token that was cut short would look like the end of the list.
    if (params.continue !== undefined && !params.continue.includes('/'))
      throw invalidParams('list_networks', [
        { field: 'continue', message: 'is no place to continue from: give what the page before said' },
      ]);
    const pods: PeerPod[] = [];
    let next: string | undefined;
    do {
      const query = { labelSelector: NETWORK_LABEL, limit: 500, continue: next };
      const page = await deps.kube.list(PODS, all ? undefined : namespace, query, {
        ...call.io(),
        project: peerPodOf,
      });
      for (const pod of page.items) if (pod !== undefined) pods.push(pod);
      next = page.metadata.continue;
    } while (next);
    return pageOfSorted(
      summaries(deps, pods),
      ({ namespaces, shared, network }) => `${shared ? '' : namespaces[0]}/${network}`,
      params,
    );
  },

  async get_network(deps, params, call) {
    const { ref, plan } = await surveyOf(deps, call, params);
    return networkView(ref, plan);
  },

  async *watch_network(deps, { namespace, network }, call) {
    const ref = deps.networks.networkOf(namespace, network);
    let last = '';
    for await (const pods of followPods(deps, call, ref)) {
      const view = networkView(ref, await deps.networks.survey(ref, pods, call.io()));
      const text = JSON.stringify(view);
      if (text !== last) yield [view];
      last = text;
    }
    return undefined;
  },

  ...memberships,
  ...states,
  add_lightpeer: addLightpeer,
} satisfies Partial<Implementations>;
