/**
 * What to do next for one DaemonSet: a pure function from what is observed to changes and a status. Each node that fits
 * has one pod; a roll-out replaces them within `maxUnavailable`, or beside them within `maxSurge`.
 */
import type { ControllerRevision, DaemonSet, Node, Pod } from '../../../kube/objects.js';
import type { EventInit } from '../events.js';
import { createdAt, isReady, isTerminal, nonZero, untilAvailable } from '../meta.js';
import { historyOf, surplusRevisions } from '../revisions.js';
import type { RevisionChange } from '../revisions.js';
import { matchesSelectors } from '../scheduler/fit.js';
import { untolerated } from '../scheduler/taints.js';
import { HASH, REVISIONS, podOf, targetOf, templateFor } from './pod.js';

export type DaemonSetStatus = NonNullable<DaemonSet['status']>;

export interface Observed {
  set: DaemonSet;
  /** Those that the set controls. */
  pods: readonly Pod[];
  revisions: readonly ControllerRevision[];
  nodes: Iterable<Node>;
  now: number;
}

export interface Plan {
  history: RevisionChange | undefined;
  create: Pod[];
  remove: Pod[];
  surplus: ControllerRevision[];
  status: DaemonSetStatus;
  events: EventInit[];
  requeueAfterMs?: number;
}

const nodeNameOf = ({ metadata }: Node): string => metadata?.name ?? '';
const isGoing = ({ metadata }: Pod): boolean => metadata?.deletionTimestamp !== undefined;

/** What a node has, and whether it is to have it. */
interface Place {
  node: string;
  /** A pod is to be made where there is none. */
  wanted: boolean;
  /** A pod that is there may stay. */
  allowed: boolean;
  /** Oldest first, without those that ended and go. */
  pods: Pod[];
}

const placesOf = ({ set, pods, nodes }: Observed): Place[] => {
  const like = { spec: templateFor(set, '').spec } as Pod;
  const there = pods.filter((pod) => !(isTerminal(pod) && isGoing(pod)));
  return [...nodes].map((node) => {
    const name = nodeNameOf(node);
    const { nodeName = name } = like.spec ?? {};
    const fits = nodeName === name && matchesSelectors(like, node);
    return {
      node: name,
      wanted: fits && untolerated(like, node, ['NoSchedule', 'NoExecute']).length === 0,
      allowed: fits && untolerated(like, node, ['NoExecute']).length === 0,
      pods: there.filter((pod) => targetOf(pod) === name).sort((a, b) => createdAt(a) - createdAt(b)),
    };
  });
};

const portion = (value: number | string | undefined, total: number, fallback: number): number => {
  if (typeof value === 'number') return value;
  const percent = /^(\d+)%$/.exec(value ?? '')?.[1];
  return percent === undefined ? fallback : Math.ceil((Number(percent) * total) / 100);
};

interface Step {
  create: string[];
  remove: Pod[];
}

/** The pods that stay on a node, the newest revision's and a former one's, after what is too much there is taken away. */
interface Kept {
  place: Place;
  current: Pod | undefined;
  former: Pod | undefined;
}

