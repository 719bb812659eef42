/** Plugins whose pods several Services name, as their EndpointSlices change one after the other. */
import t from 'tap';
import type { Test } from 'tap';
import { endpointsOf } from '../../../server/plugin-host/discovery/endpoints.js';
import type { Endpoint } from '../../../server/plugin-host/discovery/endpoints.js';
import { nothingFound, strangers } from '../../../server/plugin-host/discovery/found.js';
import type { Found } from '../../../server/plugin-host/discovery/found.js';
import { createKinship } from '../../../server/plugin-host/discovery/kinship.js';
import { createOneAtATime } from '../../../server/plugin-host/discovery/one-at-a-time.js';
import { createRegistry } from '../../../server/plugin-host/registry/registry.js';

type Pods = Readonly<Record<string, Endpoint['state']>>;

const CONDITIONS = {
  ready: { ready: true },
  starting: { ready: false },
  leaving: { ready: false, serving: true, terminating: true },
};

/** The endpoints of a Service with these pods, `p1` at 10.0.0.1. */
const endpoints = (pods: Pods, port: number, namespace = 'shop') =>
  endpointsOf([
    {
      metadata: { namespace, name: 'slice', labels: {} },
      addressType: 'IPv4',
      ports: [{ name: 'plugin', port }],
      endpoints: Object.entries(pods).map(([name, state]) => ({
        addresses: [`10.0.0.${name.slice(1)}`],
        conditions: CONDITIONS[state],
        targetRef: { kind: 'Pod', namespace, name, uid: name },
      })),
    },
  ]);

/** A registry, and Services whose plugins are met whenever there are strangers. */
function start(t: Test) {
  const log = { info: () => undefined, warn: () => undefined };
  const registry = createRegistry({ log, allowBaseUrl: () => undefined });
  t.teardown(() => registry.close());
  const kinship = createKinship(registry);
  const versions: Record<string, string> = {};
  /** What each pod was told last. */
  const told: Record<string, { runtimeId: string; at: string }> = {};
  const meetAll = (at: Found): void => {
    for (const key of strangers(at, 0)) {
      const endpoint = at.wanted.get(key)!;
      const { name } = endpoint.pod;
      const kin = kinship.identify(at, endpoint, {
        ...{ selfId: 'storage', selfVersion: versions[name] ?? '1.0.0', metadata: {} },
        ...{ provides: [{ type: 'storage', version: '1.0.0', path: '/s/' }], requires: {}, startup: {} },
      });
      told[name] = { runtimeId: kin.runtimeId, at: endpoint.baseUrl };
      kinship.join(at, key, kin, endpoint.state === 'ready');
    }
  };
  const service = (name: string, port = 8082, namespace = 'shop') => {
    const at = nothingFound(`${namespace}/${name}`);
    const has = (pods: Pods): void => {
      const before = at.wanted;
      at.wanted = endpoints(pods, port, namespace);
      for (const one of kinship.settle(at, before)) meetAll(one);
    };
    return {
      has,
      goes(): void {
        has({});
        kinship.forget(at);
      },
    };
  };
  const targetsOf = (runtimeId: string): string[] =>
    registry
      .services()
      .filter(({ provider }) => provider === runtimeId)
      .flatMap(({ targets }) => targets.map(({ baseUrl }) => baseUrl))
      .sort();
  /** What plugins there are, each with where it is called. */
  const plugins = () =>
    registry.plugins().map(({ runtimeId, selfVersion }) => [selfVersion, ...targetsOf(runtimeId)]);
  return { registry, service, versions, told, plugins, targetsOf };
}

t.test('readiness is told of by one Service before the other', async (t) => {
  const { service, plugins } = start(t);
  const [a, b] = [service('a'), service('b')];
  a.has({ p1: 'ready', p2: 'ready' });
  b.has({ p1: 'ready', p2: 'ready' });
  t.same(plugins(), [['1.0.0', 'http://10.0.0.1:8082', 'http://10.0.0.2:8082']]);
  for (const one of [a, b]) one.has({ p1: 'starting', p2: 'ready' });
  t.same(plugins(), [['1.0.0', 'http://10.0.0.2:8082']]);
  for (const one of [b, a]) one.has({ p1: 'ready', p2: 'leaving' });
  t.same(plugins(), [['1.0.0', 'http://10.0.0.1:8082']]);
  for (const one of [b, a]) one.has({ p1: 'ready' });
  t.same(plugins(), [['1.0.0', 'http://10.0.0.1:8082']]);
});

