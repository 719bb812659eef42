/** The handshake by the protocol's rules, and identities that are not what they say. */
import { request } from 'node:http';
import t from 'tap';
import {
  CapabilityBroker,
  HandshakeService,
  HealthState,
  PluginLifecycle,
  ServiceRegistry,
} from '../../../proto/gen/connectplugin/v1/plugin_pb.js';
import { GREETING, HOUR, failure, identityOf, probe, someToken, startHost } from './registry-host.js';

const { handshake } = HandshakeService.method;
const SERVICE = {
  serviceType: 'logger',
  version: '1.0.0',
  endpointPath: '/logger.v1.Logger/',
  metadata: { base_url: 'http://localhost:8081' },
};

await t.test('a plugin that names itself gets an identity of its own', async (t) => {
  const host = await startHost({ serverMetadata: { server_version: '9.9.9' } });
  t.teardown(host.close);
  const first = await host
    .client()
    .unary(handshake, { ...GREETING, selfId: 'Logger_Plugin', selfVersion: '1.2.3' });
  t.match(first.runtimeId, /^logger-plugin-[0-9a-f]{4}$/);
  t.equal(Buffer.from(first.runtimeToken, 'base64url').length, 32);
  t.equal(first.coreProtocolVersion, 1);
  t.equal(first.appProtocolVersion, 1);
  t.same(first.serverMetadata, { server_version: '9.9.9' });
  t.same(
    first.hostCapabilities.map(({ type, version }) => [type, version]),
    [['logger', '1.0.0']],
  );
  const second = await host.client().unary(handshake, { ...GREETING, selfId: 'Logger_Plugin' });
  t.not(second.runtimeId, first.runtimeId);
  t.not(second.runtimeToken, first.runtimeToken);
  t.same(
    host.registry.plugins().map(({ selfId, selfVersion, origin }) => ({ selfId, selfVersion, origin })),
    [
      { selfId: 'Logger_Plugin', selfVersion: '1.2.3', origin: 'unmanaged' },
      { selfId: 'Logger_Plugin', selfVersion: '', origin: 'unmanaged' },
    ],
  );
});

await t.test('who does not name itself gets no identity, and is told what is there', async (t) => {
  const host = await startHost();
  t.teardown(host.close);
  const logger = await host.join('logger');
  await logger.register('logger', { version: '1.4.0' });
  const answer = await host
    .client()
    .unary(handshake, { ...GREETING, requestedPlugins: ['logger', 'nobody'] });
  t.equal(answer.runtimeId, '');
  t.equal(answer.runtimeToken, '');
  t.same(
    answer.plugins.map(({ name, version }) => [name, version]),
    [['logger', '1.4.0']],
  );
  t.equal(host.registry.plugins().length, 1);
});

await t.test('a handshake that is not right is refused with its code', async (t) => {
  const host = await startHost({ appProtocolVersion: 3 });
  t.teardown(host.close);
  const right = { ...GREETING, appProtocolVersion: 3, selfId: 'a' };
  const many = Object.fromEntries(Array.from({ length: 65 }, (_, at) => [`k${at}`, 'v']));
  const long = Object.fromEntries([1, 2, 3, 4].map((at) => [`k${at}`, 'x'.repeat(4096)]));
  for (const [what, wrong, code] of [
    ['cookie key', { magicCookieKey: 'OTHER' }, 'invalid_argument'],
    ['cookie value', { magicCookieValue: '' }, 'invalid_argument'],
    ['core version 0', { coreProtocolVersion: 0 }, 'invalid_argument'],
    ['core version 2', { coreProtocolVersion: 2 }, 'invalid_argument'],
    ['app version', { appProtocolVersion: 1 }, 'failed_precondition'],
    ['self id of dots', { selfId: '..' }, 'invalid_argument'],
    ['self id of two lines', { selfId: 'a\nb' }, 'invalid_argument'],
    ['self id too long', { selfId: 'a'.repeat(129) }, 'invalid_argument'],
    ['self version', { selfVersion: 'one' }, 'invalid_argument'],
    ['too much metadata', { clientMetadata: many }, 'invalid_argument'],
    ['a long value', { clientMetadata: { a: 'x'.repeat(4097) } }, 'invalid_argument'],
    ['long values', { clientMetadata: long }, 'invalid_argument'],
    [
      'a long base_url',
      { clientMetadata: { base_url: `http://localhost/${'x'.repeat(1024)}` } },
      'invalid_argument',
    ],
    ['a base_url elsewhere', { clientMetadata: { base_url: 'http://10.0.0.1:80' } }, 'invalid_argument'],
    ['too many names', { requestedPlugins: Array.from({ length: 65 }, () => 'a') }, 'invalid_argument'],
  ] as const)
    t.equal((await failure(host.client().unary(handshake, { ...right, ...wrong }))).code, code, what);
  t.equal(host.registry.plugins().length, 0);
  const named = await host.client().unary(handshake, { ...right, selfId: ' My Plugin/2 ' });
  t.match(named.runtimeId, /^my-plugin-2-[0-9a-f]{4}$/, 'what it calls itself is normalised');
});

