/** The rules for containers. */
import { duplicate, forbiddenField, invalidValue, notFoundValue, required } from '../field-errors.js';
import type { FieldError } from '../field-errors.js';
import { numberAt, objectAt, objectsAt, stringAt } from '../json.js';
import type { JsonObject } from '../json.js';
import { configKeyErrors, labelErrors, subdomainErrors } from '../names.js';
import { parseQuantity } from '../quantity.js';
import { nonNegative, oneOf, portName, portNumber, portNumberOrName } from './fields.js';
import { relativePath } from './pod-volumes.js';
import { validateContainerContext } from './security.js';

const PROTOCOLS = ['SCTP', 'TCP', 'UDP'];
const STANDARD = new Set(['cpu', 'memory', 'ephemeral-storage', 'storage']);

function validatePorts(container: JsonObject, field: string): FieldError[] {
  const names = new Set<string>();
  return objectsAt(container, 'ports').flatMap((port, index) => {
    const at = `${field}.ports[${index}]`;
    const errors: FieldError[] = [];
    const name = stringAt(port, 'name') ?? '';
    if (name !== '') {
      const wrong = portName(name, `${at}.name`);
      errors.push(...wrong);
      if (wrong.length === 0 && names.has(name)) errors.push(duplicate(`${at}.name`, name));
      names.add(name);
    }
    const number = numberAt(port, 'containerPort') ?? 0;
    if (number === 0) errors.push(required(`${at}.containerPort`));
    else errors.push(...portNumber(number, `${at}.containerPort`));
    const hostPort = numberAt(port, 'hostPort') ?? 0;
    if (hostPort !== 0) errors.push(...portNumber(hostPort, `${at}.hostPort`));
    return [...errors, ...oneOf(port.protocol, `${at}.protocol`, PROTOCOLS)];
  });
}

const SOURCES = ['fieldRef', 'resourceFieldRef', 'configMapKeyRef', 'secretKeyRef', 'fileKeyRef'];

/** What a variable may take of its pod. */
const FIELD_PATH =
  /^(metadata\.(name|namespace|uid|(labels|annotations)\['.+'\])|spec\.(nodeName|serviceAccountName)|status\.(hostIPs?|podIPs?))$/;

const validateEnvFrom = (container: JsonObject, field: string): FieldError[] =>
  objectsAt(container, 'envFrom').flatMap((source) =>
    source.configMapRef === undefined && source.secretRef === undefined
      ? [invalidValue(`${field}.envFrom`, '', 'must specify one of: `configMapRef` or `secretRef`')]
      : [],
  );

function validateEnv(container: JsonObject, field: string): FieldError[] {
  return objectsAt(container, 'env').flatMap((variable, index) => {
    const at = `${field}.env[${index}]`;
    const errors: FieldError[] = [];
    const name = stringAt(variable, 'name') ?? '';
    if (name === '') errors.push(required(`${at}.name`));
    else if (!/^[\x20-\x3c\x3e-\x7e]+$/.test(name))
      errors.push(
        invalidValue(
          `${at}.name`,
          name,
          "a valid environment variable name must consist only of printable ASCII characters other than '='",
        ),
      );
    const from = objectAt(variable, 'valueFrom');
    if (from === undefined) return errors;
    const given = SOURCES.filter((source) => from[source] !== undefined);
    const fieldPath = stringAt(from, 'fieldRef', 'fieldPath');
    if (fieldPath !== undefined && !FIELD_PATH.test(fieldPath))
      errors.push(
        invalidValue(
          `${at}.valueFrom.fieldRef.fieldPath`,
          fieldPath,
          `error converting fieldPath: field label not supported: ${fieldPath}`,
        ),
      );
    for (const source of ['configMapKeyRef', 'secretKeyRef']) {
      const reference = objectAt(from, source);
      if (reference === undefined) continue;
      const key = stringAt(reference, 'key') ?? '';
      const path = `${at}.valueFrom.${source}`;
      const name = stringAt(reference, 'name') ?? '';
      errors.push(...subdomainErrors(name).map((error) => invalidValue(`${path}.name`, name, error)));
      if (key === '') errors.push(required(`${path}.key`));
      else errors.push(...configKeyErrors(key).map((error) => invalidValue(`${path}.key`, key, error)));
    }
    const refuse = (detail: string): void => {
      errors.push(invalidValue(`${at}.valueFrom`, '', detail));
    };
    if (given.length === 0)
      refuse(
        'must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`',
      );
    else if (variable.value !== undefined) refuse('may not be specified when `value` is not empty');
    else if (given.length > 1) refuse('may not have more than one field specified at a time');
    return errors;
  });
}