t.test('a version that is rolled out behind two Services takes the old one away', async (t) => {
  for (const turned of [false, true]) {
    const { service, plugins, versions } = start(t);
    const services = [service('a'), service('b')];
    const all = (pods: Pods): void => {
      for (const one of turned ? services.toReversed() : services) one.has(pods);
    };
    versions['p2'] = '1.1.0';
    for (const one of services) one.has({ p1: 'ready' });
    all({ p1: 'ready', p2: 'starting' });
    all({ p1: 'ready', p2: 'ready' });
    all({ p1: 'leaving', p2: 'ready' });
    all({ p2: 'ready' });
    t.same(plugins(), [['1.1.0', 'http://10.0.0.2:8082']], `turned: ${turned}`);
    // Its container starts anew with another program.
    versions['p2'] = '1.2.0';
    all({ p2: 'starting' });
    all({ p2: 'ready' });
    t.same(plugins(), [['1.2.0', 'http://10.0.0.2:8082']], `turned: ${turned}`);
  }
});

t.test('pods that only one of the Services has stay when the other one goes', async (t) => {
  const { service, plugins, registry, told } = start(t);
  const [a, b] = [service('a'), service('b')];
  a.has({ p1: 'ready' });
  b.has({ p2: 'ready' });
  t.equal(registry.size, 2, 'Services with nothing in common have plugins of their own');
  b.has({ p1: 'ready', p2: 'ready' });
  a.goes();
  t.same(plugins(), [
    ['1.0.0', 'http://10.0.0.1:8082'],
    ['1.0.0', 'http://10.0.0.2:8082'],
  ]);
  t.ok(['p1', 'p2'].every((pod) => registry.plugin(told[pod]!.runtimeId)?.routable));
  b.goes();
  t.same(plugins(), []);
});

t.test('a program that two Services name by two ports is told anew when one of them goes', async (t) => {
  const { service, plugins, registry, told, targetsOf } = start(t);
  const [a, b] = [service('a'), service('b', 9090)];
  a.has({ p1: 'ready' });
  b.has({ p1: 'ready' });
  const { runtimeId } = told['p1']!;
  t.same(plugins(), [['1.0.0', 'http://10.0.0.1:8082', 'http://10.0.0.1:9090']]);
  let least = Infinity;
  t.teardown(registry.watch(() => (least = Math.min(least, targetsOf(runtimeId).length))));
  b.goes();
  t.same(told['p1'], { runtimeId, at: 'http://10.0.0.1:8082' });
  t.same(plugins(), [['1.0.0', 'http://10.0.0.1:8082']]);
  t.equal(least, 1, 'it was called meanwhile');
});

t.test('a slice of another namespace with the uid of a pod has no part in its plugin', async (t) => {
  const { service, plugins, told } = start(t);
  const [mine, theirs] = [service('a'), service('a', 8082, 'tenant-b')];
  mine.has({ p1: 'ready' });
  const { runtimeId } = told['p1']!;
  theirs.has({ p1: 'ready' });
  // Their pod has another name, so that in truth it is not met.
  t.not(told['p1']!.runtimeId, runtimeId);
  theirs.has({ p1: 'starting' });
  t.same(plugins()[0], ['1.0.0', 'http://10.0.0.1:8082']);
  mine.goes();
  t.same(plugins().slice(1), [], 'nobody else holds it');
});

t.test('an identity that the registry ends is no longer known', async (t) => {
  const log = { info: () => undefined, warn: () => undefined };
  const registry = createRegistry({ log, allowBaseUrl: () => undefined });
  t.teardown(() => registry.close());
  const kinship = createKinship(registry);
  const at = nothingFound('shop/storage');
  at.wanted = endpoints({ p1: 'ready' }, 8082);
  kinship.settle(at, new Map());
  const info = {
    selfId: 'storage',
    selfVersion: '1.0.0',
    metadata: {},
    provides: [],
    requires: {},
    startup: {},
  };
  const [[key, endpoint] = t.fail() as never] = at.wanted;
  const kin = kinship.identify(at, endpoint, info);
  t.ok(kinship.isKnown(kin));
  t.same(kinship.lose(kin.runtimeId), [at]);
  t.notOk(kinship.isKnown(kin));
  t.same(kinship.lose(kin.runtimeId), []);
  const next = kinship.identify(at, endpoint, info);
  t.ok(kinship.join(at, key, next, true));
  t.notOk(kinship.join(at, key, next, true), 'it is one already');
  kinship.dismiss(next);
  t.ok(kinship.isKnown(next), 'somebody took it');
  kinship.forget(at);
  t.notOk(kinship.isKnown(next));
});

t.test('what is done about one thing is done in turn, whatever fails', async (t) => {
  const inTurn = createOneAtATime();
  const done: string[] = [];
  const does = (what: string, waits: Promise<unknown>) => async () => {
    done.push(`${what} begins`);
    await waits;
    done.push(`${what} ends`);
  };
  let breaks: (error: Error) => void = () => undefined;
  const broken = new Promise<void>((_, reject) => (breaks = reject));
  const one = inTurn('a', does('one', broken));
  const two = inTurn('a', does('two', Promise.resolve()));
  await inTurn('b', does('other', Promise.resolve()));
  breaks(new Error('broken'));
  await t.rejects(one, /broken/);
  await two;
  t.same(done, ['one begins', 'other begins', 'other ends', 'two begins', 'two ends']);
});
