/** The capability broker, and the logger behind a grant. */
import t from 'tap';
import { createConnectClient } from '../../../connect/index.js';
import { Logger } from '../../../proto/gen/capability/logger/v1/logger_pb.js';
import { CapabilityBroker } from '../../../proto/gen/connectplugin/v1/plugin_pb.js';
import { withoutGrant } from '../../../server/plugin-host/registry/capability-path.js';
import { DEFAULT_LIMITS } from '../../../server/plugin-host/registry/options.js';
import { HOUR, failure, startHost } from './registry-host.js';
import type { TestPlugin } from './registry-host.js';

const limits = (grants: Partial<typeof DEFAULT_LIMITS.grants>) => ({
  grants: { ...DEFAULT_LIMITS.grants, ...grants },
});

async function grantOf(plugin: TestPlugin, capabilityType = 'logger', minVersion = '') {
  const { grant } = await plugin.client.unary(CapabilityBroker.method.requestCapability, {
    capabilityType,
    minVersion,
  });
  if (grant === undefined) throw new Error('no grant');
  return grant;
}

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

await t.test('a granted logger is called at the endpoint that the grant names', async (t) => {
  const host = await startHost();
  t.teardown(host.close);
  const plugin = await host.join('storage');
  const grant = await grantOf(plugin, 'logger', '1.0.0');
  t.match(grant, { capabilityType: 'logger', version: '1.0.0' });
  t.equal(grant.endpointUrl, `${host.url}/capabilities/logger/${grant.grantId}`);
  const logger = createConnectClient({ baseUrl: grant.endpointUrl, headers: bearer(grant.bearerToken) });
  t.teardown(() => logger.close());
  await logger.unary(Logger.method.log, {
    level: 'info',
    message: 'stored\nFAKE LINE\u001b[2J\u0085\u2028',
    fields: { code: 'a' },
  });
  t.match(host.lines.at(-1), `[${plugin.runtimeId}] stored\\nFAKE LINE\\u001b[2J\\u0085\\u2028`);
  t.notMatch(host.lines.at(-1), /\p{Cc}/u, 'one line, whatever was sent');
  for (const wrong of [{ message: 'x'.repeat(16_385) }, { level: 'x'.repeat(17) }, { fields: { 'a b': '' } }])
    t.equal((await failure(logger.unary(Logger.method.log, wrong))).code, 'invalid_argument');
});

await t.test('the host may say where it is reached', async (t) => {
  const host = await startHost({ hostUrl: 'http://plugins.example:8444/' });
  t.teardown(host.close);
  t.match(
    (await grantOf(await host.join('a'))).endpointUrl,
    /^http:\/\/plugins\.example:8444\/capabilities\/logger\//,
  );
});

await t.test('what is not granted', async (t) => {
  const host = await startHost();
  t.teardown(host.close);
  const plugin = await host.join('a');
  for (const [type, minVersion, code] of [
    ['secrets', '', 'not_found'],
    ['logger', '2.0.0', 'not_found'],
    ['logger', 'x', 'invalid_argument'],
    ['', '', 'invalid_argument'],
    ['a/b', '', 'invalid_argument'],
  ] as const)
    t.equal((await failure(grantOf(plugin, type, minVersion))).code, code, `${type} ${minVersion}`);
});

await t.test('a grant is for one plugin, one capability and an hour', async (t) => {
  const host = await startHost({ capabilities: [{ type: 'secrets', version: '1.0.0' }] });
  t.teardown(host.close);
  const [plugin, other] = [await host.join('a'), await host.join('b')];
  const grant = await grantOf(plugin);
  const secrets = await grantOf(plugin, 'secrets');
  const log = (headers: Record<string, string>) =>
    host.client(headers).unary(Logger.method.log, { message: 'x' });
  await log(bearer(grant.bearerToken));
  await log({ ...bearer(grant.bearerToken), 'x-plugin-runtime-id': plugin.runtimeId });
  for (const [what, headers, code] of [
    ['no token', {}, 'unauthenticated'],
    ["a plugin's own token", bearer(plugin.token), 'unauthenticated'],
    ['a token of nobody', bearer(`${grant.grantId}.x`), 'unauthenticated'],
    ['a token that is cut', bearer(grant.bearerToken.slice(0, -1)), 'unauthenticated'],
    ['the id alone', bearer(grant.grantId), 'unauthenticated'],
    ['another capability', bearer(secrets.bearerToken), 'permission_denied'],
    [
      'another plugin',
      { ...bearer(grant.bearerToken), 'x-plugin-runtime-id': other.runtimeId },
      'permission_denied',
    ],
  ] as [string, Record<string, string>, string][])
    t.equal((await failure(log(headers))).code, code, what);
  t.equal(host.registry.useGrant(`Bearer ${secrets.bearerToken}`, 'secrets'), plugin.runtimeId);
  host.clock.now += HOUR;
  t.equal((await failure(log(bearer(grant.bearerToken)))).code, 'unauthenticated', 'an hour later');
  const young = await grantOf(plugin);
  host.registry.sweep();
  await log(bearer(young.bearerToken));
  host.registry.remove(plugin.runtimeId);
  t.equal((await failure(log(bearer(young.bearerToken)))).code, 'unauthenticated', 'when the plugin is gone');
});

await t.test('grants are asked for and used only so often', async (t) => {
  const host = await startHost({
    limits: limits({ perPlugin: 2, requests: { burst: 4, perSecond: 1 }, uses: { burst: 3, perSecond: 1 } }),
  });
  t.teardown(host.close);
  const [plugin, other] = [await host.join('a'), await host.join('b')];
  const [oldest, , third] = [await grantOf(plugin), await grantOf(plugin), await grantOf(plugin)];
  await grantOf(plugin);
  t.equal((await failure(grantOf(plugin))).code, 'resource_exhausted');
  await grantOf(other);
  host.clock.now += 1000;
  const last = await grantOf(plugin);
  const log = (token: string) => host.client(bearer(token)).unary(Logger.method.log, { message: 'x' });
  t.equal((await failure(log(oldest?.bearerToken ?? ''))).code, 'unauthenticated', 'the oldest made room');
  t.equal((await failure(log(third?.bearerToken ?? ''))).code, 'unauthenticated');
  for (let at = 0; at < 3; at += 1) await log(last.bearerToken);
  t.equal((await failure(log(last.bearerToken))).code, 'resource_exhausted');
  host.clock.now += 1000;
  await log(last.bearerToken);
});

await t.test('the path of a grant is taken off, and nothing else', (t) => {
  for (const [path, without] of [
    ['/capabilities/logger/grant-1/capability.logger.v1.Logger/Log', '/capability.logger.v1.Logger/Log'],
    ['/capabilities/logger/grant-1', '/capabilities/logger/grant-1'],
    ['/capability.logger.v1.Logger/Log', '/capability.logger.v1.Logger/Log'],
    ['/services/capabilities/a/b/c', '/services/capabilities/a/b/c'],
    ['/capabilities/../x/y', '/y'],
  ] as const)
    t.equal(withoutGrant(path), without);
  t.end();
});
