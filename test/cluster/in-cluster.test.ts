/**
 * The operator in the cluster, installed from the manifests and reached by `kubectl port-forward`: the same functions as
 * outside, Aplite programs, and no right or credential but its own.
 */
import { readFile } from 'node:fs/promises';
import t from 'tap';
import { kubeconfigConnection } from '../../kube/index.js';
import * as wire from '../helpers/aplite-client.js';
import type { NativeFn, NativeIo, WireType } from '../helpers/aplite-client.js';
import { call } from '../helpers/http.js';
import type { Answer } from '../helpers/http.js';
import { rawReader } from '../helpers/raw.js';
import { deploymentSuite } from '../suites/deployments.js';
import { clusterSuite, podSuite } from '../suites/pods.js';
import { poorPods, rotation } from './credentials.js';
import { kubectl, makeNamespace, portForward, read, until, whyNot } from './kubectl.js';

interface Rule {
  apiGroups: string[];
  resources: string[];
  verbs: string[];
}
interface Role {
  metadata: Record<string, unknown>;
  rules: Rule[];
}

const OVERLAY = 'k8s-yamls/overlays/cluster';
const ACCOUNT = 'system:serviceaccount:xi-k8s:xi-k8s';
const { fn, int, io, str, unit } = wire;

t.setTimeout(600_000);

async function install(): Promise<void> {
  await kubectl(['apply', '-k', OVERLAY]);
  t.teardown(() => kubectl(['delete', '-k', OVERLAY, '--ignore-not-found']));
  await kubectl(['rollout', 'status', '-n', 'xi-k8s', 'deployment/xi-k8s', '--timeout=120s']);
}

