/** Putting pods into networks and taking them out, by their label; the controller does the rest. */
import type { NetworkMember } from '../../schemas/networks.js';
import { AppError, invalidParams } from '../errors.js';
import type { Call, Implementations } from '../library/implementation.js';
import { NETWORK_LABEL, peerPodOf, placeOf } from '../networks/peer-pod.js';
import { DEPLOYMENTS, PODS } from '../ports.js';
import type { Deployment, Deps, Plan, Pod } from '../ports.js';
import { allOf } from './list.js';
import { membersView, peersOf, podsOfNetwork } from './networks-view.js';
import { changeAll, waitUntil } from './networks-wait.js';
import { podsOf } from './pods-of.js';

interface Target {
  readonly namespace: string;
  readonly pod?: string | undefined;
  readonly label_selector?: string | undefined;
  readonly deployment?: string | undefined;
}

/** Looks at the peers for each look at the controller's Lease. */
const IDLE_LOOKS = 8;

const labelOf = (pod: Pod): string | undefined => pod.metadata?.labels?.[NETWORK_LABEL];
const nameOf = ({ metadata }: Pod): string => `pod/${metadata?.name}`;
const isGoing = ({ metadata, status }: Pod): boolean =>
  metadata?.deletionTimestamp !== undefined || status?.phase === 'Succeeded' || status?.phase === 'Failed';

function oneTarget(functionName: string, { pod, label_selector, deployment }: Target): void {
  const given = Object.entries({ pod, label_selector, deployment }).filter(
    ([, value]) => value !== undefined,
  );
  if (given.length === 1) return;
  throw invalidParams(functionName, [
    {
      field: '',
      message: `need exactly one of pod, label_selector, deployment, and have ${given.map(([key]) => key).join(' and ') || 'none'}`,
    },
  ]);
}

/** The pods that a pod's name or a selector means. */
async function podsMeant(deps: Deps, call: Call, { namespace, pod, label_selector }: Target): Promise<Pod[]> {
  if (pod !== undefined) return [await deps.kube.get(PODS, { namespace, name: pod }, call.io())];
  const found: Pod[] = [];
  for await (const one of allOf(deps, call, PODS, { namespace, labelSelector: label_selector }))
    if (!isGoing(one)) found.push(one);
  if (found.length > 0) return found;
  throw new AppError('not_found', `No pod in namespace ${namespace} has the labels ${label_selector}.`);
}

/** Sets or, with null, takes the label of that very pod. */
const labelPod = (deps: Deps, call: Call, { metadata = {} }: Pod, id: string | null): Promise<Pod> =>
  deps.kube.patch(
    PODS,
    { namespace: metadata.namespace, name: metadata.name ?? '' },
    { type: 'merge', body: { metadata: { uid: metadata.uid, labels: { [NETWORK_LABEL]: id } } } },
    { ...call.io(), dryRun: call.dryRun },
  );

const labelTemplate = (deps: Deps, call: Call, { metadata = {} }: Deployment, id: string | null) =>
  deps.kube.patch(
    DEPLOYMENTS,
    { namespace: metadata.namespace, name: metadata.name ?? '' },
    {
      type: 'merge',
      body: {
        metadata: { uid: metadata.uid },
        spec: { template: { metadata: { labels: { [NETWORK_LABEL]: id } } } },
      },
    },
    { ...call.io(), dryRun: call.dryRun },
  );

const first = (pods: readonly NetworkMember[]): string => {
  const off = pods.find(({ state, reason }) => state !== 'member' && reason !== undefined);
  return off === undefined ? '' : `; ${off.namespace}/${off.pod}: ${off.reason?.replace(/\.$/, '')}`;
};

const pick = ({ standings }: Plan, wanted: (uid: string) => boolean): NetworkMember[] =>
  membersView(standings.filter(({ pod }) => wanted(pod.uid)));