await t.test('a cookie of the host own', async (t) => {
  const host = await startHost({ cookie: { key: 'K', value: 'V' } });
  t.teardown(host.close);
  t.equal((await failure(host.client().unary(handshake, { ...GREETING }))).code, 'invalid_argument');
  await host.client().unary(handshake, { ...GREETING, magicCookieKey: 'K', magicCookieValue: 'V' });
});

await t.test('every method but the handshake and health wants a proven identity', async (t) => {
  const host = await startHost();
  t.teardown(host.close);
  const honest = await host.join('logger');
  const liar = await host.join('liar');
  const own = identityOf(honest);
  const headers: [string, Record<string, string>][] = [
    ['none', {}],
    ['id alone', { 'x-plugin-runtime-id': honest.runtimeId }],
    ['token alone', { authorization: own['authorization'] ?? '' }],
    ['the id of another with the own token', { ...own, authorization: `Bearer ${liar.token}` }],
    ['a token of nobody', { ...own, authorization: `Bearer ${someToken()}` }],
    ['an id of nobody', { ...own, 'x-plugin-runtime-id': 'logger-0000x' }],
    ['a token cut', { ...own, authorization: `Bearer ${honest.token.slice(0, -1)}` }],
    ['a token with more', { ...own, authorization: `Bearer ${honest.token}A` }],
    ['no scheme', { ...own, authorization: honest.token }],
    ['another scheme', { ...own, authorization: `Basic ${honest.token}` }],
    ['an empty token', { ...own, authorization: 'Bearer ' }],
    ['two ids in one', { ...own, 'x-plugin-runtime-id': `${honest.runtimeId}, ${honest.runtimeId}` }],
    ['two tokens in one', { ...own, authorization: `Bearer ${honest.token}, Bearer ${honest.token}` }],
    ['a huge token', { ...own, authorization: `Bearer ${'A'.repeat(8000)}` }],
    ['an id of a prototype', { ...own, 'x-plugin-runtime-id': '__proto__' }],
  ];
  for (const [what, sent] of headers) {
    const client = host.client(sent);
    const watch = async (): Promise<void> => {
      for await (const event of client.stream(ServiceRegistry.method.watchService, { serviceType: 'logger' }))
        t.fail(`${what}: ${event.state}`);
    };
    for (const call of [
      client.unary(ServiceRegistry.method.registerService, SERVICE),
      client.unary(ServiceRegistry.method.unregisterService, { registrationId: 'reg-1' }),
      client.unary(ServiceRegistry.method.discoverService, { serviceType: 'logger' }),
      client.unary(PluginLifecycle.method.reportHealth, { state: HealthState.UNHEALTHY }),
      client.unary(CapabilityBroker.method.requestCapability, { capabilityType: 'logger' }),
      watch(),
    ])
      t.equal((await failure(call)).code, 'unauthenticated', what);
  }
  t.same(host.registry.services(), []);
  t.same(
    host.registry.plugins().map(({ health }) => health),
    ['healthy', 'healthy'],
  );
});

await t.test('headers sent twice are no identity', async (t) => {
  const host = await startHost();
  t.teardown(host.close);
  const { runtimeId, token } = await host.join('logger');
  const send = (headers: string[]): Promise<number> =>
    new Promise((resolve, reject) => {
      request(`${host.url}/connectplugin.v1.ServiceRegistry/DiscoverService`, { method: 'POST', headers })
        .on('response', (response) => resolve(response.resume().statusCode ?? 0))
        .on('error', reject)
        .end('{"serviceType":"x"}');
    });
  const { host: authority } = new URL(host.url);
  const base = ['Host', authority, 'Content-Type', 'application/json'];
  const id = ['X-Plugin-Runtime-ID', runtimeId];
  const bearer = ['Authorization', `Bearer ${token}`];
  t.equal(await send([...base, ...id, ...bearer]), 404, 'once each: nobody provides it');
  t.equal(await send([...base, ...id, ...id, ...bearer]), 401);
  t.equal(await send([...base, ...id, ...bearer, ...bearer]), 401);
  t.equal(await send([...base, ...id, ...bearer, 'Authorization', `Bearer ${someToken()}`]), 401);
});

await t.test('a token that nobody uses for a day lapses, one in use does not', async (t) => {
  const host = await startHost();
  t.teardown(host.close);
  const [idle, busy, probed] = [await host.join('idle'), await host.join('busy'), await host.join('probed')];
  await probed.register('probed');
  for (let hours = 0; hours < 48; hours += 12) {
    host.clock.now += 12 * HOUR;
    await busy.report(HealthState.HEALTHY);
    probe(host.registry).alive(probed.runtimeId);
  }
  t.equal((await failure(idle.report(HealthState.HEALTHY))).code, 'unauthenticated');
  await busy.report(HealthState.HEALTHY);
  await probed.report(HealthState.HEALTHY);
  host.registry.sweep();
  t.same(
    host.registry.plugins().map(({ selfId }) => selfId),
    ['busy', 'probed'],
  );
});

