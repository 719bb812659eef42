/** What answers again where a plugin was that somebody vouched for: who vouched is asked before calls go there. */
import { setImmediate as turn } from 'node:timers/promises';
import t from 'tap';
import type { Test } from 'tap';
import { HandshakeService, ServiceRegistry } from '../../../proto/gen/connectplugin/v1/plugin_pb.js';
import { GREETING, HOUR, identityOf, probe, startHost } from './registry-host.js';

const BASE_URL = 'http://127.0.0.1:8000';

/** A plugin that is lost, and what is asked of who vouched for it. */
async function start(t: Test) {
  const asked: { at: string; say(still: boolean): void; fail(error: Error): void }[] = [];
  const host = await startHost({
    identify: () =>
      Promise.resolve({
        principal: 'a',
        isStill: ({ origin }) =>
          new Promise<boolean>((say, fail) => void asked.push({ at: origin, say, fail })),
      }),
  });
  t.teardown(host.close);
  const { runtimeId, runtimeToken } = await host
    .client()
    .unary(HandshakeService.method.handshake, { ...GREETING, selfId: 'pay' });
  const own = host.client(identityOf({ runtimeId, token: runtimeToken }));
  const register = () =>
    own.unary(ServiceRegistry.method.registerService, {
      ...{ serviceType: 'pay', version: '1.0.0', endpointPath: '/pay/', metadata: { base_url: BASE_URL } },
    });
  await register();
  const { alive, silent } = probe(host.registry);
  alive(runtimeId);
  t.equal(asked.length, 0, 'one that was never lost needs no word');
  silent(runtimeId, 'gone');
  const answers = async () => {
    alive(runtimeId);
    await turn();
  };
  const isRouted = () => host.registry.isProvided('pay', '');
  return { host, runtimeId, asked, register, silent: () => silent(runtimeId, 'gone'), answers, isRouted };
}

t.test('it is back once that is said', async (t) => {
  const { asked, answers, isRouted, host } = await start(t);
  await answers();
  await answers();
  t.same(
    asked.map(({ at }) => at),
    [BASE_URL],
    'asked once at a time',
  );
  t.notOk(isRouted(), 'no call goes there meanwhile');
  asked[0]!.say(true);
  await turn();
  t.ok(isRouted());
  t.ok(host.lines.some((line) => line.endsWith('answers again: calls are routed to it')));
});

t.test('the identity of one that is gone ends', async (t) => {
  const { asked, answers, isRouted, host, runtimeId } = await start(t);
  await answers();
  asked[0]!.say(false);
  await turn();
  t.notOk(isRouted());
  t.equal(host.registry.plugin(runtimeId), undefined);
  t.ok(host.lines.includes(`${runtimeId} is gone: another may have its address`));
});

t.test('while nobody can say it stays lost, and is asked about again after a while', async (t) => {
  const { asked, answers, isRouted, host } = await start(t);
  await answers();
  asked[0]!.fail(new Error('no API server'));
  await turn();
  await answers();
  t.equal(asked.length, 1);
  t.ok(host.lines.some((line) => line.endsWith('is what answers again: no API server')));
  host.clock.now += 5_000;
  await answers();
  t.equal(asked.length, 2);
  t.notOk(isRouted());
  host.clock.now += HOUR;
  host.registry.sweep();
  t.same(host.registry.plugins(), [], 'at last it is forgotten');
  asked[1]!.say(true);
  await turn();
  t.notOk(isRouted());
});

t.test('it came by itself before the answer, and was lost anew', async (t) => {
  const { asked, answers, isRouted, register, silent } = await start(t);
  await answers();
  await register();
  t.ok(isRouted(), 'its token proves who it is');
  silent();
  asked[0]!.say(true);
  await turn();
  t.notOk(isRouted(), 'the answer was about the time before');
  await answers();
  asked[1]!.say(true);
  await turn();
  t.ok(isRouted());
});
