/** What the server itself adds to pods. */
import { forbidden } from './errors.js';
import { objectAt, objectsAt, stringAt } from './json.js';
import type { JsonObject } from './json.js';
import { admitPriority } from './priorities.js';
import { parseQuantity } from './quantity.js';
import type { Registry } from './registry.js';
import type { ServiceAccountAdmission } from './service-accounts.js';
import type { Strategy } from './strategy.js';
import { validatePod } from './validation/pods.js';
import { podWarnings } from './validation/pod-warnings.js';

const COMPUTE = ['cpu', 'memory'];
const EVICTED_AFTER_SECONDS = 300;

const isPositive = (value: unknown): boolean =>
  value !== undefined && (parseQuantity(String(value))?.nanos ?? 0n) > 0n;

/** Guaranteed, Burstable or BestEffort, by the pod's requests and limits. */
export function qosClass(pod: JsonObject): string {
  const containers = [...objectsAt(pod, 'spec', 'containers'), ...objectsAt(pod, 'spec', 'initContainers')];
  let isAny = false;
  let isGuaranteed = containers.length > 0;
  for (const container of containers) {
    const limits = objectAt(container, 'resources', 'limits') ?? {};
    const requests = objectAt(container, 'resources', 'requests') ?? {};
    for (const name of COMPUTE) {
      if (isPositive(limits[name]) || isPositive(requests[name])) isAny = true;
      if (!isPositive(limits[name]) || limits[name] !== requests[name]) isGuaranteed = false;
    }
  }
  return isGuaranteed ? 'Guaranteed' : isAny ? 'Burstable' : 'BestEffort';
}

/** A toleration of the taints that every pod bears for a while. */
const brief = (key: string): JsonObject => ({
  key,
  operator: 'Exists',
  effect: 'NoExecute',
  tolerationSeconds: EVICTED_AFTER_SECONDS,
});
const NOT_READY = 'node.kubernetes.io/not-ready';
const UNREACHABLE = 'node.kubernetes.io/unreachable';

/** Every pod bears for a while what a node that is lost bears. */
function tolerateBriefly(spec: JsonObject): void {
  const tolerations = objectsAt(spec, 'tolerations');
  const tolerates = (key: string): boolean =>
    tolerations.some(
      (item) =>
        (item.key === key || item.key === undefined) &&
        (item.effect === 'NoExecute' || item.effect === undefined),
    );
  spec.tolerations = [
    ...tolerations,
    ...[NOT_READY, UNREACHABLE].filter((key) => !tolerates(key)).map(brief),
  ];
}

/** There are no RuntimeClasses, and so none can be named. */
function refuseRuntimeClass(pod: JsonObject, { runtimeClassName, overhead }: JsonObject): void {
  const why = runtimeClassName
    ? `RuntimeClass "${String(runtimeClassName)}" not found`
    : overhead !== undefined
      ? 'Pod Overhead set without corresponding RuntimeClass defined Overhead'
      : undefined;
  if (why !== undefined)
    throw forbidden(
      { group: '', plural: 'pods', kind: 'Pod' },
      stringAt(pod, 'metadata', 'name') ?? '',
      `pod rejected: ${why}`,
    );
}

const GATED = {
  type: 'PodScheduled',
  status: 'False',
  lastProbeTime: null,
  lastTransitionTime: null,
  reason: 'SchedulingGated',
  message: 'Scheduling is blocked due to non-empty scheduling gates',
};

export const createPodStrategy = (registry: () => Registry, accounts: ServiceAccountAdmission): Strategy => ({
  initialStatus: (pod) => ({
    phase: 'Pending',
    ...(objectsAt(pod, 'spec', 'schedulingGates').length > 0 && { conditions: [{ ...GATED }] }),
    qosClass: qosClass(pod),
  }),
  admit: (pod, namespace) => accounts.admit(pod, namespace),
  prepareCreate(pod) {
    const spec = objectAt(pod, 'spec');
    if (spec === undefined) return;
    accounts.prepare(pod);
    admitPriority(registry(), pod, spec);
    tolerateBriefly(spec);
    refuseRuntimeClass(pod, spec);
  },
  prepareUpdate(pod) {
    const spec = objectAt(pod, 'spec');
    if (spec !== undefined) tolerateBriefly(spec);
  },
  validate: validatePod,
  warnings: podWarnings,
  graceSeconds(pod, requested) {
    const phase = stringAt(pod, 'status', 'phase');
    const isOver = phase === 'Succeeded' || phase === 'Failed';
    if (isOver || !stringAt(pod, 'spec', 'nodeName')) return 0;
    const own = objectAt(pod, 'spec')?.terminationGracePeriodSeconds;
    return requested ?? (typeof own === 'number' ? Math.max(own, 0) : 30);
  },
});
