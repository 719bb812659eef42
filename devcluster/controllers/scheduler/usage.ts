/** What the pods of each node ask for together, kept up pod by pod. */
import type { Amounts } from './fit.js';

export interface Usage {
  /** Charges a pod to a node, in place of what it was charged before. */
  charge(podUid: string, node: string, requests: Amounts): void;
  /** Answers whether the pod was charged. */
  release(podUid: string): boolean;
  holds(podUid: string): boolean;
  of(node: string): Amounts;
}

const NOTHING: Amounts = new Map();

export const createUsage = (): Usage => {
  const pods = new Map<string, { node: string; requests: Amounts }>();
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
    add(charged.node, charged.requests, -1n);
    return true;
  };
  return {
    charge: (podUid, node, requests) => {
      release(podUid);
      pods.set(podUid, { node, requests });
      add(node, requests, 1n);
    },
    release,
    holds: (podUid) => pods.has(podUid),
    of: (node) => nodes.get(node) ?? NOTHING,
  };
};
