/** The URL shortener as people install it, by kubectl, helm and its scripts; runs on any cluster that has our image. */
import type { Test } from 'tap';
import type { Deployment, Pod } from '../../kube/index.js';
import { kubectl, portForward, read, run, until } from '../cluster/kubectl.js';

export const EXAMPLE = 'k8s-yamls/examples/url-shortener';
const CHART = 'k8s-yamls/charts/url-shortener';
const SELECTOR = 'app=url-shortener,app.kubernetes.io/name=url-shortener';
const NAMESPACE = 'default';
const LONG = 'https://example.com/a/long?one=1&two=2#there';

export interface Api {
  /** Calls Shorten and answers the code. */
  shorten(url: string): Promise<string>;
  /** Calls Resolve and answers the URL. */
  resolve(code: string): Promise<string>;
  /** Calls a method by its parameters in the query. */
  ask(
    method: 'Shorten' | 'Resolve',
    params: Record<string, string>,
    init?: RequestInit,
  ): Promise<{ status: number; body: Record<string, unknown> }>;
}

/** The API at a base URL. Its promises reject when an answer is not 200. */
export function apiAt(base: string): Api {
  const ask: Api['ask'] = async (method, params, init) => {
    const query = new URLSearchParams(params).toString();
    const response = await fetch(`${base}/api.v1.API/${method}${query && `?${query}`}`, {
      signal: AbortSignal.timeout(20_000),
      ...init,
    });
    const text = await response.text();
    try {
      return { status: response.status, body: JSON.parse(text) as Record<string, unknown> };
    } catch {
      throw new Error(`${method} answered ${response.status} and no JSON: ${text}`);
    }
  };
  const field = async (answer: ReturnType<Api['ask']>, name: string): Promise<string> => {
    const { status, body } = await answer;
    if (status !== 200 || typeof body[name] !== 'string')
      throw new Error(`${status} ${JSON.stringify(body)}`);
    return body[name];
  };
  return {
    ask,
    shorten: (url) => field(ask('Shorten', { url }, { method: 'POST' }), 'short_code'),
    resolve: (code) => field(ask('Resolve', { code }), 'url'),
  };
}

/** Gives a body the API of a pod or Service by `kubectl port-forward`. */
export async function withApi<T>(
  target: string,
  body: (api: Api) => Promise<T>,
  namespace = NAMESPACE,
): Promise<T> {
  const { url, stop } = await portForward(namespace, target, 8083);
  try {
    return await body(apiAt(url));
  } finally {
    await stop();
  }
}

const podsOf = async (): Promise<Pod[]> =>
  (await read<{ items: Pod[] }>('pods', '-l', SELECTOR)).items.filter(
    ({ metadata }) => metadata?.deletionTimestamp === undefined,
  );
const nameOf = ({ metadata }: Pod): string => metadata?.name ?? '';

/** Waits for so many pods whose four containers are ready, as `kubectl get pods` shows it. */
async function fourOfFour(t: Test, count: number): Promise<Pod[]> {
  await kubectl(['rollout', 'status', 'deployment/url-shortener', '--timeout=120s']);
  const shown = await until(
    () => kubectl(['get', 'pods', '-l', SELECTOR, '--no-headers']),
    (text) => !text.includes('Terminating'),
  );
  const rows = shown.trim().split('\n');
  t.equal(rows.length, count);
  for (const row of rows) t.match(row, /^url-shortener-\S+ +4\/4 +Running +0 /);
  return podsOf();
}

/** The lines of a container's log that match, once there are some. */
const logged = (pod: string, container: string, pattern: RegExp): Promise<string[]> =>
  until(
    async () =>
      (await kubectl(['logs', pod, '-c', container])).split('\n').filter((line) => pattern.test(line)),
    (lines) => lines.length > 0,
  );

