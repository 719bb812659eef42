/** Stock kubectl against the embedded cluster, where there is a kubectl. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import { startDevcluster } from '../../../devcluster/devcluster.js';
import { eventually } from '../../helpers/eventually.js';

const run = promisify(execFile);
const path = process.env.PATH ?? '';

const succeeds = (program: string, ...args: string[]): Promise<boolean> =>
  run(program, args).then(
    () => true,
    () => false,
  );
const isThere = await succeeds('kubectl', 'version', '--client');
const hasScript = await succeeds('script', '--version');
if (!isThere) {
  t.plan(0, 'there is no kubectl on the PATH');
  process.stderr.write('kubectl.test: skipped, there is no kubectl on the PATH\n');
} else {
  const home = await mkdtemp(join(tmpdir(), 'kubectl-'));
  const cluster = await startDevcluster({ podStartMillis: [20, 60] });
  t.teardown(async () => {
    await cluster.close();
    await rm(home, { recursive: true });
  });
  const env = { PATH: path, HOME: home, KUBECONFIG: join(home, 'none'), SHELL: '/bin/sh', TERM: 'xterm' };
  const server = ['--server', cluster.url, '--cache-dir', join(home, 'cache')];

  const manifest = join(home, 'app.yaml');
  await writeFile(
    manifest,
    `apiVersion: apps/v1
kind: Deployment
metadata: {name: app}
spec:
  replicas: 2
  selector: {matchLabels: {app: app}}
  template:
    metadata: {labels: {app: app}}
    spec:
      containers:
      - {name: main, image: "nginx:1.15.4", ports: [{containerPort: 80}]}
`,
  );
  const typo = join(home, 'typo.yaml');
  await writeFile(
    typo,
    'apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{name: a, imagee: b}]}\n',
  );

  /** Command, whether it succeeds, and what it says. */
  const lines: [string, boolean, RegExp][] = [
    ['create deployment web --image=nginx:1.15.4 --replicas=2', true, /^deployment.apps\/web created$/m],
    ['create deployment web --image=nginx', false, /AlreadyExists.*|"web" already exists/],
    ['rollout status deployment/web --timeout=30s', true, /successfully rolled out/],
    ['get deployments', true, /^NAME +READY +UP-TO-DATE +AVAILABLE +AGE\nweb +2\/2 +2 +2 +\d+s$/m],
    [
      'get pods -o wide',
      true,
      /^NAME +READY +STATUS +RESTARTS +AGE +IP +NODE .*\nweb-\S+ +1\/1 +Running +0 +\d+s +127\.\S+ +embedded /m,
    ],
    ['scale deployment web --replicas=3', true, /scaled/],
    ['get deployment web -o jsonpath={.spec.replicas}', true, /^3$/],
    ['logs deployment/web', true, /pretends to run/],
    ['get events', true, /Scaled up replica set/],
    ['set image deployment/web nginx=nginx:1.16', true, /image updated/],
    ['rollout status deployment/web --timeout=30s', true, /successfully rolled out/],
    ['rollout history deployment/web', true, /^2 +/m],
    ['describe deployment web', true, /StrategyType: +RollingUpdate/],
    ['expose deployment web --port=80', true, /service\/web exposed/],
    ['get services', true, /^web +ClusterIP +10\.96\.\d+\.\d+ +<none> +80\/TCP/m],
    ['label deployment web tier=front', true, /labeled/],
    ['get deployments -l tier=front -o name', true, /^deployment.apps\/web$/m],
    [`apply -f ${manifest}`, true, /app created/],
    [`apply -f ${manifest}`, true, /app unchanged/],
    [`apply --server-side --force-conflicts -f ${manifest}`, true, /app serverside-applied/],
    // What the first took over from the client-side apply is given up again, and nothing of the object with it.
    [`apply --server-side -f ${manifest}`, true, /app serverside-applied/],
    [`apply --server-side -f ${manifest}`, true, /app serverside-applied/],
    ['get deployment app -o jsonpath={.spec.template.metadata.labels}', true, /app/],
    [`create -f ${typo}`, false, /strict decoding error: unknown field "spec.containers\[0\].imagee"/],
    ['patch deployment app -p {"spec":{"replicas":1}}', true, /patched/],
    ['get nodes', true, /^embedded +Ready/m],
    ['get pods --field-selector=spec.foo=1', false, /field label not supported: spec.foo/],
    ['auth can-i create pods', true, /^yes$/m],
    ['create configmap c --from-literal=a=b', true, /configmap\/c created/],
    ['create namespace short', true, /namespace\/short created/],
    ['delete namespace short', true, /deleted/],
    ['delete namespace default', false, /this namespace may not be deleted/],
    ['delete deployment web app', true, /deployment.apps "web" deleted/],
    ['wait --for=delete pod -l app=web --timeout=30s', true, /.*/],
    ['api-resources', true, /^deployments +deploy +apps\/v1 +true +Deployment$/m],
  ];
  void t.test('lines', async (t) => {
    for (const [line, passes, says] of lines) {
      const { ok, text } = await run('kubectl', [...server, ...line.split(' ')], { env }).then(
        ({ stdout, stderr }) => ({ ok: true, text: stdout + stderr }),
        (error: { stdout: string; stderr: string }) => ({ ok: false, text: error.stdout + error.stderr }),
      );
      t.equal(ok, passes, `kubectl ${line}`);
      t.match(text, says, `kubectl ${line}`);
    }
  });

  void t.test('what is described tells the story', async (t) => {
    const kubectl = async (...args: string[]): Promise<string> =>
      (await run('kubectl', [...server, ...args], { env })).stdout;
    /** Waits until all is told, as events and states come one after another. */
    const tells = async (what: string, ...patterns: RegExp[]): Promise<void> => {
      const text = await eventually(
        () => kubectl('describe', ...what.split(' ')),
        (told) => patterns.every((pattern) => pattern.test(told)),
        { what: `describe ${what} tells all` },
      );
      for (const pattern of patterns) t.match(text, pattern);
    };
    await kubectl('run', 'good', '--image=nginx:1', '--port=80');
    await tells(
      'pod good',
      /^Node: +embedded\/127\.0\.0\.1$/m,
      /^Status: +Running$/m,
      /^IP: +127\.\d+\.\d+\.\d+$/m,
      /^ {4}State: +Running$/m,
      /^ {2}Ready +True *$/m,
      /^Events:[^]* Pulling [^]* Pulled [^]* Created [^]* Started /m,
      /Normal +Scheduled .*default-scheduler +Successfully assigned default\/good to embedded$/m,
      /Normal +Started .*kubelet +(spec\.containers\{good\}: )?Container started$/m,
    );
    await kubectl('run', 'absent', '--image=does-not-exist');
    await tells(
      'pod absent',
      /^Status: +Pending$/m,
      /^ {4}State: +Waiting\n {6}Reason: +(ErrImagePull|ImagePullBackOff)$/m,
      /Warning +Failed .*Failed to pull image "does-not-exist": /,
      /Warning +Failed .*Error: ErrImagePull$/m,
    );
    const spec = { nodeSelector: { disk: 'ssd' } };
    await kubectl('run', 'homeless', '--image=nginx', `--overrides=${JSON.stringify({ spec })}`);
    await tells(
      'pod homeless',
      /^Node: +<none>$/m,
      /Warning +FailedScheduling .*0\/1 nodes are available: 1 node\(s\) didn't match Pod's node affinity\/selector\./,
    );
    await tells(
      'node embedded',
      /^Lease:\n {2}HolderIdentity: +embedded\n.*\n {2}RenewTime: +\w{3}, /m,
      /Normal +Starting .*kubelet +Starting kubelet\.$/m,
      /Normal +NodeReady .*kubelet +Node embedded status is now: NodeReady$/m,
    );
  });

  void t.test('keys on a terminal', { skip: !hasScript && 'there is no script(1)' }, async (t) => {
    const kubectl = ['kubectl', ...server].join(' ');
    await run('sh', ['-c', `${kubectl} run typed --image=nginx`], { env });
    await run('sh', ['-c', `${kubectl} wait --for=condition=Ready pod/typed --timeout=30s`], { env });
    /** Presses each key when what is shown has its text. */
    const press = async (command: string, ...keys: [after: string, key: string][]) => {
      const line = `${kubectl} exec -it typed -- ${command}`;
      const child = spawn('script', ['-qec', line, '/dev/null'], { env });
      t.teardown(() => child.kill());
      const ended = once(child, 'close');
      let shown = '';
      child.stdout.on('data', (part: Buffer) => (shown += part.toString()));
      for (const [after, key] of keys) {
        await eventually(
          () => Promise.resolve(shown),
          (text) => text.includes(after),
          { what: JSON.stringify(after) },
        );
        child.stdin.write(key);
      }
      const [code] = (await ended) as [number];
      return { code, shown };
    };
    t.match(await press('cat', ['', 'abc\r'], ['abc\r\nabc\r\n', '\x04']), { code: 0 });
    t.match(await press('cat', ['', 'abc\r'], ['abc\r\nabc\r\n', '\x03']), { code: 130, shown: /\^C/ });
  });
}
