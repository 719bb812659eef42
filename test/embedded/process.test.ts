/** The command as a user starts it: what it prints, how it refuses, how it stops. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { call } from '../helpers/http.js';

const command = fileURLToPath(new URL('../../cli/xi-k8s.js', import.meta.url));
const FREE = { XI_PORT: '0', XI_OPS_PORT: '0', XI_EMBEDDED_PORT: '0' };

/** Starts the command with an environment made anew. */
function run(environment: Record<string, string>, args = ['serve']) {
  const child = spawn(process.execPath, [command, ...args], {
    env: environment,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  const said = { out: '', err: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => (said.out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said.err += text));
  const ended = once(child, 'close').then(([code]) => code as number | null);
  return { child, said, ended };
}

/** Until the banner is whole. */
async function started({ said, ended }: ReturnType<typeof run>): Promise<string> {
  let over = false;
  void ended.then(() => (over = true));
  while (!said.out.endsWith("'\n\n")) {
    if (over) throw new Error(`it ended: ${said.err}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return said.out;
}

await t.test('the banner says where, on what, and three lines that work', async (t) => {
  const running = run(FREE);
  const banner = await started(running);
  const url = /listens on (http:\/\/127\.0\.0\.1:\d+)/.exec(banner)?.[1];
  const cluster = /embedded cluster at (http:\/\/127\.0\.0\.1:\d+)/.exec(banner)?.[1];
  t.ok(url);
  t.ok(cluster);
  t.match(banner, /pods of other images than ours only pretend to run/);
  const pasted = banner.split('\n').filter((line) => line.startsWith('  curl '));
  t.equal(pasted.length, 3);
  const shell = (line: string) => {
    const child = spawn('sh', ['-c', line], { stdio: ['ignore', 'pipe', 'inherit'] });
    t.teardown(() => child.kill());
    return child;
  };
  const answer = async (line: string): Promise<string> => {
    let text = '';
    const child = shell(line);
    child.stdout.setEncoding('utf8').on('data', (part: string) => (text += part));
    t.equal((await once(child, 'close'))[0], 0, line);
    return text;
  };
  const hasCurl = (await once(shell('command -v curl >/dev/null'), 'close'))[0] === 0;
  if (!hasCurl) {
    t.comment('the pasted lines are not run: no curl on this machine');
    return;
  }
  t.match(JSON.parse(await answer(pasted[0]!)), { name: 'nginx-deployment' });
  const steps = (await answer(pasted[1]!))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { type: string });
  t.equal(steps.at(-1)?.type, 'result');
  const follow = shell(pasted[2]!);
  let text = '';
  for await (const part of follow.stdout.setEncoding('utf8')) {
    text += String(part);
    if (text.includes('only pretends to run')) break;
  }
  t.match(text, /"pod":"nginx-deployment-/);
  running.child.kill('SIGTERM');
  t.equal(await running.ended, 0, running.said.err);
});

await t.test('bad settings are named, all at once', async (t) => {
  const { said, ended } = run({
    ...FREE,
    XI_PORT: 'eighty',
    XI_HOST: '0.0.0.0',
    XI_CLUSTR: 'embedded',
    XI_LOG_LEVEL: 'loud',
  });
  t.equal(await ended, 1);
  t.match(said.err, /XI_PORT is "eighty"; allowed is a whole number from 0 to 65535/);
  t.match(said.err, /XI_HOST is "0\.0\.0\.0"; allowed is a loopback address/);
  t.match(said.err, /XI_LOG_LEVEL is "loud"; allowed is trace, debug/);
  t.match(said.err, /XI_CLUSTR is not a setting; did you mean XI_CLUSTER\?/);
  t.equal(said.out, '');
});

await t.test('a port in use says which setting takes another one', async (t) => {
  const taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  t.teardown(() => taken.close());
  const { port } = taken.address() as AddressInfo;
  for (const variable of ['XI_PORT', 'XI_OPS_PORT', 'XI_EMBEDDED_PORT']) {
    const { said, ended } = run({ ...FREE, [variable]: String(port) });
    t.equal(await ended, 1, variable);
    t.match(said.err, new RegExp(`Port ${port} .*in use.*Set ${variable} `), variable);
  }
});

await t.test('clusters that cannot be had', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'xi-k8s-test-'));
  t.teardown(() => rm(folder, { recursive: true }));
  const kubeconfig = join(folder, 'config');
  await writeFile(
    kubeconfig,
    JSON.stringify({ 'current-context': 'here', contexts: [], clusters: [], users: [] }),
  );
  const cases: [Record<string, string>, RegExp][] = [
    [{ KUBERNETES_SERVICE_HOST: '10.0.0.1' }, /no ServiceAccount token is mounted/],
    [{ XI_CLUSTER: 'in-cluster' }, /KUBERNETES_SERVICE_HOST is not set/],
    [{ XI_CLUSTER: 'kubeconfig', HOME: folder }, /kube\/config/],
    [{ XI_CLUSTER: 'kubeconfig', KUBECONFIG: kubeconfig }, /context/],
    [{ XI_CLUSTER: 'kubeconfig', KUBECONFIG: join(folder, 'absent') }, /absent/],
  ];
  for (const [environment, why] of cases) {
    const { said, ended } = run({ ...FREE, ...environment });
    t.equal(await ended, 1, JSON.stringify(environment));
    t.match(said.err, why);
    t.notMatch(said.err, /^ +at /m, 'no stack trace for a person');
  }
});

await t.test('SIGTERM in the middle of a stream', async (t) => {
  const running = run({ ...FREE, XI_SHUTDOWN_SECONDS: '3' });
  const url = /listens on (\S+)/.exec(await started(running))![1]!;
  await call(url, 'create_deployment', { name: 'stuck', replicas: 1, node_selector: { nobody: 'has-this' } });
  const response = await fetch(`${url}/v1/functions/wait_for_deployment`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"name":"stuck"}',
  });
  running.child.kill('SIGTERM');
  const last = (await response.text()).trim().split('\n').at(-1)!;
  t.match(JSON.parse(last), { type: 'error', error: { code: 'overloaded', detail: /stopping/ } });
  t.equal(await running.ended, 0, running.said.err);
});

await t.test('the command line', async (t) => {
  const help = run({}, ['--help']);
  t.equal(await help.ended, 0);
  t.match(help.said.out, /serve/);
  for (const args of [[], ['serv'], ['serve', '--port', '1']]) {
    const wrong = run({}, args);
    t.equal(await wrong.ended, 2, args.join(' '));
    t.match(wrong.said.err, /^xi-k8s: .*\n\nUsage/);
  }
});
