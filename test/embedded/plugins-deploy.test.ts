/** deploy_plugins and remove_plugin, on the embedded cluster, where containers of our image run. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { DEPLOYMENTS, PODS, SERVICES, createKube, plainConnection } from '../../kube/index.js';
import type { Deployment } from '../../kube/index.js';
import { eventually } from '../helpers/eventually.js';
import { call, lines } from '../helpers/http.js';
import { serve } from '../helpers/serve.js';
import { expectAnswer as has } from '../suites/target.js';

t.setTimeout(150_000);
type Item = Record<string, unknown>;
const NAMESPACE = 'default';

const home = await mkdtemp(join(tmpdir(), 'plugins-deploy-'));
const operator = await serve(t, home, { XI_LIGHTPEER_IMAGE: 'pretended/host:1' });
const kube = createKube(plainConnection({ url: operator.clusterUrl, how: 'embedded' }));
t.teardown(async () => {
  await kube.close();
  await operator.stop();
  await rm(home, { recursive: true });
});
const fn = (name: string, params: object, query = '') => call(operator.url, name, params, { query });
const deployment = (name: string): Promise<Deployment> =>
  kube.get(DEPLOYMENTS, { namespace: NAMESPACE, name });

t.test('deploy_plugins, remove_plugin', async (t) => {
  const plugins = [
    { name: 'logger', image: 'shop/logger:1', port: 8081 },
    {
      name: 'storage',
      image: 'shop/storage:1',
      port: 8082,
      args: ['serve'],
      env: [
        { name: 'HOSTNAME', value: 'elsewhere' },
        { name: 'MODE', value: 'x' },
      ],
      limits: { memory: '64Mi' },
    },
  ];
  await t.test('one pod', async (t) => {
    const dry = await fn('deploy_plugins', { name: 'shop', plugins }, '?dry_run=true');
    has(t, dry, 200);
    await t.rejects(deployment('shop'), 'a dry run stores nothing');
    const applied = await fn('deploy_plugins', { name: 'shop', plugins });
    has(t, applied, 200);
    t.match(applied.body, {
      model: 'pod',
      deployments: [
        {
          name: 'shop',
          namespace: NAMESPACE,
          plugins: ['logger', 'storage'],
          images: ['pretended/host:1', 'shop/logger:1', 'shop/storage:1'],
          replicas: 1,
          ready: 1,
        },
      ],
    });
    const { spec, metadata } = await deployment('shop');
    t.match(metadata?.labels, {
      app: 'shop',
      'app.kubernetes.io/name': 'shop',
      'xi-k8s.dev/plugin-pod': 'shop',
    });
    const [host, logger, storage] = spec!.template.spec!.containers;
    t.match(host, {
      name: 'host',
      args: ['plugin-host'],
      readinessProbe: { httpGet: { path: '/readyz' } },
      securityContext: { runAsNonRoot: true, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } },
    });
    t.same(logger?.env, [
      { name: 'HOST_URL', value: 'http://localhost:8080' },
      { name: 'PORT', value: '8081' },
      { name: 'HOSTNAME', value: 'localhost' },
    ]);
    t.match(storage, { args: ['serve'], resources: { limits: { memory: '64Mi' } } });
    const goesAfter = (container: typeof host) => container?.lifecycle?.preStop?.sleep?.seconds ?? 0;
    for (const plugin of [logger, storage]) {
      t.ok(goesAfter(plugin) > 0, 'everybody learns that it goes before it does');
      t.ok(goesAfter(host) > goesAfter(plugin), 'it finishes its calls through the host');
    }
    t.same(
      storage?.env?.filter(({ name }) => name === 'HOSTNAME' || name === 'MODE'),
      plugins[1]!.env,
      'the caller’s own wins',
    );

    const less = await fn('deploy_plugins', { name: 'shop', plugins: plugins.slice(0, 1) });
    has(t, less, 200);
    t.match(less.body, { deployments: [{ plugins: ['logger'] }] });
    t.equal((await deployment('shop')).spec!.template.spec!.containers.length, 2);

    const removed = await fn('remove_plugin', { deployment: 'shop', wait: true });
    has(t, removed, 200);
    t.match(removed.body, { name: 'shop', namespace: NAMESPACE, gone: true });
    await t.rejects(deployment('shop'));
  });

  await t.test('each by itself', async (t) => {
    const params = { name: 'shop', model: 'separate', plugins, replicas: 2 };
    const progress: Item[] = [];
    let result: Item | undefined;
    for await (const line of lines(operator.url, 'deploy_plugins', params)) {
      if (line['type'] === 'item') progress.push(line['item'] as Item);
      if (line['type'] === 'result') result = line['result'] as Item;
    }
    t.match(progress.at(-1), { done: 2, total: 2 });
    t.match(result, {
      model: 'separate',
      deployments: [
        { name: 'logger', service: 'logger', plugins: ['logger'], replicas: 2, ready: 2 },
        { name: 'storage', service: 'storage', plugins: ['storage'], replicas: 2, ready: 2 },
      ],
    });
    const service = await kube.get(SERVICES, { namespace: NAMESPACE, name: 'storage' });
    t.match(service.metadata?.labels, { 'xi-k8s.dev/plugin': 'storage', app: 'shop' });
    t.match(service.spec, {
      selector: { 'xi-k8s.dev/plugin': 'storage' },
      ports: [{ name: 'plugin', port: 8082 }],
    });
    const { spec } = await deployment('logger');
    t.match(spec?.template.spec?.containers, [
      {
        env: [{ name: 'PORT' }, { name: 'HOSTNAME', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } }],
      },
    ]);
    has(t, await fn('deploy_plugins', { ...params, wait: false }), 200);

    has(t, await fn('remove_plugin', { deployment: 'storage', wait: true }), 200);
    await eventually(
      () => kube.list(SERVICES, NAMESPACE).then(({ items }) => items.map(({ metadata }) => metadata?.name)),
      (names) => !names.includes('storage'),
      { what: 'the Service goes with its Deployment' },
    );
    has(t, await fn('remove_plugin', { deployment: 'logger' }), 200);
  });

  await t.test('each by itself, and one of them cannot be: nothing is half done', async (t) => {
    await kube.patch(
      SERVICES,
      { namespace: NAMESPACE, name: 'taken' },
      {
        type: 'apply',
        body: {
          apiVersion: 'v1',
          kind: 'Service',
          metadata: { name: 'taken', namespace: NAMESPACE },
          spec: { selector: { app: 'other' }, ports: [{ port: 80 }] },
        },
      },
      { fieldManager: 'somebody' },
    );
    const image = 'registry.example/plugin:1';
    const answer = await fn('deploy_plugins', {
      name: 'half',
      model: 'separate',
      plugins: [
        { name: 'free', image, port: 8081 },
        { name: 'taken', image, port: 8082 },
      ],
    });
    has(t, answer, 409, 'conflict');
    t.match(answer.body, {
      detail: /Service default\/taken/,
      object: { resource: 'services', namespace: NAMESPACE, name: 'taken' },
    });
    const { items } = await kube.list(DEPLOYMENTS, NAMESPACE, { labelSelector: 'app=half' });
    t.same(items, []);
    await kube.delete(SERVICES, { namespace: NAMESPACE, name: 'taken' });
  });

  await t.test('what is refused', async (t) => {
    const bad = async (params: object, field: string): Promise<void> => {
      const answer = await fn('deploy_plugins', { name: 'shop', ...params });
      has(t, answer, 400, 'invalid_params');
      t.ok(
        (answer.body['errors'] as Item[]).some((error) => error['field'] === field),
        JSON.stringify(answer.body),
      );
    };
    const one = { name: 'a', image: 'a:1', port: 8081 };
    await bad({ plugins: [] }, 'plugins');
    await bad({ plugins: [one, one] }, 'plugins[1].name');
    await bad({ plugins: [one, { ...one, name: 'b' }] }, 'plugins[1].port');
    await bad({ plugins: [{ ...one, port: 8080 }] }, 'plugins[0].port');
    await bad({ plugins: [{ ...one, port: 9090 }] }, 'plugins[0].port');
    await bad({ plugins: [{ ...one, name: 'host' }] }, 'plugins[0].name');
    await bad({ plugins: [{ ...one, port: 0 }] }, 'plugins[0].port');
    await bad(
      { plugins: [{ ...one, env: [{ name: 'A', value: '1', secret: { name: 's', key: 'k' } }] }] },
      'plugins[0].env[0]',
    );
    const env = ['A', 'B', 'A'].map((name) => ({ name, value: name }));
    for (const model of ['pod', 'separate'])
      await bad({ model, plugins: [{ ...one, env }] }, 'plugins[0].env[2].name');
    await bad({ plugins: [{ ...one, readiness_probe: {} }] }, 'plugins[0].readiness_probe');
    await bad({ plugins: [{ ...one, privileged: true }] }, 'plugins[0].privileged');

    await fn('create_deployment', { name: 'stranger', image: 'nginx:1', replicas: 0 });
    const foreign = await fn('remove_plugin', { deployment: 'stranger' });
    has(t, foreign, 409, 'conflict');
    has(t, await fn('remove_plugin', { deployment: 'nowhere' }), 404, 'not_found');
  });
});

t.test('one pod, and a plugin in it does not start', async (t) => {
  const plugin = (...args: string[]) => ({ name: 'logger', image: 'xi-k8s:1', port: 8081, args });
  const deploy = (args: string[], more = {}) =>
    fn('deploy_plugins', { name: 'careful', plugins: [plugin(...args)], ...more });
  const ready = async (): Promise<(string | undefined)[]> => {
    const { items } = await kube.list(PODS, NAMESPACE, { labelSelector: 'app=careful' });
    return items
      .filter(({ status }) =>
        status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True'),
      )
      .map(({ metadata }) => metadata?.name);
  };
  has(t, await deploy(['example', 'logger']), 200);
  const before = await ready();
  t.equal(before.length, 1);
  for (const args of [
    ['example', 'nonsense'],
    ['lightpeer', '--port=9081'],
  ]) {
    const broken = await deploy(args, { timeout_seconds: 5 });
    has(t, broken, 504, 'deadline_exceeded');
    t.match(broken.body, { outcome: 'done', detail: /default\/careful is not complete/ });
    t.same(await ready(), before, 'the pod that works stays');
  }
  has(t, await fn('remove_plugin', { deployment: 'careful' }), 200);
});