/** The lines by which the page's greps find what was called. */
async function logsOf(t: Test, pod: string, code: string): Promise<void> {
  const host = (pattern: RegExp): Promise<string[]> => logged(pod, 'host', pattern);
  const calls: [string, string, string][] = [
    ['api', 'storage', 'Store'],
    ['storage', 'logger', 'Log'],
    ['api', 'storage', 'Get'],
  ];
  for (const [caller, provider, method] of calls) {
    const way = `\\[ROUTER\\] ${caller}\\S*-[0-9a-f]{4} → ${provider}\\S*-[0-9a-f]{4} /${method}`;
    t.ok((await host(new RegExp(`${way} \\(service: ${provider}\\)$`))).length > 0, `${method} starts`);
    t.ok((await host(new RegExp(`${way} 200 \\(duration: [\\d.]+(µs|ms|s)\\)$`))).length > 0, 'and ends');
  }
  t.ok((await host(/Registered service/)).length >= 3, 'all three plugins registered');
  t.match((await logged(pod, 'logger', /\[LOG\] STORE/)).join('\n'), `[LOG] STORE ${code} → ${LONG}`);
  t.match((await logged(pod, 'logger', /\[LOG\] GET/)).join('\n'), `[LOG] GET ${code} → ${LONG}`);
}

