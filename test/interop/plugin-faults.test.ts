/** Go plugins that die, hang, flap and are replaced under load, and a host that is killed. Needs Go. */
import { randomBytes } from 'node:crypto';
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { eventually, until } from '../helpers/eventually.js';
import { endAll, go, identityOf, open, skip, startHost } from './plugin-go.js';
import type { GoPlugin, Line, Running } from './plugin-programs.js';

t.setTimeout(180_000);
const MIB = 1 << 20;
const GIB = 1 << 30;

t.afterEach(endAll);

/** One who calls, and provides something else. */
const startCaller = (url: string): Promise<GoPlugin> =>
  go.plugin(url, { SELF_ID: 'caller', SERVICES: 'other=1.0.0' });
const watch = (url: string, { runtimeId, token }: GoPlugin): Running =>
  go.start(['client', '-host', url, '-id', runtimeId, '-token', token, 'watch', 'echo']);
const lastState = (watching: Running): string | undefined => watching.lines.at(-1)?.said?.state;

interface Calls {
  /** Statuses other than 200, or what kept a call from being answered. */
  readonly failures: (number | string)[];
  /** So many calls have been answered by 200. */
  readonly good: () => number;
  stop(): Promise<void>;
}

/** So many callers at once, each calling as soon as it is answered, until stopped. */
function callOnAndOn(url: string, headers: Record<string, string>, callers: number): Calls {
  const failures: (number | string)[] = [];
  let good = 0;
  let stopped = false;
  const call = async (): Promise<void> => {
    while (!stopped) {
      try {
        const answer = await fetch(url, { method: 'POST', headers });
        await answer.arrayBuffer();
        if (answer.status === 200) good++;
        else failures.push(answer.status);
      } catch (error) {
        failures.push(String((error as Error).cause ?? error));
      }
    }
  };
  const all = Promise.all(Array.from({ length: callers }, call));
  return {
    failures,
    good: () => good,
    async stop() {
      stopped = true;
      await all;
    },
  };
}

const moreCalls = async (calls: Calls, more = 200): Promise<void> => {
  const wanted = calls.good() + more;
  await until(() => calls.good() >= wanted);
};

t.test('one of two providers is killed under load: no more than its calls are lost', { skip }, async (t) => {
  const host = await startHost();
  const caller = await startCaller(host.url);
  const [first] = [
    await go.plugin(host.url, { SELF_ID: 'one' }),
    await go.plugin(host.url, { SELF_ID: 'two' }),
  ];
  const callers = 8;
  const calls = callOnAndOn(`${host.url}/services/echo/-/plain`, identityOf(caller), callers);
  await moreCalls(calls);
  await first.end('SIGKILL');
  await moreCalls(calls);
  await calls.stop();
  t.ok(calls.failures.length <= callers, `lost: ${calls.failures.join(', ') || 'none'}`);
  t.ok(calls.failures.every((status) => status === 502));
  const view = host.registry.plugins().find(({ selfId }) => selfId === 'one');
  t.match(view, { routable: false });
});

t.test('a plugin flaps, each time at another port', { skip }, async (t) => {
  const host = await startHost();
  const caller = await startCaller(host.url);
  const watching = watch(host.url, caller);
  const headers = identityOf(caller);
  for (let i = 0; i < 5; i++) {
    const plugin = await go.plugin(host.url);
    const answer = await fetch(`${host.url}/services/echo/-/plain`, { headers });
    t.equal(await answer.text(), 'ok');
    await until(() => lastState(watching) === 'SERVICE_STATE_AVAILABLE');
    await plugin.end('SIGKILL');
    const refused = await fetch(`${host.url}/services/echo/-/plain`, { headers });
    t.ok([502, 503].includes(refused.status), `${refused.status}`);
    t.match(await refused.json(), { code: 'unavailable', message: /echo/ });
    await until(() => lastState(watching) === 'SERVICE_STATE_UNAVAILABLE');
  }
  t.equal(host.registry.plugins().filter(({ selfId }) => selfId === 'echo-plugin').length, 1);
});

