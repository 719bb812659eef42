/** A plugin of several pods: how it is shown by what each of them says, and where calls go. */
import t from 'tap';
import type { Test } from 'tap';
import { HealthState, PluginLifecycle } from '../../../proto/gen/connectplugin/v1/plugin_pb.js';
import { conditionOf, WELL } from '../../../server/plugin-host/registry/condition.js';
import type { Report, Words } from '../../../server/plugin-host/registry/condition.js';
import { podOf, podToken, secretOf } from '../../../server/plugin-host/registry/identity.js';
import { identityOf, startHost } from './registry-host.js';

const [A, B, C] = ['http://10.0.0.1:80', 'http://[fd00::2]:80', 'http://10.0.0.3:80'] as const;
const is = (state: Report['state'], reason = '', ...unavailableDependencies: string[]): Report => ({
  ...{ state, reason, unavailableDependencies },
});

t.test('how a plugin is by how it is at each address', async (t) => {
  const words = (heard: Record<string, Report>, more: Partial<Words> = {}): Words => ({
    ...{ said: WELL, pods: new Map(), heard: new Map(Object.entries(heard)) },
    ...more,
  });
  const all = (heard: Record<string, Report>, urls: readonly string[] = [A, B, C]) =>
    conditionOf(words(heard), urls, 'all');
  t.same(all({}), WELL);
  t.same(all({ [A]: is('unhealthy', 'no disk') }), is('healthy', `${A} is unhealthy: no disk`));
  t.same(
    all({ [A]: is('degraded', 'slow', 'x'), [C]: is('unhealthy') }),
    is('healthy', `${A} is degraded: slow; ${C} is unhealthy`),
  );
  t.same(
    all({
      [A]: is('degraded', 'no x', 'x'),
      [B]: is('unhealthy', 'no disk'),
      [C]: is('degraded', 'no y', 'y'),
    }),
    is('degraded', `no x; no y; ${B} is unhealthy: no disk`, 'x', 'y'),
  );
  const ill = is('unhealthy', 'no disk');
  t.same(all({ [A]: ill, [B]: ill, [C]: ill }), ill, 'the same is said once');
  t.same(all({ [A]: ill }, []), WELL, 'nowhere it is as it said last');
  const many = Array.from({ length: 9 }, (_, i) => `http://10.0.1.${i}:80`);
  const most = Object.fromEntries(many.slice(1).map((url) => [url, is('degraded')]));
  t.match(all(most, many).reason, /^(http\S+ is degraded; ){3}and 5 more$/);
  t.same(
    conditionOf(words({ [B]: is('degraded', 'slow') }), [A, B], 'a part'),
    is('degraded', 'slow'),
    'where each address is a part, the worst counts',
  );
  const pods = new Map([[A, is('healthy')]]);
  t.same(
    conditionOf(words({}, { said: ill, pods }), [A], 'all'),
    is('healthy'),
    'what a pod says itself counts there',
  );
});

t.test('a token says to which pod it was given', async (t) => {
  const token = podToken('secret', B);
  t.match(token, /^[\w.-]+$/, 'as a bearer may be');
  t.same([secretOf(token), podOf(token)], ['secret', B]);
  t.same([secretOf('secret'), podOf('secret'), podOf(undefined)], ['secret', undefined, undefined]);
});

/** A host with a plugin of these pods, each of which reports by itself. */
async function plugin(t: Test, ...urls: string[]) {
  const host = await startHost();
  t.teardown(host.close);
  const { registry } = host;
  const { runtimeId, token } = registry.admit({
    ...{ selfId: 'storage', selfVersion: '1.0.0', origin: 'discovered', baseUrls: [], requires: {} },
    provides: [{ type: 'storage', version: '1.0.0', path: '/storage.v1/' }],
  });
  for (const url of urls) registry.addPod(runtimeId, url);
  registry.setTargets(runtimeId, urls);
  const report = async (url: string, state: HealthState, reason = ''): Promise<void> => {
    const client = host.client(identityOf({ runtimeId, token: podToken(token, url) }));
    await client.unary(PluginLifecycle.method.reportHealth, { state, reason });
  };
  const shown = () => {
    const { health, reason } = registry.plugin(runtimeId)!;
    return [health, reason];
  };
  const called = (): string[] => registry.resolve('storage', '-').targets.map(({ baseUrl }) => baseUrl);
  return { host, registry, runtimeId, report, shown, called };
}
const { HEALTHY, DEGRADED, UNHEALTHY } = HealthState;

