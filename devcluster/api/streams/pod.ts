/** The pod that a stream goes to, with the checks that the API server makes before it asks the kubelet. */
import { badRequest, methodNotAllowed, unavailable } from '../errors.js';
import { objectAt, objectsAt, stringAt } from '../json.js';
import type { JsonObject } from '../json.js';
import type { PodRuntime } from '../pod-runtime.js';
import { namedObject } from '../resource-call.js';
import type { ResourceCall } from '../resource-call.js';
import type { SubresourceDeps } from '../subresources.js';

export interface StreamTarget {
  readonly namespace: string;
  readonly name: string;
  readonly uid: string;
  readonly runtime: PodRuntime;
}

const namesOf = (spec: JsonObject | undefined): string[] =>
  ['initContainers', 'containers', 'ephemeralContainers'].flatMap((list) =>
    objectsAt(spec, list).map((container) => stringAt(container, 'name') ?? ''),
  );

/** Throws 400 when the container is none of the pod's, or is not named and not the only one. */
export function checkContainer(
  name: string,
  spec: JsonObject | undefined,
  wanted: string | null | undefined,
): void {
  const all = namesOf(spec);
  if (wanted && !all.includes(wanted)) throw badRequest(`container ${wanted} is not valid for pod ${name}`);
  if (!wanted && objectsAt(spec, 'containers').length !== 1)
    throw badRequest(`a container name must be specified for pod ${name}, choose one of: [${all.join(' ')}]`);
}

/** What runs the pods of this pod's node. Throws 503 when nothing does yet. */
export function runtimeOf({ runtime }: SubresourceDeps): PodRuntime {
  const found = runtime();
  if (found === undefined)
    throw unavailable('the kubelet of the embedded cluster has not started yet: try again');
  return found;
}

/** Throws the ApiError that the API server answers; `container` is checked where it is given, be it as null. */
export function streamTarget(
  deps: SubresourceDeps,
  call: ResourceCall,
  container?: string | null,
): StreamTarget {
  if (call.request.method !== 'GET' && call.request.method !== 'POST') throw methodNotAllowed();
  const at = namedObject(call);
  const pod = deps.registry.read(at);
  const spec = objectAt(pod, 'spec');
  if (container !== undefined) checkContainer(at.name, spec, container);
  if (!stringAt(spec, 'nodeName')) throw badRequest(`pod ${at.name} does not have a host assigned`);
  const uid = stringAt(pod, 'metadata', 'uid') ?? '';
  return { namespace: at.namespace, name: at.name, uid, runtime: runtimeOf(deps) };
}

/** A parameter as the API server reads it: there, and neither `0` nor `false`. */
export const isOn = (query: URLSearchParams, key: string): boolean => {
  const value = query.get(key);
  return value !== null && value !== '0' && value.toLowerCase() !== 'false';
};