t.test('a plugin that hangs keeps its own calls only, and is back when it goes on', { skip }, async (t) => {
  const host = await startHost();
  const caller = await startCaller(host.url);
  const hangs = await go.plugin(host.url);
  const headers = identityOf(caller);
  const watching = watch(host.url, caller);
  const url = `${host.url}/services/echo/${hangs.runtimeId}/plain`;
  hangs.signal('SIGSTOP');
  const [late] = await go.run(
    ...['client', '-host', host.url, '-id', caller.runtimeId, '-token', caller.token, '-timeout', '300ms'],
    ...['echo', `/services/echo/${hangs.runtimeId}`, 'hello'],
  );
  t.match(late, { event: 'error', code: 'deadline_exceeded' });
  const other = await fetch(`${host.url}/services/other/-/plain`, { headers });
  t.equal(await other.text(), 'ok', 'others are served on');
  await until(() => lastState(watching) === 'SERVICE_STATE_UNAVAILABLE');
  t.equal((await fetch(url, { headers })).status, 503);
  hangs.signal('SIGCONT');
  await until(() => lastState(watching) === 'SERVICE_STATE_AVAILABLE');
  t.equal((await fetch(url, { headers })).status, 200);
});

t.test('a watcher that does not read gets the newest state, and no gap after it', { skip }, async (t) => {
  const host = await startHost();
  const caller = await startCaller(host.url);
  // Many states as large as they may be, that cannot be compressed: more than the system keeps for a reader.
  const large = (): string => randomBytes(2_250).toString('base64url');
  const metadata = Array.from({ length: 5 }, (_, i) => `k${i}=${large()}`).join();
  const plugin = await go.plugin(host.url, { METADATA: metadata });
  const watching = watch(host.url, caller);
  await until(() => lastState(watching) === 'SERVICE_STATE_AVAILABLE');
  watching.signal('SIGSTOP');
  const changes = 2_400;
  const statuses = new Set<number>();
  for (let i = 1; i <= changes; i++)
    statuses.add((await fetch(`${plugin.url}/report?state=${i % 2 === 0 ? 'degraded' : 'healthy'}`)).status);
  t.strictSame([...statuses], [200]);
  watching.signal('SIGCONT');
  await until(() => lastState(watching) === 'SERVICE_STATE_DEGRADED');
  await fetch(`${plugin.url}/report?state=unhealthy`);
  await until(() => lastState(watching) === 'SERVICE_STATE_UNAVAILABLE');
  t.ok(watching.lines.length < changes, `states in between were left out: ${watching.lines.length} came`);
});

t.test('1 GiB through the router: a reader that stops stops the plugin', { skip }, async (t) => {
  const host = await startHost();
  const plugin = await go.plugin(host.url);
  const sent = async (): Promise<number> => {
    const answer = await fetch(`${plugin.url}/interop.echo.v1.Echo/state`);
    return ((await answer.json()) as { sent: number }).sent;
  };
  let most = 0;
  const before = process.memoryUsage().rss;
  const sampling = setInterval(() => (most = Math.max(most, process.memoryUsage().rss - before)), 20);
  t.teardown(() => clearInterval(sampling));
  const transfer = (path: string, ...more: string[]): Running => {
    const headers = Object.entries(identityOf(plugin)).flatMap(([name, value]) => [
      '-header',
      `${name}: ${value}`,
    ]);
    const url = `${host.url}/services/echo/-/${path}`;
    return go.start(['transfer', '-url', url, ...headers, ...more]);
  };
  const down = transfer(`source?bytes=${GIB}`);
  await until(async () => (await sent()) > MIB);
  down.signal('SIGSTOP');
  let last = -1;
  const stalled = async (): Promise<boolean> => {
    const now = await sent();
    const same = now === last;
    last = now;
    return same;
  };
  for (let still = 0; still < 20; still = (await stalled()) ? still + 1 : 0) await delay(10);
  t.ok(last < GIB, `it wrote ${Math.round(last / MIB)} MiB and waits`);
  down.signal('SIGCONT');
  t.match(await down.heard('transferred'), { received: GIB });
  t.match(await transfer('sink', '-up', `${GIB}`).heard('transferred'), { sent: GIB });
  t.ok(most < GIB / 2, `the host's process grew by ${Math.round(most / MIB)} MiB`);
});

