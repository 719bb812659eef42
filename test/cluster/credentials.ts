/** How the operator in a pod proves who it is: a token that changes, none at all, and an API server that is not there. */
import { createHash } from 'node:crypto';
import type { Test } from 'tap';
import { call } from '../helpers/http.js';
import { kubectl, portForward, read, run, until } from './kubectl.js';

const DIRECTORY = '/var/run/secrets/kubernetes.io/serviceaccount';
const secret = (name: string, token: string): object => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name, namespace: 'xi-k8s' },
  stringData: { token },
});

/** A token of the operator's account that is valid for as long as a Secret of this name is there. */
async function tokenBoundTo(name: string): Promise<string> {
  await kubectl(['apply', '-f', '-'], secret(name, ''));
  const bound = ['--bound-object-kind', 'Secret', '--bound-object-name', name];
  return (await kubectl(['create', 'token', 'xi-k8s', '-n', 'xi-k8s', ...bound])).trim();
}

/** The folder that the kubelet makes of a ServiceAccount, with the token out of a Secret that a test can change. */
const MOUNTED = {
  automountServiceAccountToken: false,
  volumes: [
    {
      name: 'credentials',
      projected: {
        sources: [
          { secret: { name: 'mounted' } },
          { configMap: { name: 'kube-root-ca.crt' } },
          { downwardAPI: { items: [{ path: 'namespace', fieldRef: { fieldPath: 'metadata.namespace' } }] } },
        ],
      },
    },
  ],
  containers: [
    { name: 'xi-k8s', volumeMounts: [{ name: 'credentials', mountPath: DIRECTORY, readOnly: true }] },
  ],
};

/** Replaces the installed operator's token under its calls, and makes the first one invalid. */
export async function rotation(t: Test, namespace: string): Promise<void> {
  const [first, second] = [await tokenBoundTo('first'), await tokenBoundTo('second')];
  await kubectl(['apply', '-f', '-'], secret('mounted', first));
  const patch = JSON.stringify({
    spec: { template: { metadata: { labels: { round: 'two' } }, spec: MOUNTED } },
  });
  await kubectl(['patch', '-n', 'xi-k8s', 'deployment/xi-k8s', '-p', patch]);
  await kubectl(['rollout', 'status', '-n', 'xi-k8s', 'deployment/xi-k8s', '--timeout=120s']);
  const pod = (await kubectl(['get', 'pods', '-n', 'xi-k8s', '-l', 'round=two', '-o', 'name'])).trim();
  const forward = await portForward('xi-k8s', pod, 8080);
  t.teardown(() => forward.stop());

  const valid = async (token: string): Promise<boolean> => {
    const review = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', spec: { token } };
    const answer = await kubectl(['create', '-f', '-', '-o', 'json'], review);
    return (JSON.parse(answer) as { status: { authenticated?: boolean } }).status.authenticated === true;
  };
  const answers: number[] = [];
  const ask = async (): Promise<void> => {
    const { status, body } = await call(forward.url, 'list_pods', { namespace });
    answers.push(status);
    if (status !== 200) t.fail(JSON.stringify(body));
  };
  let going = true;
  const calls = (async () => {
    while (going) await ask();
  })();
  await kubectl(['apply', '-f', '-'], secret('mounted', second));
  // The kubelet looks at a pod's volumes when the pod changes, else once a minute.
  await kubectl(['annotate', '-n', 'xi-k8s', pod, 'token=second']);
  const hash = createHash('sha256').update(second).digest('hex');
  const program = `const { readFileSync } = require('node:fs');
    console.log(require('node:crypto').createHash('sha256').update(readFileSync('${DIRECTORY}/token')).digest('hex'))`;
  const inPod = () => kubectl(['exec', '-n', 'xi-k8s', pod, '--', 'node', '-e', program]);
  await until(inPod, (found) => found.trim() === hash);
  await kubectl(['delete', 'secret', '-n', 'xi-k8s', 'first']);
  await until(
    () => valid(first),
    (still) => !still,
  );
  t.ok(await valid(second));
  const before = answers.length;
  await until(
    () => answers.length,
    (now) => now >= before + 20,
  );
  going = false;
  await calls;
  t.same([...new Set(answers)], [200], `${answers.length} calls, all answered`);
  t.match(await read('-n', 'xi-k8s', pod), { status: { containerStatuses: [{ restartCount: 0 }] } });
}

