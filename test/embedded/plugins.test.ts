/** The functions about plugins: at the operator's own host, and at the host of a pod of the embedded cluster. */
import { pino } from 'pino';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import t from 'tap';
import type { Test } from 'tap';
import { createHandler, ConnectError, listenBoth } from '../../connect/index.js';
import { PODS, createKube, plainConnection } from '../../kube/index.js';
import { startPlugin } from '../../plugin-sdk/src/index.js';
import type { Plugin } from '../../plugin-sdk/src/index.js';
import { startDevcluster } from '../../devcluster/devcluster.js';
import { buildApp } from '../../server/app.js';
import { readConfig } from '../../server/config.js';
import { createNetworks } from '../../server/networks/networks.js';
import { createMetrics } from '../../server/ops/metrics.js';
import { createPeers } from '../../server/peers/peers.js';
import { straight } from '../../server/peers/clients.js';
import { startHost } from '../../server/plugin-host/host.js';
import type { PluginHost } from '../../server/plugin-host/host.js';
import { createPlugins } from '../../server/plugins/hosts.js';
import type { OwnHost } from '../../server/plugins/hosts.js';
import { createOwnHost } from '../../server/plugins/own.js';
import { createProbe } from '../../server/probe.js';
import { eventually } from '../helpers/eventually.js';
import { call, lines } from '../helpers/http.js';
import type { Answer } from '../helpers/http.js';
import { runningPod } from '../helpers/running-pod.js';
import { expectAnswer as has } from '../suites/target.js';

t.setTimeout(150_000);
type Item = Record<string, unknown>;
const NAMESPACE = 'default';

/** Pods that run something, so that connections to them are forwarded; what listens there is each test's own. */
const IDLE = { name: 'main', image: 'xi-k8s:1', args: ['idle'] };
const cluster = await startDevcluster({
  log: { debug: () => undefined, warn: () => undefined },
  program: { argv: [process.execPath, '--eval', 'setInterval(() => {}, 1000)'], commands: ['idle'] },
});
const kube = createKube(plainConnection({ url: cluster.url, how: 'embedded' }));
t.teardown(async () => {
  await kube.close();
  await cluster.close();
});

/** A host with all its parts, and the texts that it logged. */
async function startTestHost(
  host: string,
  port: number,
  appProtocolVersion?: number,
): Promise<{ host: PluginHost; logged: string[] }> {
  const logged: string[] = [];
  const log = {
    info: (_: object, text: string) => logged.push(text),
    warn: (_: object, text: string) => logged.push(text),
  };
  const started = await startHost({
    showStatus: true,
    address: { host, port },
    log,
    metrics: createMetrics(),
    registry: { allowBaseUrl: () => undefined, appProtocolVersion },
    admit: () => undefined,
  });
  return { host: started, logged };
}

/** The app of an operator, on a free port. */
async function startApp(own: OwnHost | undefined): Promise<{ url: string; close(): Promise<void> }> {
  const config = readConfig({ XI_PORT: '0' });
  const log = pino({ level: 'error' }, pino.destination(2));
  const peers = createPeers(straight);
  const never = new AbortController().signal;
  const app = buildApp(config, {
    kube,
    log,
    version: '0.0.0-test',
    probe: createProbe(kube),
    networks: createNetworks({ kube, peers, log, shared: {}, ownNamespace: NAMESPACE, peerImage: undefined }),
    plugins: createPlugins({ kube, own, hostImage: 'pretended/host:1', version: '0.0.0-test' }),
    defaultNamespace: NAMESPACE,
    stopping: never,
    halting: never,
    inPod: false,
  });
  await app.listen({ host: '127.0.0.1', port: 0 });
  return {
    url: `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`,
    close: async () => {
      app.server.closeAllConnections();
      await app.close();
      await peers.close();
    },
  };
}

const start = (
  hostUrl: string,
  id: string,
  more: Partial<Parameters<typeof startPlugin>[0]> = {},
): Promise<Plugin> =>
  startPlugin({
    id,
    version: '1.2.0',
    hostUrl,
    host: '127.0.0.1',
    port: 0,
    heartbeatMs: 100,
    graceMs: 500,
    ...more,
  });