t.test('managed Go plugins: started in order, replaced and removed under load', { skip }, async (t) => {
  const echo = await go.managed({ SELF_ID: 'echo' });
  const api = await go.managed({ SELF_ID: 'api', SERVICES: 'api=1.0.0', NEEDS: 'echo' });
  const plugins = [
    { name: 'api', url: api.url },
    { name: 'echo', url: echo.url },
  ];
  const host = await startHost({ plugins });
  const id = async (plugin: Running): Promise<string> => (await plugin.heard('identity')).runtime_id ?? '';
  t.match(await id(echo), /^echo-[0-9a-f]{4}$/);
  t.match(await id(api), /^api-[0-9a-f]{4}$/);
  t.equal((await api.heard('identity')).host_url, host.url);
  const caller = await startCaller(host.url);
  const headers = identityOf(caller);
  const calls = callOnAndOn(`${host.url}/services/echo/-/plain`, headers, 8);
  const byId = callOnAndOn(`${host.url}/services/echo/${await id(echo)}/plain`, headers, 2);
  await moreCalls(calls);
  await moreCalls(byId);

  const next = await go.managed({ SELF_ID: 'echo', SERVICES: 'echo=1.1.0' });
  await host.manager.replace('echo', next.url);
  await moreCalls(calls);
  await byId.stop();
  await calls.stop();
  t.strictSame([...calls.failures, ...byId.failures], [], 'no call failed');
  t.ok(await echo.heard('shutdown'), 'the old one was told');
  const [found] = await go.run(
    ...['client', '-host', host.url, '-id', caller.runtimeId, '-token', caller.token],
    ...['discover', 'echo'],
  );
  t.match(found, {
    said: { endpoint: { provider_id: await id(next), version: '1.1.0' }, single_provider: true },
  });

  await host.manager.remove('echo');
  await next.heard('shutdown');
  const gone = await fetch(`${host.url}/services/echo/-/plain`, { headers });
  t.equal(gone.status, 404);
  t.match(await gone.json(), { code: 'not_found' });
});

t.test('a managed Go plugin that starts anew gets its identity again', { skip }, async (t) => {
  const first = await go.managed();
  const host = await startHost({ plugins: [{ name: 'echo', url: first.url }] });
  const identity = await first.heard('identity');
  const caller = await startCaller(host.url);
  let before: Running = first;
  for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
    await before.end(signal);
    const next = await go.managed({ PORT: new URL(first.url).port });
    t.strictSame(await next.heard('identity'), identity, signal);
    await until(
      async () =>
        (await fetch(`${host.url}/services/echo/-/plain`, { headers: identityOf(caller) })).status === 200,
    );
    before = next;
  }
});

t.test('a managed plugin that registers by itself, as the reference’s do', { skip }, async (t) => {
  const echo = await go.managed({ MANAGED: 'register' });
  const host = await startHost({ plugins: [{ name: 'echo', url: echo.url }] });
  await echo.heard('healthy');
  const caller = await startCaller(host.url);
  const answer = await fetch(`${host.url}/services/echo/-/plain`, { headers: identityOf(caller) });
  t.equal(await answer.text(), 'ok');
  t.equal(host.registry.services().filter(({ type }) => type === 'echo').length, 1, 'it is there once');
});

const command = fileURLToPath(new URL('../../cli/xi-k8s.js', import.meta.url));

/** `xi-k8s plugin-host`, as a process that can be killed. */
async function startProcess(
  address: string,
  stateFile: string,
): Promise<{ url: string; kill(): Promise<void> }> {
  const child: ChildProcess = spawn(process.execPath, [command, 'plugin-host'], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: {
      XI_PLUGIN_HOST_ADDRESS: `${address}:8080`,
      XI_PLUGIN_HOST_OPS: `${address}:9090`,
      XI_PLUGIN_HOST_STATE: stateFile,
    },
  });
  const ended = once(child, 'exit');
  const kill = async (): Promise<void> => {
    child.kill('SIGKILL');
    await ended;
  };
  open.push(kill);
  const url = `http://${address}:8080`;
  await eventually(
    () =>
      fetch(`${url}/health`).then(
        ({ status }) => status,
        () => 0,
      ),
    (status) => status === 200,
    { what: 'the host answers' },
  );
  return { url, kill };
}

t.test('the host is killed under load, and comes back with its file', { skip }, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'xi-interop-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const stateFile = join(folder, 'plugins.json');
  const address = '127.39.1.1';
  const host = await startProcess(address, stateFile);
  const plugin = await go.plugin(host.url);
  const caller = await startCaller(host.url);
  const kept = async (): Promise<boolean> => {
    const text = await readFile(stateFile, 'utf8').catch(() => '');
    return [plugin, caller].every(({ runtimeId }) => text.includes(runtimeId));
  };
  await until(kept);
  const url = `${host.url}/services/echo/${plugin.runtimeId}/plain`;
  const calls = callOnAndOn(url, identityOf(caller), 8);
  await moreCalls(calls);
  await host.kill();
  await startProcess(address, stateFile);
  await moreCalls(calls);
  const lost = calls.failures.length;
  await moreCalls(calls);
  await calls.stop();
  t.equal(calls.failures.length, lost, 'once it is back nothing fails');
  t.strictSame(
    calls.failures.filter((failure) => typeof failure === 'number'),
    [],
    'and nobody is refused for what the host forgot',
  );
  const again: readonly Line[] = plugin.lines.filter(({ event }) => event === 'identity');
  t.equal(again.length, 1, 'the plugin shook hands once');
});
