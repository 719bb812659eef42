/** The rules for Ingresses, NetworkPolicies and EndpointSlices. */
import { isIP } from 'node:net';
import { duplicate, invalidValue, required } from '../field-errors.js';
import type { FieldError } from '../field-errors.js';
import { numberAt, objectAt, objectsAt, stringAt, stringsAt } from '../json.js';
import type { JsonObject } from '../json.js';
import { label1035Errors, subdomainErrors } from '../names.js';
import { labelSelector, oneOf, portName, portNumber, portNumberOrName } from './fields.js';

const PATH_TYPES = ['Exact', 'ImplementationSpecific', 'Prefix'];
const NOT_AN_ADDRESS = 'must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)';
const NOT_A_CIDR = 'must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)';

function backend(value: JsonObject | undefined, field: string): FieldError[] {
  const service = objectAt(value, 'service');
  if (value === undefined || value.resource !== undefined) return [];
  if (service === undefined) return [required(field, 'must specify one of: `service` or `resource`')];
  const name = stringAt(service, 'name') ?? '';
  const port = stringAt(service, 'port', 'name') ?? '';
  const number = numberAt(service, 'port', 'number') ?? 0;
  const errors =
    name === ''
      ? [required(`${field}.service.name`)]
      : label1035Errors(name).map((error) => invalidValue(`${field}.service.name`, name, error));
  if (port === '' && number === 0) return [...errors, required(field, 'port name or number is required')];
  return [
    ...errors,
    ...(port === ''
      ? portNumber(number, `${field}.service.port.number`)
      : portName(port, `${field}.service.port.name`)),
  ];
}

function ingressPath(path: JsonObject, field: string): FieldError[] {
  if (path.pathType === undefined) return [required(`${field}.pathType`, 'pathType must be specified')];
  const text = stringAt(path, 'path') ?? '';
  const mustBegin = path.pathType !== 'ImplementationSpecific' || text !== '';
  return [
    ...oneOf(path.pathType, `${field}.pathType`, PATH_TYPES),
    ...(mustBegin && !text.startsWith('/')
      ? [invalidValue(`${field}.path`, text, 'must be an absolute path')]
      : []),
    ...backend(objectAt(path, 'backend'), `${field}.backend`),
  ];
}

export function validateIngress(ingress: JsonObject): FieldError[] {
  const spec = objectAt(ingress, 'spec') ?? {};
  const rules = objectsAt(spec, 'rules');
  if (rules.length === 0 && spec.defaultBackend === undefined)
    return [invalidValue('spec', null, 'either `defaultBackend` or `rules` must be specified')];
  return [
    ...rules.flatMap((rule, index) => {
      const host = stringAt(rule, 'host') ?? '';
      const field = `spec.rules[${index}]`;
      return [
        ...(host === '' || host.startsWith('*.')
          ? []
          : subdomainErrors(host).map((error) => invalidValue(`${field}.host`, host, error))),
        ...objectsAt(rule, 'http', 'paths').flatMap((path, at) =>
          ingressPath(path, `${field}.http.paths[${at}]`),
        ),
      ];
    }),
    ...backend(objectAt(spec, 'defaultBackend'), 'spec.defaultBackend'),
  ];
}

function peer(value: JsonObject, field: string): FieldError[] {
  const block = objectAt(value, 'ipBlock');
  const selectors = ['podSelector', 'namespaceSelector'].flatMap((key) =>
    labelSelector(objectAt(value, key), `${field}.${key}`),
  );
  if (block === undefined)
    return Object.keys(value).length === 0 ? [required(field, 'must specify a peer')] : selectors;
  const cidr = stringAt(block, 'cidr') ?? '';
  const [address = '', bits] = cidr.split('/');
  const isCidr = isIP(address) !== 0 && bits !== undefined && /^\d+$/.test(bits);
  return [...selectors, ...(isCidr ? [] : [invalidValue(`${field}.ipBlock.cidr`, cidr, NOT_A_CIDR)])];
}

export function validateNetworkPolicy(policy: JsonObject): FieldError[] {
  const spec = objectAt(policy, 'spec') ?? {};
  const rules = (direction: string, peers: string): FieldError[] =>
    objectsAt(spec, direction).flatMap((rule, index) => {
      const field = `spec.${direction}[${index}]`;
      return [
        ...objectsAt(rule, 'ports').flatMap((port, at) => [
          ...oneOf(port.protocol, `${field}.ports[${at}].protocol`, ['SCTP', 'TCP', 'UDP']),
          ...(port.port === undefined ? [] : portNumberOrName(port.port, `${field}.ports[${at}].port`)),
        ]),
        ...objectsAt(rule, peers).flatMap((item, at) => peer(item, `${field}.${peers}[${at}]`)),
      ];
    });
  return [
    ...labelSelector(objectAt(spec, 'podSelector'), 'spec.podSelector'),
    ...rules('ingress', 'from'),
    ...rules('egress', 'to'),
    ...stringsAt(spec, 'policyTypes').flatMap((type, index) =>
      oneOf(type, `spec.policyTypes[${index}]`, ['Ingress', 'Egress']),
    ),
  ];
}

const ADDRESS_TYPES = ['FQDN', 'IPv4', 'IPv6'];

export function validateEndpointSlice(slice: JsonObject, old: JsonObject | undefined): FieldError[] {
  const type = stringAt(slice, 'addressType') ?? '';
  if (type === '') return [required('addressType')];
  const names = new Set<string>();
  return [
    ...(old === undefined || old.addressType === type
      ? []
      : [invalidValue('addressType', type, 'field is immutable')]),
    ...oneOf(type, 'addressType', ADDRESS_TYPES),
    ...objectsAt(slice, 'ports').flatMap((port, index) => {
      const name = stringAt(port, 'name') ?? '';
      const isTwice = names.has(name);
      names.add(name);
      return [
        ...(isTwice ? [duplicate(`ports[${index}].name`, name)] : []),
        ...(name === '' ? [] : portName(name, `ports[${index}].name`)),
        ...oneOf(port.protocol, `ports[${index}].protocol`, ['SCTP', 'TCP', 'UDP']),
      ];
    }),
    ...objectsAt(slice, 'endpoints').flatMap((endpoint, index) => {
      const field = `endpoints[${index}].addresses`;
      const addresses = stringsAt(endpoint, 'addresses');
      if (addresses.length === 0) return [required(field, 'must contain at least 1 address')];
      return addresses.flatMap((address, at) =>
        type === 'FQDN' || isIP(address) !== 0
          ? []
          : [invalidValue(`${field}[${at}]`, address, NOT_AN_ADDRESS)],
      );
    }),
  ];
}
