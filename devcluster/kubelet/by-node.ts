/** One runtime of all pods: each question goes to the kubelet of the pod's node. */
import { badRequest } from '../api/errors.js';
import type { PodRuntime } from '../api/pod-runtime.js';

/** @param nodeOf the node of a pod; throws ApiError where there is no such pod. */
export const byNode = (
  kubelets: ReadonlyMap<string, PodRuntime>,
  nodeOf: (namespace: string, pod: string) => string | undefined,
): PodRuntime => {
  const of = (namespace: string, pod: string): PodRuntime => {
    const kubelet = kubelets.get(nodeOf(namespace, pod) ?? '');
    if (kubelet === undefined) throw badRequest(`pod ${pod} does not have a host assigned`);
    return kubelet;
  };
  return {
    logs: (namespace, pod, ...rest) => of(namespace, pod).logs(namespace, pod, ...rest),
    checkExec: (namespace, pod, ...rest) => of(namespace, pod).checkExec(namespace, pod, ...rest),
    exec: async (namespace, pod, ...rest) => of(namespace, pod).exec(namespace, pod, ...rest),
    attach: async (namespace, pod, ...rest) => of(namespace, pod).attach(namespace, pod, ...rest),
    connect: async (namespace, pod, ...rest) => of(namespace, pod).connect(namespace, pod, ...rest),
  };
};
