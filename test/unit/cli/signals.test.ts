/** How the commands that stay end: at a signal, at a second one, and by themselves. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import type { Test } from 'tap';
import { freePort } from '../../helpers/free-port.js';

const built = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const COMMAND = built('../../../cli/xi-k8s.js');
const SLOW = built('./fixtures/slow-to-close.js');
const home = await mkdtemp(join(tmpdir(), 'cli-'));
t.teardown(() => rm(home, { recursive: true }));

/** Starts a program whose folders are below `home`. */
function start(t: Test, args: readonly string[], environment: Record<string, string> = {}) {
  const child = spawn(process.execPath, args, {
    env: { TMPDIR: home, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  let said = '';
  const ended = once(child, 'close');
  const listeners = new Set<() => void>();
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      said += text;
      for (const listener of listeners) listener();
    });
  return {
    child,
    ended,
    said: () => said,
    /** Resolves when it has said this. Rejects when it ended instead. */
    says: (text: string) =>
      new Promise<void>((resolve, reject) => {
        const look = (): void => void (said.includes(text) && resolve());
        listeners.add(look);
        look();
        void ended.then(() => reject(new Error(`it ended: ${said}`)));
      }),
  };
}

/** A command on free ports: its arguments, its environment, what it says when it runs. */
type Stays = readonly [args: string[], environment: Record<string, string>, ready: string];

const commands = async (): Promise<Stays[]> => [
  [
    ['lightpeer', '-host', '127.0.0.1', '-port', String(await freePort()), '-ops-port', '0', '-repo', home],
    {},
    'lightpeer listens',
  ],
  // The arguments of the Go sidecar's manifests.
  [
    ['-repo', join(home, 'go'), '-statePath', join(home, 'shared'), '-port', String(await freePort()), '-v'],
    { XI_PEER_HOST: '127.0.0.1', XI_PEER_OPS_PORT: '0' },
    'lightpeer listens',
  ],
  [
    ['plugin-host'],
    { XI_PLUGIN_HOST_ADDRESS: '127.0.0.1:0', XI_PLUGIN_HOST_OPS: '127.0.0.1:0' },
    'Plugin host 0.1.0 listens',
  ],
  [['devcluster', '--port', '0'], {}, 'is ready'],
  [['example', 'logger'], { PORT: '0' }, 'listens on'],
  [['example', 'writer'], { STATE_FILE: join(home, 'state') }, 'wrote'],
];

t.test('SIGTERM and SIGINT end each command with 0', async (t) => {
  const ends = async ([args, environment, ready]: Stays, signal: NodeJS.Signals): Promise<void> => {
    const { child, ended, said, says } = start(t, [COMMAND, ...args], environment);
    await says(ready);
    child.kill(signal);
    t.same(await ended, [0, null], `${signal} ${args[0]}: ${said()}`);
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const)
    await Promise.all((await commands()).map((command) => ends(command, signal)));
});

t.test('a second signal ends at once, with 1', async (t) => {
  for (const [first, second] of [
    ['SIGTERM', 'SIGTERM'],
    ['SIGINT', 'SIGTERM'],
  ] as const) {
    const { child, ended, says } = start(t, [SLOW]);
    await says('runs');
    child.kill(first);
    await says('closes');
    t.equal(child.exitCode, null, 'it waits for the end of its closing');
    child.kill(second);
    t.same(await ended, [1, null]);
  }
});

t.test('an error that nothing caught is printed, and closes', async (t) => {
  const { child, ended, says } = start(t, [SLOW, 'fail']);
  await says('closes');
  await says('xi-k8s slow: Error: nobody catches it\n    at ');
  child.kill('SIGTERM');
  t.same(await ended, [1, null]);
});

t.test('what cannot start says so by its exit code', async (t) => {
  const taken = start(t, [COMMAND, 'devcluster', '--port', '0']);
  await taken.says('is ready');
  const [, port = ''] = /127\.0\.0\.1:(\d+)/.exec(taken.said()) ?? [];
  const cases: [string[], number, Record<string, string>?][] = [
    [['lightpeer', '-port', '0'], 2],
    [['-port', '0'], 2],
    [['-nonsense'], 2],
    [['lightpeer', '-host', '127.0.0.1', '-port', port, '-repo', home], 1],
    [['plugin-host', 'now'], 2],
    [['plugin-host'], 1, { XI_PLUGIN_HOST_ADDRESS: `127.0.0.1:${port}`, XI_PLUGIN_HOST_OPS: '127.0.0.1:0' }],
    [['devcluster', '--nodes', '0'], 2],
    [['devcluster', '--port', port], 1],
    [['example', 'nothing'], 2],
    [['example', 'logger'], 1, { PORT: port }],
  ];
  for (const [args, code, environment] of cases) {
    const { ended, said } = start(t, [COMMAND, ...args], environment);
    t.same(await ended, [code, null], `${args.join(' ')}: ${said()}`);
  }
});

t.test('a sidecar that cannot start says why in a line', async (t) => {
  const taken = createServer().listen(0, '127.0.0.1');
  await once(taken, 'listening');
  t.teardown(() => taken.close());
  const opsPort = String((taken.address() as AddressInfo).port);
  const cases: [string[], RegExp][] = [
    [['-repo', '/dev/null/x'], /ENOTDIR.*\/dev\/null\/x/],
    [['-statePath', '/dev/null'], /\/dev\/null is neither a file nor a folder/],
    [['-tls-cert', '/nope', '-tls-key', '/nope'], /ENOENT.*\/nope/],
    [['-ops-port', opsPort], /EADDRINUSE/],
  ];
  for (const [args, why] of cases) {
    const usual = ['-host', '127.0.0.1', '-port', String(await freePort()), '-ops-port', '0'];
    const repo = join(home, 'cannot-start');
    const { ended, said } = start(t, [COMMAND, 'lightpeer', ...usual, '-repo', repo, ...args]);
    t.same(await ended, [1, null], args.join(' '));
    const lines = said().trimEnd().split('\n');
    t.match(
      lines.filter((line) => !line.startsWith('{')),
      [/^xi-k8s lightpeer: /],
    );
    t.match(said(), why);
    t.notMatch(said(), /\n +at /);
  }
});

t.test('help ends its last line', async (t) => {
  for (const command of ['lightpeer', 'plugin-host']) {
    const { ended, said } = start(t, [COMMAND, command, '--help']);
    t.same(await ended, [0, null]);
    t.match(said(), /[^\n]\n$/, command);
  }
});
