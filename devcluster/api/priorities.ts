/** Priority classes: the two that every cluster has, their rules, and what a pod gets of its class. */
import { forbidden } from './errors.js';
import { forbiddenField, invalidValue } from './field-errors.js';
import type { FieldError } from './field-errors.js';
import { numberAt, stringAt } from './json.js';
import type { JsonObject } from './json.js';
import type { Registry } from './registry.js';
import type { ApiResource } from './resources.js';
import { toObject } from './storage.js';
import { oneOf } from './validation/fields.js';

const PODS = { group: '', plural: 'pods', kind: 'Pod' };
const POLICIES = ['PreemptLowerPriority', 'Never'];
/** The greatest priority that is not of the system. */
const HIGHEST = 1_000_000_000;
const SYSTEM: Readonly<Record<string, { value: number; description: string }>> = {
  'system-cluster-critical': {
    value: 2_000_000_000,
    description:
      'Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.',
  },
  'system-node-critical': {
    value: 2_000_001_000,
    description: 'Used for system critical pods that must not be moved from their current node.',
  },
};

const classes = (registry: Registry): ApiResource =>
  registry.resources.find('scheduling.k8s.io', 'v1', 'priorityclasses') as ApiResource;

/** Creates the classes of the system. */
export function createSystemClasses(registry: Registry): void {
  const resource = classes(registry);
  for (const [name, fields] of Object.entries(SYSTEM))
    registry.create(
      resource,
      '',
      { metadata: { name }, ...fields, preemptionPolicy: 'PreemptLowerPriority' },
      { dryRun: false, fieldManager: 'kube-apiserver' },
    );
}

/** What is wrong with a name that only the system's own classes may have. */
function systemError(name: string, { value, globalDefault }: JsonObject): string | undefined {
  const known = SYSTEM[name];
  if (known === undefined) return `${name} is not a known system priority class`;
  if (value !== known.value) return `value of ${name} PriorityClass must be ${known.value}`;
  return globalDefault === true ? `globalDefault of ${name} PriorityClass must be false` : undefined;
}

export function validatePriorityClass(given: JsonObject, old: JsonObject | undefined): FieldError[] {
  const name = stringAt(given, 'metadata', 'name') ?? '';
  if (old !== undefined)
    return [
      ...(given.value === old.value ? [] : [forbiddenField('value', 'may not be changed in an update.')]),
      ...(given.preemptionPolicy === old.preemptionPolicy
        ? []
        : [invalidValue('preemptionPolicy', given.preemptionPolicy, 'field is immutable')]),
    ];
  const isSystem = name.startsWith('system-');
  const wrong = isSystem ? systemError(name, given) : undefined;
  return [
    ...(wrong === undefined
      ? []
      : [
          forbiddenField(
            'metadata.name',
            `priority class names with 'system-' prefix are reserved for system use only. error: ${wrong}`,
          ),
        ]),
    ...(!isSystem && (numberAt(given, 'value') ?? 0) > HIGHEST
      ? [forbiddenField('value', `maximum allowed value of a user defined priority is ${HIGHEST}`)]
      : []),
    ...oneOf(given.preemptionPolicy, 'preemptionPolicy', POLICIES),
  ];
}

/** Gives a new pod the priority and policy of its class, or of the default one. Throws 403 where it says others. */
export function admitPriority(registry: Registry, pod: JsonObject, spec: JsonObject): void {
  const refuse = (why: string): never => {
    throw forbidden(PODS, stringAt(pod, 'metadata', 'name') ?? '', why);
  };
  const resource = classes(registry);
  const storage = registry.storage(resource);
  const named = stringAt(spec, 'priorityClassName');
  const stored = named ? storage.get(named) : undefined;
  if (named && stored === undefined) refuse(`no PriorityClass with name ${named} was found`);
  const found = stored
    ? toObject(resource, stored)
    : storage
        .snapshot()
        .map((item) => toObject(resource, item))
        .filter(({ globalDefault }) => globalDefault === true)
        .sort((a, b) => Number(a.value) - Number(b.value))[0];
  if (!named && found !== undefined) spec.priorityClassName = stringAt(found, 'metadata', 'name') ?? '';
  const priority = numberAt(found, 'value') ?? 0;
  const policy = stringAt(found, 'preemptionPolicy') ?? 'PreemptLowerPriority';
  const computed = 'must not be provided in pod spec; priority admission controller computed';
  if (spec.priority !== undefined && spec.priority !== priority)
    refuse(
      `the integer value of priority (${String(spec.priority)}) ${computed} ${priority} from the given PriorityClass name`,
    );
  if (spec.preemptionPolicy !== undefined && spec.preemptionPolicy !== policy)
    refuse(
      `the string value of PreemptionPolicy (${String(spec.preemptionPolicy)}) ${computed} ${policy} from the given PriorityClass name`,
    );
  spec.priority = priority;
  spec.preemptionPolicy = policy;
}
