/** The example plugins, each as its program runs it, at a host of their own. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import type { Test } from 'tap';
import { runExample } from '../../../examples/programs/programs.js';
import type { Running } from '../../../examples/programs/programs.js';
import { CODE, codeOf } from '../../../examples/programs/url-shortener/codes.js';
import { eventually, until } from '../../helpers/eventually.js';
import { startTestHost } from './host.js';

interface Program {
  readonly url: string;
  readonly lines: string[];
  readonly running: Running;
}

type Environment = Record<string, string>;

async function run(t: Test, name: string, environment: Environment): Promise<Program> {
  const lines: string[] = [];
  const running = await runExample(name, { PORT: '0', ...environment }, (line) => void lines.push(line));
  if (running === undefined) throw new Error(`${name} ended`);
  t.teardown(() => running.close());
  const port = /listens on localhost:(\d+)/.exec(lines.join('\n'))?.[1];
  return { url: `http://127.0.0.1:${port}`, lines, running };
}

const ready = (...programs: Program[]): Promise<unknown> =>
  Promise.all(programs.map(({ url }) => until(async () => (await fetch(`${url}/ready`)).ok)));

async function shortener(t: Test, more: Environment = {}) {
  const host = await startTestHost();
  t.teardown(() => host.close());
  const environment = { HOST_URL: host.url, ...more };
  // In the order in which nothing is there yet.
  const api = await run(t, 'api', environment);
  const storage = await run(t, 'storage', environment);
  const logger = await run(t, 'logger', environment);
  await ready(logger, storage, api);
  return { host, api, storage, logger };
}

async function ask(
  url: string,
  init?: RequestInit,
): Promise<{ status: number; body: Record<string, string> }> {
  const answer = await fetch(url, init);
  return { status: answer.status, body: (await answer.json()) as Record<string, string> };
}

const post = (body: string, type = 'application/json'): RequestInit => ({
  method: 'POST',
  headers: { 'content-type': type },
  body,
});

t.test('shorten and resolve, as the page shows it', async (t) => {
  const { host, api, logger } = await shortener(t);
  const url = 'https://example.com';
  const shortened = await ask(`${api.url}/api.v1.API/Shorten?url=${url}`, { method: 'POST' });
  const code = shortened.body['short_code'] ?? '';
  t.same(shortened, { status: 200, body: { short_code: code, url } });
  t.match(code, CODE);
  t.same(await ask(`${api.url}/api.v1.API/Resolve?code=${code}`), { status: 200, body: { url } });
  t.same((await ask(`${api.url}/api.v1.API/Shorten?url=${url}`)).body['short_code'], code, 'the same again');
  t.ok(logger.lines.includes(`[LOG] STORE ${code} → ${url}`));
  t.ok(logger.lines.includes(`[LOG] GET ${code} → ${url}`));
  const routed = host.lines.filter((line) => line.startsWith('[ROUTER]')).slice(0, 4);
  const [who, store, log] = ['api-plugin-\\w{4}', 'storage-plugin-\\w{4}', 'logger-plugin-\\w{4}'];
  const expected = [
    `${who} → ${store} /Store \\(service: storage\\)`,
    `${store} → ${log} /Log \\(service: logger\\)`,
    `${store} → ${log} /Log 200 \\(duration: .+\\)`,
    `${who} → ${store} /Store 200 \\(duration: .+\\)`,
  ];
  expected.forEach((pattern, at) => t.match(routed[at], new RegExp(`^\\[ROUTER\\] ${pattern}$`)));
});

const LONG = 'https://x.example/?a=1&b=2&url=y#z';
const WHOLE: readonly [what: string, path: string, init: RequestInit | undefined, url: string][] = [
  ['JSON', '', post(JSON.stringify({ url: LONG })), LONG],
  [
    'a form',
    '',
    post(new URLSearchParams({ url: LONG }).toString(), 'application/x-www-form-urlencoded'),
    LONG,
  ],
  ['an encoded query', `?url=${encodeURIComponent(LONG)}`, undefined, LONG],
  ['an encoded query with more', `?url=${encodeURIComponent(LONG)}&c=d`, undefined, LONG],
  ['written plainly', '?url=https://x/?a=1&b=2', undefined, 'https://x/?a=1&b=2'],
  ['plainly, with what is encoded', '?url=https://x/?a=%26%20+', undefined, 'https://x/?a=%26%20+'],
  ['the body wins', '?url=https://a/?b=1&c=2', post('{"url":"https://b/"}'), 'https://b/'],
];

t.test('URLs survive whole', async (t) => {
  const { api } = await shortener(t);
  for (const [what, query, init, url] of WHOLE) {
    const { status, body } = await ask(`${api.url}/api.v1.API/Shorten${query}`, init);
    t.equal(status, 200, what);
    t.equal(body['url'], url, what);
    const resolved = await ask(`${api.url}/api.v1.API/Resolve`, post(`{"code":"${body['short_code']}"}`));
    t.same(resolved.body, { url }, what);
  }
});

const WRONG: readonly [path: string, status: number, code: string, message: RegExp][] = [
  ['Shorten', 400, 'invalid_argument', /the parameter url is missing/],
  ['Shorten?url=', 400, 'invalid_argument', /the parameter url is missing/],
  ['Shorten?url=example.com', 400, 'invalid_argument', /'example.com' is no http or https URL/],
  ['Shorten?url=javascript:alert(1)', 400, 'invalid_argument', /is no http or https URL/],
  ['Shorten?url=ftp://x/', 400, 'invalid_argument', /is no http or https URL/],
  ['Shorten?url=https%3A%2F%2Fx%2F%0Ay', 400, 'invalid_argument', /is no http or https URL/],
  [`Shorten?url=https://x/${'y'.repeat(9_000)}`, 400, 'invalid_argument', /more than 8192 characters/],
  ['Resolve', 400, 'invalid_argument', /the parameter code is missing/],
  ['Resolve?code=a/b', 400, 'invalid_argument', /'a\/b' is no code/],
  ['Resolve?code=nobody', 404, 'not_found', /there is no URL for the code nobody/],
];

t.test('what is wrong is said', async (t) => {
  const { api } = await shortener(t);
  for (const [path, status, code, message] of WRONG)
    t.match(
      await ask(`${api.url}/api.v1.API/${path}`),
      { status, body: { code, message } },
      path.slice(0, 40),
    );
});

t.test('the storage on its own', async (t) => {
  const { storage } = await shortener(t);
  const at = `${storage.url}/storage.v1.Storage`;
  const url = 'https://x/?a=1&b=2';
  t.match(await ask(`${at}/Store?code=abc&url=${url}`), { status: 200, body: { code: 'abc', url } });
  t.match(await ask(`${at}/Store?url=${url}&code=def`), { status: 200, body: { code: 'def', url } });
  t.match(await ask(`${at}/Store?code=abc&url=${url}`), { status: 200 }, 'the same once more');
  const taken = await ask(`${at}/Store`, post('{"code":"abc","url":"https://other/"}'));
  t.match(taken, {
    status: 409,
    body: { code: 'already_exists', message: /the code abc is that of another URL/ },
  });
  t.same((await ask(`${at}/Get?code=abc`)).body, { url }, 'nobody lost his');
});

t.test('the logger writes one line for a call', async (t) => {
  const { logger } = await shortener(t);
  await ask(
    `${logger.url}/logger.v1.Logger/Log`,
    post(JSON.stringify({ message: 'a\n[LOG] b\u2028\u0085\u001b[31m' })),
  );
  t.equal(logger.lines.at(-1), '[LOG] a\\n[LOG] b\\u2028\\u0085\\u001b[31m');
});

t.test('without the logger the storage is degraded, and works', async (t) => {
  const { logger, storage, api } = await shortener(t);
  await logger.running.close();
  const health = async (): Promise<string> => (await ask(`${storage.url}/health`)).body['reason'] ?? '';
  await eventually(health, (reason) => reason === 'nobody provides logger', { what: 'it names the logger' });
  t.match(await ask(`${api.url}/api.v1.API/Shorten?url=https://x/`), { status: 200 });
  t.match(storage.lines.join('\n'), /not logged: STORE \w+ → https:\/\/x\/: nobody provides logger/);
});

t.test('replicas share what they store', async (t) => {
  const folders = t.testdir({ a: {}, b: {}, c: {} });
  const peer = (folder: string, peers = ''): Environment => ({
    STATE_PEER: 'on',
    STATE_PATH: join(folders, folder),
    STATE_PORT: '0',
    POD_IP: '127.0.0.1',
    PEERS: peers,
  });
  const addressOf = ({ lines }: Program): string => /shared at (\S+)/.exec(lines.join('\n'))?.[1] ?? '';
  const a = await shortener(t, peer('a'));
  const b = await shortener(t, peer('b', `nobody.invalid:9081,${addressOf(a.storage)}`));
  const url = 'https://example.com/shared';
  const code = (await ask(`${a.api.url}/api.v1.API/Shorten?url=${url}`)).body['short_code'] ?? '';
  const resolved = (api: Program, of: string) => ask(`${api.url}/api.v1.API/Resolve?code=${of}`);
  await eventually(
    () => resolved(b.api, code),
    ({ status }) => status === 200,
    { what: 'it resolves there' },
  );
  t.same((await resolved(b.api, code)).body, { url });

  // Both give one code to different URLs at the same time: one of them gets it.
  const give = (of: Program, to: string) =>
    ask(`${of.url}/storage.v1.Storage/Store`, post(JSON.stringify({ code: 'same', url: to })));
  const answers = await Promise.all([give(a.storage, 'https://a/'), give(b.storage, 'https://b/')]);
  t.same(answers.map(({ status }) => status).sort(), [200, 409]);

  // One that ends has its URLs again when it is back, even alone.
  await a.storage.running.close();
  await b.storage.running.close();
  const back = await shortener(t, peer('a'));
  t.same((await resolved(back.api, code)).body, { url });
});

t.test('replicas that start at once and name one another are one store', async (t) => {
  const addresses = ['127.41.7.1', '127.41.7.2', '127.41.7.3'];
  const peers = addresses.map((address) => `${address}:9081`).join();
  const folders = t.testdir({ 0: {}, 1: {}, 2: {} });
  const shorteners = await Promise.all(
    addresses.map((address, at) =>
      shortener(t, {
        STATE_PEER: 'on',
        STATE_PATH: join(folders, String(at)),
        POD_IP: address,
        PEERS: peers,
      }),
    ),
  );
  for (const { api } of shorteners) {
    const { body } = await ask(
      `${api.url}/api.v1.API/Shorten?url=https://example.com/${new URL(api.url).port}`,
    );
    for (const other of shorteners) {
      const resolved = () => ask(`${other.api.url}/api.v1.API/Resolve?code=${body['short_code']}`);
      const found = await eventually(resolved, ({ status }) => status === 200, {
        what: 'it resolves everywhere',
      });
      t.same(found.body, { url: body['url'] });
    }
  }
});

t.test('a list of peers that is none', async (t) => {
  const STATE_PATH = join(t.testdir(), 'state');
  await mkdir(STATE_PATH);
  const environment = { STATE_PEER: 'on', STATE_PATH, STATE_PORT: '0', PEERS: 'nowhere' };
  await t.rejects(run(t, 'storage', environment), {
    message: "PEERS: 'nowhere' is no address; give host:port, separated by commas",
  });
});

t.test('codes', async (t) => {
  const codes = Array.from({ length: 10_000 }, (_, at) => codeOf(`https://example.com/${at}`, 0));
  t.equal(new Set(codes).size, codes.length);
  t.ok(codes.every((code) => /^[1-9A-HJ-NP-Za-km-z]{8}$/.test(code)));
  t.not(codeOf('https://a/', 0), codeOf('https://a/', 1));
});

t.test('the clock', async (t) => {
  const clock = await run(t, 'clock', {});
  const before = Date.now();
  const { body } = await ask(`${clock.url}/clock.v1.Clock/Now`, { method: 'POST' });
  t.ok(Date.parse(body['now'] ?? '') >= before);
});