export const planDaemonSet = (observed: Observed): Plan => {
  const { set, revisions, now } = observed;
  const history = historyOf(set, REVISIONS, revisions);
  const hash = history.update.metadata?.labels?.[HASH] ?? '';
  const isCurrent = (pod: Pod): boolean => pod.metadata?.labels?.[HASH] === hash;
  const minReady = set.spec?.minReadySeconds ?? 0;
  const isAvailable = (pod: Pod): boolean => untilAvailable(pod, minReady, now) === 0;
  const places = placesOf(observed);
  const desired = places.filter(({ wanted }) => wanted).length;
  const { type, rollingUpdate } = set.spec?.updateStrategy ?? {};
  const rolls = type !== 'OnDelete';
  const surge = rolls ? portion(rollingUpdate?.maxSurge, desired, 0) : 0;
  const unavailable = portion(rollingUpdate?.maxUnavailable, desired, 1);
  const events: EventInit[] = [];

  /** What is wrong on one node, whatever the roll-out. */
  const manage = ({ node, wanted, allowed, pods }: Place): Step & { kept: Kept } => {
    const place = { node, wanted, allowed, pods };
    const staying = pods.filter((pod) => !isGoing(pod));
    if (!allowed)
      return { create: [], remove: staying, kept: { place, current: undefined, former: undefined } };
    const over = staying.filter(isTerminal);
    for (const { metadata, status } of over) {
      const isBad = status?.phase === 'Failed';
      const which = `${metadata?.namespace}/${metadata?.name} on node ${node}`;
      events.push({
        type: isBad ? 'Warning' : 'Normal',
        reason: isBad ? 'FailedDaemonPod' : 'SucceededDaemonPod',
        message: isBad
          ? `Found failed daemon pod ${which}, will try to kill it`
          : `Found succeeded daemon pod ${which}, will try to delete it`,
      });
    }
    const running = staying.filter((pod) => !isTerminal(pod));
    const [oldest] = running;
    const current = surge > 0 ? running.find(isCurrent) : oldest && isCurrent(oldest) ? oldest : undefined;
    let former =
      surge > 0 ? running.find((pod) => !isCurrent(pod)) : current === undefined ? oldest : undefined;
    // Beside the new pod the former one stays while it serves and the new one does not yet.
    if (current !== undefined && former !== undefined && (!isReady(former) || isAvailable(current)))
      former = undefined;
    const remove = [...over, ...running.filter((pod) => pod !== current && pod !== former)];
    const isEmpty = surge > 0 ? running.length === 0 : pods.length === 0;
    return { create: wanted && isEmpty ? [node] : [], remove, kept: { place, current, former } };
  };

  const replace = (kept: readonly Kept[]): Step => {
    const isDown = ({ current, former }: Kept): boolean => {
      const pod = former ?? current;
      return pod === undefined || !isAvailable(pod);
    };
    const old = kept.filter(({ current, former }) => former !== undefined && current === undefined);
    const ill = old.filter(isDown);
    const well = old.filter((one) => !isDown(one));
    if (surge === 0) {
      const down = kept.filter((one) => one.place.pods.length > 0 && isDown(one)).length;
      const next = [...ill, ...well.slice(0, Math.max(0, unavailable - down))];
      return { create: [], remove: next.flatMap(({ former }) => former ?? []) };
    }
    const besides = kept.filter(({ current, former }) => current !== undefined && former !== undefined);
    const room = Math.max(0, surge - besides.length);
    const next = [...ill, ...well.slice(0, room)].filter(({ place }) => place.wanted);
    return { create: next.map(({ place }) => place.node), remove: [] };
  };

  const managed = places.map(manage);
  const first: Step = {
    create: managed.flatMap(({ create }) => create),
    remove: managed.flatMap(({ remove }) => remove),
  };
  const isSettled = first.create.length + first.remove.length === 0;
  const step = isSettled && rolls ? replace(managed.map(({ kept }) => kept)) : first;

  const shown = places.filter(({ wanted }) => wanted).flatMap(({ pods: [pod] }) => pod ?? []);
  const numberAvailable = shown.filter((pod) => isReady(pod) && isAvailable(pod)).length;
  const waits = shown.map((pod) => untilAvailable(pod, minReady, now)).filter((wait) => (wait ?? 0) > 0);
  const soonest = Math.min(...waits.map(Number));
  const { collisionCount, conditions } = set.status ?? {};
  const live = new Set(observed.pods.map(({ metadata }) => metadata?.labels?.[HASH]).concat(hash));
  const used = (name: string): boolean => live.has(name.slice(name.lastIndexOf('-') + 1));
  return {
    history: history.change,
    create: step.create.map((node) => podOf(set, hash, node)),
    remove: step.remove,
    surplus: surplusRevisions(set, history, used),
    events,
    status: {
      currentNumberScheduled: shown.length,
      desiredNumberScheduled: desired,
      numberMisscheduled: places.filter(({ wanted, pods }) => !wanted && pods.length > 0).length,
      numberReady: shown.filter(isReady).length,
      ...nonZero({
        observedGeneration: set.metadata?.generation ?? 0,
        updatedNumberScheduled: shown.filter(isCurrent).length,
        numberAvailable,
        numberUnavailable: desired - numberAvailable,
      }),
      ...(collisionCount === undefined ? {} : { collisionCount }),
      ...(conditions === undefined ? {} : { conditions }),
    },
    ...(Number.isFinite(soonest) ? { requeueAfterMs: soonest } : {}),
  };
};