/** A way of mounting; the API names no index with it. */
function validateMount(mount: JsonObject, isPrivileged: boolean, field: string, at: string): FieldError[] {
  const [path = '', expression = ''] = ['subPath', 'subPathExpr'].map((key) => stringAt(mount, key));
  const { mountPropagation, recursiveReadOnly } = mount;
  return [
    ...relativePath(path, `${field}.subPath`),
    ...(path !== '' && expression !== ''
      ? [invalidValue(`${at}.subPathExpr`, expression, 'subPathExpr and subPath are mutually exclusive')]
      : []),
    ...relativePath(expression, `${field}.subPathExpr`),
    ...oneOf(mountPropagation, `${field}.mountPropagation`, ['Bidirectional', 'HostToContainer', 'None']),
    ...(mountPropagation === 'Bidirectional' && !isPrivileged
      ? [
          forbiddenField(
            `${field}.mountPropagation`,
            'Bidirectional mount propagation is available only to privileged containers',
          ),
        ]
      : []),
    ...(['Enabled', 'IfPossible'].includes(String(recursiveReadOnly)) && mount.readOnly !== true
      ? [forbiddenField(`${field}.recursiveReadOnly`, 'may only be specified when readOnly is true')]
      : []),
  ];
}

function validateMounts(container: JsonObject, field: string, volumes: ReadonlySet<string>): FieldError[] {
  const isPrivileged = objectAt(container, 'securityContext')?.privileged === true;
  const paths = new Set<string>();
  return objectsAt(container, 'volumeMounts').flatMap((mount, index) => {
    const at = `${field}.volumeMounts[${index}]`;
    const name = stringAt(mount, 'name') ?? '';
    const path = stringAt(mount, 'mountPath') ?? '';
    const errors: FieldError[] = [];
    if (name === '') errors.push(required(`${at}.name`));
    if (!volumes.has(name)) errors.push(notFoundValue(`${at}.name`, name));
    if (path === '') errors.push(required(`${at}.mountPath`));
    if (paths.has(path)) errors.push(invalidValue(`${at}.mountPath`, path, 'must be unique'));
    paths.add(path);
    return [...errors, ...validateMount(mount, isPrivileged, `${field}.volumeMounts`, at)];
  });
}

const isExtended = (name: string): boolean => name.includes('/');
/** Not shared out beyond what there is. */
const isOwn = (name: string): boolean => isExtended(name) || name.startsWith('hugepages-');

/** Limits and requests: known names, not negative, no request above its limit. */
export function validateResources(resources: JsonObject | undefined, field: string): FieldError[] {
  const limits = objectAt(resources, 'limits') ?? {};
  const requests = objectAt(resources, 'requests') ?? {};
  const quantities = (given: JsonObject, key: string): FieldError[] =>
    Object.entries(given).flatMap(([name, value]) => {
      const at = `${field}.${key}[${name}]`;
      const errors: FieldError[] = [];
      if (!STANDARD.has(name) && !name.includes('/') && !name.startsWith('hugepages-'))
        errors.push(
          invalidValue(at, name, 'must be a standard resource type or fully qualified'),
          invalidValue(at, name, 'must be a standard resource for containers'),
        );
      const quantity = parseQuantity(String(value));
      if (quantity !== undefined && quantity.nanos < 0n)
        errors.push(invalidValue(at, String(value), 'must be greater than or equal to 0'));
      if (quantity !== undefined && isExtended(name) && quantity.nanos % 1_000_000_000n !== 0n)
        errors.push(invalidValue(at, quantity.canonical, 'must be an integer'));
      return errors;
    });
  const above = Object.entries(requests).flatMap(([name, value]) => {
    const limit = limits[name] === undefined ? undefined : parseQuantity(String(limits[name]));
    const request = parseQuantity(String(value));
    if (limit === undefined || request === undefined) return [];
    const isEqual = isExtended(name);
    return (isEqual ? request.nanos !== limit.nanos : request.nanos > limit.nanos)
      ? [
          invalidValue(
            `${field}.requests`,
            request.canonical,
            `must be ${isEqual ? '' : 'less than or '}equal to ${name} limit of ${limit.canonical}`,
          ),
        ]
      : [];
  });
  const unlimited = Object.keys(requests).some((name) => isOwn(name) && limits[name] === undefined)
    ? [required(`${field}.limits`, 'Limit must be set for non overcommitable resources')]
    : [];
  return [...quantities(limits, 'limits'), ...quantities(requests, 'requests'), ...above, ...unlimited];
}

const HANDLERS = ['exec', 'httpGet', 'tcpSocket', 'grpc', 'sleep'];

