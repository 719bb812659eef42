/** Go plugins and a Go client, as the reference's behave on the wire, at our host, beside a plugin of our own. Needs Go. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { createConnectClient } from '../../connect/index.js';
import { serverStream, startPlugin, unary } from '../../plugin-sdk/src/index.js';
import type { Plugin } from '../../plugin-sdk/src/index.js';
import { eventually, until } from '../helpers/eventually.js';
import { freePort } from '../helpers/free-port.js';
import { Echo } from './plugin/echo.gen.js';
import { endAll, go, identityOf, open, skip, startHost } from './plugin-go.js';
import { startTestHost } from './plugin-host.js';
import type { TestHost } from './plugin-host.js';
import type { GoPlugin, Line } from './plugin-programs.js';

t.setTimeout(120_000);
const PATH = '/interop.echo.v1.Echo';
const MIB = 1 << 20;

t.afterEach(endAll);

/** A plugin of ours that provides what the Go plugins do. */
async function startOurs(host: TestHost, type: string, requires: string[] = []): Promise<Plugin> {
  const plugin: Plugin = await startPlugin({
    id: 'ts-plugin',
    version: '1.0.0',
    hostUrl: host.url,
    host: '127.0.0.1',
    port: 0,
    environment: { HOSTNAME: '127.0.0.1' },
    requires: requires.map((needed) => ({ type: needed })),
    provides: [
      {
        type,
        version: '1.2.0',
        path: `${PATH}/`,
        handlers: [
          unary(Echo.method.echo, ({ text, data }) => ({ text, data, by: 'ts-plugin' })),
          serverStream(Echo.method.count, async function* ({ to }) {
            for (let number = 1; number <= to; number++) yield { number };
          }),
        ],
      },
    ],
  });
  open.push(() => plugin.close());
  await plugin.whenReady();
  return plugin;
}

const upTo = (to: number): number[] => Array.from({ length: to }, (_, i) => i + 1);
const as = (host: TestHost, { runtimeId, token }: GoPlugin, ...flags: string[]): string[] => [
  ...['client', '-host', host.url, '-id', runtimeId, '-token', token],
  ...flags,
];
const serviceOf = ({ runtimeId }: GoPlugin, type = 'echo'): string => `/services/${type}/${runtimeId}`;

/** Calls a plugin's own pages directly. */
async function stateOf({ url }: GoPlugin): Promise<{ connections: number; left: number }> {
  const answer = await fetch(`${url}${PATH}/state`);
  return (await answer.json()) as { connections: number; left: number };
}

const beHealthy = async ({ url }: GoPlugin, state: string): Promise<number> =>
  (await fetch(`${url}/report?state=${state}`)).status;

t.test('a Go plugin and one of ours call each other through the router', { skip }, async (t) => {
  const host = await startHost();
  const theirs = await go.plugin(host.url, { SELF_ID: 'Go.Plugin', SERVICES: 'echo=1.10.0' });
  t.match(theirs.runtimeId, /^go-plugin-[0-9a-f]{4}$/);
  const ours = await startOurs(host, 'ts-echo', ['echo']);

  const data = Uint8Array.from({ length: 256 }, (_, i) => i);
  const echoed = await ours.service('echo').unary(Echo.method.echo, { text: 'häl\nlo', data });
  t.strictSame([echoed.text, [...echoed.data], echoed.by], ['häl\nlo', [...data], 'Go.Plugin']);
  t.strictSame(await ours.service('echo').call('Echo', { text: 'as JSON' }), {
    text: 'as JSON',
    by: 'Go.Plugin',
  });
  const numbers: number[] = [];
  for await (const { number } of ours.service('echo').stream(Echo.method.count, { to: 50 }))
    numbers.push(number);
  t.strictSame(numbers, upTo(50));
  await t.rejects(ours.service('echo').unary(Echo.method.echo, { text: 'refuse: no' }), {
    code: 'already_exists',
    message: /no/,
  });

  const direct = createConnectClient({ baseUrl: theirs.url });
  open.push(() => direct.close());
  for (const json of [false, true]) {
    const question = { serviceType: 'ts-echo', echo: { text: 'to ours', data }, countTo: 50, json };
    const answer = await direct.unary(Echo.method.ask, question);
    t.strictSame([answer.echo?.text, answer.echo?.by], ['to ours', 'ts-plugin']);
    t.strictSame([...(answer.echo?.data ?? [])], [...data]);
    t.strictSame(answer.numbers, upTo(50));
  }
  await t.rejects(direct.unary(Echo.method.ask, { serviceType: 'nobody' }), { code: 'not_found' });

  const name = `${theirs.runtimeId} → ${ours.runtimeId}`;
  const routed = host.lines.filter((line) => line.startsWith('[ROUTER]'));
  t.ok(routed.includes(`[ROUTER] ${name} /Echo (service: ts-echo)`));
  t.ok(routed.some((line) => line.startsWith(`[ROUTER] ${name} /Echo 200 (duration: `)));
});

