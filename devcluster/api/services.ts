/** Addresses and ports that the server gives to Services. */
import { isIP } from 'node:net';
import { ApiError, invalid } from './errors.js';
import { invalidValue } from './field-errors.js';
import { objectAt, objectsAt, stringAt } from './json.js';
import type { Json, JsonObject } from './json.js';
import type { Strategy } from './strategy.js';
import { isOutward, validateService, validateServiceStatus } from './validation/services.js';

const KIND = { group: '', kind: 'Service' };
const PREFIX = '10.96.';
const ADDRESSES = 65_534;
const FIRST_PORT = 30_000;
const PORTS = 2_768;

/** Whoever changes the type need not take away what the old one had been given for it; what was changed too is theirs to answer for. */
function dropWithType(spec: JsonObject, old: JsonObject): void {
  const drop = (name: string): void => {
    if (JSON.stringify(spec[name]) === JSON.stringify(old[name])) delete spec[name];
  };
  if (isOutward(old) && !isOutward(spec)) {
    drop('externalTrafficPolicy');
    drop('healthCheckNodePort');
    const had = new Set(objectsAt(old, 'ports').map(({ nodePort }) => nodePort));
    for (const port of objectsAt(spec, 'ports')) if (had.has(port.nodePort)) delete port.nodePort;
  }
  if (old.type === 'LoadBalancer' && spec.type !== 'LoadBalancer') {
    drop('allocateLoadBalancerNodePorts');
    drop('loadBalancerClass');
  }
  if (old.type !== 'ExternalName' && spec.type === 'ExternalName')
    for (const name of ['clusterIP', 'clusterIPs', 'ipFamilies', 'ipFamilyPolicy', 'internalTrafficPolicy'])
      drop(name);
}

/** The node ports of a Service, that of its health check among them. */
const nodePortsOf = (service: JsonObject | undefined): number[] =>
  [
    ...objectsAt(service, 'spec', 'ports').map((port) => port.nodePort),
    objectAt(service, 'spec')?.healthCheckNodePort,
  ]
    .map((port) => Number(port ?? 0))
    .filter((port) => port !== 0);

/**
 * A strategy with ranges of its own: 10.96.0.0/16 for addresses, 30000-32767 for node ports. What a Service is given counts as
 * taken when it is stored: a dry run and an object that is refused afterwards take nothing.
 */