/** What runs, or is asked, in a probe or at a moment of a container's life. */
function validateHandler(owner: JsonObject, field: string): FieldError[] {
  const given = HANDLERS.filter((handler) => owner[handler] !== undefined);
  const [handler] = given;
  if (handler === undefined) return [required(field, 'must specify a handler type')];
  const own = objectAt(owner, handler) ?? {};
  const at = `${field}.${handler}`;
  const wrong =
    handler === 'exec'
      ? own.command === undefined
        ? [required(`${at}.command`)]
        : []
      : handler === 'sleep'
        ? []
        : [
            ...portNumberOrName(own.port, `${at}.port`),
            ...(handler === 'httpGet' ? oneOf(own.scheme, `${at}.scheme`, ['HTTP', 'HTTPS']) : []),
          ];
  return [
    ...wrong,
    ...given
      .slice(1)
      .map((other) => forbiddenField(`${field}.${other}`, 'may not specify more than 1 handler type')),
  ];
}

function validateProbe(probe: JsonObject | undefined, field: string): FieldError[] {
  if (probe === undefined) return [];
  const errors = validateHandler(probe, field);
  for (const key of [
    'initialDelaySeconds',
    'timeoutSeconds',
    'periodSeconds',
    'successThreshold',
    'failureThreshold',
  ])
    errors.push(...nonNegative(probe, key, field));
  const grace = numberAt(probe, 'terminationGracePeriodSeconds');
  const why = field.endsWith('readinessProbe')
    ? 'must not be set for readinessProbes'
    : (grace ?? 1) <= 0
      ? 'must be greater than 0'
      : undefined;
  if (grace !== undefined && why !== undefined)
    errors.push(invalidValue(`${field}.terminationGracePeriodSeconds`, grace, why));
  if (/liveness|startup/.test(field)) {
    const threshold = numberAt(probe, 'successThreshold') ?? 1;
    if (threshold !== 1) errors.push(invalidValue(`${field}.successThreshold`, threshold, 'must be 1'));
  }
  return errors;
}

/** What is known of its pod. */
export interface ContainerOwner {
  readonly volumes: ReadonlySet<string>;
  readonly graceSeconds: number;
  readonly isInit: boolean;
}

const LIFE = ['lifecycle', 'livenessProbe', 'readinessProbe', 'startupProbe'];

function validateLife(
  container: JsonObject,
  field: string,
  { graceSeconds, isInit }: ContainerOwner,
): FieldError[] {
  const errors: FieldError[] = [];
  if (isInit) {
    errors.push(
      ...oneOf(container.restartPolicy, `${field}.restartPolicy`, ['Always', 'Never', 'OnFailure']),
    );
    if (container.restartPolicy !== 'Always')
      return [
        ...LIFE.filter((key) => container[key] !== undefined).map((key) =>
          forbiddenField(
            `${field}.${key}`,
            'may not be set for init containers without restartPolicy=Always',
          ),
        ),
        ...errors,
      ];
  }
  for (const key of ['postStart', 'preStop']) {
    const handler = objectAt(container, 'lifecycle', key);
    if (handler === undefined) continue;
    const at = `${field}.lifecycle.${key}`;
    errors.push(...validateHandler(handler, at));
    const seconds = numberAt(handler, 'sleep', 'seconds') ?? 0;
    if (seconds < 0 || seconds > graceSeconds)
      errors.push(
        invalidValue(
          `${at}.sleep`,
          seconds,
          `must be non-negative and less than terminationGracePeriodSeconds (${graceSeconds})`,
        ),
      );
  }
  for (const key of ['livenessProbe', 'readinessProbe', 'startupProbe'])
    errors.push(...validateProbe(objectAt(container, key), `${field}.${key}`));
  return errors;
}

/** Everything wrong with a container at this path, but for names that another has too. */
export function validateContainer(container: JsonObject, field: string, owner: ContainerOwner): FieldError[] {
  const errors: FieldError[] = [];
  const name = stringAt(container, 'name') ?? '';
  if (name === '') errors.push(required(`${field}.name`));
  else errors.push(...labelErrors(name).map((error) => invalidValue(`${field}.name`, name, error)));
  const image = stringAt(container, 'image') ?? '';
  if (image === '') errors.push(required(`${field}.image`));
  else if (image !== image.trim())
    errors.push(invalidValue(`${field}.image`, image, 'must not have leading or trailing whitespace'));
  errors.push(
    ...oneOf(container.terminationMessagePolicy, `${field}.terminationMessagePolicy`, [
      'File',
      'FallbackToLogsOnError',
    ]),
    ...validatePorts(container, field),
    ...validateEnv(container, field),
    ...validateEnvFrom(container, field),
    ...validateMounts(container, field, owner.volumes),
    ...oneOf(container.imagePullPolicy, `${field}.imagePullPolicy`, ['Always', 'IfNotPresent', 'Never']),
    ...validateResources(objectAt(container, 'resources'), `${field}.resources`),
    ...validateLife(container, field, owner),
    ...validateContainerContext(container, field),
  );
  return errors;
}
