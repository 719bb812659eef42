/** exec and port-forward through the real API server and a real container runtime, with the project's client. */
import { once } from 'node:events';
import { PassThrough, Readable } from 'node:stream';
import t from 'tap';
import { createKube, kubeconfigConnection } from '../../kube/index.js';
import type { ExecRequest } from '../../kube/index.js';
import { roundTrip } from '../helpers/round-trip.js';
import { kubectl, makeNamespace, whyNot } from './kubectl.js';

const NAMESPACE = 'streams';
const MB = 1_000_000;
const [ECHO, RESETS, CLOSES] = [7, 10, 11];
/** What listens in the pod; the image's Node runs it. */
const PROGRAM = `
  const { createServer } = require('node:net');
  const serve = (port, on) => createServer({ allowHalfOpen: true }, (s) => { s.on('error', () => {}); on(s); }).listen(port);
  serve(${ECHO}, (s) => s.pipe(s));
  serve(${RESETS}, (s) => s.once('data', () => s.resetAndDestroy()));
  serve(${CLOSES}, (s) => s.end('bye'));`;

t.setTimeout(600_000);

async function test(): Promise<void> {
  await makeNamespace(NAMESPACE);
  t.teardown(() => kubectl(['delete', 'namespace', NAMESPACE, '--wait=false']));
  const container = (name: string, command: string[]): object => ({
    name,
    image: 'docker.io/library/nginx:1.15.4',
    imagePullPolicy: 'IfNotPresent',
    command,
  });
  await kubectl(['apply', '-f', '-'], {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'web', namespace: NAMESPACE },
    spec: {
      terminationGracePeriodSeconds: 0,
      restartPolicy: 'Never',
      containers: [container('main', ['node', '-e', PROGRAM]), container('ended', ['node', '-e', ''])],
    },
  });
  const ended = '{.status.containerStatuses[?(@.name=="ended")].state.terminated.reason}';
  const running = '{.status.containerStatuses[?(@.name=="main")].state.running}';
  for (const condition of [`jsonpath=${ended}=Completed`, `jsonpath=${running}`])
    await kubectl(['wait', '-n', NAMESPACE, 'pod/web', `--for=${condition}`, '--timeout=90s']);
  const connection = await kubeconfigConnection({
    paths: [process.env['KUBECONFIG'] ?? ''],
    env: process.env,
  });
  const kube = createKube(connection);
  t.teardown(() => kube.close());
  const web = { namespace: NAMESPACE, name: 'web' };
  // The container is listening a moment after it runs.
  for (let ready = false; !ready;)
    ready = await kube.portForward(web, ECHO).then(async (stream) => {
      stream.write('x');
      return once(stream, 'data').then(
        () => Boolean(stream.destroy()),
        () => false,
      );
    });

  interface Ran {
    code: number;
    stdout: string;
    stderr: string;
  }
  const run = async (command: string[], more: Partial<ExecRequest> = {}, stdin?: Readable): Promise<Ran> => {
    const said = { stdout: '', stderr: '' };
    const into = (name: 'stdout' | 'stderr'): PassThrough =>
      new PassThrough().on('data', (part: Buffer) => (said[name] += part.toString()));
    const streams = { stdin, stdout: into('stdout'), stderr: into('stderr') };
    const code = await kube.exec(web, { container: 'main', command, ...more }, streams);
    return { code, ...said };
  };
  const failure = (call: Promise<unknown>): Promise<unknown> =>
    call.then(
      () => 'it succeeded',
      (error: unknown) => error,
    );
  const NODE = ['node', '-e'];

  await t.test('exec', async (t) => {
    const both = [...NODE, 'process.stdout.write("out"); process.stderr.write("err"); process.exitCode = 7'];
    t.same(await run(both), { code: 7, stdout: 'out', stderr: 'err' });
    const cat = [...NODE, 'process.stdin.pipe(process.stdout)'];
    t.same(await run(cat, {}, Readable.from(['a b\n', 'ä'])), { code: 0, stdout: 'a b\nä', stderr: '' });
    t.match(await run([...NODE, 'console.log(process.stdout.isTTY)'], { tty: true }), { stdout: /true/ });
    const size = [
      ...NODE,
      'let n = 0; process.stdin.on("data", (d) => (n += d.length)).on("end", () => console.log(n))',
    ];
    const input = Readable.from(Array.from({ length: 200 }, () => Buffer.alloc(100_000)));
    t.match(await run(size, {}, input), { code: 0, stdout: `${20 * MB}\n` });
    const much = await run([...NODE, `process.stdout.write("x".repeat(${20 * MB}))`]);
    t.equal(much.stdout.length, 20 * MB);

    const refused: [Promise<unknown>, object][] = [
      [failure(run(['no-such-program'])), { reason: 'status', message: /executable file not found/ }],
      [failure(run(NODE, { container: 'x' })), { reason: 'status', code: 400, outcome: 'refused' }],
      [
        failure(run(NODE, { container: undefined })),
        { reason: 'status', code: 400, message: /\[main ended\]/ },
      ],
      [
        failure(run(NODE, { container: 'ended' })),
        { reason: 'status', message: /container not found \("ended"\)/ },
      ],
      [
        failure(kube.exec({ ...web, name: 'none' }, { command: NODE }, { stdout: new PassThrough() })),
        { reason: 'status', code: 404, status: { reason: 'NotFound' } },
      ],
    ];
    for (const [error, expected] of refused) t.match(await error, { name: 'KubeError', ...expected });
    const abort = new AbortController();
    const started = new PassThrough().once('data', () => abort.abort());
    const sleep = { container: 'main', command: [...NODE, 'console.log(1); setInterval(() => 0, 1000)'] };
    const given = kube.exec(web, sleep, { stdout: started }, { signal: abort.signal });
    t.match(await failure(given), { reason: 'cancelled', outcome: 'unknown' });
  });

  await t.test('port-forward', async (t) => {
    t.ok(await roundTrip(await kube.portForward(web, ECHO), 50 * MB), '50 MB there and back');
    t.ok(await roundTrip(await kube.portForward(web, ECHO), 50 * MB, 2), 'with a slow reader');
    const many = await Promise.all(Array.from({ length: 10 }, () => kube.portForward(web, ECHO)));
    t.same(await Promise.all(many.map((stream) => roundTrip(stream, MB))), Array(10).fill(true));

    const bye = await kube.portForward(web, CLOSES);
    let text = '';
    bye.on('data', (part: Buffer) => (text += part.toString()));
    await once(bye, 'close');
    t.equal(text, 'bye', 'the far side closes');

    const broken = async (port: number): Promise<unknown> => {
      const stream = await kube.portForward(web, port);
      stream.resume().write('x');
      return ((await once(stream, 'error')) as [Error])[0];
    };
    t.match(await broken(9), { name: 'KubeError', reason: 'unreachable', message: /connection refused/ });
    t.match(await broken(RESETS), { reason: 'unreachable', message: /connection reset by peer/ });
    const abort = new AbortController();
    const aborted = await kube.portForward(web, ECHO, { signal: abort.signal });
    const gone = once(aborted, 'error');
    abort.abort();
    t.match(await gone, [{ reason: 'cancelled' }]);
    t.match(await failure(kube.portForward({ ...web, name: 'none' }, 80)), { reason: 'status', code: 404 });
    const nobody = createKube({
      ...connection,
      credentials: {
        get: async () => ({ ca: (await connection.credentials?.get())?.ca, authorization: 'Bearer no' }),
        renew: () => undefined,
      },
    });
    t.match(await failure(nobody.portForward(web, ECHO)), { reason: 'status', code: 401 });
    await nobody.close();
  });
}

const why = whyNot();
if (why !== undefined) t.plan(0, why);
else await test();
