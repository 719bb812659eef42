/** The rules for pods and pod templates. */
import { forbiddenField, invalidValue, notSupported, required } from '../field-errors.js';
import type { FieldError } from '../field-errors.js';
import { equal, numberAt, objectAt, objectsAt, stringAt } from '../json.js';
import type { JsonObject } from '../json.js';
import { labelErrors, subdomainErrors } from '../names.js';
import { validateContainer } from './containers.js';
import { oneOf, uniqueLabel } from './fields.js';
import { validateAnnotations, validateLabels } from './metadata.js';

const SOURCES: readonly (readonly [string, string, string])[] = [
  ['configMap', 'name', 'configMap.name'],
  ['secret', 'secretName', 'secret.secretName'],
  ['persistentVolumeClaim', 'claimName', 'persistentVolumeClaim.claimName'],
  ['hostPath', 'path', 'hostPath.path'],
];

function validateVolumes(spec: JsonObject, field: string): FieldError[] {
  const seen = new Set<string>();
  return objectsAt(spec, 'volumes').flatMap((volume, index) => {
    const at = `${field}.volumes[${index}]`;
    const sources = Object.keys(volume).filter((key) => key !== 'name');
    const errors: FieldError[] = [];
    sources
      .slice(1)
      .forEach((source) =>
        errors.push(forbiddenField(`${at}.${source}`, 'may not specify more than 1 volume type')),
      );
    for (const [source, key, path] of SOURCES) {
      const value = objectAt(volume, source);
      if (value !== undefined && !stringAt(value, key)) errors.push(required(`${at}.${path}`));
    }
    return [...errors, ...uniqueLabel(stringAt(volume, 'name') ?? '', seen, `${at}.name`)];
  });
}

/** Everything wrong with a pod's spec at this path. */
export function validatePodSpec(spec: JsonObject, field: string): FieldError[] {
  const errors = validateVolumes(spec, field);
  const volumes = new Set(objectsAt(spec, 'volumes').map(({ name }) => String(name)));
  const seen = new Set<string>();
  const containers = objectsAt(spec, 'containers');
  if (containers.length === 0) errors.push(required(`${field}.containers`));
  const check = (key: 'containers' | 'initContainers'): void =>
    objectsAt(spec, key).forEach((container, index) => {
      const at = `${field}.${key}[${index}]`;
      errors.push(...validateContainer(container, at, volumes));
      const name = stringAt(container, 'name') ?? '';
      if (seen.has(name))
        errors.push({
          reason: 'FieldValueDuplicate',
          field: `${at}.name`,
          message: `Duplicate value: "${name}"`,
        });
      seen.add(name);
    });
  check('containers');
  check('initContainers');
  errors.push(
    ...oneOf(spec.restartPolicy, `${field}.restartPolicy`, ['Always', 'OnFailure', 'Never']),
    ...oneOf(spec.dnsPolicy, `${field}.dnsPolicy`, [
      'ClusterFirstWithHostNet',
      'ClusterFirst',
      'Default',
      'None',
    ]),
    ...validateLabels(objectAt(spec, 'nodeSelector'), `${field}.nodeSelector`),
  );
  const hostname = stringAt(spec, 'hostname');
  if (hostname)
    errors.push(...labelErrors(hostname).map((error) => invalidValue(`${field}.hostname`, hostname, error)));
  for (const key of ['serviceAccountName', 'nodeName'] as const) {
    const value = stringAt(spec, key);
    if (value)
      errors.push(...subdomainErrors(value).map((error) => invalidValue(`${field}.${key}`, value, error)));
  }
  const deadline = numberAt(spec, 'activeDeadlineSeconds');
  if (deadline !== undefined && deadline < 1)
    errors.push(
      invalidValue(`${field}.activeDeadlineSeconds`, deadline, 'must be between 1 and 2147483647, inclusive'),
    );
  for (const [index, secret] of objectsAt(spec, 'imagePullSecrets').entries())
    if (secret.name === undefined || secret.name === '')
      errors.push(required(`${field}.imagePullSecrets[${index}].name`));
  return errors;
}

/** Everything wrong with a pod template at this path. */
export const validateTemplate = (template: JsonObject | undefined, field: string): FieldError[] => [
  ...validateLabels(objectAt(template, 'metadata', 'labels'), `${field}.labels`),
  ...validateAnnotations(objectAt(template, 'metadata', 'annotations'), `${field}.annotations`),
  ...validatePodSpec(objectAt(template, 'spec') ?? {}, `${field}.spec`),
];

/** Everything wrong with a template whose pods run without end. */
export function validateLastingTemplate(
  template: JsonObject | undefined,
  field: string,
  kind: string,
): FieldError[] {
  const policy = stringAt(template, 'spec', 'restartPolicy') ?? 'Always';
  return [
    ...validateTemplate(template, field),
    ...(policy === 'Always' ? [] : [notSupported(`${field}.spec.restartPolicy`, policy, ['Always'])]),
    ...(numberAt(template, 'spec', 'activeDeadlineSeconds') === undefined
      ? []
      : [
          forbiddenField(
            `${field}.spec.activeDeadlineSeconds`,
            `activeDeadlineSeconds in ${kind} is not Supported`,
          ),
        ]),
  ];
}

const UPDATABLE = [
  '`spec.containers[*].image`',
  '`spec.initContainers[*].image`',
  '`spec.activeDeadlineSeconds`',
  '`spec.tolerations` (only additions to existing tolerations)',
  '`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)',
].join(',');

/** A pod's spec with what an update may change taken out. */
function fixedPart(spec: JsonObject): JsonObject {
  const bare = (key: string): JsonObject[] =>
    objectsAt(spec, key).map(({ image: _image, ...container }) => container);
  const {
    activeDeadlineSeconds: _deadline,
    tolerations: _tolerations,
    schedulingGates: _gates,
    ...rest
  } = spec;
  return {
    ...rest,
    containers: bare('containers'),
    initContainers: bare('initContainers'),
  };
}

export function validatePod(pod: JsonObject, old: JsonObject | undefined): FieldError[] {
  const spec = objectAt(pod, 'spec') ?? {};
  const errors = validatePodSpec(spec, 'spec');
  if (old === undefined) return errors;
  const oldSpec = objectAt(old, 'spec') ?? {};
  for (const key of ['containers', 'initContainers'] as const)
    if (objectsAt(spec, key).length !== objectsAt(oldSpec, key).length) {
      errors.push(forbiddenField(`spec.${key}`, 'pod updates may not add or remove containers'));
      return errors;
    }
  const added = objectsAt(spec, 'tolerations');
  if (
    objectsAt(oldSpec, 'tolerations').some((toleration) => !added.some((other) => equal(toleration, other)))
  )
    errors.push(
      forbiddenField(
        'spec.tolerations',
        'existing toleration can not be modified except its tolerationSeconds',
      ),
    );
  if (!equal(fixedPart(spec), fixedPart(oldSpec)))
    errors.push(forbiddenField('spec', `pod updates may not change fields other than ${UPDATABLE}`));
  return errors;
}