export function createServiceStrategy(random: () => number = Math.random): Strategy {
  const addresses = new Set<string>([`${PREFIX}0.1`]);
  const ports = new Set<number>();

  const freeAddress = (): string => {
    const start = Math.floor(random() * ADDRESSES);
    for (let step = 0; step < ADDRESSES; step += 1) {
      const index = 1 + ((start + step) % ADDRESSES);
      const address = `${PREFIX}${index >> 8}.${index & 255}`;
      if (!addresses.has(address)) return address;
    }
    throw new ApiError({
      code: 500,
      reason: 'InternalError',
      message: 'Internal error occurred: failed to allocate a serviceIP: range is full',
    });
  };
  /** A port that nobody has, neither a stored Service nor the one at hand. */
  const freePort = (own: ReadonlySet<number>): number => {
    const start = Math.floor(random() * PORTS);
    for (let step = 0; step < PORTS; step += 1) {
      const port = FIRST_PORT + ((start + step) % PORTS);
      if (!ports.has(port) && !own.has(port)) return port;
    }
    throw new ApiError({
      code: 500,
      reason: 'InternalError',
      message: 'Internal error occurred: failed to allocate a nodePort: range is full',
    });
  };

  const allocateAddress = (spec: JsonObject, name: string, old: JsonObject | undefined): void => {
    const before = stringAt(old, 'spec', 'clusterIP');
    if (before && !spec.clusterIP) spec.clusterIP = before;
    if (!spec.clusterIP) spec.clusterIP = freeAddress();
    // An address that changes is refused where the rules are checked.
    else if (before === undefined && spec.clusterIP !== 'None' && isIP(String(spec.clusterIP)) !== 0) {
      const wanted = String(spec.clusterIP);
      const refuse = (why: string): ApiError =>
        invalid(KIND, name, [invalidValue('spec.clusterIPs', [wanted], why)]);
      if (!/^\d+\.\d+\.\d+\.\d+$/.test(wanted) || !wanted.startsWith(PREFIX))
        throw refuse(
          `failed to allocate IP ${wanted}: the provided network does not match the current range`,
        );
      if (addresses.has(wanted))
        throw refuse(`failed to allocate IP ${wanted}: provided IP is already allocated`);
    }
    spec.clusterIPs = [spec.clusterIP];
    // Without an address and without pods of its own a Service is for whatever family comes.
    const isAny = spec.clusterIP === 'None' && objectAt(spec, 'selector') === undefined;
    spec.ipFamilies ??= isAny ? ['IPv4', 'IPv6'] : ['IPv4'];
    spec.ipFamilyPolicy ??= isAny ? 'RequireDualStack' : 'SingleStack';
  };

  const allocatePorts = (spec: JsonObject, name: string, old: JsonObject | undefined): void => {
    const known = objectsAt(old, 'spec', 'ports');
    const before = new Set(nodePortsOf(old));
    const own = new Set<number>();
    const ofPort = new Map<Json | undefined, Json | undefined>();
    const isWithout = spec.type === 'LoadBalancer' && spec.allocateLoadBalancerNodePorts === false;
    objectsAt(spec, 'ports').forEach((port, index) => {
      const wanted = Number(port.nodePort ?? 0);
      const isInRange = wanted >= FIRST_PORT && wanted < FIRST_PORT + PORTS;
      if (wanted !== 0 && !before.has(wanted) && (!isInRange || ports.has(wanted)))
        throw invalid(KIND, name, [
          invalidValue(
            `spec.ports[${index}].nodePort`,
            wanted,
            isInRange
              ? 'provided port is already allocated'
              : `provided port is not in the valid range. The range of valid ports is ${FIRST_PORT}-${FIRST_PORT + PORTS - 1}`,
          ),
        ]);
      if (wanted === 0 && isWithout) return;
      // A port of several protocols is one node port.
      if (wanted === 0)
        port.nodePort =
          known.find((other) => other.port === port.port && other.protocol === port.protocol)?.nodePort ??
          ofPort.get(port.port) ??
          freePort(own);
      own.add(Number(port.nodePort));
      ofPort.set(port.port, port.nodePort);
    });
    if (spec.type === 'LoadBalancer' && spec.externalTrafficPolicy === 'Local')
      spec.healthCheckNodePort ??= freePort(own);
  };

  const allocate = (service: JsonObject, old: JsonObject | undefined): void => {
    const spec = objectAt(service, 'spec');
    if (spec === undefined || spec.type === 'ExternalName') return;
    const name = stringAt(service, 'metadata', 'name') ?? '';
    allocateAddress(spec, name, old);
    if (isOutward(spec)) allocatePorts(spec, name, old);
  };

  const free = (service: JsonObject): void => {
    const address = stringAt(service, 'spec', 'clusterIP');
    if (address !== undefined) addresses.delete(address);
    for (const port of nodePortsOf(service)) ports.delete(port);
  };

  return {
    initialStatus: () => ({ loadBalancer: {} }),
    validateStatus: validateServiceStatus,
    prepareCreate: (service) => allocate(service, undefined),
    prepareUpdate(service, old) {
      dropWithType(objectAt(service, 'spec') ?? {}, objectAt(old, 'spec') ?? {});
      allocate(service, old);
    },
    validate: validateService,
    stored(service, old) {
      if (old !== undefined) free(old);
      const address = stringAt(service, 'spec', 'clusterIP');
      if (address && address !== 'None') addresses.add(address);
      for (const port of nodePortsOf(service)) ports.add(port);
    },
    removed: free,
  };
}
