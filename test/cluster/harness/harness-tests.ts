/**
 * The harness itself, from outside: `npx tap dist/test/cluster/harness/harness-tests.js` as root. Not named *.test.ts,
 * as those run in a cluster and this makes clusters.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, delimiter, dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { MOUNT_POINTS } from './leftovers.js';
import { programOf } from './paths.js';

const [node = '', ...program] = programOf('../run');
const HARNESS_FAILED = 125;

interface Ran {
  status: number | null;
  stdout: string;
  stderr: string;
}

const runHarness = (
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
  before: readonly string[] = [],
): Ran => {
  const [first = '', ...rest] = [...before, node, ...program, ...args];
  return spawnSync(first, rest, { encoding: 'utf8', env: { ...process.env, ...env } });
};

/** Starts the harness with a command that prints the state folder and then waits. */
const hold = async (command = 'sleep 600'): Promise<{ child: ChildProcess; state: string }> => {
  const child = spawn(node, [...program, '--', 'sh', '-c', `echo $TEST_CLUSTER_LOGS; ${command}`], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  for await (const line of createInterface({ input: child.stdout })) return { child, state: dirname(line) };
  throw new Error('the cluster did not start');
};

/** What of a cluster can still be found on this machine. */
const leftOf = (state: string): string[] => {
  const name = basename(state);
  const processes = readdirSync('/proc').filter((pid) => {
    try {
      return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(name);
    } catch {
      return false;
    }
  });
  const mounts = readFileSync('/proc/mounts', 'utf8').split('\n');
  const groups = mounts
    .map((line) => join(line.split(' ')[1] ?? '', name))
    .filter((path) => existsSync(path));
  return [
    ...processes.map((pid) => `process ${pid}`),
    ...mounts.filter((line) => line.includes(name)),
    ...groups,
    ...[state].filter((path) => existsSync(path)),
  ];
};

const nothingLeft = async (t: Test, state: string): Promise<void> => {
  for (let tries = 0; tries < 100 && leftOf(state).length > 0; tries += 1) await sleep(100);
  t.same(leftOf(state), [], 'no process, mount, control group or folder is left');
};

if (process.getuid?.() !== 0) {
  t.plan(0, 'needs root: it makes clusters');
} else {
  t.setTimeout(600_000);
  const folder = mkdtempSync(join(tmpdir(), 'harness-tests-'));
  t.teardown(() => rmSync(folder, { recursive: true }));

  await t.test("COMMAND's output, status and environment", (t) => {
    const script = 'kubectl get nodes -o name; echo $KUBECONFIG >&2; exit 42';
    const ran = runHarness(['--', 'sh', '-c', script], { https_proxy: 'http://127.0.0.1:1' });
    t.equal(ran.status, 42);
    t.equal(ran.stdout, 'node/node-1\n', 'progress does not mix with the output');
    t.match(ran.stderr, /kube-apiserver\n[^]*ready after [\d.]+ s/);
    t.match(ran.stderr, /admin\.kubeconfig$/m);
    t.equal(runHarness(['--', 'no-such-program']).status, 127);
    t.end();
  });

  await t.test('each mistake says what to do', (t) => {
    const path = (process.env['PATH'] ?? '').split(delimiter);
    const withoutGo = path.filter((entry) => !existsSync(join(entry, 'go'))).join(delimiter);
    const broken = join(folder, 'broken.tar');
    writeFileSync(broken, 'not an archive');
    const small = [
      'unshare',
      '-m',
      'sh',
      '-c',
      `mount -t tmpfs -o size=10m none ${folder} && exec "$@"`,
      'sh',
    ];
    const nobody = ['setpriv', '--reuid', '65534', '--clear-groups'];
    const cases: [string, Ran, RegExp][] = [
      ['no command', runHarness([]), /say which command to run/],
      ['unknown option', runHarness(['--bogus', 'true']), /--bogus[^]*--help/],
      ['unknown component', runHarness(['--flag', 'dns=--x', 'true']), /COMPONENT is one of etcd, /],
      [
        'no such image',
        runHarness(['--image', `${folder}/none.tar`, 'true']),
        /no such file \(known by name: @base/,
      ],
      ['a broken image', runHarness(['--image', broken, 'true']), /broken\.tar` ended with 1/],
      ['not root', runHarness(['true'], {}, nobody), /needs Linux and root/],
      [
        'no Go',
        runHarness(['true'], { PATH: withoutGo, TEST_CLUSTER_CACHE: folder }),
        /Go is not installed.*Install Go/,
      ],
      [
        'small disk',
        runHarness(['true'], { TEST_CLUSTER_CACHE: folder }, small),
        /has 0\.0 GB free. Free some room/,
      ],
      [
        'no kubeconfig',
        runHarness(['--use-kubeconfig', 'true'], { TEST_CLUSTER_KUBECONFIG: '' }),
        /Set it to a kubeconfig/,
      ],
      [
        'a failing component',
        runHarness(['--flag', 'kube-scheduler=--nope', 'true']),
        /kube-scheduler ended with exit code 1 before it was ready[^]*unknown flag: --nope/,
      ],
    ];
    for (const [name, ran, expected] of cases) {
      t.match(ran.stderr, expected, name);
      t.equal(ran.status, HARNESS_FAILED, name);
      t.equal(ran.stdout, '', name);
    }
    t.end();
  });

  await t.test('a kubeconfig of one’s own is used without building', (t) => {
    const file = join(folder, 'kubeconfig');
    writeFileSync(file, '');
    const env = {
      TEST_CLUSTER_KUBECONFIG: file,
      TEST_CLUSTER_CACHE: join(folder, 'unused'),
      KUBECONFIG: '/nowhere',
    };
    const ran = runHarness(['--use-kubeconfig', 'sh', '-c', 'echo $KUBECONFIG; exit 5'], env);
    t.same([ran.status, ran.stdout], [5, `${file}\n`]);
    t.notOk(existsSync(join(folder, 'unused')));
    t.end();
  });

  await t.test('cluster-ctl kills and starts components, and names what it does not know', (t) => {
    const script = `
      before=$(cluster-ctl status | grep kube-apiserver)
      after=$(cluster-ctl restart kube-apiserver | grep kube-apiserver)
      [ "$before" != "$after" ] && kubectl get --raw /readyz && echo
      cluster-ctl kill kube-scheduler | grep kube-scheduler
      cluster-ctl start kube-scheduler > /dev/null && cluster-ctl start kube-scheduler
      cluster-ctl stop nothing; cluster-ctl explode etcd`;
    const ran = runHarness(['--', 'sh', '-c', script]);
    t.equal(ran.stdout, 'ok\nkube-scheduler -\n');
    t.match(
      ran.stderr,
      /kube-scheduler runs already[^]*no component is called 'nothing'[^]*unknown action 'explode'/,
    );
    t.notMatch(ran.stderr, /ended by itself/, 'what was asked for is no failure');
    t.end();
  });

  await t.test('two at once; each leaves nothing, after SIGTERM and after SIGKILL', async (t) => {
    const [one, two] = await Promise.all([hold('trap "exit 9" TERM; sleep 600 & wait'), hold()]);
    t.not(one.state, two.state);
    two.child.kill('SIGKILL');
    await nothingLeft(t, two.state);
    t.equal(leftOf(one.state).includes(one.state), true, 'the other one runs on');
    const exit = once(one.child, 'exit');
    one.child.kill('SIGTERM');
    t.same(await exit, [9, null], 'SIGTERM is for COMMAND, which ends with its own status');
    t.same(leftOf(one.state), []);
  });

  await t.test('what a killed watchdog left goes with the next run', async (t) => {
    const { child, state } = await hold();
    const children = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').trim().split(' ');
    const watchdog = children.find((pid) =>
      readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('watchdog'),
    );
    process.kill(Number(watchdog), 'SIGKILL');
    child.kill('SIGKILL');
    await once(child, 'exit');
    t.ok(existsSync(state));
    t.equal(runHarness(['true']).status, 0);
    await nothingLeft(t, state);
    const others = readdirSync('/tmp').some((name) => name.startsWith('xi-k8s-cluster-'));
    if (!others)
      t.same(
        MOUNT_POINTS.filter((path) => existsSync(path)),
        [],
      );
  });
}
