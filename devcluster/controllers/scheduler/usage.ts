/** The pods of each node, and what they ask for together, kept up pod by pod. */
import type { Pod } from '../../../kube/objects.js';
import { uidOf } from '../meta.js';
import { requestsOf } from './fit.js';
import type { Amounts } from './fit.js';
import { isChoosy } from './neighbours.js';
import type { Placed } from './neighbours.js';

export interface Usage {
  /** Charges a pod to a node, in place of what it was charged before; answers whether it was not charged yet. */
  charge(pod: Pod, node: string): boolean;
  /** Answers whether the pod was charged. */
  release(podUid: string): boolean;
  holds(podUid: string): boolean;
  of(node: string): Amounts;
  /** All pods that are charged. */
  all(): Iterable<Placed>;
  /** Those that others may have to give way to. */
  choosy(): Iterable<Placed>;
}

const NOTHING: Amounts = new Map();

export const createUsage = (): Usage => {
  const pods = new Map<string, Placed & { requests: Amounts }>();
  const choosy = new Map<string, Placed>();
  const nodes = new Map<string, Map<string, bigint>>();
  const add = (node: string, requests: Amounts, sign: 1n | -1n): void => {
    const total = nodes.get(node) ?? new Map<string, bigint>();
    for (const [name, amount] of requests) total.set(name, (total.get(name) ?? 0n) + sign * amount);
    nodes.set(node, total);
  };
  const release = (podUid: string): boolean => {
    const charged = pods.get(podUid);
    if (charged === undefined) return false;
    pods.delete(podUid);
    choosy.delete(podUid);
    add(charged.node, charged.requests, -1n);
    return true;
  };
  return {
    charge: (pod, node) => {
      const uid = uidOf(pod);
      const isNew = !release(uid);
      const requests = requestsOf(pod);
      pods.set(uid, { pod, node, requests });
      if (isChoosy(pod)) choosy.set(uid, { pod, node });
      add(node, requests, 1n);
      return isNew;
    },
    release,
    holds: (podUid) => pods.has(podUid),
    of: (node) => nodes.get(node) ?? NOTHING,
    all: () => pods.values(),
    choosy: () => choosy.values(),
  };
};
