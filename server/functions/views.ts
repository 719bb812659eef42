/** Objects of the API as callers see them. Pure. */
import type { Static } from '@sinclair/typebox';
import type { Condition } from '../../schemas/common.js';
import type { Deployment } from '../../schemas/deployments.js';
import type { ContainerStatus, Pod } from '../../schemas/pods.js';
import type * as ports from '../ports.js';

type Condition = Static<typeof Condition>;
type ContainerStatus = Static<typeof ContainerStatus>;
type RawCondition = {
  type: string;
  status: string;
  reason?: string;
  message?: string;
  lastTransitionTime?: string;
};
type RawStatus = NonNullable<NonNullable<ports.Pod['status']>['containerStatuses']>[number];

/** `{ key: value }` without the entries that are undefined. */
export function defined<T extends object>(fields: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as never;
}

const condition = (raw: RawCondition): Condition => ({
  type: raw.type,
  status: raw.status === 'True' || raw.status === 'False' ? raw.status : 'Unknown',
  ...(raw.reason ? { reason: raw.reason } : {}),
  ...(raw.message ? { message: raw.message } : {}),
  ...(raw.lastTransitionTime ? { changed_at: raw.lastTransitionTime } : {}),
});

export const REVISION = 'deployment.kubernetes.io/revision';

export function deploymentView(object: ports.Deployment): Deployment {
  const { metadata = {}, spec, status = {} } = object;
  const revision = metadata.annotations?.[REVISION];
  return {
    name: metadata.name ?? '',
    namespace: metadata.namespace ?? '',
    uid: metadata.uid ?? '',
    labels: metadata.labels ?? {},
    images: (spec?.template.spec?.containers ?? []).map(({ image }) => image ?? ''),
    replicas: replicasOf(object),
    conditions: (status.conditions ?? []).map(condition),
    paused: spec?.paused === true,
    ...(revision === undefined ? {} : { revision: Number(revision) }),
    selector: spec?.selector.matchLabels ?? {},
    ...(metadata.creationTimestamp === undefined ? {} : { created_at: metadata.creationTimestamp }),
    deleting: metadata.deletionTimestamp !== undefined,
    resource_version: metadata.resourceVersion ?? '',
  };
}

export function replicasOf({ spec, status = {} }: ports.Deployment): Deployment['replicas'] {
  return {
    desired: spec?.replicas ?? 1,
    updated: status.updatedReplicas ?? 0,
    ready: status.readyReplicas ?? 0,
    available: status.availableReplicas ?? 0,
  };
}

export const conditionsOf = (object: ports.Deployment): Condition[] =>
  (object.status?.conditions ?? []).map(condition);

function containerView(
  name: string,
  image: string,
  init: boolean,
  raw: RawStatus | undefined,
): ContainerStatus {
  const state = raw?.state ?? {};
  const ended = state.terminated ?? raw?.lastState?.terminated;
  const why = state.terminated ?? state.waiting;
  return {
    name,
    image,
    init,
    ready: raw?.ready === true,
    restarts: raw?.restartCount ?? 0,
    state: state.running ? 'running' : state.terminated ? 'terminated' : 'waiting',
    ...(why?.reason ? { reason: why.reason } : {}),
    ...(why?.message ? { message: why.message } : {}),
    ...(ended === undefined ? {} : { exit_code: ended.exitCode }),
    ...(state.running?.startedAt ? { started_at: state.running.startedAt } : {}),
  };
}

/** kubectl's STATUS column. */
function statusWord(pod: ports.Pod, containers: readonly ContainerStatus[]): string {
  if (pod.metadata?.deletionTimestamp !== undefined) return 'Terminating';
  const init = containers.filter((container) => container.init);
  const failing = init.find(({ state, exit_code, reason }) =>
    state === 'terminated'
      ? exit_code !== 0
      : state === 'waiting' && reason !== undefined && reason !== 'PodInitializing',
  );
  if (failing !== undefined) return `Init:${failing.reason ?? `ExitCode:${failing.exit_code}`}`;
  const stuck = containers.find(
    ({ init, state, reason }) =>
      !init && state !== 'running' && reason !== undefined && reason !== 'Completed',
  );
  if (stuck?.reason !== undefined) return stuck.reason;
  const all = containers.filter((container) => !container.init);
  if (all.length > 0 && all.every(({ state }) => state === 'terminated')) return 'Completed';
  return pod.status?.reason ?? pod.status?.phase ?? 'Unknown';
}

export function podView(object: ports.Pod): Pod {
  const { metadata = {}, spec, status = {} } = object;
  const statuses = new Map<string, RawStatus>();
  for (const raw of [...(status.initContainerStatuses ?? []), ...(status.containerStatuses ?? [])])
    statuses.set(raw.name, raw);
  const view = (init: boolean) => (container: ports.Container) =>
    containerView(container.name, container.image ?? '', init, statuses.get(container.name));
  const containers = [
    ...(spec?.initContainers ?? []).map(view(true)),
    ...(spec?.containers ?? []).map(view(false)),
  ];
  const ready = status.conditions?.find(({ type }) => type === 'Ready')?.status === 'True';
  const scheduling = status.conditions?.find(
    ({ type, status }) => type === 'PodScheduled' && status === 'False',
  );
  const message =
    status.message ?? scheduling?.message ?? containers.find(({ message }) => message !== undefined)?.message;
  const owner = metadata.ownerReferences?.find(({ controller }) => controller === true);
  return {
    name: metadata.name ?? '',
    namespace: metadata.namespace ?? '',
    uid: metadata.uid ?? '',
    labels: metadata.labels ?? {},
    status: statusWord(object, containers),
    phase: status.phase ?? 'Unknown',
    ready,
    restarts: containers.reduce((sum, { restarts }) => sum + restarts, 0),
    images: (spec?.containers ?? []).map(({ image }) => image ?? ''),
    containers,
    ...(ready || message === undefined ? {} : { message }),
    ...(status.podIP === undefined ? {} : { ip: status.podIP }),
    ...(spec?.nodeName === undefined ? {} : { kubernetes_node: spec.nodeName }),
    ...(owner === undefined ? {} : { owner: { kind: owner.kind, name: owner.name } }),
    ...(metadata.creationTimestamp === undefined ? {} : { created_at: metadata.creationTimestamp }),
    deleting: metadata.deletionTimestamp !== undefined,
    resource_version: metadata.resourceVersion ?? '',
  };
}