t.test('what is shown stands still while each pod says its own again and again', async (t) => {
  const { host, registry, runtimeId, report, shown, called } = await plugin(t, A, B);
  await report(A, UNHEALTHY, 'no disk');
  t.same(shown(), ['healthy', `${A} is unhealthy: no disk`]);
  t.same(called(), [B], 'calls go to the one that is well');
  const changes: unknown[] = [];
  registry.watch((change) => changes.push(change));
  host.lines.length = 0;
  for (let beat = 0; beat < 5; beat += 1) {
    await report(B, HEALTHY);
    registry.alive(runtimeId, B, is('healthy'));
    await report(A, UNHEALTHY, 'no disk');
    registry.alive(runtimeId, A, is('unhealthy', 'no disk'));
  }
  t.same([changes, host.lines], [[], []]);

  await report(B, DEGRADED, 'slow');
  t.same(shown(), ['degraded', `slow; ${A} is unhealthy: no disk`]);
  t.same(called(), [B]);
  await report(B, UNHEALTHY, 'no disk');
  t.same(shown(), ['unhealthy', 'no disk']);
  t.throws(() => called(), /no disk/);
  await report(A, HEALTHY);
  t.same(shown(), ['unhealthy', 'no disk'], 'it was found to be worse than it says');
  registry.alive(runtimeId, A, is('healthy'));
  t.same(shown(), ['healthy', `${B} is unhealthy: no disk`]);
  t.same(called(), [A]);
});

t.test('a pod that goes takes along what it said, and has no say any more', async (t) => {
  const { registry, runtimeId, report, shown, called } = await plugin(t, A, B);
  await report(A, UNHEALTHY, 'no disk');
  registry.alive(runtimeId, A, is('unhealthy', 'no disk'));
  registry.setTargets(runtimeId, [B]);
  registry.dropPod(runtimeId, A);
  t.same(shown(), ['healthy', '']);
  await report(A, UNHEALTHY, 'it stops');
  t.same(shown(), ['healthy', '']);
  registry.addPod(runtimeId, A);
  registry.setTargets(runtimeId, [A, B]);
  t.same(shown(), ['healthy', ''], 'another pod at its address');
  t.same(called(), [A, B]);
  registry.dropPod('nobody-0000', A);
  registry.addPod('nobody-0000', A);
});

t.test('what a pod says before it is ready counts once it is', async (t) => {
  const { registry, runtimeId, report, shown, called } = await plugin(t, A);
  registry.addPod(runtimeId, B);
  await report(B, UNHEALTHY, 'it starts');
  t.same(shown(), ['healthy', '']);
  registry.setTargets(runtimeId, [A, B]);
  t.same(shown(), ['healthy', `${B} is unhealthy: it starts`]);
  t.same(called(), [A]);
  await report(B, HEALTHY);
  t.same(called(), [A, B]);
});

t.test('a pod that does not answer has no say in how the plugin is', async (t) => {
  const { registry, runtimeId, report, shown, called } = await plugin(t, A, B);
  await report(A, UNHEALTHY, 'no disk');
  registry.silent(runtimeId, B, 'no answer');
  t.same(shown(), ['unhealthy', 'no disk']);
  registry.alive(runtimeId, B);
  t.same(shown(), ['healthy', `${A} is unhealthy: no disk`]);
  t.same(called(), [B]);
});