const codes = new Map([['abc', 'https://example.com/?a=1&b=2']]);
const startStorage = (hostUrl: string, id = 'storage'): Promise<Plugin> =>
  start(hostUrl, id, {
    provides: [
      {
        type: 'storage',
        version: '1.2.0',
        path: '/storage.v1.Storage/',
        metadata: { shard: 'one' },
        methods: {
          Get: ({ params, ...request }, { caller }) => {
            const url = codes.get(request.text('code'));
            if (url === undefined)
              throw new ConnectError('not_found', `there is no code ${String(params['code'])}`);
            return { url, caller };
          },
          Refuse: () => {
            throw new ConnectError('failed_precondition', 'not now');
          },
        },
      },
      {
        type: 'raw',
        version: '0.1.0',
        path: '/raw/',
        listener: (request, response) => {
          const bytes = request.url?.endsWith('bytes') === true;
          response.end(bytes ? Buffer.from([0xff, 0xfe]) : 'plain ✓');
        },
      },
    ],
  });
const startApi = (hostUrl: string): Promise<Plugin> =>
  start(hostUrl, 'api', {
    provides: [{ type: 'api', version: '1.2.0', path: '/api/', methods: { Resolve: () => ({}) } }],
    requires: [{ type: 'storage', minVersion: '1.0.0' }],
  });

