/** The rules for Services. */
import { isIP } from 'node:net';
import { duplicate, forbiddenField, invalidValue, required } from '../field-errors.js';
import type { FieldError } from '../field-errors.js';
import { numberAt, objectAt, objectsAt, stringAt, stringsAt } from '../json.js';
import type { JsonObject } from '../json.js';
import { labelErrors, subdomainErrors } from '../names.js';
import { oneOf, portNumber, portNumberOrName } from './fields.js';
import { validateLabels } from './metadata.js';

/** Whether a Service of this spec is reached from outside of the cluster, and so has node ports. */
export const isOutward = ({ type }: JsonObject): boolean => type === 'NodePort' || type === 'LoadBalancer';

const TYPES = ['ClusterIP', 'ExternalName', 'LoadBalancer', 'NodePort'];

function validatePorts(ports: JsonObject[]): FieldError[] {
  const names = new Set<string>();
  const pairs = new Set<string>();
  return ports.flatMap((port, index) => {
    const at = `spec.ports[${index}]`;
    const errors: FieldError[] = [];
    const name = stringAt(port, 'name') ?? '';
    if (name === '' && ports.length > 1) errors.push(required(`${at}.name`));
    else if (name !== '') {
      errors.push(...labelErrors(name).map((error) => invalidValue(`${at}.name`, name, error)));
      if (names.has(name)) errors.push(duplicate(`${at}.name`, name));
      names.add(name);
    }
    const number = numberAt(port, 'port') ?? 0;
    errors.push(
      ...portNumber(number, `${at}.port`),
      ...oneOf(port.protocol, `${at}.protocol`, ['SCTP', 'TCP', 'UDP']),
      ...portNumberOrName(port.targetPort, `${at}.targetPort`),
    );
    const protocol = stringAt(port, 'protocol') ?? '';
    if (pairs.has(`${protocol}/${number}`))
      errors.push(
        duplicate(at, {
          Name: '',
          Protocol: protocol,
          AppProtocol: null,
          Port: number,
          TargetPort: 0,
          NodePort: 0,
        }),
      );
    pairs.add(`${protocol}/${number}`);
    return errors;
  });
}

export function validateService(service: JsonObject, old: JsonObject | undefined): FieldError[] {
  const spec = objectAt(service, 'spec') ?? {};
  const type = stringAt(spec, 'type') ?? '';
  const ports = objectsAt(spec, 'ports');
  const headless = spec.clusterIP === 'None';
  const errors: FieldError[] = [];
  if (ports.length === 0 && !headless && type !== 'ExternalName') errors.push(required('spec.ports'));
  if (type === 'ExternalName') {
    const name = stringAt(spec, 'externalName') ?? '';
    if (name === '') errors.push(required('spec.externalName'));
    else
      errors.push(
        ...subdomainErrors(name.replace(/\.$/, '')).map((error) =>
          invalidValue('spec.externalName', name, error),
        ),
      );
  }
  errors.push(
    ...validatePorts(ports),
    ...validateLabels(objectAt(spec, 'selector'), 'spec.selector'),
    ...oneOf(spec.sessionAffinity, 'spec.sessionAffinity', ['ClientIP', 'None']),
    ...oneOf(spec.type, 'spec.type', TYPES),
  );
  const address = stringAt(spec, 'clusterIP') ?? '';
  if (address !== '' && !headless && type !== 'ExternalName' && isIP(address) === 0)
    errors.push(
      invalidValue(
        'spec.clusterIPs[0]',
        address,
        'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
      ),
    );
  const outward = isOutward(spec);
  if (headless && outward)
    errors.push(invalidValue('spec.clusterIPs[0]', 'None', `may not be set to 'None' for ${type} services`));
  if (type === 'ClusterIP')
    ports.forEach((port, index) => {
      if (port.nodePort)
        errors.push(
          forbiddenField(`spec.ports[${index}].nodePort`, "may not be used when `type` is 'ClusterIP'"),
        );
    });
  stringsAt(spec, 'externalIPs').forEach((ip, index) => {
    if (isIP(ip) === 0)
      errors.push(
        invalidValue(
          `spec.externalIPs[${index}]`,
          ip,
          'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
        ),
      );
  });
  // One without an address and without pods of its own is for both families all the same.
  if (spec.ipFamilyPolicy === 'RequireDualStack' && !headless)
    errors.push(
      invalidValue(
        'spec.ipFamilyPolicy',
        spec.ipFamilyPolicy,
        'this cluster is not configured for dual-stack services',
      ),
    );
  if (spec.externalTrafficPolicy !== undefined && !outward && stringsAt(spec, 'externalIPs').length === 0)
    errors.push(
      invalidValue(
        'spec.externalTrafficPolicy',
        spec.externalTrafficPolicy,
        'may only be set for externally-accessible services',
      ),
    );
  const before = stringAt(old, 'spec', 'clusterIP');
  if (
    before &&
    type !== 'ExternalName' &&
    stringAt(old, 'spec', 'type') !== 'ExternalName' &&
    spec.clusterIP !== before
  )
    errors.push(invalidValue('spec.clusterIPs[0]', [spec.clusterIP ?? ''], 'may not change once set'));
  return errors;
}

/** What a write of a Service's status may not say. */
export function validateServiceStatus(service: JsonObject): FieldError[] {
  const ingress = objectsAt(service, 'status', 'loadBalancer', 'ingress');
  return ingress.length === 0 || stringAt(service, 'spec', 'type') === 'LoadBalancer'
    ? []
    : [forbiddenField('status.loadBalancer.ingress', "may only be used when `spec.type` is 'LoadBalancer'")];
}