t.test('a Go client: every codec, versions, streams of its own', { skip }, async (t) => {
  const host = await startHost();
  const old = await go.plugin(host.url, { SELF_ID: 'old', SERVICES: 'echo=1.9.0' });
  const fresh = await go.plugin(host.url, { SELF_ID: 'fresh', SERVICES: 'echo=1.10.0', H2C: 'yes' });
  const find = async (...min: string[]): Promise<Line | undefined> =>
    (await go.run(...as(host, old), 'discover', 'echo', ...min))[0];
  t.match((await find('1.9.1'))?.said, {
    endpoint: { provider_id: fresh.runtimeId, version: '1.10.0', endpoint_url: serviceOf(fresh) },
  });
  t.match(await find('1.11.0'), { event: 'error', code: 'not_found' });
  t.match(await find('new'), { event: 'error', code: 'invalid_argument' });

  for (const flags of [[], ['-json'], ['-gzip'], ['-h2c'], ['-h2c', '-json', '-gzip']])
    for (const [provider, by] of [
      [old.runtimeId, /^old$/],
      [fresh.runtimeId, /^fresh$/],
      ['-', /^(old|fresh)$/],
    ] as const) {
      const how = `${flags.join(' ') || 'binary'} to ${provider}`;
      const call = (...rest: string[]): Promise<readonly Line[]> =>
        go.run(...as(host, old, ...flags), rest[0]!, `/services/echo/${provider}`, ...rest.slice(1));
      t.match(await call('echo', 'a', 'x'.repeat(50_000)), [
        { event: 'echo', said: { text: 'a', by } },
        { said: { text: /^x{50000}$/ } },
      ]);
      const counted = await call('count', '300');
      t.strictSame(
        counted.flatMap(({ number = [] }) => number),
        upTo(300),
        how,
      );
      t.equal(counted.at(-1)?.event, 'end', how);
      t.match(await call('gather', 'a', 'b', 'c'), [{ event: 'gathered', said: { text: 'a b c', by } }], how);
      t.match(await call('echo', 'refuse: no'), [{ event: 'error', code: 'already_exists' }], how);
    }
});

t.test(
  'plugins that speak HTTP/2: what is said to be so, and gRPC with its trailers',
  { skip },
  async (t) => {
    const host = await startHost();
    const plugin = await go.plugin(host.url, { H2C: 'yes', METADATA: 'protocol=h2c' });
    const seen = await fetch(`${host.url}${serviceOf(plugin)}/seen`, { headers: identityOf(plugin) });
    t.match(await seen.json(), { protocol: 'HTTP/2.0' });
    for (const flags of [[], ['-h2c'], ['-h2c', '-grpc']]) {
      const how = flags.join(' ') || 'HTTP/1.1';
      const call = (...rest: string[]): Promise<readonly Line[]> =>
        go.run(...as(host, plugin, ...flags), rest[0]!, serviceOf(plugin), ...rest.slice(1));
      t.match(await call('echo', 'hello'), [{ said: { text: 'hello' } }], how);
      t.match(await call('echo', 'refuse: no'), [{ event: 'error', code: 'already_exists' }], how);
      t.strictSame(
        (await call('count', '300')).flatMap(({ number = [] }) => number),
        upTo(300),
        how,
      );
      t.match(await call('gather', 'a', 'b', 'c'), [{ said: { text: 'a b c' } }], how);
    }
  },
);

