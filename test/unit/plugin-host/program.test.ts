/** `xi-k8s plugin-host` as its program starts it: settings, the port, health, its file of plugins, grants, and a restart. */
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { openSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import type { Test } from 'tap';
import { createConnectClient } from '../../../connect/index.js';
import { startPlugin } from '../../../plugin-sdk/src/index.js';
import type { Plugin } from '../../../plugin-sdk/src/index.js';
import { Logger } from '../../../proto/gen/capability/logger/v1/logger_pb.js';
import {
  CapabilityBroker,
  HandshakeService,
  ServiceRegistry,
} from '../../../proto/gen/connectplugin/v1/plugin_pb.js';
import { runHost } from '../../../server/plugin-host/main.js';
import { eventually } from '../../helpers/eventually.js';
import { freePort } from '../../helpers/free-port.js';
import { http2 } from '../connect/fixtures/served.js';

const until = <T>(what: string, read: () => Promise<T>, passes: (value: T) => boolean): Promise<T> =>
  eventually(read, passes, { what });

const folder = await mkdtemp(join(tmpdir(), 'plugin-host-'));
t.teardown(() => rm(folder, { recursive: true }));
let logs = 0;

async function start(t: Test, environment: Record<string, string> = {}) {
  const path = join(folder, `log-${++logs}`);
  const host = await runHost({
    environment: {
      XI_PLUGIN_HOST_ADDRESS: '127.0.0.1:0',
      XI_PLUGIN_HOST_OPS: '127.0.0.1:0',
      ...environment,
    },
    version: '1.2.3',
    output: openSync(path, 'a'),
  });
  t.teardown(() => host.close());
  return { ...host, opsUrl: `http://127.0.0.1:${host.opsPort}`, log: () => readFile(path, 'utf8') };
}

/** A plugin of one type that says at which port it was asked. */
async function provider(t: Test, type: string, hostUrl?: string): Promise<Plugin> {
  const plugin = await startPlugin({
    id: `${type}-plugin`,
    version: '1.0.0',
    port: 0,
    provides: [
      { type, version: '1.0.0', path: `/${type}.v1.S/`, methods: { Where: () => ({ port: plugin.port }) } },
    ],
    environment: hostUrl === undefined ? {} : { HOST_URL: hostUrl },
  });
  t.teardown(() => plugin.close());
  return plugin;
}

interface Status {
  plugins: { runtimeId: string; routable: boolean; services: { type: string }[] }[];
}
const status = async (url: string): Promise<Status> =>
  (await (await fetch(`${url}/status`)).json()) as Status;
const types = async (url: string): Promise<string[]> =>
  (await status(url)).plugins
    .filter(({ routable }) => routable)
    .flatMap(({ services }) => services.map(({ type }) => type))
    .sort();

/** Shakes hands and answers who calls. */
async function caller(url: string): Promise<Record<string, string>> {
  const client = createConnectClient({ baseUrl: url });
  const { runtimeId, runtimeToken } = await client.unary(HandshakeService.method.handshake, {
    coreProtocolVersion: 1,
    appProtocolVersion: 1,
    magicCookieKey: 'CONNECT_PLUGIN',
    magicCookieValue: 'd3f40b3c2e1a5f8b9c4d7e6a1b2c3d4e',
    selfId: 'caller',
    selfVersion: '1.0.0',
  });
  await client.close();
  return { 'x-plugin-runtime-id': runtimeId, authorization: `Bearer ${runtimeToken}` };
}

t.test('its ports, and whom it refuses', async (t) => {
  const host = await start(t);
  t.same(await (await fetch(`${host.url}/health`)).json(), { status: 'ok' });
  t.same(await status(host.url), { appProtocolVersion: 1, plugins: [], calls: [] });
  const port = Number(new URL(host.url).port);
  const over2 = await http2(port, { method: 'GET', path: '/health' });
  t.same([over2.status, over2.body.toString()], [200, '{"status":"ok"}']);
  const evil = { ':authority': 'evil.example' };
  const other = await http2(port, { method: 'GET', path: '/health', headers: evil });
  t.equal(other.status, 403);
  t.match(other.body.toString(), /Host header is .*evil\.example/);
  const nothing = await fetch(`${host.url}/nothing`);
  t.equal(nothing.status, 404);
  t.match(await nothing.json(), { code: 'unimplemented', message: /GET \/nothing.*\/services\// });
  for (const headers of [{ origin: 'http://evil.example' }, { 'sec-fetch-site': 'cross-site' }]) {
    const refused = await fetch(`${host.url}/status`, { headers });
    t.equal(refused.status, 403);
    t.match(await refused.json(), { code: 'permission_denied', message: /site/ });
  }
  t.equal((await fetch(`${host.opsUrl}/readyz`)).status, 200);
  t.match(await (await fetch(`${host.opsUrl}/metrics`)).text(), /^xi_plugins 0$/m);
  t.equal((await fetch(`${host.opsUrl}/status`)).status, 404, 'nothing else there');
  const open = await start(t, { XI_PLUGIN_HOST_ADDRESS: '0.0.0.0:0' });
  t.equal((await fetch(`${open.url}/status`)).status, 404, 'on a network nobody is told who is there');
});

t.test('what plugins say stays one line of the log', async (t) => {
  const host = await start(t);
  const headers = { ...(await caller(host.url)), 'content-type': 'application/json' };
  const forged = '[ROUTER] a → b /Delete 200 (duration: 1ms)';
  const body = JSON.stringify({ state: 'HEALTH_STATE_DEGRADED', reason: `x\n${forged}\u2028` });
  await fetch(`${host.url}/connectplugin.v1.PluginLifecycle/ReportHealth`, { method: 'POST', headers, body });
  const log = await until('the line', host.log, (text) => text.includes('is degraded'));
  t.match(log, `is degraded: x\\n${forged}\\u2028`);
  t.notMatch(log, /^\[ROUTER\]/m);
});

t.test('its state file stays small, however much plugins say', async (t) => {
  const file = join(folder, 'much.json');
  const host = await start(t, { XI_PLUGIN_HOST_STATE: file });
  const client = createConnectClient({ baseUrl: host.url });
  t.teardown(() => client.close());
  const values = Object.fromEntries([1, 2, 3].map((at) => [`k${at}`, 'x'.repeat(4096)]));
  const metadata = { base_url: 'http://127.0.0.1:8081', ...values };
  let kept = 0;
  const fill = async (): Promise<string> => {
    for (let plugins = 0; plugins < 20; plugins += 1) {
      const { runtimeId, runtimeToken } = await client.unary(HandshakeService.method.handshake, {
        ...{ coreProtocolVersion: 1, appProtocolVersion: 1, magicCookieKey: 'CONNECT_PLUGIN' },
        ...{
          magicCookieValue: 'd3f40b3c2e1a5f8b9c4d7e6a1b2c3d4e',
          selfId: `much-${plugins}`,
          clientMetadata: metadata,
        },
      });
      const headers = { 'x-plugin-runtime-id': runtimeId, authorization: `Bearer ${runtimeToken}` };
      for (let at = 0; at < 64; at += 1) {
        const offer = { serviceType: `t${at}`, version: '1.0.0', endpointPath: '/t/', metadata };
        await client.unary(ServiceRegistry.method.registerService, offer, { headers });
        kept += 1;
      }
    }
    return 'all of it is taken';
  };
  t.equal(await fill().catch(({ code }: { code: string }) => code), 'resource_exhausted');
  t.ok(kept > 400, `${kept} of 1,280 are kept`);
  await host.close();
  const { size } = await stat(file);
  t.ok(size > 4 << 20 && size < 7 << 20, `${size} bytes, twice which fit on the volume of 16 MiB`);
});

t.test('settings that are not allowed', async (t) => {
  const file = join(folder, 'bad.yaml');
  await writeFile(file, 'plugins: [{ name: a }]');
  for (const [environment, message] of [
    [{ XI_PLUGIN_HOST_ADDRESS: 'here' }, /XI_PLUGIN_HOST_ADDRESS is "here"; allowed is host:port/],
    [{ XI_PLUGIN_HOST_ADRESS: ':1' }, /did you mean XI_PLUGIN_HOST_ADDRESS\?/],
    [{ XI_PLUGIN_HOST_CONFIG: join(folder, 'none') }, /cannot be read: ENOENT/],
    [{ XI_PLUGIN_HOST_CONFIG: file }, /bad\.yaml: plugins\.0\.url/],
    [{ XI_PLUGIN_HOST_ADDRESS: '192.0.2.1:0' }, /Port 0 of 192\.0\.2\.1 .* Set XI_PLUGIN_HOST_ADDRESS/],
  ] as [Record<string, string>, RegExp][])
    await t.rejects(start(t, environment), { name: 'ConfigError', message });
});

t.test('mistakes in the list of managed plugins', async (t) => {
  const file = join(folder, 'mistaken.yaml');
  const write = (...plugins: object[]): Promise<void> => writeFile(file, JSON.stringify({ plugins }));
  const environment = { XI_PLUGIN_HOST_CONFIG: file };
  const [one, other] = [await provider(t, 'one'), await provider(t, 'one')];
  const url = `http://localhost:${one.port}`;
  const otherUrl = `http://localhost:${other.port}`;
  for (const [plugins, message] of [
    [
      [
        { name: 'a', url },
        { name: 'a', url: otherUrl },
      ],
      /^XI_PLUGIN_HOST_CONFIG: .*mistaken\.yaml: plugins\.1\.name: "a" is the name of plugins\.0 already; give/,
    ],
    [
      [
        { name: 'a', url },
        { name: 'b', url: `${url.replace('localhost', 'LOCALHOST')}/` },
      ],
      /mistaken\.yaml: plugins\.1\.url: "http:\/\/localhost:\d+" is the url of plugins\.0 already; give/,
    ],
    ...['http://user:secret@localhost:1', `${url}?x`, `${url}#y`, 'https://localhost:1', 'a b'].map((bad) => [
      [{ name: 'a', url: bad }],
      /^XI_PLUGIN_HOST_CONFIG: \S*mistaken\.yaml: plugins\.0\.url: it must be an http URL such as http:\S+, without user, query and fragment\.$/,
    ]),
  ] as [object[], RegExp][]) {
    await write(...plugins);
    await t.rejects(start(t, environment), { name: 'ConfigError', message });
  }
  await write({ name: 'a', url });
  const host = await start(t, environment);
  await until(
    'it runs',
    () => types(host.url),
    (found) => found.join() === 'one',
  );
  await write({ name: 'a', url }, { name: 'a', url: otherUrl });
  await until('a complaint', host.log, (text) => /plugins\.1\.name: "a" .*All stays as it is/.test(text));
  await write({ name: 'a', url: otherUrl.replace('//', '//user:secret@') });
  await until('another', host.log, (text) => /plugins\.0\.url: .*All stays as it is/.test(text));
  t.same(await types(host.url), ['one']);
  t.notMatch(await host.log(), /is moved|secret/);
});

t.test('a grant for the logger is used at the endpoint that it names', async (t) => {
  const host = await start(t, { XI_LOG_FORMAT: 'json' });
  const identity = await caller(host.url);
  const client = createConnectClient({ baseUrl: host.url });
  t.teardown(() => client.close());
  const { grant } = await client.unary(
    CapabilityBroker.method.requestCapability,
    { capabilityType: 'logger' },
    { headers: identity },
  );
  const logger = createConnectClient({ baseUrl: grant?.endpointUrl ?? '' });
  t.teardown(() => logger.close());
  const entry = { level: 'info', message: 'hello from a plugin' };
  await t.rejects(logger.unary(Logger.method.log, entry), { code: 'unauthenticated' });
  await logger.unary(Logger.method.log, entry, {
    headers: { authorization: `Bearer ${grant?.bearerToken}` },
  });
  const line = await until(
    'the line',
    async () => (await host.log()).split('\n').find((text) => text.includes('hello from a plugin')),
    (found) => found !== undefined,
  );
  t.match(JSON.parse(line ?? ''), { level: 'info', msg: /caller-[0-9a-f]{4}.*hello from a plugin/ });
});

t.test('its file names the plugins that it manages, and is followed', async (t) => {
  const file = join(folder, 'plugins.yaml');
  const write = (plugins: Record<string, Plugin>): Promise<void> =>
    writeFile(
      file,
      JSON.stringify({
        plugins: Object.entries(plugins).map(([name, { port }]) => ({
          name,
          url: `http://127.0.0.1:${port}/`,
        })),
      }),
    );
  const [one, two] = [await provider(t, 'one'), await provider(t, 'two')];
  await write({ one });
  const host = await start(t, { XI_PLUGIN_HOST_CONFIG: file });
  const has = (...wanted: string[]): Promise<unknown> =>
    until(
      wanted.join(),
      () => types(host.url),
      (found) => found.join() === wanted.join(),
    );
  await has('one');
  await write({ one, two });
  await has('one', 'two');
  t.notMatch(await host.log(), /is moved/, 'a slash at the end is the same place');

  const headers = { ...(await caller(host.url)), 'content-type': 'application/json' };
  const where = async (): Promise<unknown> =>
    (await fetch(`${host.url}/services/one/-/Where`, { method: 'POST', headers, body: '{}' })).json();
  t.same(await where(), { port: one.port });
  const other = await provider(t, 'one');
  await write({ one: other, two });
  await until('the other', where, (found) => (found as { port: number }).port === other.port);
  await writeFile(file, 'plugins: nonsense');
  await until('a complaint', host.log, (text) => /plugins: .*All stays as it is/.test(text));
  await has('one', 'two');
  await write({ two });
  await has('two');
  const gone = await provider(t, 'three');
  await gone.close();
  await write({ two, three: gone });
  await until('an attempt', host.log, (text) => text.includes('Plugin three at'));
  await write({ two, three: await provider(t, 'three') });
  await has('three', 'two');
});

t.test('plugins stay registered when the host comes back', async (t) => {
  const environment = {
    XI_PLUGIN_HOST_STATE: join(folder, 'state'),
    XI_PLUGIN_HOST_ADDRESS: `127.0.0.1:${await freePort()}`,
  };
  const first = await start(t, environment);
  await provider(t, 'kept', first.url);
  await until(
    'its registration',
    () => types(first.url),
    (found) => found.join() === 'kept',
  );
  const [before] = (await status(first.url)).plugins;
  await first.close();
  const second = await start(t, environment);
  const [after] = (await status(second.url)).plugins;
  t.equal(after?.runtimeId, before?.runtimeId);
  t.same(await types(second.url), ['kept']);
});