/** What the API answers, to GET and to POST. */
async function answers(t: Test, api: Api): Promise<string> {
  const code = await api.shorten(LONG);
  t.match(code, /^[\w-]{4,}$/);
  t.equal(await api.resolve(code), LONG, 'the URL is whole');
  const json = (body: object): RequestInit => ({
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  t.match(await api.ask('Shorten', { url: LONG }), { status: 200, body: { short_code: String, url: LONG } });
  t.match(await api.ask('Shorten', {}, json({ url: LONG })), { status: 200, body: { url: LONG } });
  t.match(await api.ask('Resolve', {}, json({ code })), { status: 200, body: { url: LONG } });
  t.match(await api.ask('Resolve', { code: 'nosuchcode' }), { status: 404, body: { code: 'not_found' } });
  const invalid = { status: 400, body: { code: 'invalid_argument' } };
  t.match(await api.ask('Resolve', {}), invalid);
  t.match(await api.ask('Shorten', { url: 'no url' }), invalid);
  return code;
}

/** `kubectl apply -k` of the one pod, by which people begin. */
export async function exampleSuite(t: Test): Promise<void> {
  t.teardown(() => kubectl(['delete', '-k', EXAMPLE, '--ignore-not-found']));
  await kubectl(['apply', '-k', EXAMPLE]);
  const [pod] = await fourOfFour(t, 1);
  const name = nameOf(pod ?? {});
  const code = await withApi('svc/url-shortener', (api) => answers(t, api));
  await logsOf(t, name, code);
  await kubectl(['delete', '-k', EXAMPLE]);
  t.same(await until(podsOf, (pods) => pods.length === 0), []);
}

const script = (name: string): string => `${CHART}/${name}`;

/** Runs one of the chart's scripts; what it printed. */
async function scripted(t: Test, helm: string, name: string, ...args: string[]): Promise<string> {
  const ended = await run(['env', `HELM=${helm}`, script(name), ...args]);
  t.equal(ended.code, 0, `${name} ${args.join(' ')}\n${ended.stdout}\n${ended.stderr}`);
  return ended.stdout;
}

/** The scripts one after another, as the page has them. */
async function scriptsSuite(t: Test, helm: string): Promise<void> {
  const image = 'localhost/xi-k8s:0.1.0';
  t.match(await scripted(t, helm, 'setup.sh'), new RegExp(`^✅ All images .*\n( {2}${image}.*\n){4}`, 'm'));
  const installed = await scripted(t, helm, 'install.sh');
  t.match(installed, /^✅ Deployment successful!\nPod: url-shortener-\S+\n\nNAME +READY +STATUS/m);
  t.match(installed, /^url-shortener-\S+ +4\/4 +Running +0 /m);
  const tested = await scripted(t, helm, 'test.sh');
  t.match(tested, /^✅ \S+ resolves to https:/m);
  t.match(tested, /\[ROUTER\] api\S+ → storage\S+ \/Store 200 \(duration: /);
  t.match(tested, /\[LOG\] STORE \S+ → https:/);
  t.match(tested, /^✅ All tests passed$/m);
  await t.test('test-api.sh says so when nothing answers', async (t) => {
    const ended = await run(['env', 'API_URL=http://127.0.0.1:9', script('test-api.sh')]);
    t.not(ended.code, 0);
    t.match(ended.stderr, /Does \.\/port-forward\.sh run\?/);
  });
  t.match(await scripted(t, helm, 'cleanup.sh'), /^✅ Cleanup complete$/m);
  t.same(await podsOf(), []);
  t.match(await scripted(t, helm, 'cleanup.sh'), /✅/, 'what is gone already is no failure');
  const nothing = await run([script('port-forward.sh')]);
  t.not(nothing.code, 0);
  t.match(nothing.stderr, /There is no release url-shortener in .*: \.\/install\.sh first/);
}

/** A code that one pod made resolves in every other. */
async function shared(t: Test, pods: readonly Pod[]): Promise<void> {
  const [first, ...others] = pods.map((pod) => `pod/${nameOf(pod)}`);
  const code = await withApi(first ?? '', (api) => api.shorten(LONG));
  for (const pod of others)
    await withApi(pod, async (api) => {
      const answer = await until(
        () => api.ask('Resolve', { code }),
        ({ status }) => status === 200,
      );
      t.equal(answer.body['url'], LONG, pod);
    });
}

/** The page's lines of `--set`, each for an installation of its own. */
async function valuesSuite(t: Test, helm: string): Promise<void> {
  await scripted(t, helm, 'install.sh', '--set', 'service.type=LoadBalancer');
  t.match(await read('service', 'url-shortener'), { spec: { type: 'LoadBalancer' } });
  await withApi('svc/url-shortener', async (api) =>
    t.equal(await api.resolve(await api.shorten(LONG)), LONG),
  );

  await scripted(t, helm, 'cleanup.sh');

  await scripted(t, helm, 'install.sh', '--set', 'replicaCount=3');
  await shared(t, await fourOfFour(t, 3));
  t.match(await scripted(t, helm, 'test.sh'), /^✅ All tests passed$/m);

  await scripted(t, helm, 'cleanup.sh');
  const renamed = await scripted(t, helm, 'install.sh', '--set', 'nameOverride=codes');
  t.match(
    renamed,
    /^✅ Deployment successful!\nPod: url-shortener-codes-/m,
    'the scripts know it by its release',
  );
  t.match(await scripted(t, helm, 'test.sh'), /^✅ All tests passed$/m);
  await scripted(t, helm, 'cleanup.sh');
  t.same((await read<{ items: Pod[] }>('pods', '-l', 'app=codes')).items, [], 'and wait for its pods');
  await scripted(t, helm, 'install.sh');

  const other = ['--set', 'image.repository=myregistry.io', '--set', 'image.tag=v1.0.0'];
  // A real cluster does not have that image: the pods that there are stay, and nobody waits for the new one.
  const { code, stderr } = await run([helm, 'upgrade', 'url-shortener', CHART, ...other]);
  t.equal(code, 0, stderr);
  const { spec } = await read<Deployment>('deployment', 'url-shortener');
  t.same(
    new Set(spec?.template.spec?.containers.map(({ image }) => image)),
    new Set(['myregistry.io/xi-k8s:v1.0.0']),
  );
  const wrong = await run([helm, 'upgrade', 'url-shortener', CHART, '--set', 'replicaCount=many']);
  t.match(wrong, { code: 1, stderr: /replicaCount/ });
}

/** The chart by its scripts and by the page's values. The operator must be there: it joins the replicas' peers. */
export async function chartSuite(t: Test, helm: string): Promise<void> {
  t.teardown(() => run([helm, 'uninstall', 'url-shortener', '--ignore-not-found', '--wait']));
  await t.test('the scripts', (t) => scriptsSuite(t, helm));
  await t.test('the values of the page', (t) => valuesSuite(t, helm));
}