t.test('what reaches a plugin, and comes back', { skip }, async (t) => {
  const host = await startHost();
  const plugin = await go.plugin(host.url);
  const call = (path: string, init: RequestInit = {}): Promise<Response> =>
    fetch(`${host.url}${serviceOf(plugin)}/${path}`, {
      ...init,
      headers: { ...identityOf(plugin), 'x-own': 'kept', 'x-plugin-caller': 'a lie', ...init.headers },
    });
  const seen = (await (await call('seen?a=1&b=%26%20c', { method: 'PUT', body: 'abc' })).json()) as {
    headers: Record<string, string[]>;
  };
  t.match(seen, { method: 'PUT', path: `${PATH}/seen`, query: 'a=1&b=%26%20c', bytes: 3 });
  t.strictSame(seen.headers['X-Own'], ['kept']);
  t.strictSame(seen.headers['X-Plugin-Caller'], [plugin.runtimeId]);
  t.notHas(seen.headers, 'Authorization');
  t.notHas(seen.headers, 'X-Plugin-Runtime-Id');
  t.match(
    await (await call('trailers')).text(),
    'and then',
    'an answer with trailers is whole for a client that knows none',
  );

  const before = (await stateOf(plugin)).connections;
  for (let i = 0; i < 200; i++) await (await call('plain')).text();
  t.ok((await stateOf(plugin)).connections - before <= 2, 'connections are kept');

  const transfer = async (path: string, ...more: string[]): Promise<Line | undefined> => {
    const identity = Object.entries(identityOf(plugin)).flatMap(([name, value]) => [
      '-header',
      `${name}: ${value}`,
    ]);
    return (
      await go.run('transfer', '-url', `${host.url}${serviceOf(plugin)}/${path}`, ...identity, ...more)
    )[0];
  };
  t.match(await transfer(`source?bytes=${100 * MIB}`), { received: 100 * MIB });
  t.match(await transfer('sink', '-up', `${100 * MIB}`), { sent: 100 * MIB });
});

t.test('a caller that leaves is known to the plugin, which sends unbuffered', { skip }, async (t) => {
  const host = await startHost();
  const plugin = await go.plugin(host.url);
  for (const [nth, flags] of [[], ['-h2c']].entries()) {
    const holding = go.start([...as(host, plugin, ...flags), 'hold', serviceOf(plugin), '3']);
    t.equal((await holding.heard('number')).number, 1, 'the first message of an open stream');
    t.equal((await stateOf(plugin)).left, nth);
    await holding.end();
    await until(async () => (await stateOf(plugin)).left === nth + 1);
  }
});

