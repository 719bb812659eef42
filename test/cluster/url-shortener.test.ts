/**
 * The URL shortener on a real cluster: the example and the chart as on the embedded one, then what takes real containers and a
 * network between pods: a host that dies, and plugins of their own Deployments, one of which moves under load.
 */
import t from 'tap';
import type { Test } from 'tap';
import type { EndpointSlice, Pod, Service } from '../../kube/index.js';
import { call } from '../helpers/http.js';
import { NO_HELM, findHelm } from '../helpers/helm.js';
import { EXAMPLE, chartSuite, exampleSuite, withApi } from '../suites/url-shortener.js';
import type { Api } from '../suites/url-shortener.js';
import { kubectl, portForward, read, run, until, whyNot } from './kubectl.js';

const OPERATOR = `${EXAMPLE}/separate/operator`;
const SEPARATE = `${EXAMPLE}/separate`;
const NAMESPACE = 'url-shortener';
const LONG = 'https://example.com/a/long?one=1&two=2';

/** What the host's own log says since it last started. */
const hostLog = (pod: string): Promise<string> => kubectl(['logs', pod, '-c', 'host']);

/** The ids of api and storage, once the log has a call of the one to the other. */
const idsInLog = (pod: string): Promise<string[] | undefined> =>
  until(
    async () => /\[ROUTER\] (api-\S+) → (storage-\S+) /.exec(await hostLog(pod))?.slice(1),
    (found) => found !== undefined,
  );

/** The host's container dies; the plugins go on without being told anything. */
async function hostDies(t: Test): Promise<void> {
  t.teardown(() => kubectl(['delete', '-k', EXAMPLE, '--ignore-not-found']));
  await kubectl(['apply', '-k', EXAMPLE]);
  await kubectl(['rollout', 'status', 'deployment/url-shortener', '--timeout=120s']);
  // Those of the test before may still be on their way out.
  const { items } = await read<{ items: Pod[] }>('pods', '-l', 'app=url-shortener');
  const pod = items.find(({ metadata }) => metadata?.deletionTimestamp === undefined)?.metadata?.name ?? '';
  await withApi(`pod/${pod}`, async (api) => {
    const code = await api.shorten(LONG);
    const before = await idsInLog(pod);
    await run(['kubectl', 'exec', pod, '-c', 'host', '--', 'node', '-e', 'process.kill(1)']);
    await until(
      () => read<Pod>('pod', pod),
      ({ status }) =>
        status?.containerStatuses?.some(
          ({ name, restartCount, ready }) => name === 'host' && restartCount === 1 && ready,
        ) ?? false,
    );
    const url = await until(
      () => api.resolve(code).catch(() => undefined),
      (found) => found !== undefined,
    );
    t.equal(url, LONG);
    t.same(await idsInLog(pod), before, 'plugins are known by the ids that they had');
    t.notMatch(await hostLog(pod), /^Plugin \S+ \S+ is /m, 'without shaking hands again');
  });
  const { status } = await read<Pod>('pod', pod);
  const restarts = status?.containerStatuses?.map(({ name, restartCount }) => [name, restartCount]);
  t.same(Object.fromEntries(restarts ?? []), { host: 1, logger: 0, storage: 0, api: 0 });
}

interface Load {
  readonly calls: number;
  readonly failures: readonly string[];
}

/** Shortens and resolves one URL after another until it is told to stop. */
function load(api: Api): { stop(): Promise<Load> } {
  let on = true;
  let calls = 0;
  const failures: string[] = [];
  const go = async (): Promise<void> => {
    while (on) {
      const url = `${LONG}&number=${calls++}`;
      try {
        const found = await api.resolve(await api.shorten(url));
        if (found !== url) failures.push(`${url} became ${found}`);
      } catch (error) {
        failures.push(String(error));
      }
    }
  };
  const going = Promise.all([go(), go()]);
  return {
    async stop() {
      on = false;
      await going;
      return { calls, failures };
    },
  };
}

/** The addresses of a Service's ready pods. */
async function addresses(service: string): Promise<string[]> {
  const { items } = await read<{ items: EndpointSlice[] }>(
    'endpointslices',
    '-n',
    NAMESPACE,
    '-l',
    `kubernetes.io/service-name=${service}`,
  );
  return items
    .flatMap(({ endpoints }) => endpoints ?? [])
    .filter(({ conditions }) => conditions?.ready === true)
    .flatMap((endpoint) => endpoint.addresses)
    .sort();
}

