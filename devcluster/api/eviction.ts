/** POST of an Eviction: a deletion that PodDisruptionBudgets may refuse. */
import { selectsAny } from '../controllers/selector.js';
import type { LabelSelector } from '../controllers/selector.js';
import { sendJson } from './answers.js';
import { ApiError, badRequest } from './errors.js';
import { numberAt, objectAt, objectsAt, stringAt } from './json.js';
import type { JsonObject } from './json.js';
import { postedBody, SUCCESS } from './pod-actions.js';
import { timestamp } from './registry.js';
import type { At, DeleteRequest, Registry } from './registry.js';
import { parseDeleteOptions } from './requests.js';
import { namedObject } from './resource-call.js';
import type { ResourceHandler } from './resource-call.js';
import type { ApiResource } from './resources.js';
import { toObject } from './storage.js';
import type { SubresourceDeps } from './subresources.js';

const BY = { dryRun: false, fieldManager: 'kube-apiserver' };
/** Phases in which nobody relies on the pod. */
const UNUSED = ['Succeeded', 'Failed', 'Pending'];

const conditionOf = (object: JsonObject, type: string): JsonObject | undefined =>
  objectsAt(object, 'status', 'conditions').find((condition) => condition.type === type);
const isReady = (pod: JsonObject): boolean => conditionOf(pod, 'Ready')?.status === 'True';
const count = (budget: JsonObject, field: string): number => numberAt(budget, 'status', field) ?? 0;
const nameOf = (object: JsonObject): string => stringAt(object, 'metadata', 'name') ?? '';

const tooMany = (message: string, retryAfterSeconds?: number): ApiError =>
  new ApiError({
    code: 429,
    reason: 'TooManyRequests',
    message: "Cannot evict pod as it would violate the pod's disruption budget.",
    details: {
      causes: [{ reason: 'DisruptionBudget', message }],
      ...(retryAfterSeconds !== undefined && { retryAfterSeconds }),
    },
    headers: retryAfterSeconds === undefined ? {} : { 'retry-after': String(retryAfterSeconds) },
  });

/** Why a budget lets no pod go. */
function refusal(budget: JsonObject): ApiError {
  const name = nameOf(budget);
  const [current, desired] = [count(budget, 'currentHealthy'), count(budget, 'desiredHealthy')];
  const condition = conditionOf(budget, 'DisruptionAllowed');
  const message = stringAt(condition, 'message') ?? '';
  if (condition?.reason === 'SyncFailed' && message !== '')
    return tooMany(
      `The disruption budget ${name} does not allow evicting pods currently because it failed sync: ${message}`,
    );
  return tooMany(
    current <= desired
      ? `The disruption budget ${name} needs ${desired} healthy pods and has ${current} currently`
      : `The disruption budget ${name} does not allow evicting pods currently`,
  );
}

/** The one budget that guards a pod; throws where several do. */
function budgetOf(registry: Registry, pod: JsonObject): { at: At; budget: JsonObject } | undefined {
  const resource = registry.resources.find('policy', 'v1', 'poddisruptionbudgets') as ApiResource;
  const namespace = stringAt(pod, 'metadata', 'namespace') ?? '';
  const labels = objectAt(pod, 'metadata', 'labels') as Record<string, string> | undefined;
  const found = registry
    .storage(resource)
    .snapshot()
    .filter((stored) => stored.namespace === namespace)
    .map((stored) => toObject(resource, stored))
    .filter((budget) =>
      selectsAny(objectAt(budget, 'spec', 'selector') as LabelSelector | undefined, labels),
    );
  if (found.length > 1)
    throw new ApiError({
      code: 500,
      message:
        'This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.',
    });
  const [budget] = found;
  return budget && { at: { resource, namespace, name: nameOf(budget) }, budget };
}

/** Whether a pod that is not ready may go without counting: nobody is disrupted by that. */
function isFree(pod: JsonObject, budget: JsonObject): boolean {
  if (isReady(pod)) return false;
  if (stringAt(budget, 'spec', 'unhealthyPodEvictionPolicy') === 'AlwaysAllow') return true;
  const desired = count(budget, 'desiredHealthy');
  return desired > 0 && count(budget, 'currentHealthy') >= desired;
}

/** Takes one disruption from the budget, so that the next eviction sees what is left; throws 429 where there is none. */
function charge(
  registry: Registry,
  { at, budget }: { at: At; budget: JsonObject },
  { pod, dryRun }: { pod: string; dryRun: boolean },
): void {
  const generation = numberAt(budget, 'metadata', 'generation') ?? 0;
  if (count(budget, 'observedGeneration') < generation)
    throw tooMany(`The disruption budget ${at.name} is still being processed by the server.`, 10);
  if (count(budget, 'disruptionsAllowed') <= 0) throw refusal(budget);
  if (dryRun) return;
  registry.update(
    at,
    'status',
    (current) => {
      const left = count(current, 'disruptionsAllowed') - 1;
      const disruptedPods = { ...objectAt(current, 'status', 'disruptedPods'), [pod]: timestamp() };
      const conditions = objectsAt(current, 'status', 'conditions').map((condition) =>
        condition.type === 'DisruptionAllowed' && left === 0
          ? { ...condition, status: 'False', reason: 'InsufficientPods', lastTransitionTime: timestamp() }
          : condition,
      );
      const status = { ...objectAt(current, 'status'), disruptionsAllowed: left, disruptedPods, conditions };
      return { ...current, status };
    },
    BY,
  );
}

/** Marks the pod as disrupted and deletes it; with the first check that fails nothing is changed. */
function evict(registry: Registry, at: At, request: DeleteRequest): void {
  registry.delete(at, { ...request, dryRun: true });
  if (request.dryRun) return;
  registry.update(
    at,
    'status',
    (pod) => {
      const known = conditionOf(pod, 'DisruptionTarget');
      const condition = {
        type: 'DisruptionTarget',
        status: 'True',
        lastProbeTime: null,
        lastTransitionTime: known?.status === 'True' ? known.lastTransitionTime : timestamp(),
        reason: 'EvictionByEvictionAPI',
        message: 'Eviction API: evicting',
      };
      const others = objectsAt(pod, 'status', 'conditions').filter((item) => item !== known);
      return { ...pod, status: { ...objectAt(pod, 'status'), conditions: [...others, condition] } };
    },
    BY,
  );
  const { uid } = request.preconditions;
  registry.delete(at, { ...request, preconditions: { uid } });
}

export const createEvictionHandler =
  (deps: SubresourceDeps): ResourceHandler =>
  async (call) => {
    const { registry } = deps;
    const at = namedObject(call);
    const eviction = await postedBody(deps, call, ['policy', 'v1', 'Eviction']);
    if (nameOf(eviction) !== at.name) throw badRequest('name in URL does not match name in Eviction object');
    const request = parseDeleteOptions(call.query, objectAt(eviction, 'deleteOptions') ?? {});
    const pod = registry.read(at);
    const isUnused =
      UNUSED.includes(stringAt(pod, 'status', 'phase') ?? '') ||
      stringAt(pod, 'metadata', 'deletionTimestamp') !== undefined;
    const guard = isUnused ? undefined : budgetOf(registry, pod);
    if (guard !== undefined && !isFree(pod, guard.budget))
      charge(registry, guard, { pod: at.name, dryRun: request.dryRun });
    evict(registry, at, request);
    sendJson(call.response, 201, JSON.stringify(SUCCESS) + '\n');
  };
