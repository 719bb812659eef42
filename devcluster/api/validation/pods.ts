/** The rules for pods and pod templates. */
import { isIP } from 'node:net';
import { duplicate, forbiddenField, invalidValue, notSupported, required } from '../field-errors.js';
import type { FieldError } from '../field-errors.js';
import { equal, numberAt, objectAt, objectsAt, stringAt, stringsAt } from '../json.js';
import type { JsonObject } from '../json.js';
import { labelErrors, labelKeyErrors, subdomainErrors } from '../names.js';
import { validateContainer } from './containers.js';
import { oneOf } from './fields.js';
import { validateAnnotations, validateLabels } from './metadata.js';
import { validateVolumes } from './pod-volumes.js';
import { validateAffinity, validateSpread, validateTolerations } from './scheduling.js';
import { validatePodContext } from './security.js';

const badIp = 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)';
const NAMESERVERS = 3;

function validateDns(spec: JsonObject, field: string): FieldError[] {
  const config = objectAt(spec, 'dnsConfig');
  const at = `${field}.dnsConfig`;
  const servers = stringsAt(config, 'nameservers');
  const isNone = spec.dnsPolicy === 'None';
  if (config === undefined)
    return isNone ? [required(at, 'must provide `dnsConfig` when `dnsPolicy` is None')] : [];
  return [
    ...(isNone && servers.length === 0
      ? [required(`${at}.nameservers`, 'must provide at least one DNS nameserver when `dnsPolicy` is None')]
      : []),
    ...(servers.length > NAMESERVERS
      ? [invalidValue(`${at}.nameservers`, servers, `must not have more than ${NAMESERVERS} nameservers`)]
      : []),
    ...servers.flatMap((server, index) =>
      isIP(server) === 0 ? [invalidValue(`${at}.nameservers[${index}]`, server, badIp)] : [],
    ),
    ...objectsAt(config, 'options').flatMap(({ name }, index) =>
      name ? [] : [required(`${at}.options[${index}]`, 'must not be empty')],
    ),
  ];
}

function validateGates(spec: JsonObject, field: string): FieldError[] {
  const key = (name: string, at: string): FieldError[] =>
    labelKeyErrors(name).map((error) => invalidValue(at, name, error));
  const seen = new Set<string>();
  return [
    ...objectsAt(spec, 'readinessGates').flatMap((gate, index) =>
      key(stringAt(gate, 'conditionType') ?? '', `${field}.readinessGates[${index}].conditionType`),
    ),
    ...objectsAt(spec, 'schedulingGates').flatMap((gate, index) => {
      const name = stringAt(gate, 'name') ?? '';
      const at = `${field}.schedulingGates[${index}]`;
      const again = seen.has(name) ? [duplicate(at, name)] : [];
      seen.add(name);
      return [...key(name, at), ...again];
    }),
  ];
}

const validateHostAliases = (spec: JsonObject, field: string): FieldError[] =>
  objectsAt(spec, 'hostAliases').flatMap((alias, index) => {
    const at = `${field}.hostAliases[${index}]`;
    const ip = stringAt(alias, 'ip') ?? '';
    return [
      ...(isIP(ip) === 0 ? [invalidValue(`${at}.ip`, ip, badIp)] : []),
      ...stringsAt(alias, 'hostnames').flatMap((name, which) =>
        subdomainErrors(name).map((error) => invalidValue(`${at}.hostnames[${which}]`, name, error)),
      ),
    ];
  });

/** A host's port is taken once, and is the container's own where the network is the host's. */
function validateHostPorts(spec: JsonObject, field: string): FieldError[] {
  const seen = new Set<string>();
  return objectsAt(spec, 'containers').flatMap((container, index) =>
    objectsAt(container, 'ports').flatMap((port, which) => {
      const at = `${field}.containers[${index}].ports[${which}].hostPort`;
      const { hostPort, containerPort, protocol, hostIP = '' } = port;
      if (!hostPort) return [];
      const id = [protocol, hostIP, hostPort].join('/');
      const again = seen.has(id) ? [duplicate(at, id)] : [];
      seen.add(id);
      return spec.hostNetwork === true && hostPort !== containerPort
        ? [...again, invalidValue(at, hostPort, 'must match `containerPort` when `hostNetwork` is true')]
        : again;
    }),
  );
}

/** Everything wrong with a pod's spec at this path. */
export function validatePodSpec(spec: JsonObject, field: string): FieldError[] {
  const errors = validateVolumes(spec, field);
  const volumes = new Set(objectsAt(spec, 'volumes').map(({ name }) => String(name)));
  const graceSeconds = numberAt(spec, 'terminationGracePeriodSeconds') ?? 30;
  const seen = new Set<string>();
  const containers = objectsAt(spec, 'containers');
  if (containers.length === 0) errors.push(required(`${field}.containers`));
  const check = (key: 'containers' | 'initContainers'): void =>
    objectsAt(spec, key).forEach((container, index) => {
      const at = `${field}.${key}[${index}]`;
      errors.push(
        ...validateContainer(container, at, { volumes, graceSeconds, isInit: key === 'initContainers' }),
      );
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
  errors.push(...validateHostPorts(spec, field));
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
    ...validatePodContext(spec, field),
    ...validateAffinity(spec, field),
    ...validateDns(spec, field),
    ...validateGates(spec, field),
    ...validateSpread(spec, field),
  );
  for (const key of ['hostname', 'subdomain'] as const) {
    const value = stringAt(spec, key);
    if (value)
      errors.push(...labelErrors(value).map((error) => invalidValue(`${field}.${key}`, value, error)));
  }
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
  errors.push(
    ...validateTolerations(spec, field),
    ...validateHostAliases(spec, field),
    ...oneOf(stringAt(spec, 'os', 'name'), `${field}.os`, ['linux', 'windows']),
  );
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
  if (old === undefined)
    return objectsAt(spec, 'ephemeralContainers').length === 0
      ? errors
      : [...errors, forbiddenField('spec.ephemeralContainers', 'cannot be set on create')];
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
