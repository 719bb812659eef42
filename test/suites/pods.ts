/** Functions about pods, logs and namespaces, from the HTTP call to the API server and back; runs on any cluster. */
import type { Test } from 'tap';
import { allLines, call, lines } from '../helpers/http.js';
import type { Answer } from '../helpers/http.js';
import { caller, expectAnswer as has } from './target.js';
import type { Target } from './target.js';

type Item = Record<string, string>;
const itemsOf = (found: Answer['body'][]): Item[] =>
  found.filter(({ type }) => type === 'item').map(({ item }) => item as Item);

export async function podSuite(t: Test, target: Target): Promise<void> {
  const { url, namespace } = target;
  const [image] = target.images;
  const fn = caller(target);
  const logs = (params: object) => allLines(url, 'pod_logs', { namespace, ...params });
  const podsOf = async (deployment: string): Promise<Answer['body'][]> =>
    (await fn('list_pods', { deployment })).body['items'] as Answer['body'][];

  has(t, await fn('create_deployment', { name: 'logged', image, replicas: 2, wait: true }), 200);

  await t.test('list_pods, get_pod', async (t) => {
    const pods = await podsOf('logged');
    t.equal(pods.length, 2);
    for (const pod of pods)
      t.match(pod, {
        name: /^logged-/,
        namespace,
        status: 'Running',
        phase: 'Running',
        ready: true,
        restarts: 0,
        images: [image],
        containers: [{ image, init: false, ready: true, restarts: 0, state: 'running', started_at: String }],
        ip: String,
        kubernetes_node: String,
        owner: { kind: 'ReplicaSet', name: /^logged-/ },
        deleting: false,
      });
    const name = pods[0]!['name'] as string;
    t.match((await fn('get_pod', { name })).body, { name, ready: true });
    t.equal((await fn('list_pods', { field_selector: `metadata.name=${name}` })).body['items'].length, 1);
    const first = await fn('list_pods', { deployment: 'logged', limit: 1 });
    const second = await fn('list_pods', {
      deployment: 'logged',
      limit: 1,
      continue: first.body['continue'],
    });
    t.same(
      [...first.body['items'], ...second.body['items']].map((pod: Item) => pod['name']).sort(),
      pods.map((pod) => pod['name'] as string).sort(),
    );
    has(t, await fn('get_pod', { name: 'nobody' }), 404, 'not_found');
    has(t, await fn('list_pods', { deployment: 'nobody' }), 404, 'not_found');
  });

  await t.test('pod_logs of one pod', async (t) => {
    const pod = (await podsOf('logged'))[0]!['name'] as string;
    let found: Answer['body'][];
    // A container that has just started may not have written yet.
    do found = await logs({ pod });
    while (itemsOf(found).length < 2);
    t.same(found.at(-1), { type: 'end' });
    const [opened, ...written] = itemsOf(found);
    t.match(opened, { pod, event: 'opened' });
    for (const item of written) t.match(item, { pod, container: opened!['container'], line: String });
    t.equal(itemsOf(await logs({ pod, tail_lines: 1 })).length, 2, 'opened and one line');
    t.equal(itemsOf(await logs({ pod, tail_lines: 0 })).length, 1);
    const stamped = itemsOf(await logs({ pod, timestamps: true, tail_lines: 1 }))[1]!;
    t.match(stamped, { time: /^\d{4}-\d\d-\d\dT[\d:.]+/, line: String });
    t.equal(
      itemsOf(await logs({ pod, since_time: '2100-01-01T00:00:00Z' })).length,
      1,
      'nothing is from the future',
    );
    t.equal(itemsOf(await logs({ pod, limit_bytes: 5 }))[1]!['line']?.length, 5);
    has(t, await fn('pod_logs', { pod: 'nobody' }), 404, 'not_found');
    const wrong = await fn('pod_logs', { pod, container: 'nobody' });
    has(t, wrong, 400, 'invalid_params');
    t.match(wrong.body['errors'], [{ field: 'container', message: new RegExp(opened!['container']!) }]);
    const previous = await fn('pod_logs', { pod, previous: true });
    t.match(previous.body, { code: 'conflict', detail: /previous/ }, 'there was no run before');
  });

  await t.test('pod_logs of a Deployment and of a selector', async (t) => {
    const names = (await podsOf('logged')).map((pod) => pod['name']).sort();
    for (const params of [{ deployment: 'logged' }, { label_selector: 'app=logged' }]) {
      const items = itemsOf(await logs(params));
      t.same([...new Set(items.map(({ pod }) => pod))].sort(), names, 'lines of both pods, with their names');
    }
    has(t, await fn('pod_logs', { label_selector: 'app=nobody' }), 404, 'not_found');
    has(t, await fn('pod_logs', { deployment: 'nobody' }), 404, 'not_found');
  });

  await t.test('pod_logs follows pods that come meanwhile', async (t) => {
    const left = new AbortController();
    const seen = new Set<string>();
    const before = new Set((await podsOf('logged')).map((pod) => pod['name'] as string));
    let scaled = false;
    for await (const line of lines(
      url,
      'pod_logs',
      { namespace, deployment: 'logged', follow: true },
      { signal: left.signal },
    )) {
      const item = line['item'] as Item | undefined;
      if (item?.['line'] !== undefined) seen.add(item['pod']!);
      if (seen.size === 2 && !scaled) {
        scaled = true;
        has(t, await fn('scale_deployment', { name: 'logged', replicas: 3 }), 200);
      }
      if (seen.size === 3) break;
    }
    left.abort();
    t.equal([...seen].filter((pod) => !before.has(pod)).length, 1, 'the new pod is followed too');
  });

  await t.test('pod_logs of a followed pod ends with it', async (t) => {
    const pod = (await podsOf('logged'))[0]!['name'] as string;
    const ending: Answer['body'][] = [];
    let deleted = false;
    for await (const line of lines(url, 'pod_logs', { namespace, pod, follow: true })) {
      ending.push(line);
      if (!deleted) has(t, await fn('delete_pod', { name: pod, grace_period_seconds: 1, wait: true }), 200);
      deleted = true;
    }
    t.same(ending.at(-1), { type: 'end' });
    t.match(itemsOf(ending).at(-1), { event: 'ended' });
  });

  await t.test('a crash loop: status, reason, and the log before it', async (t) => {
    has(
      t,
      await fn('create_deployment', { name: 'crashing', image, replicas: 1, command: target.crash }),
      200,
    );
    let pod: Answer['body'] | undefined;
    do pod = (await podsOf('crashing'))[0];
    while (pod?.['status'] !== 'CrashLoopBackOff' || pod['restarts'] === 0);
    // The Deployment's own status follows its pods' a moment later.
    while ((await fn('get_deployment', { name: 'crashing' })).body['replicas'].available > 0);
    t.match(pod, {
      ready: false,
      message: String,
      containers: [{ exit_code: 1, reason: 'CrashLoopBackOff' }],
    });
    const waited = await allLines(url, 'wait_for_deployment', {
      namespace,
      name: 'crashing',
      timeout_seconds: 2,
    });
    t.match(waited.at(-1), {
      type: 'error',
      error: { code: 'deadline_exceeded', detail: /CrashLoopBackOff|Error/ },
    });
    t.ok(
      itemsOf(waited).some(({ stuck }) => /CrashLoopBackOff|Error/.test(JSON.stringify(stuck))),
      'the reason is in the progress',
    );
    const previous = await logs({ pod: pod['name'], previous: true });
    t.match(itemsOf(previous)[0], { event: 'opened' });
    t.same(previous.at(-1), { type: 'end' });
    has(t, await fn('delete_deployment', { name: 'crashing', wait: true }), 200);
  });

  await t.test('a pod with a container that has not started', async (t) => {
    await fn('create_deployment', { name: 'starting', image: 'Not/A/Valid Image', replicas: 1 });
    let pod: Answer['body'] | undefined;
    do pod = (await podsOf('starting'))[0];
    while (pod?.['containers'][0]?.reason !== 'InvalidImageName');
    t.match(pod, { status: 'InvalidImageName', ready: false, message: String });
    const refused = await fn('pod_logs', { pod: pod['name'] });
    has(t, refused, 409, 'conflict');
    t.match(refused.body['detail'], /waiting to start/);
    const left = new AbortController();
    for await (const line of lines(
      url,
      'pod_logs',
      { namespace, pod: pod['name'], follow: true },
      { signal: left.signal },
    )) {
      t.match(
        line['item'],
        { pod: pod['name'], event: 'waiting', message: String },
        'followed, it is waited for',
      );
      break;
    }
    left.abort();
    has(t, await fn('delete_deployment', { name: 'starting', wait: true }), 200);
  });

  await t.test('delete_pod', async (t) => {
    const pods = await podsOf('logged');
    const name = pods.find((pod) => pod['deleting'] === false)!['name'] as string;
    t.match((await fn('delete_pod', { name }, '?dry_run=true')).body, { name, gone: false });
    t.match((await fn('delete_pod', { name, grace_period_seconds: 0, wait: true })).body, {
      name,
      namespace,
      gone: true,
    });
    has(t, await fn('get_pod', { name }), 404, 'not_found');
    has(t, await fn('delete_pod', { name }), 404, 'not_found');
    has(t, await fn('delete_pod', { name, wait: true }), 404, 'not_found');
  });

  has(t, await fn('delete_deployment', { name: 'logged', wait: true }), 200);
}

export async function clusterSuite(t: Test, { url }: Target): Promise<void> {
  await t.test('list_namespaces', async (t) => {
    const all = await call(url, 'list_namespaces');
    t.equal(all.status, 200);
    const names = all.body['items'].map((item: Item) => item['name']) as string[];
    for (const name of ['default', 'kube-system']) t.ok(names.includes(name), name);
    t.match(
      all.body['items'].find((item: Item) => item['name'] === 'default'),
      {
        phase: 'Active',
        labels: { 'kubernetes.io/metadata.name': String },
        created_at: String,
      },
    );
    const one = await call(url, 'list_namespaces', { label_selector: 'kubernetes.io/metadata.name=default' });
    t.same(
      one.body['items'].map((item: Item) => item['name']),
      ['default'],
    );
    const page = await call(url, 'list_namespaces', { limit: 1 });
    t.ok(page.body['continue']);
  });
  await t.test('server_info', async (t) => {
    t.match((await call(url, 'server_info')).body, {
      name: 'xi-k8s',
      default_namespace: String,
      cluster: { reachable: true, version: /^v1\./ },
    });
  });
}