interface Poor {
  name: string;
  env: Record<string, string>;
  token: boolean;
}

/** Pods of the operator's image without a token, and with a token and no API server. */
export async function poorPods(t: Test, namespace: string): Promise<void> {
  const installed = await read<{ spec: { template: { spec: { containers: { image: string }[] } } } }>(
    ...['-n', 'xi-k8s', 'deployment', 'xi-k8s'],
  );
  const image = installed.spec.template.spec.containers[0]?.image;
  const start = ({ name, env, token }: Poor): Promise<string> =>
    kubectl(['apply', '-f', '-'], {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, namespace },
      spec: {
        automountServiceAccountToken: token,
        enableServiceLinks: false,
        restartPolicy: 'Never',
        terminationGracePeriodSeconds: 1,
        containers: [
          {
            name: 'xi-k8s',
            image,
            env: Object.entries(env).map(([key, value]) => ({ name: key, value })),
            readinessProbe: { httpGet: { path: '/readyz', port: 9090 }, periodSeconds: 1, timeoutSeconds: 4 },
          },
        ],
      },
    });
  interface Status {
    phase: string;
    containerStatuses?: {
      ready: boolean;
      restartCount: number;
      state: { terminated?: { exitCode: number } };
    }[];
  }
  const status = async (name: string): Promise<Status> =>
    (await read<{ status: Status }>('-n', namespace, 'pod', name)).status;

  for (const how of ['in-cluster', 'auto'])
    await t.test(`no token, XI_CLUSTER=${how}: it says so and exits`, async (t) => {
      const name = `no-token-${how}`;
      await start({ name, env: { XI_CLUSTER: how }, token: false });
      const ended = await until(
        () => status(name),
        ({ phase }) => phase === 'Failed' || phase === 'Succeeded',
      );
      t.match(ended.containerStatuses, [{ state: { terminated: { exitCode: 1 } } }]);
      const said = await kubectl(['logs', '-n', namespace, name]);
      t.match(said, /^xi-k8s cannot start: .*automountServiceAccountToken/m);
      t.notMatch(said, /embedded cluster at/);
    });

  await t.test('no API server: it stays, is not ready, and says why', async (t) => {
    const name = 'alone';
    const env = { KUBERNETES_SERVICE_HOST: '127.0.0.1', KUBERNETES_SERVICE_PORT: '1' };
    await start({ name, env, token: true });
    await until(
      () => run(['kubectl', 'logs', '-n', namespace, name]),
      ({ stdout }) => stdout.includes('listens on'),
    );
    const ops = await portForward(namespace, `pod/${name}`, 9090);
    t.teardown(() => ops.stop());
    const functions = await portForward(namespace, `pod/${name}`, 8080);
    t.teardown(() => functions.stop());
    t.equal((await fetch(`${ops.url}/healthz`)).status, 200);
    const ready = await fetch(`${ops.url}/readyz`);
    t.equal(ready.status, 503);
    t.match(await ready.json(), {
      status: 'not ready',
      message: /the API server does not answer: .*127\.0\.0\.1:1/,
    });
    const refused = await call(functions.url, 'list_pods', { namespace });
    t.match(refused, { status: 503, body: { code: 'cluster_unavailable', detail: /127\.0\.0\.1:1/ } });
    t.ok(Number(refused.headers.get('retry-after')) >= 1);
    t.match(await status(name), { phase: 'Running', containerStatuses: [{ ready: false, restartCount: 0 }] });
  });
}