/** What holds at any host. `at` names it in params. */
async function atHost(
  t: Test,
  {
    url,
    hosted: { host, logged },
    at,
  }: { url: string; hosted: Awaited<ReturnType<typeof startTestHost>>; at: object },
): Promise<void> {
  const fn = (name: string, params: object = {}, query = ''): Promise<Answer> =>
    call(url, name, { ...at, ...params }, { query });
  const items = ({ body }: Answer): Item[] => body['items'] as Item[];
  const storage = await startStorage(host.url);
  const api = await startApi(host.url);
  t.teardown(() => Promise.all([storage.close(), api.close()]));
  await Promise.all([storage.whenReady(), api.whenReady()]);

  await t.test('list_plugins, get_plugin', async (t) => {
    const listed = await fn('list_plugins');
    has(t, listed, 200);
    t.match(items(listed), [
      {
        self_id: 'api',
        origin: 'unmanaged',
        requires: [{ type: 'storage', min_version: '1.0.0', providers: [storage.runtimeId] }],
      },
      { self_id: 'storage', self_version: '1.2.0', routable: true, health: 'healthy', since: /^\d{4}-.*Z$/ },
    ]);
    t.equal(items(listed).length, 2, 'the operator’s own identity is not among them');
    t.same(
      items(await fn('list_plugins', { type: 'raw' })).map((one) => one['runtime_id']),
      [storage.runtimeId],
    );
    const first = await fn('list_plugins', { limit: 1 });
    const second = await fn('list_plugins', { limit: 1, continue: first.body['continue'] });
    t.same([...items(first), ...items(second)], items(listed));
    t.notOk(second.body['continue']);

    const byName = await fn('get_plugin', { plugin: 'storage' });
    has(t, byName, 200);
    t.same(byName.body, items(listed)[1]);
    t.same((await fn('get_plugin', { plugin: storage.runtimeId })).body, byName.body);
    const unknown = await fn('get_plugin', { plugin: 'storge' });
    has(t, unknown, 404, 'not_found');
    t.match(unknown.body, { suggestion: 'storage', detail: /did you mean storage\?/ });
  });

  await t.test('list_plugin_services', async (t) => {
    const listed = await fn('list_plugin_services');
    has(t, listed, 200);
    t.same(
      items(listed).map(({ type }) => type),
      ['api', 'raw', 'storage'],
    );
    t.match(items(listed)[2], {
      version: '1.2.0',
      provider: storage.runtimeId,
      path: `/services/storage/${storage.runtimeId}`,
      targets: [/^http:\/\/(localhost|127\.0\.0\.1):\d+$/],
      metadata: { shard: 'one' },
      routable: true,
    });
    t.same(items(await fn('list_plugin_services', { type: 'nothing' })), []);
    const page = await fn('list_plugin_services', { limit: 2 });
    t.same(
      items(await fn('list_plugin_services', { continue: page.body['continue'] })),
      items(listed).slice(2),
    );
  });

  await t.test('call_plugin_service', async (t) => {
    const get = { type: 'storage', method: 'Get', request: { code: 'abc' } };
    const answer = await fn('call_plugin_service', get);
    has(t, answer, 200);
    t.match(answer.body, {
      type: 'storage',
      method: 'Get',
      provider: storage.runtimeId,
      status: 200,
      response: { url: 'https://example.com/?a=1&b=2', caller: /^xi-k8s-[0-9a-f]{4}$/ },
    });
    t.ok(
      logged.some((line) => /^\[ROUTER\] xi-k8s-\w+ → storage-\w+ \/Get 200 \(duration: /.test(line)),
      'the router carried it',
    );
    has(t, await fn('call_plugin_service', { ...get, provider: storage.runtimeId }), 200);
    t.match((await fn('call_plugin_service', { type: 'raw', method: 'text' })).body, {
      response_text: 'plain ✓',
    });
    t.match((await fn('call_plugin_service', { type: 'raw', method: 'bytes' })).body, {
      response_base64: '//4=',
    });

    const calls = () => host.status().calls.reduce((sum, one) => sum + one.calls, 0);
    const before = calls();
    const dry = await fn('call_plugin_service', get, '?dry_run=true');
    has(t, dry, 200);
    t.notOk('response' in dry.body);
    t.equal(calls(), before, 'a dry run calls nobody');

    const missing = await fn('call_plugin_service', { ...get, request: { code: 'none' } });
    has(t, missing, 404, 'not_found');
    t.match(missing.body['detail'], /storage\/Get.*not_found: there is no code none/);
    has(t, await fn('call_plugin_service', { ...get, request: {} }), 400, 'invalid_params');
    has(t, await fn('call_plugin_service', { type: 'storage', method: 'Refuse' }), 409, 'conflict');
    const noType = await fn('call_plugin_service', { ...get, type: 'storag' });
    has(t, noType, 404, 'not_found');
    t.match(noType.body, { suggestion: 'storage' });
    const noProvider = await fn('call_plugin_service', { ...get, provider: api.runtimeId });
    has(t, noProvider, 404, 'not_found');
    t.match(noProvider.body['detail'], /provides no storage/);
    for (const method of ['../Get', 'Get/..', '/Get', 'Get?code=abc', 'a%2fb', ''])
      has(t, await fn('call_plugin_service', { ...get, method }), 400, 'invalid_params');
  });

  await t.test('the host forgets who we are', async (t) => {
    const mine = host.registry.plugins().filter(({ selfId }) => selfId === 'xi-k8s');
    t.equal(mine.length, 1, 'one identity for all calls');
    host.registry.remove(mine[0]!.runtimeId);
    const get = { type: 'storage', method: 'Get', request: { code: 'abc' } };
    for (const answer of await Promise.all(Array.from({ length: 20 }, () => fn('call_plugin_service', get))))
      has(t, answer, 200);
    t.equal(host.registry.plugins().filter(({ selfId }) => selfId === 'xi-k8s').length, 1, 'nor afterwards');
  });

  await t.test('get_plugin_graph', async (t) => {
    const lonely = await start(host.url, 'lonely', { requires: [{ type: 'nobody' }] });
    await eventually(
      () => host.registry.plugins().find(({ selfId }) => selfId === 'lonely'),
      (plugin) => plugin?.requires['nobody'] !== undefined,
      { what: 'it says what it needs' },
    );
    const graph = await fn('get_plugin_graph');
    has(t, graph, 200);
    const nodes = graph.body['nodes'] as Item[];
    const edges = graph.body['edges'] as Item[];
    t.match(
      nodes.find(({ self_id: id }) => id === 'storage'),
      {
        provides: ['raw', 'storage'],
        affects: [api.runtimeId],
        missing: [],
      },
    );
    t.match(
      nodes.find(({ self_id: id }) => id === 'lonely'),
      { missing: ['nobody'], affects: [] },
    );
    t.match(
      edges.find(({ from }) => from === api.runtimeId),
      { to: storage.runtimeId, type: 'storage', required: true },
    );
    // Under two identities, since it was forgotten in between.
    const called = edges.filter(({ from, type }) => /^xi-k8s/.test(String(from)) && type === 'storage');
    t.match(
      called.find(({ methods }) => (methods as string[]).includes('Refuse')),
      { required: false, calls: 5, failures: 3, methods: ['Get', 'Refuse'] },
      'the unknown code, the missing one and the refusal failed',
    );
    t.match(graph.body['mermaid'], /"storage: 5 calls, 3 failed"/);
    const order = graph.body['start_order'] as string[];
    t.ok(order.indexOf(storage.runtimeId!) < order.indexOf(api.runtimeId!));
    t.same(graph.body['cycles'], []);
    t.match(graph.body['mermaid'], /^flowchart LR\n {2}p0\["/);
    t.match(graph.body['mermaid'], /nobody is missing/);
    const { runtimeId } = lonely;
    await lonely.close();
    host.registry.remove(runtimeId!);
  });

  await t.test('watch_plugins', async (t) => {
    const left = new AbortController();
    const seen: string[] = [];
    let late: Plugin | undefined;
    for await (const { type, item } of lines(url, 'watch_plugins', at, { signal: left.signal })) {
      if (type !== 'item') continue;
      const { event, runtime_id: id, plugin } = item as Item & { plugin?: Item };
      const name = String(plugin?.['self_id'] ?? id ?? '').replace(/-[0-9a-f]{4}$/, '');
      if (seen.at(-1) !== `${String(event)} ${name}`) seen.push(`${String(event)} ${name}`);
      if (event === 'live')
        late = await start(host.url, 'late', {
          provides: [{ type: 'late', version: '1.0.0', path: '/late/', methods: { A: () => ({}) } }],
        });
      if (name === 'late' && event === 'plugin' && (plugin?.['services'] as Item[]).length > 0)
        host.registry.remove(late!.runtimeId!);
      if (event === 'gone') break;
    }
    left.abort();
    t.match(seen[0], 'plugin api');
    t.match(seen[1], 'plugin storage');
    t.equal(seen.indexOf('live ') > 1, true, seen.join(', '));
    t.ok(seen.indexOf('plugin late') > seen.indexOf('live '));
    t.equal(seen.at(-1), 'gone late');
    await late?.close();
  });

  await t.test('two plugins of one name', async (t) => {
    const twin = await startStorage(host.url);
    await twin.whenReady();
    const both = await fn('get_plugin', { plugin: 'storage' });
    has(t, both, 400, 'invalid_params');
    t.match(both.body['detail'], new RegExp(twin.runtimeId!));
    const any = await fn('call_plugin_service', { type: 'storage', method: 'Get', request: { code: 'abc' } });
    has(t, any, 200);
    t.notOk(any.body['provider'], 'nobody said which one the host picked');
    await twin.close();
  });
}

t.test("the operator's own host", async (t) => {
  const hosted = await startTestHost('127.0.0.1', 0);
  const { host } = hosted;
  const own = createOwnHost({ host, version: '0.0.0-test' });
  const app = await startApp(own);
  t.teardown(async () => {
    await app.close();
    own.close();
    await host.close();
  });
  await atHost(t, { url: app.url, hosted, at: {} });
  const lone = { name: 'lone', model: 'separate', plugins: [{ name: 'lone', image: 'l:1', port: 8081 }] };
  const deployed = await call(app.url, 'deploy_plugins', lone, { query: '?dry_run=true' });
  has(t, deployed, 200);
  t.notOk(deployed.body['warnings'], 'there is a host to find them');

  const namespace = NAMESPACE;
  for (const [name, more] of Object.entries({
    list_plugins: {},
    get_plugin: { plugin: 'p' },
    list_plugin_services: {},
    call_plugin_service: { type: 's', method: 'M' },
    watch_plugins: {},
    get_plugin_graph: {},
  })) {
    const refused = await call(app.url, name, { namespace, ...more });
    has(t, refused, 400, 'invalid_params');
    t.match(refused.body, { errors: [{ field: 'namespace', message: /must be absent without `pod`/ }] });
  }
});

/** Starts a pod that listens nowhere, and answers its address. */
async function startPod(name: string): Promise<string> {
  await kube.create(PODS, NAMESPACE, {
    metadata: { name, namespace: NAMESPACE },
    spec: { containers: [IDLE] },
  });
  return (await runningPod(kube, NAMESPACE, name)).ip;
}

t.test('the host of a pod', async (t) => {
  const app = await startApp(undefined);
  t.teardown(() => app.close());
  for (const name of ['list_plugins', 'list_plugin_services', 'get_plugin_graph'])
    has(t, await call(app.url, name), 404, 'not_found');

  const address = await startPod('shop');
  const silent = await call(app.url, 'list_plugins', { pod: 'shop' });
  has(t, silent, 502, 'bad_gateway');
  t.match(silent.body['detail'], /the host of pod default\/shop/);
  has(t, await call(app.url, 'list_plugins', { pod: 'nowhere' }), 404, 'not_found');

  const hosted = await startTestHost(address, 8080);
  t.teardown(() => hosted.host.close());
  await atHost(t, { url: app.url, hosted, at: { pod: 'shop' } });
});

t.test('the host of a pod whose plugins speak another version of their own protocol', async (t) => {
  const app = await startApp(undefined);
  const { host } = await startTestHost(await startPod('later'), 8080, 2);
  const echo = createServer((request, response) => void response.end(JSON.stringify({ at: request.url })));
  await once(echo.listen(0, '127.0.0.1'), 'listening');
  t.teardown(async () => {
    await app.close();
    await host.close();
    echo.closeAllConnections();
    echo.close();
  });
  host.registry.admit({
    ...{ selfId: 'echo', selfVersion: '1.0.0', origin: 'managed', requires: {} },
    baseUrls: [`http://127.0.0.1:${(echo.address() as AddressInfo).port}`],
    provides: [{ type: 'echo', version: '1.0.0', path: '/echo/' }],
  });
  const say = () => call(app.url, 'call_plugin_service', { pod: 'later', type: 'echo', method: 'Say' });
  for (const answer of await Promise.all(Array.from({ length: 20 }, say))) {
    has(t, answer, 200);
    t.match(answer.body, { response: { at: '/echo/Say' } });
  }
  const ours = host.registry.plugins().filter(({ selfId }) => selfId === 'xi-k8s');
  t.equal(ours.length, 1, 'the first calls share a handshake');
});

t.test('what listens in a pod is no host of ours', async (t) => {
  const app = await startApp(undefined);
  let answer = '[]';
  const handler = createHandler([]);
  const web = await listenBoth({
    host: await startPod('web'),
    port: 8080,
    onRequest: (request, response) => {
      if (!handler(request, response)) response.end(answer);
    },
  });
  t.teardown(async () => {
    await app.close();
    await web.close(0);
  });
  for (answer of ['[]', 'hello', '{"plugins":[{"runtimeId":1}],"calls":[]}', '{"plugins":[]}']) {
    const asked = await call(app.url, 'list_plugins', { pod: 'web' });
    has(t, asked, 502, 'bad_gateway');
    t.match(asked.body['detail'], /no plugin host of ours/);
  }
  answer = '{"plugins":[],"calls":[],"more":1}';
  t.same((await call(app.url, 'list_plugins', { pod: 'web' })).body, { items: [] }, 'a newer host says more');
});
