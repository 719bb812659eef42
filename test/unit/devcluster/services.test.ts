import t from 'tap';
import { objectAt, objectsAt } from '../../../devcluster/api/json.js';
import type { JsonObject } from '../../../devcluster/api/json.js';
import { createServiceStrategy } from '../../../devcluster/api/services.js';

const service = (spec: JsonObject): JsonObject => ({ metadata: { name: 'a' }, spec });
const nodePorts = (object: JsonObject): unknown[] =>
  objectsAt(object, 'spec', 'ports').map(({ nodePort }) => nodePort);

t.test('what a Service is given', async (t) => {
  // Always the first free one, so that whoever does not look takes the same twice.
  const strategy = createServiceStrategy(() => 0);
  const create = (spec: JsonObject, isStored: boolean): JsonObject => {
    const object = service(spec);
    strategy.prepareCreate?.(object);
    if (isStored) strategy.stored?.(object, undefined);
    return object;
  };

  const balanced = (): JsonObject => ({
    type: 'LoadBalancer',
    externalTrafficPolicy: 'Local',
    ports: [{ port: 80 }, { port: 81 }],
  });
  for (const round of ['the first time', 'again, as nothing was stored']) {
    const dry = create(balanced(), false);
    t.same(nodePorts(dry), [30_000, 30_001], `ports of their own, ${round}`);
    t.equal(objectAt(dry, 'spec')?.healthCheckNodePort, 30_002, `and one for the health check, ${round}`);
    t.equal(objectAt(dry, 'spec')?.clusterIP, '10.96.0.2');
  }

  const first = create(balanced(), true);
  const second = create(balanced(), true);
  t.same(nodePorts(second), [30_003, 30_004], 'what another has is not given');
  t.equal(objectAt(second, 'spec')?.clusterIP, '10.96.0.3');
  t.throws(() => create({ type: 'NodePort', ports: [{ port: 80, nodePort: 30_002 }] }, false), {
    message: /already allocated/,
  });

  const narrowed = service({ ...objectAt(first, 'spec'), ports: [{ port: 81, nodePort: 30_001 }] });
  strategy.prepareUpdate?.(narrowed, first);
  t.throws(() => create({ type: 'NodePort', ports: [{ port: 80, nodePort: 30_000 }] }, false), 'not yet');
  strategy.stored?.(narrowed, first);
  t.same(
    nodePorts(create({ type: 'NodePort', ports: [{ port: 80, nodePort: 30_000 }] }, false)),
    [30_000],
    'a port that was given up is free when that is stored',
  );

  strategy.removed?.(narrowed);
  t.same(nodePorts(create(balanced(), false)), [30_000, 30_001], 'and all of them when the Service has gone');
});

t.test('node ports of several protocols, and none', async (t) => {
  const strategy = createServiceStrategy(() => 0);
  const dns = service({
    type: 'NodePort',
    ports: [
      { port: 53, protocol: 'UDP' },
      { port: 53, protocol: 'TCP' },
    ],
  });
  strategy.prepareCreate?.(dns);
  t.same(nodePorts(dns), [30_000, 30_000], 'one port of two protocols is one node port');

  const without = service({
    type: 'LoadBalancer',
    allocateLoadBalancerNodePorts: false,
    ports: [{ port: 80 }, { port: 81, nodePort: 30_005 }],
  });
  strategy.prepareCreate?.(without);
  t.same(nodePorts(without), [undefined, 30_005], 'none for who wants none, but what he names');
});
