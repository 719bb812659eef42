/** The client package against the server as production starts it, and its example as a user runs it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { XiError, createClient } from '@xi-k8s/client';
import type { Deployment } from '@xi-k8s/client';
import { startOperator } from '../helpers/operator.js';

const operator = await startOperator('embedded', { XI_HEARTBEAT_SECONDS: '0.2', XI_LOG_LEVEL: 'info' });
t.teardown(() => operator.stop());
const xi = createClient({ baseUrl: operator.url });

async function failure(promise: Promise<unknown>): Promise<XiError> {
  const error: unknown = await promise.then(
    (value) => new Error(`it answered ${JSON.stringify(value)}`),
    (reason: unknown) => reason,
  );
  if (!(error instanceof XiError)) throw error;
  return error;
}

/** The audit record of a call, once it has ended. */
async function audited(requestId: string): Promise<Record<string, unknown>> {
  for (;;) {
    const line = operator.logged.find((one) => one['reqId'] === requestId && 'audit' in one);
    if (line !== undefined) return line['audit'] as Record<string, unknown>;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

await t.test('results', async (t) => {
  const made: Deployment = await xi.create_deployment({
    name: 'web',
    image: 'nginx:1.27',
    replicas: 2,
    wait: true,
  });
  t.match(made, { name: 'web', namespace: 'default', images: ['nginx:1.27'], replicas: { available: 2 } });
  const page = await xi.list_pods({ deployment: 'web', limit: 1 });
  t.equal(page.items.length, 1);
  const rest = await xi.list_pods({ deployment: 'web', limit: 1, continue: page.continue! });
  t.not(rest.items[0]!.name, page.items[0]!.name, 'the next page');
  t.match(await xi.server_info(), { name: 'xi-k8s', cluster: { how: 'embedded', reachable: true } });
});

await t.test('errors', async (t) => {
  t.match(await failure(xi.create_deployment({ name: 'web' }, { requestId: 'client-1' })), {
    code: 'already_exists',
    status: 409,
    message: /"web" already exists/,
    object: { resource: 'deployments.apps', namespace: 'default', name: 'web' },
    requestId: 'client-1',
    outcome: undefined,
  });
  const misspelt: object = { name: 'x', replica: 1, image: '' };
  const invalid = await failure(xi.create_deployment(misspelt));
  t.match(invalid, { code: 'invalid_params', status: 400, outcome: undefined });
  t.match(
    invalid.errors.find(({ field }) => field === 'replica'),
    { suggestion: 'replicas' },
  );
  t.ok(invalid.errors.some(({ field }) => field === 'image'));
  t.match(await failure(xi.get_pod({ name: 'nobody' })), { code: 'not_found', object: { name: 'nobody' } });
  t.match(await failure(xi.wait_for_deployment({ name: 'nobody' }).result), {
    code: 'not_found',
    status: 404,
  });
});

await t.test('a dry run stores nothing', async (t) => {
  t.match(await xi.create_deployment({ name: 'dry' }, { dryRun: true }), { name: 'dry' });
  t.equal((await failure(xi.get_deployment({ name: 'dry' }))).code, 'not_found');
  t.match(await xi.scale_deployment({ name: 'web', replicas: 7 }, { dryRun: true }), {
    replicas: { desired: 7 },
  });
  t.match(await xi.get_deployment({ name: 'web' }), { replicas: { desired: 2 } });
});

await t.test('progress', async (t) => {
  const scaling = xi.scale_deployment.progress({ name: 'web', replicas: 4 });
  const seen: number[] = [];
  for await (const { replicas, message } of scaling) {
    t.type(message, 'string');
    seen.push(replicas.available);
  }
  t.ok(seen.length >= 1);
  t.match(await scaling.result, { name: 'web', replicas: { desired: 4, available: 4 } });
});

await t.test('a log is read to its end, and a follow is left early', async (t) => {
  const logs = xi.pod_logs({ deployment: 'web' });
  const pods = new Set<string>();
  for await (const { pod, line } of logs) if (line !== undefined) pods.add(pod);
  t.equal(pods.size, 4, 'lines of each pod');
  t.equal(await logs.result, undefined);

  const following = xi.pod_logs({ deployment: 'web', follow: true }, { requestId: 'left' });
  for await (const { pod } of following) {
    t.ok(pod);
    break;
  }
  t.match(await audited('left'), { function: 'pod_logs', outcome: 'cancelled' });
  await t.rejects(following.result, { name: 'AbortError' });
});

await t.test('a signal, and a deadline', async (t) => {
  await xi.create_deployment({ name: 'stuck', replicas: 1, node_selector: { nobody: 'has-this' } });
  const reason = new Error('enough');
  const aborting = new AbortController();
  const waiting = xi.wait_for_deployment(
    { name: 'stuck' },
    { signal: aborting.signal, requestId: 'aborted' },
  );
  await t.rejects(async () => {
    for await (const { stuck } of waiting)
      if (stuck.some((one) => one.reason === 'Unschedulable')) aborting.abort(reason);
  }, reason);
  t.match(await audited('aborted'), { outcome: 'cancelled' });

  const restart = { name: 'stuck', wait: true };
  const leaving = new AbortController();
  const restarting = xi.restart_deployment(restart, { signal: leaving.signal, requestId: 'left-waiting' });
  while ((await xi.get_deployment({ name: 'stuck' })).revision !== 2);
  leaving.abort(reason);
  await t.rejects(restarting, reason);
  t.match(await audited('left-waiting'), { outcome: 'cancelled' });

  const late = { code: 'deadline_exceeded', status: 504 };
  t.match(await failure(xi.wait_for_deployment({ name: 'stuck' }, { timeoutSeconds: 0.5 }).result), late);
  t.match(await failure(xi.restart_deployment(restart, { timeoutSeconds: 2 })), {
    ...late,
    outcome: 'done',
  });
});

await t.test('the examples', async (t) => {
  const built = new URL('../../dist/', import.meta.resolve('@xi-k8s/client'));
  const run = async (path: string, ...args: string[]) => {
    const program = fileURLToPath(new URL(path, built));
    const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    t.teardown(() => child.kill('SIGKILL'));
    const said = { out: '', err: '' };
    child.stdout.setEncoding('utf8').on('data', (text: string) => (said.out += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (said.err += text));
    const [code] = (await once(child, 'close')) as [number | null];
    return { code, ...said };
  };
  const rollOut = (url: string) => run('client/examples/roll-out.js', url);
  const { code, out, err } = await rollOut(operator.url);
  t.equal(code, 0, err);
  t.match(
    out,
    /^created default\/roll-out-example\n(.+\n)+ready: 2 of 2\n(pod roll-out-example-\S+ is Running at [\d.]+\n){2}(roll-out-example-\S+: .+\n)+scaled to 3\ndeleted roll-out-example\n$/,
  );
  t.equal((await failure(xi.get_deployment({ name: 'roll-out-example' }))).code, 'not_found');

  await xi.create_deployment({ name: 'roll-out-example', replicas: 0 });
  t.match(await rollOut(operator.url), { code: 1, err: /^already_exists: .*roll-out-example.*\n$/ });
  t.match(await xi.get_deployment({ name: 'roll-out-example' }), { deleting: false }, 'what was there stays');
  t.match(await rollOut('http://127.0.0.1:1'), {
    code: 1,
    err: /^unreachable: http:\/\/127\.0\.0\.1:1 gave no answer/,
  });

  const notReady = (...args: string[]) => run('examples/typescript/not-ready.js', operator.url, ...args);
  t.match(await notReady(), { code: 1, out: /^(default\/stuck-\S+: Pending: .+\n)+$/ });
  t.match(await notReady('kube-system'), { code: 0, out: /^$/ });
});