export const memberships = {
  async *join_network(deps, params, call) {
    const { namespace, network, move, wait } = params;
    oneTarget('join_network', params);
    const ref = deps.networks.networkOf(namespace, network);
    const refuse = (what: string, other: string): never => {
      throw new AppError(
        'conflict',
        `${what} is in network ${other}. Give move: true to take it out of that one, with the loss of its state.`,
      );
    };
    const changed: string[] = [];
    const moved = new Set<string>();
    let mine: (pods: Pod[]) => { pods: Pod[]; expected: number };
    let refresh = (): Promise<void> => Promise.resolve();
    /** What keeps pods from coming. */
    let hold = (): string => '';

    if (params.deployment !== undefined) {
      const where = { namespace, name: params.deployment };
      let object = await deps.kube.get(DEPLOYMENTS, where, call.io());
      const before = object.spec?.template.metadata?.labels?.[NETWORK_LABEL];
      if (before !== undefined && before !== network && !move)
        refuse(`The template of Deployment ${namespace}/${params.deployment}`, before);
      if (before !== network) {
        object = await labelTemplate(deps, call, object, network);
        changed.push(`deployment/${params.deployment}`);
      }
      const { mine: isMine } = podsOf(object);
      const generation = object.metadata?.generation ?? 0;
      refresh = async () => {
        object = await deps.kube.get(DEPLOYMENTS, where, call.io());
      };
      hold = () =>
        object.spec?.paused === true
          ? `; the roll-out of Deployment ${namespace}/${params.deployment} is paused: its pods get the label when it is resumed`
          : '';
      mine = (pods) => {
        const desired = object.spec?.replicas ?? 1;
        const seen = (object.status?.observedGeneration ?? 0) >= generation;
        const updated = object.status?.updatedReplicas ?? 0;
        const own = pods.filter((pod) => isMine(pod) && !isGoing(pod));
        // Until the roll-out is seen, no pod is one that stays.
        return { pods: seen && updated >= desired ? own : [], expected: desired };
      };
    } else {
      const pods = await podsMeant(deps, call, params);
      for (const pod of pods) {
        const before = labelOf(pod);
        const name = `Pod ${namespace}/${pod.metadata?.name}`;
        if (isGoing(pod))
          throw new AppError('conflict', `${name} has ended or is being deleted: it joins nothing.`);
        if (before !== undefined && before !== network && !move) refuse(name, before);
      }
      const others = pods.filter((pod) => labelOf(pod) !== network);
      await changeAll(call, changed, others, {
        nameOf,
        change: (pod) => labelPod(deps, call, pod, network),
      });
      for (const pod of others) if (labelOf(pod) !== undefined) moved.add(pod.metadata?.uid ?? '');
      const uids = new Set(pods.map(({ metadata }) => metadata?.uid));
      mine = (now) => ({
        pods: now.filter(({ metadata }) => uids.has(metadata?.uid)),
        expected: uids.size,
      });
    }

    const result = { network, namespace, changed };
    if (!wait || call.dryRun) {
      const message = `the label is ${call.dryRun ? 'not set, as this is a dry run' : 'set'}`;
      yield [{ message, done: 0, total: 0 }];
      return { ...result, pods: [] };
    }
    /** Why nobody joins them; looked for once in a while. */
    let idle: string | undefined;
    let looks = 0;
    const pods = yield* waitUntil(call, { changed, what: 'The labels are set' }, async () => {
      await refresh();
      const all = await podsOfNetwork(deps, call, ref);
      const { pods: own, expected } = mine(all);
      if (params.deployment === undefined && own.length < expected)
        throw new AppError(
          'not_found',
          `${expected - own.length} of the ${expected} pods were deleted or lost the label while they were waited for.`,
        );
      const uids = new Set(own.map(({ metadata }) => metadata?.uid ?? ''));
      const survey = await deps.networks.survey(ref, peersOf(all), call.io(), moved);
      const members = pick(survey, (uid) => uids.has(uid));
      const joined = members.filter(({ state }) => state === 'member').length;
      const total = Math.max(expected, members.length);
      // A pod that is the first by chance, with others still to come together, has joined nobody yet.
      const settled =
        survey.contacts.some(({ uid }) => !uids.has(uid)) ||
        survey.steps.every((step) => step.do !== 'join' && step.do !== 'merge');
      const done = settled ? joined : Math.min(joined, total - 1);
      const apart = members.some(({ state }) => state === 'apart');
      if (apart && looks++ % IDLE_LOOKS === 0) idle = await deps.networks.whyIdle(call.io());
      const message = `${done} of ${total} pods are members of ${network}${done < total ? `${first(members)}${hold()}${apart && idle !== undefined ? `; ${idle}` : ''}` : ''}`;
      return { progress: { message, done, total }, pods: members };
    });
    return { ...result, pods };
  },

  async *leave_network(deps, params, call) {
    const { namespace, network, wait } = params;
    oneTarget('leave_network', params);
    const changed: string[] = [];
    /** Pods whose peers are to be alone. */
    let leaving: Pod[];
    /** The networks that they were in. */
    let ids: Set<string | undefined>;
    let gone: (pod: Pod) => Promise<boolean>;

    if (params.deployment !== undefined) {
      const where = { namespace, name: params.deployment };
      const object = await deps.kube.get(DEPLOYMENTS, where, call.io());
      const before = object.spec?.template.metadata?.labels?.[NETWORK_LABEL];
      if (before === undefined || (network !== undefined && before !== network))
        throw notIn(`The template of Deployment ${namespace}/${params.deployment}`, before, network);
      const { mine } = podsOf(object);
      const ref = deps.networks.networkOf(namespace, before);
      leaving = wait
        ? (await podsOfNetwork(deps, call, { ...ref, namespaces: [namespace] })).filter(mine)
        : [];
      ids = new Set([before]);
      await labelTemplate(deps, call, object, null);
      changed.push(`deployment/${params.deployment}`);
      gone = (pod) => isReplaced(deps, call, pod);
    } else {
      const all = await podsMeant(deps, call, params);
      leaving = all.filter((pod) => {
        const before = labelOf(pod);
        return before !== undefined && (network === undefined || before === network);
      });
      if (leaving.length === 0)
        throw notIn(
          params.pod === undefined ? 'No such pod' : `Pod ${namespace}/${params.pod}`,
          all[0] && labelOf(all[0]),
          network,
        );
      ids = new Set(leaving.map(labelOf));
      await changeAll(call, changed, leaving, {
        nameOf,
        change: (pod) => labelPod(deps, call, pod, null),
      });
      gone = (pod) => isAlone(deps, call, pod);
    }

    const only = ids.size === 1 ? [...ids][0] : network;
    const result = { ...(only === undefined ? {} : { network: only }), namespace, changed };
    if (!wait || call.dryRun) {
      const message = `the label is ${call.dryRun ? 'not taken, as this is a dry run' : 'taken'}`;
      yield [{ message, done: 0, total: 0 }];
      return { ...result, pods: [] };
    }
    const left = new Set<Pod>();
    yield* waitUntil(call, { changed, what: 'The labels are taken' }, async () => {
      for (const pod of leaving) if (!left.has(pod) && (await gone(pod))) left.add(pod);
      const [done, total] = [left.size, leaving.length];
      return { progress: { message: `${done} of ${total} pods have left`, done, total }, pods: [] };
    });
    return { ...result, pods: [] };
  },
} satisfies Partial<Implementations>;

