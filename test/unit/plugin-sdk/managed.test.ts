/** The managed model: a host comes to the plugin, gives it an identity, and stops it. */
import type { ServerResponse } from 'node:http';
import t from 'tap';
import type { Test } from 'tap';
import { createConnectClient } from '../../../connect/index.js';
import { startPlugin } from '../../../plugin-sdk/src/index.js';
import type { Plugin, PluginOptions } from '../../../plugin-sdk/src/index.js';
import { HealthService } from '../../../proto/gen/connectplugin/health/v1/health_pb.js';
import { PluginControl, PluginIdentity } from '../../../proto/gen/connectplugin/v1/plugin_pb.js';
import { until } from '../../helpers/eventually.js';
import { startTestHost } from './host.js';
import type { TestHost } from './host.js';

async function start(t: Test, options: Partial<PluginOptions> = {}) {
  const plugin = await startPlugin({
    id: 'managed',
    version: '1.0.0',
    host: '127.0.0.1',
    port: 0,
    heartbeatMs: 50,
    provides: [{ type: 'a', version: '1.0.0', path: '/a.v1.A/', methods: { Who: () => ({ who: 'a' }) } }],
    ...options,
  });
  const client = createConnectClient({ baseUrl: `http://127.0.0.1:${plugin.port}` });
  t.teardown(async () => {
    await client.close();
    await plugin.close();
  });
  return { plugin, client };
}

async function host(t: Test): Promise<TestHost> {
  const started = await startTestHost();
  t.teardown(() => started.close());
  return started;
}

/** What a host that manages the plugin does. */
function admit({ registry, url }: TestHost, { port }: Plugin) {
  const { runtimeId, token } = registry.admit({
    selfId: 'managed',
    selfVersion: '1.0.0',
    origin: 'managed',
    baseUrls: [`http://127.0.0.1:${port}`],
    provides: [{ type: 'a', version: '1.0.0', path: '/a.v1.A/' }],
    requires: {},
  });
  return { runtimeId, runtimeToken: token, hostUrl: url };
}

const { setRuntimeIdentity } = PluginIdentity.method;

t.test('it waits, takes its identity, and is where its host knows it to be', async (t) => {
  const managing = await host(t);
  const { plugin, client } = await start(t);
  t.equal(plugin.runtimeId, undefined);
  const identity = admit(managing, plugin);
  t.match(await client.unary(setRuntimeIdentity, identity), { acknowledged: true });
  await plugin.whenReady();
  t.equal(plugin.runtimeId, identity.runtimeId);
  const targets = managing.registry.services().flatMap((service) => service.targets);
  t.same(targets, [{ baseUrl: `http://127.0.0.1:${plugin.port}`, path: '/a.v1.A/' }]);
  t.match(await client.unary(setRuntimeIdentity, identity), { acknowledged: true }, 'once more is no harm');
});

t.test('a host that forgets it gives it another identity', async (t) => {
  const managing = await host(t);
  const { plugin, client } = await start(t);
  const first = admit(managing, plugin);
  await client.unary(setRuntimeIdentity, first);
  await plugin.whenReady();
  managing.registry.remove(first.runtimeId);
  await until(() => plugin.runtimeId === undefined);
  const second = admit(managing, plugin);
  await client.unary(setRuntimeIdentity, second);
  await plugin.whenReady();
  t.equal(plugin.runtimeId, second.runtimeId);
});

t.test('the same identity once more: calls under way go on, and nothing is registered anew', async (t) => {
  const managing = await host(t);
  const held: ServerResponse[] = [];
  const { plugin, client } = await start(t, {
    provides: [
      {
        type: 'a',
        version: '1.0.0',
        path: '/a.v1.A/',
        listener: (request, response) => {
          request.resume();
          held.push(response);
        },
      },
    ],
  });
  const identity = admit(managing, plugin);
  await client.unary(setRuntimeIdentity, identity);
  await plugin.whenReady();
  const registrations = () => managing.lines.filter((line) => line.startsWith('Registered service')).length;
  const before = registrations();
  const own = plugin.service('a');
  await own.whenAvailable();
  const calls = [
    own.unary(HealthService.method.check, {}, { timeoutMs: 60_000 }),
    own.unary(HealthService.method.check, {}, { timeoutMs: 60_000 }),
  ];
  await until(() => held.length === calls.length);
  for (let i = 0; i < 5; i++) {
    await client.unary(setRuntimeIdentity, identity);
    t.ok(plugin.ready());
  }
  for (const response of held) response.writeHead(200, { 'content-type': 'application/proto' }).end();
  await Promise.all(calls);
  t.equal(registrations(), before);
});

t.test('identities that are none', async (t) => {
  const { client } = await start(t);
  const good = { runtimeId: 'managed-1a2b', runtimeToken: 'x', hostUrl: 'http://127.0.0.1:1' };
  for (const bad of [{ runtimeId: '' }, { runtimeToken: '' }, { hostUrl: '' }, { hostUrl: 'ftp://x' }])
    await t.rejects(client.unary(setRuntimeIdentity, { ...good, ...bad }), { code: 'invalid_argument' });
});

t.test('a plugin that goes to its host by itself takes no identity', async (t) => {
  const { client } = await start(t, { hostUrl: 'http://127.0.0.1:1' });
  const identity = { runtimeId: 'managed-1a2b', runtimeToken: 'x', hostUrl: 'http://127.0.0.1:2' };
  const expected = { code: 'failed_precondition', message: /start it without HOST_URL/ };
  await t.rejects(client.unary(setRuntimeIdentity, identity), expected);
});

t.test('it stops when its host says so', async (t) => {
  const managing = await host(t);
  const lines: string[] = [];
  const log = { info: (line: string) => void lines.push(line), warn: () => undefined };
  const { plugin, client } = await start(t, { log });
  await client.unary(setRuntimeIdentity, admit(managing, plugin));
  await plugin.whenReady();
  const request = { gracePeriodSeconds: 1, reason: 'a new version' };
  t.match(await client.unary(PluginControl.method.shutdown, request), { acknowledged: true });
  await plugin.closed;
  t.same(managing.registry.services(), []);
  t.ok(lines.includes('managed stops, as its host asks: a new version'));
});