async function test(): Promise<void> {
  await install();
  const forward = await portForward('xi-k8s', 'deploy/xi-k8s', 8080);
  t.teardown(() => forward.stop());
  const { url } = forward;
  await makeNamespace('inside');
  t.teardown(() => kubectl(['delete', 'namespace', 'inside', '--wait=false']));

  // Read before the first subtest: tap ends a file that does anything else for a while between two of them.
  const connection = await kubeconfigConnection({
    paths: [process.env['KUBECONFIG'] ?? ''],
    env: process.env,
  });

  await t.test('the process has no more than it needs', async (t) => {
    const program = `
      const { readFileSync, readdirSync, statSync, writeFileSync } = require('node:fs');
      const attempt = (path) => { try { writeFileSync(path, ''); return 'written'; } catch ({ code }) { return code; } };
      const status = Object.fromEntries(readFileSync('/proc/1/status', 'utf8').split('\\n').map((l) => l.split(':\\t')));
      const files = readdirSync('/app', { recursive: true, withFileTypes: true });
      console.log(JSON.stringify({
        uid: process.getuid(), gid: process.getgid(), root: attempt('/x'), tmp: attempt('/tmp/x'), app: attempt('/app/x'),
        capabilities: status.CapBnd, seccomp: status.Seccomp, noNewPrivileges: status.NoNewPrivs,
        peers: (statSync('/app/blocks').mode & 0o7777).toString(8),
        top: readdirSync('/app'), programs: readdirSync('/app/dist'),
        odd: files.filter((f) => f.isSymbolicLink() || /\\.(map|ts)$|^(typescript|tap|@xi-k8s)$/.test(f.name)).map((f) => f.name),
      }));`;
    const found = JSON.parse(
      await kubectl(['exec', '-n', 'xi-k8s', 'deploy/xi-k8s', '--', 'node', '-e', program]),
    ) as Record<string, unknown>;
    t.match(found, {
      uid: 1000,
      gid: 1000,
      root: 'EROFS',
      tmp: 'EROFS',
      app: 'EROFS',
      capabilities: '0000000000000000',
      seccomp: '2',
      noNewPrivileges: '1',
      peers: '1777',
    });
    t.same(found['top'], ['blocks', 'dist', 'node_modules', 'package.json']);
    t.same(found['programs'], [
      'cli',
      'connect',
      'devcluster',
      'examples',
      'kube',
      'lightpeer',
      'place',
      'plugin-sdk',
      'proto',
      'schemas',
      'server',
    ]);
    t.same(found['odd'], [], 'nothing to build with, no source maps, no links');
    const health = /^HEALTHCHECK .*CMD (\[.*\])$/m.exec(await readFile('Dockerfile', 'utf8'))?.[1] ?? '[]';
    await kubectl(['exec', '-n', 'xi-k8s', 'deploy/xi-k8s', '--', ...(JSON.parse(health) as string[])]);
    const { metadata } = await read<{ metadata: { labels: object } }>('namespace', 'xi-k8s');
    t.match(metadata.labels, { 'pod-security.kubernetes.io/enforce': 'restricted' });
    t.match((await call(url, 'server_info')).body, {
      cluster: { how: 'in-cluster', reachable: true },
      default_namespace: 'default',
    });
  });

  await t.test('its rights are the generated roles and nothing else', async (t) => {
    const review = { apiVersion: 'authorization.k8s.io/v1', kind: 'SelfSubjectRulesReview' };
    const path = '/apis/authorization.k8s.io/v1/selfsubjectrulesreviews';
    const rulesOf = async (who: string): Promise<string[]> => {
      const answer = JSON.parse(
        await kubectl(['create', '--raw', path, '-f', '-', '--as', who], {
          ...review,
          spec: { namespace: 'inside' },
        }),
      ) as { status: { resourceRules: Rule[] } };
      return spread(answer.status.resourceRules);
    };
    // What everybody has who is known to the cluster.
    const common = await rulesOf('system:serviceaccount:inside:default');
    const own = (await rulesOf(ACCOUNT)).filter((rule) => !common.includes(rule));
    const roles = await Promise.all(
      ['xi-k8s-cluster', 'xi-k8s-namespaced'].map((name) => read<Role>('clusterrole', name)),
    );
    t.same(own, spread(roles.flatMap(({ rules }) => rules)));
    t.ok(own.length > 5);
  });

  const target = {
    url,
    namespace: 'inside',
    images: ['nginx:1.15.4', 'nginx:1.27'],
    crash: ['node', '-e', 'process.exit(1)'],
    object: rawReader(connection),
  } as const;
  await t.test('deployments', (t) => deploymentSuite(t, target));
  await t.test('pods', (t) => podSuite(t, target));
  await t.test('cluster', (t) => clusterSuite(t, target));

  for (const dialect of ['python', 'deno'] as const)
    await t.test(`a ${dialect} program makes nginx-deployment, and its pods run`, async (t) => {
      const program = await wire.startProgram(dialect);
      t.teardown(() => program.close());
      program.connect(url);
      const k8s = (await program.remote('k8s', fn(wire.type, wire.type))) as NativeFn;
      const create = (await program.remote('create_deployment', (await k8s(unit)) as WireType)) as NativeIo;
      await create();
      t.equal(program.last()?.text, 'null');
      await kubectl(['rollout', 'status', 'deployment/nginx-deployment', '--timeout=60s']);
      const { items } = await read<{ items: { status: object }[] }>('pods', '-l', 'app=nginx');
      t.equal(items.length, 3);
      for (const { status } of items)
        t.match(status, { phase: 'Running', containerStatuses: [{ ready: true }] });
      await t.rejects(create(), { status: 409, message: /nginx-deployment/ });

      await t.test('arguments go by value; the pod calls nobody back', async (t) => {
        const scale = (await program.remote('scale_deployment', fn(str, fn(int, io(unit))))) as NativeFn;
        const refusal = await (scale('nginx-deployment') as Promise<never>).catch((error: unknown) => error);
        t.match(refusal, { status: 400, message: /xi-k8s bridge/ });
        t.same(program.called, []);
        const send = async (body: object): Promise<unknown> => {
          const answer = await wire.post(url, JSON.stringify(body));
          t.equal(answer.status, 200, answer.text);
          return JSON.parse(answer.text);
        };
        const byName = await send({ request_type: 'reg_id', var_name: 'scale_deployment' });
        const toTwo = await send({ remote_ident: byName, arg: { value: 'nginx-deployment' } });
        const action = await send({ remote_ident: toTwo, arg: { value: 2 } });
        t.equal(await send({ remote_ident: action, IO: true }), null);
        t.match(await read('deployment', 'nginx-deployment'), { spec: { replicas: 2 } });
      });
      const gone = await call(url, 'delete_deployment', {
        name: 'nginx-deployment',
        propagation_policy: 'foreground',
        wait: true,
      });
      t.equal(gone.status, 200, JSON.stringify(gone.body));
    });

  await t.test('a rule that is taken away is the one that a 403 names', async (t) => {
    const params = { namespace: 'inside', name: 'ruled' };
    const image = 'nginx:1.15.4';
    t.equal(
      (await call(url, 'create_deployment', { ...params, image, replicas: 1, wait: true })).status,
      200,
    );
    const { body } = await call(url, 'list_pods', { namespace: 'inside', deployment: 'ruled' });
    const pod = body['items'][0]['name'] as string;
    const logs = async (of: string): Promise<Pick<Answer, 'status' | 'body'>> => {
      const body = JSON.stringify({ namespace: 'inside', pod: of });
      const headers = { 'content-type': 'application/json' };
      const answer = await fetch(`${url}/v1/functions/pod_logs`, { method: 'POST', headers, body });
      const text = await answer.text();
      return { status: answer.status, body: answer.ok ? {} : (JSON.parse(text) as Answer['body']) };
    };
    const cases: [
      role: string,
      group: string,
      resource: string,
      verb: string,
      ask: () => Promise<Pick<Answer, 'status' | 'body'>>,
    ][] = [
      ['cluster', '', 'namespaces', 'list', () => call(url, 'list_namespaces')],
      ['namespaced', '', 'pods', 'get', () => call(url, 'get_pod', { namespace: 'inside', name: pod })],
      ['namespaced', '', 'pods', 'list', () => call(url, 'list_pods', { namespace: 'inside' })],
      [
        'namespaced',
        '',
        'pods',
        'delete',
        () => call(url, 'delete_pod', { namespace: 'inside', name: 'absent' }),
      ],
      ['namespaced', '', 'pods/log', 'get', () => logs(pod)],
      ['namespaced', 'apps', 'deployments', 'get', () => call(url, 'get_deployment', params)],
      [
        'namespaced',
        'apps',
        'deployments',
        'list',
        () => call(url, 'list_deployments', { namespace: 'inside' }),
      ],
      [
        'namespaced',
        'apps',
        'deployments',
        'create',
        () => call(url, 'create_deployment', { ...params, image }),
      ],
      [
        'namespaced',
        'apps',
        'deployments',
        'patch',
        () => call(url, 'scale_deployment', { ...params, replicas: 1 }),
      ],
      [
        'namespaced',
        'apps',
        'deployments',
        'delete',
        () => call(url, 'delete_deployment', { ...params, name: 'absent' }),
      ],
      ['namespaced', 'apps', 'replicasets', 'list', () => call(url, 'rollback_deployment', params)],
    ];
    for (const [name, group, resource, verb, ask] of cases) {
      const role = await read<Role>('clusterrole', `xi-k8s-${name}`);
      delete role.metadata['resourceVersion'];
      const rules = role.rules.map((rule) =>
        rule.apiGroups.includes(group) && rule.resources.includes(resource)
          ? { ...rule, verbs: rule.verbs.filter((one) => one !== verb) }
          : rule,
      );
      const kept = rules.filter(({ verbs }) => verbs.length > 0);
      await kubectl(['replace', '-f', '-'], { ...role, rules: kept });
      // The API server hears of it a moment later.
      const refused = await until(ask, ({ status }) => status === 403);
      t.match(
        refused.body,
        {
          code: 'permission_denied',
          detail: /Grant it this rule/,
          permission: { group, resource, verb, ...(name === 'cluster' ? {} : { namespace: 'inside' }) },
        },
        `${verb} ${resource}`,
      );
      await kubectl(['replace', '-f', '-'], role);
      await until(ask, ({ status }) => status !== 403);
    }
  });

  await t.test('its token changes while calls go on', (t) => rotation(t, 'inside'));
  await t.test('pods that lack what they need', (t) => poorPods(t, 'inside'));
}

/** Rules taken apart, one string for each right, sorted. */
function spread(rules: readonly Rule[]): string[] {
  const rights = rules.flatMap(({ apiGroups = [], resources = [], verbs }) =>
    apiGroups.flatMap((group) =>
      resources.flatMap((resource) => verbs.map((verb) => `${verb} ${group}/${resource}`)),
    ),
  );
  return [...new Set(rights)].sort();
}

const why = whyNot();
if (why !== undefined) t.plan(0, why);
else await test();
