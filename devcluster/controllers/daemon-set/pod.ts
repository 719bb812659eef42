/** The pods of a DaemonSet: each made for one node. */
import type { DaemonSet, Pod, PodTemplateSpec } from '../../../kube/objects.js';
import { DAEMON_SETS } from '../../../kube/objects.js';
import { podFrom } from '../pod-template.js';
import type { RevisionKind } from '../revisions.js';

export const HASH = 'controller-revision-hash';
const GENERATION = 'deprecated.daemonset.template.generation';
export const REVISIONS: RevisionKind = { resource: DAEMON_SETS, hashLabel: HASH };
/** Pods of a DaemonSet stay on a node whatever its condition. */
const TOLERATED = [
  ['not-ready', 'NoExecute'],
  ['unreachable', 'NoExecute'],
  ['disk-pressure', 'NoSchedule'],
  ['memory-pressure', 'NoSchedule'],
  ['pid-pressure', 'NoSchedule'],
  ['unschedulable', 'NoSchedule'],
] as const;

/** The node of a pod, also before it is bound to it. */
export const targetOf = ({ spec }: Pod): string | undefined =>
  spec?.nodeName ??
  spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms
    .flatMap(({ matchFields = [] }) => matchFields)
    .find(({ key }) => key === 'metadata.name')?.values?.[0];

export const templateFor = ({ metadata, spec }: DaemonSet, hash: string): PodTemplateSpec => {
  const template = spec?.template;
  const generation = metadata?.annotations?.[GENERATION];
  const own = template?.spec?.tolerations ?? [];
  const pressure = template?.spec?.hostNetwork === true ? [['network-unavailable', 'NoSchedule']] : [];
  const added = [...TOLERATED, ...pressure].map(([key, effect]) => ({
    key: `node.kubernetes.io/${key}`,
    operator: 'Exists',
    effect: effect,
  }));
  const labels = {
    ...template?.metadata?.labels,
    ...(generation === undefined ? {} : { 'pod-template-generation': generation }),
    [HASH]: hash,
  };
  const podSpec = { containers: [], ...template?.spec, tolerations: [...own, ...added] };
  return { ...template, metadata: { ...template?.metadata, labels }, spec: podSpec };
};

/** The pod of a node. The scheduler binds it, and can choose no other node. */
export const podOf = (set: DaemonSet, hash: string, node: string): Pod => {
  const pod = podFrom(templateFor(set, hash), { resource: DAEMON_SETS, owner: set });
  const { affinity } = pod.spec ?? {};
  const required = {
    nodeSelectorTerms: [{ matchFields: [{ key: 'metadata.name', operator: 'In', values: [node] }] }],
  };
  const nodeAffinity = {
    ...affinity?.nodeAffinity,
    requiredDuringSchedulingIgnoredDuringExecution: required,
  };
  return { ...pod, spec: { containers: [], ...pod.spec, affinity: { ...affinity, nodeAffinity } } };
};