interface PluginItem {
  self_id: string;
  routable: boolean;
  services: { targets: string[] }[];
}

/** The operator's host knows the plugins, and routes to these pods of storage. */
async function routed(url: string, pods: readonly string[]): Promise<void> {
  const targets = ({ services }: PluginItem): string[] =>
    services.flatMap((service) => service.targets.map((target) => new URL(target).hostname)).sort();
  await until(
    async () => (await call(url, 'list_plugins')).body['items'] as PluginItem[],
    (plugins) =>
      ['api-plugin', 'logger-plugin', 'storage-plugin'].every((id) =>
        plugins.some(({ self_id, routable }) => self_id === id && routable),
      ) &&
      plugins.some((plugin) => plugin.self_id === 'storage-plugin' && targets(plugin).join() === pods.join()),
  );
}

/** A pod of a plugin goes while it is called, and another one comes at another address. */
async function moves(t: Test, service: string): Promise<string[]> {
  const before = await addresses(service);
  const { items } = await read<{ items: Pod[] }>(
    'pods',
    '-n',
    NAMESPACE,
    '-l',
    `app.kubernetes.io/component=${service}`,
  );
  const victim = items[0];
  await kubectl(['delete', 'pod', '-n', NAMESPACE, victim?.metadata?.name ?? '']);
  const after = await until(
    () => addresses(service),
    (now) => now.length === before.length && !now.includes(victim?.status?.podIP ?? ''),
  );
  t.notSame(after, before, `${service} is at another address`);
  return after;
}

/** The operator with its plugin host. Here is no DNS, so that plugins are told the address of its Service. */
async function operator(): Promise<void> {
  await kubectl(['apply', '-k', OPERATOR]);
  const { spec } = await read<Service>('service', '-n', 'xi-k8s', 'xi-k8s-plugins');
  const url = `XI_PLUGIN_URL=http://${spec?.clusterIP}:8444`;
  await kubectl(['set', 'env', '-n', 'xi-k8s', 'deployment/xi-k8s', url]);
  await kubectl(['rollout', 'status', '-n', 'xi-k8s', 'deployment/xi-k8s', '--timeout=120s']);
}

async function separate(t: Test): Promise<void> {
  t.teardown(() => kubectl(['delete', '-k', SEPARATE, '--ignore-not-found']));
  await kubectl(['apply', '-k', SEPARATE]);
  for (const name of ['logger', 'storage', 'api'])
    await kubectl(['rollout', 'status', '-n', NAMESPACE, `deployment/${name}`, '--timeout=120s']);
  const { url, stop } = await portForward('xi-k8s', 'deployment/xi-k8s', 8080);
  t.teardown(stop);
  await routed(url, await addresses('storage'));
  await withApi(
    'svc/url-shortener',
    async (api) => {
      const early = await until(
        () => api.shorten(LONG).catch(() => undefined),
        (code) => code !== undefined,
      );
      t.equal(await api.resolve(early ?? ''), LONG);
      const calls = load(api);
      await moves(t, 'logger');
      const pods = await moves(t, 'storage');
      await routed(url, pods);
      t.equal(await api.resolve(early ?? ''), LONG, 'what the old pod kept is known to the new one');
      const { calls: count, failures } = await calls.stop();
      t.ok(count > 0);
      t.same([...new Set(failures)], [], `of ${count} calls ${failures.length} failed`);
    },
    NAMESPACE,
  );
}

t.setTimeout(900_000);
const why = whyNot();
if (why !== undefined) t.plan(0, why);
else {
  const helm = await findHelm();
  t.teardown(() => kubectl(['delete', '-k', OPERATOR, '--ignore-not-found']));
  await operator();
  await t.test('kubectl apply -k', exampleSuite);
  if (helm === undefined) process.stderr.write(`url-shortener.test: the chart is skipped: ${NO_HELM}\n`);
  else await t.test('the chart', (t) => chartSuite(t, helm));
  await t.test('the host dies', hostDies);
  await t.test('plugins of their own Deployments move under load', separate);
}
