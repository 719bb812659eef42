/**
 * The API server is killed with -9 and started again, three times, under calls, logs and watches: what each call is told is
 * true, no change is made twice, and who watches sees everything once. The last file by its name: the cluster's controllers
 * are slow for a minute after it.
 */
import t from 'tap';
import type { Test } from 'tap';
import { DEPLOYMENTS, createKube, keyOf, kubeconfigConnection, startReflector } from '../../kube/index.js';
import type { Change, Deployment } from '../../kube/index.js';
import { call, lines } from '../helpers/http.js';
import type { Answer } from '../helpers/http.js';
import { startOperator } from '../helpers/operator.js';
import { controlCluster, controlSocket } from './control.js';
import { kubectl, makeNamespace, until, whyNot } from './kubectl.js';
import { away, nothingSent, succeeded, summary, worker } from './load.js';
import type { Told } from './load.js';

const NAMESPACE = 'faults';
const ROUNDS = 3;
const image = 'nginx:1.15.4';

async function test(t: Test, socket: string): Promise<void> {
  const apiServer = (action: 'kill' | 'start'): Promise<string> =>
    controlCluster(socket, action, 'kube-apiserver');
  const connection = await kubeconfigConnection({
    paths: [process.env['KUBECONFIG'] ?? ''],
    env: process.env,
  });
  const kube = createKube(connection);
  t.teardown(() => kube.close());
  await makeNamespace(NAMESPACE);
  t.teardown(() => kubectl(['delete', 'namespace', NAMESPACE, '--wait=false']));

  const operator = await startOperator('kubeconfig', { XI_NAMESPACE: NAMESPACE });
  t.teardown(() => operator.stop());
  const ready = async (url = operator.opsUrl): Promise<{ status: number; message?: string }> => {
    const answer = await fetch(`${url}/readyz`);
    return { status: answer.status, message: ((await answer.json()) as { message?: string }).message ?? '' };
  };
  const ask = async (name: string, params: object): Promise<Answer> => call(operator.url, name, params);

  const seen: Change<Deployment>[] = [];
  const reflector = startReflector<Deployment>({
    kube,
    resource: DEPLOYMENTS,
    namespace: NAMESPACE,
    // It is to see much between one kill and the next.
    backoff: { baseMs: 100, maxMs: 500 },
    onChange: (change) => seen.push(change),
  });
  t.teardown(() => reflector.stop());
  await reflector.synced;

  const late = { name: 'late', image: 'nginx:absent', replicas: 1 };
  t.equal((await ask('create_deployment', late)).status, 200);
  const waiting = (async () => {
    const all = [];
    for await (const line of lines(operator.url, 'wait_for_deployment', {
      name: 'late',
      timeout_seconds: 300,
    }))
      all.push(line);
    return all;
  })();
  waiting.catch(() => undefined);
  const counting = [
    'node',
    '-e',
    'process.on("SIGTERM", () => process.exit()); let n = 0; setInterval(() => console.log(n++), 20)',
  ];
  t.equal(
    (await ask('create_deployment', { name: 'counting', image, command: counting, replicas: 1, wait: true }))
      .status,
    200,
  );
  for (const worker of [0, 1])
    t.equal((await ask('create_deployment', { name: `patched-${worker}`, image, replicas: 0 })).status, 200);

  const told = { create: [] as Told[], delete: [] as Told[], patch: [] as Told[], list: [] as Told[] };
  const applied = [0, 0];
  const workers = [
    ...[0, 1].map((id) =>
      worker(async (turn) => {
        const name = `made-${id}-${turn}`;
        const made = { name, answer: await ask('create_deployment', { name, image, replicas: 0 }) };
        told.create.push(made);
        if (turn % 2 === 0 || !succeeded(made)) return;
        told.delete.push({ name, answer: await ask('delete_deployment', { name }) });
      }),
    ),
    ...[0, 1].map((id) =>
      worker(async (turn) => {
        const name = `patched-${id}`;
        const wanted = `nginx:${turn}`;
        const one = { name, answer: await ask('set_deployment_image', { name, image: wanted }) };
        told.patch.push(one);
        if (succeeded(one)) applied[id]!++;
        else if (one.answer.body['outcome'] === 'unknown') {
          // Whoever is told so looks before the next change.
          const found = await until(
            () => kube.get(DEPLOYMENTS, { namespace: NAMESPACE, name }).catch(() => undefined),
            (answer) => answer !== undefined,
          );
          if (found?.spec?.template.spec?.containers[0]?.image === wanted) applied[id]!++;
        }
      }),
    ),
    worker(async () => {
      told.list.push({ name: '', answer: await ask('list_deployments', { limit: 50 }) });
    }),
  ];
  const count = (which: Told[], good: boolean): number =>
    which.filter((one) => succeeded(one) === good).length;

  for (let round = 1; round <= ROUNDS; round++)
    await t.test(`round ${round}: killed and started`, async (t) => {
      const before = count(told.create, true);
      const log: Answer['body'][] = [];
      const logging = (async () => {
        for await (const line of lines(operator.url, 'pod_logs', {
          deployment: 'counting',
          follow: true,
          tail_lines: 0,
        }))
          log.push(line);
      })();
      await until(
        () => count(told.create, true) > before + 20 && log.length > 20,
        (enough) => enough,
      );
      t.equal((await ready()).status, 200);

      const failures = Object.values(told).map((which) => count(which, false));
      await apiServer('kill');
      const fault = await until(ready, ({ status }) => status === 503);
      t.match(fault.message, /the API server does not answer: .*6443/);
      await until(
        () => Object.values(told).map((which, at) => count(which, false) - failures[at]!),
        ([create = 0, , patch = 0, list = 0]) => create > 0 && patch > 0 && list > 0,
      );
      await logging;
      t.match(log.at(-1), {
        type: 'error',
        error: { code: /^(cluster_unavailable|bad_gateway)$/, detail: /.{10,}/ },
      });
      const numbers = log.flatMap(({ item }) =>
        (item as { line?: string })?.line === undefined ? [] : [Number(item.line)],
      );
      t.same(
        numbers,
        numbers.map((_, at) => numbers[0]! + at),
        'every line once, in order',
      );

      await apiServer('start');
      await until(ready, ({ status }) => status === 200);
      const after = count(told.create, true);
      await until(
        () => count(told.create, true),
        (now) => now > after,
      );
    });
  await Promise.all(workers.map((one) => one.stop()));
  for (const [what, which] of Object.entries(told)) t.comment(`${what}: ${summary(which)}`);

  const storedNow = async (): Promise<Map<string, Deployment>> => {
    const { items } = await kube.list(DEPLOYMENTS, NAMESPACE);
    return new Map(items.map((item) => [item.metadata?.name ?? '', item]));
  };
  const stored = await storedNow();
  const everSeen = new Set(seen.map(({ object }) => object.metadata?.name));

  await t.test('each call was told what is true', async (t) => {
    for (const [what, which] of Object.entries(told))
      t.same(
        which
          .filter((one) => !succeeded(one) && !away(one, what !== 'list' && what !== 'patch'))
          .map(({ answer }) => answer.body),
        [],
        what,
      );
    const deleted = new Set(told.delete.filter((one) => !nothingSent(one)).map(({ name }) => name));
    const kept = told.create.filter((one) => succeeded(one) && !deleted.has(one.name));
    t.same(
      kept.filter(({ name }) => !stored.has(name)),
      [],
      'what was created is there',
    );
    const unsent = told.create.filter(nothingSent);
    t.same(
      unsent.filter(({ name }) => stored.has(name) || everSeen.has(name)),
      [],
      'what was not sent is not',
    );
    t.same(
      told.delete.filter((one) => succeeded(one) && stored.has(one.name)),
      [],
      'what was deleted is gone',
    );
    t.same(
      told.delete.filter((one) => nothingSent(one) && !stored.has(one.name)),
      [],
      'else it is there',
    );
  });

  await t.test('no change was made twice', async (t) => {
    for (const id of [0, 1]) {
      const { metadata } = await kube.get(DEPLOYMENTS, { namespace: NAMESPACE, name: `patched-${id}` });
      t.equal((metadata?.generation ?? 0) - 1, applied[id], 'as many generations as changes');
    }
    const uids = new Map<string, Set<string>>();
    for (const { object } of seen) {
      const { name = '', uid = '' } = object.metadata ?? {};
      uids.set(name, (uids.get(name) ?? new Set()).add(uid));
    }
    t.same(
      [...uids].filter(([, made]) => made.size > 1),
      [],
      'a name was made once',
    );
  });

  await t.test('the reflector has the final state, and told each change once and in order', async (t) => {
    const state = (objects: Iterable<Deployment>): string[] =>
      [...objects].map((one) => `${keyOf(one)} ${one.metadata?.resourceVersion}`).sort();
    await until(
      async () => [state(reflector.store.values()), state((await storedNow()).values())],
      ([mine, theirs]) => JSON.stringify(mine) === JSON.stringify(theirs),
    );
    const stories = new Map<string, Change<Deployment>[]>();
    for (const change of seen) {
      const uid = change.object.metadata?.uid ?? '';
      stories.set(uid, [...(stories.get(uid) ?? []), change]);
    }
    const there = new Set([...(await storedNow()).values()].map(({ metadata }) => metadata?.uid));
    const wrong = [...stories].filter(([uid, changes]) => {
      const types = changes.map(({ type }) => type);
      const versions = changes
        .filter(({ type }) => type !== 'deleted')
        .map(({ object }) => Number(object.metadata?.resourceVersion));
      const expected = ['added', ...types.slice(1, there.has(uid) ? undefined : -1).map(() => 'modified')];
      if (!there.has(uid)) expected.push('deleted');
      return (
        JSON.stringify(types) !== JSON.stringify(expected) ||
        versions.some((version, at) => at > 0 && version <= versions[at - 1]!)
      );
    });
    t.same(
      wrong.map(([uid, changes]) => [
        uid,
        changes.map(({ type, object }) => `${type} ${object.metadata?.resourceVersion}`),
      ]),
      [],
    );
    const deletions = seen.filter(({ type }) => type === 'deleted').length;
    t.ok(deletions > 10, `${stories.size} objects, ${deletions} deletions`);
  });

  await t.test('who waited all the while is told the end', async (t) => {
    // They would try again only after half a minute.
    await Promise.all(
      ['kube-controller-manager', 'kube-scheduler', 'kubelet'].map((name) =>
        controlCluster(socket, 'restart', name),
      ),
    );
    t.equal((await ask('set_deployment_image', { name: 'late', image })).status, 200);
    const all = await waiting;
    t.match(all.at(-1), { type: 'result', result: { name: 'late', replicas: { desired: 1, ready: 1 } } });
  });

  await t.test('an operator that starts while no API server answers', async (t) => {
    await apiServer('kill');
    const early = await startOperator('kubeconfig', { XI_NAMESPACE: NAMESPACE });
    t.teardown(() => early.stop());
    t.match(await ready(early.opsUrl), { status: 503, message: /the API server does not answer: .*6443/ });
    t.equal((await fetch(`${early.opsUrl}/healthz`)).status, 200);
    const refused = await call(early.url, 'list_pods');
    t.match(refused, { status: 503, body: { code: 'cluster_unavailable' } });
    t.ok(Number(refused.headers.get('retry-after')) >= 1);
    await apiServer('start');
    await until(
      () => ready(early.opsUrl),
      ({ status }) => status === 200,
    );
    t.equal((await call(early.url, 'list_pods')).status, 200);
  });
}

t.setTimeout(600_000);
const why =
  whyNot() ??
  (controlSocket() === undefined
    ? 'this cluster is not ours to kill: run it by `npm run cluster`'
    : undefined);
if (why !== undefined) t.plan(0, why);
else await t.test('an API server that is killed under load', (t) => test(t, controlSocket() ?? ''));