t.test('watchers see a plugin die, and come back at another port', { skip }, async (t) => {
  const host = await startHost();
  const caller = await go.plugin(host.url, { SELF_ID: 'caller', SERVICES: 'other=1.0.0' });
  const watching = go.start([...as(host, caller), 'watch', 'echo']);
  const state = async (nth: number): Promise<Line['said']> => (await watching.heard('state', nth)).said;
  t.equal((await state(0))?.state, 'SERVICE_STATE_UNAVAILABLE', 'nobody is there yet');
  const first = await go.plugin(host.url, { SELF_ID: 'dies', PORT: String(await freePort()) });
  t.match(await state(1), {
    state: 'SERVICE_STATE_AVAILABLE',
    endpoint: { provider_id: first.runtimeId, endpoint_url: serviceOf(first) },
  });

  await first.end('SIGKILL');
  const refused = await go.run(...as(host, caller), 'echo', serviceOf(first), 'hello');
  t.match(refused, [{ event: 'error', code: 'unavailable' }]);
  t.equal((await state(2))?.state, 'SERVICE_STATE_UNAVAILABLE');
  t.match(await go.run(...as(host, caller), 'discover', 'echo'), [{ event: 'error', code: 'not_found' }]);

  const again = await go.plugin(host.url, { SELF_ID: 'dies', PORT: String(await freePort()) });
  t.not(again.port, first.port);
  t.match(await state(3), {
    state: 'SERVICE_STATE_AVAILABLE',
    endpoint: { provider_id: again.runtimeId },
  });
  for (const provider of [again.runtimeId, '-'])
    t.match(await go.run(...as(host, caller), 'echo', `/services/echo/${provider}`, 'hello'), [
      { event: 'echo', said: { by: 'dies' } },
    ]);
  const known = host.registry.plugins().filter(({ selfId }) => selfId === 'dies');
  t.strictSame(
    known.map(({ runtimeId }) => runtimeId),
    [again.runtimeId],
    'its stale entry is gone',
  );
});

t.test('health decides what is routed, and watchers are told', { skip }, async (t) => {
  const host = await startHost();
  const plugin = await go.plugin(host.url);
  const watching = go.start([...as(host, plugin), 'watch', 'echo']);
  t.equal((await watching.heard('state')).said?.state, 'SERVICE_STATE_AVAILABLE');
  const call = (): Promise<Response> =>
    fetch(`${host.url}${serviceOf(plugin)}/plain`, { headers: identityOf(plugin) });
  for (const [nth, health, status, state] of [
    [1, 'degraded', 200, 'SERVICE_STATE_DEGRADED'],
    [2, 'unhealthy', 503, 'SERVICE_STATE_UNAVAILABLE'],
    [3, 'healthy', 200, 'SERVICE_STATE_AVAILABLE'],
  ] as const) {
    t.equal(await beHealthy(plugin, health), 200);
    t.equal((await watching.heard('state', nth)).said?.state, state);
    const answer = await call();
    t.equal(answer.status, status, health);
    const text = await answer.text();
    if (status === 503) t.match(JSON.parse(text), { code: 'unavailable', message: /unhealthy/i });
    const discovered = await go.run(...as(host, plugin), 'discover', 'echo');
    t.equal(discovered[0]?.code, status === 503 ? 'not_found' : undefined, health);
  }
});

t.test('in the wrong order: who needs another is degraded until that one comes', { skip }, async (t) => {
  const host = await startHost();
  const needing = go.start(['plugin'], {
    ...{ HOST_URL: host.url, HOSTNAME: '127.0.0.1', SELF_ID: 'needing' },
    ...{ SERVICES: 'api=1.0.0', NEEDS: 'echo' },
  });
  await needing.heard('degraded');
  const view = (): object | undefined => host.registry.plugins().find(({ selfId }) => selfId === 'needing');
  t.match(view(), { health: 'degraded', unavailableDependencies: ['echo'], routable: true });
  await go.plugin(host.url);
  await needing.heard('healthy');
  t.match(view(), { health: 'healthy', unavailableDependencies: [] });
});

t.test('a plugin starts before its host, and registers before it listens', { skip }, async (t) => {
  const first = await startTestHost();
  await first.close();
  const early = go.start(['plugin'], {
    HOST_URL: first.url,
    HOSTNAME: '127.0.0.1',
    PORT: String(await freePort()),
  });
  const host = await startHost({ port: first.port });
  await early.heard('listening');
  const { runtime_id: runtimeId = '', runtime_token: token = '' } = await early.heard('identity');
  const [echoed] = await go.run(
    ...['client', '-host', host.url, '-id', runtimeId, '-token', token],
    ...['echo', `/services/echo/${runtimeId}`, 'hello'],
  );
  t.match(echoed, { event: 'echo', said: { text: 'hello' } });
});