const notIn = (what: string, before: string | undefined, network: string | undefined): AppError =>
  new AppError(
    'not_found',
    before === undefined
      ? `${what} is in no network: it has no label ${NETWORK_LABEL}.`
      : `${what} is in network ${before}, not in ${network}.`,
  );

/** Whether a pod is no more, or going. */
async function isReplaced(deps: Deps, call: Call, { metadata = {} }: Pod): Promise<boolean> {
  const { items } = await deps.kube.list(
    PODS,
    metadata.namespace,
    { fieldSelector: `metadata.name=${metadata.name}` },
    call.io(),
  );
  const now = items[0];
  return now === undefined || now.metadata?.uid !== metadata.uid || isGoing(now);
}

/** Whether a pod that had the label is with nobody of its network any more, as far as peers tell. */
async function isAlone(deps: Deps, call: Call, pod: Pod): Promise<boolean> {
  const peer = peerPodOf(pod);
  if (peer?.phase !== 'running' || peer.address === undefined) return true;
  const ref = deps.networks.networkOf(peer.namespace, peer.id);
  const { standings } = await deps.networks.survey(
    ref,
    peersOf(await podsOfNetwork(deps, call, ref)),
    call.io(),
  );
  const listed = standings.some(
    ({ report }) => report?.kind === 'status' && report.members.includes(peer.address ?? ''),
  );
  if (listed) return false;
  const others = new Set(standings.map((standing) => standing.pod.address));
  const status = await deps.networks.peers.status(placeOf(peer), call.io()).catch(() => undefined);
  return status?.members.some((member) => others.has(member)) !== true;
}