await t.test('register before the handshake is refused; health before registering is kept', async (t) => {
  const host = await startHost();
  t.teardown(host.close);
  const early = host.client({ 'x-plugin-runtime-id': 'logger-plugin', authorization: 'Bearer none' });
  t.equal(
    (await failure(early.unary(ServiceRegistry.method.registerService, SERVICE))).code,
    'unauthenticated',
  );
  const plugin = await host.join('logger');
  await plugin.report(HealthState.DEGRADED, 'disk is slow');
  await plugin.register('logger');
  t.match(host.registry.plugin(plugin.runtimeId), {
    health: 'degraded',
    reason: 'disk is slow',
    routable: true,
  });
});

await t.test('who vouches for plugins decides who may shake hands, and where they may be', async (t) => {
  const host = await startHost({
    identify: ({ header }) => {
      const account = header('authorization');
      return account === undefined
        ? Promise.reject(new Error('it has no ServiceAccount token.'))
        : Promise.resolve({
            principal: account,
            allowBaseUrl: ({ hostname }) => {
              if (hostname !== '10.1.2.3') throw new Error('it is not the address of its pod.');
            },
          });
    },
  });
  t.teardown(host.close);
  const refused = await failure(host.client().unary(handshake, { ...GREETING, selfId: 'a' }));
  t.equal(refused.code, 'unauthenticated');
  t.match(refused.message, 'it has no ServiceAccount token.');
  const answer = await host
    .client({ authorization: 'Bearer sa' })
    .unary(handshake, { ...GREETING, selfId: 'a' });
  const own = host.client(identityOf({ runtimeId: answer.runtimeId, token: answer.runtimeToken }));
  const register = (serviceType: string, base_url: string) =>
    own.unary(ServiceRegistry.method.registerService, { ...SERVICE, serviceType, metadata: { base_url } });
  t.equal((await failure(register('a-type', 'http://127.0.0.1:80'))).code, 'invalid_argument');
  await register('a-type', 'http://10.1.2.3:80');
});

await t.test('what one principal has, another one does not replace', async (t) => {
  const host = await startHost({
    identify: ({ header }) => Promise.resolve({ principal: header('authorization') ?? '' }),
  });
  t.teardown(host.close);
  const joinAs = async (account: string) => {
    const as = host.client({ authorization: account });
    const answer = await as.unary(handshake, { ...GREETING, selfId: 'storage' });
    const own = host.client(identityOf({ runtimeId: answer.runtimeId, token: answer.runtimeToken }));
    await own.unary(ServiceRegistry.method.registerService, SERVICE);
    return answer.runtimeId;
  };
  const first = await joinAs('a');
  const stranger = await joinAs('b');
  const providers = () => host.registry.services().map(({ provider }) => provider);
  t.same(providers(), [first, stranger], 'same self id and address, but another account');
  probe(host.registry).silent(first, 'killed');
  const again = await joinAs('a');
  t.same(providers(), [again, stranger]);
});

await t.test('handshakes of one address are limited, whatever they say', async (t) => {
  const host = await startHost({ limits: { handshakes: { burst: 3, perSecond: 1 } } });
  t.teardown(host.close);
  const wrong = async (): Promise<string> =>
    (await failure(host.client().unary(handshake, { ...GREETING, magicCookieKey: '' }))).code;
  const codes = [await wrong(), await wrong(), await wrong(), await wrong()];
  t.same(codes, [...Array<string>(3).fill('invalid_argument'), 'resource_exhausted']);
  host.clock.now += 1000;
  t.same([await wrong(), await wrong()], ['invalid_argument', 'resource_exhausted']);
  host.clock.now += 3000;
  host.registry.sweep();
  await host.join('storage');
});

await t.test('floods: handshakes of one address, and identities that nobody uses', async (t) => {
  const host = await startHost({ limits: { plugins: 20, handshakes: { burst: 30, perSecond: 10 } } });
  t.teardown(host.close);
  const real = await host.join('real');
  await real.register('real');
  for (let at = 0; at < 19; at += 1) await host.join('flood');
  t.equal((await failure(host.join('late'))).code, 'resource_exhausted', 'full, and all are new');
  host.clock.now += 60_000;
  await host.join('late');
  t.equal(host.registry.plugins().length, 20, 'one that was never used made room');
  t.ok(host.registry.plugin(real.runtimeId), 'who provides something stays');
  const codes = new Set<string>();
  for (let at = 0; at < 40; at += 1)
    await host.join('flood').catch((error: { code: string }) => codes.add(error.code));
  t.same([...codes], ['resource_exhausted']);
  t.equal(await real.discover('real'), real.runtimeId, 'others are served on');
  host.clock.now += 1000;
  t.match(
    (await failure(host.client().unary(handshake, { ...GREETING, magicCookieKey: '' }))).message,
    'cookie',
  );
});