t.test('lies about identity are refused', { skip }, async (t) => {
  const host = await startHost();
  const [victim, liar] = [
    await go.plugin(host.url, { SELF_ID: 'victim' }),
    await go.plugin(host.url, { SELF_ID: 'liar', SERVICES: 'other=1.0.0' }),
  ];
  const registration = (await victim.heard('registered')).registration_id ?? '';
  const commands: readonly string[][] = [
    ['register', 'echo', '1.0.0', `${PATH}/`, `base_url=${liar.url}`],
    ['unregister', registration],
    ['health', 'UNHEALTHY', 'a lie'],
    ['discover', 'echo'],
    ['watch', 'echo'],
    ['capability', 'logger'],
    ['echo', serviceOf(victim), 'hello'],
  ];
  const identities: Readonly<Record<string, readonly string[]>> = {
    'without a token': ['-id', victim.runtimeId],
    'with another one’s token': ['-id', victim.runtimeId, '-token', liar.token],
    'with a shorter token': ['-id', victim.runtimeId, '-token', victim.token.slice(0, -1)],
    'of nobody': ['-id', 'victim-0000', '-token', victim.token],
    'with a token alone': ['-token', victim.token],
  };
  for (const [who, identity] of Object.entries(identities))
    for (const command of commands)
      t.match(
        await go.run('client', '-host', host.url, ...identity, ...command),
        [{ event: 'error', code: 'unauthenticated' }],
        `${command[0]} ${who}`,
      );
  t.match(await go.run(...as(host, liar), 'unregister', registration), [
    { event: 'error', code: 'permission_denied' },
  ]);
  const status = await fetch(`${host.url}${serviceOf(victim)}/plain`);
  t.equal(status.status, 401);
  t.match(await status.json(), { code: 'unauthenticated' });
  t.match(await go.run(...as(host, liar), 'echo', serviceOf(victim), 'hello'), [{ said: { by: 'victim' } }]);
  for (const [flags, code] of [
    [['-cookie-value', 'wrong'], 'invalid_argument'],
    [['-cookie-key', 'WRONG'], 'invalid_argument'],
    [['-core', '2'], 'invalid_argument'],
    [['-app', '7'], 'failed_precondition'],
  ] as const)
    t.match(await go.run('client', '-host', host.url, ...flags, 'handshake'), [{ event: 'error', code }]);
  t.match(
    await go.run(...as(host, liar), 'register', 'other', '1.0.0', '/p/', 'base_url=http://192.0.2.1:80'),
    [{ event: 'error', code: /invalid_argument|permission_denied/ }],
  );
});

t.test('the host restarts: with its file nobody needs to shake hands again', { skip }, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'xi-interop-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const stateFile = join(folder, 'plugins.json');
  const first = await startTestHost({ stateFile });
  const plugin = await go.plugin(first.url);
  await first.close();
  const host = await startHost({ stateFile, port: first.port });
  t.match(await go.run(...as(host, plugin), 'discover', 'echo'), [
    { said: { endpoint: { endpoint_url: serviceOf(plugin) } } },
  ]);
  t.match(await go.run(...as(host, plugin), 'echo', serviceOf(plugin), 'hello'), [
    { said: { text: 'hello' } },
  ]);
});

t.test('a thousand Go plugins come at once', { skip }, async (t) => {
  const host = await startHost();
  t.match(await go.run('enroll', '-host', host.url), [{ event: 'enrolled', calls: 1000 }]);
  const plugin = await go.plugin(host.url);
  t.match(await go.run(...as(host, plugin), 'discover', 'bulk-999'), [
    { said: { endpoint: { version: '1.0.0' }, single_provider: true } },
  ]);
  await eventually(
    () => host.registry.plugins().length,
    (count) => count === 1001,
    { what: 'all are known' },
  );
});
