import t from 'tap';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { execPath } from 'node:process';
import type { TLSSocket } from 'node:tls';
import type { ServerResponse } from 'node:http';
import type { Test } from 'tap';
import {
  KubeError,
  PODS,
  inClusterConnection,
  kubeconfigConnection,
  plainConnection,
} from '../../../kube/index.js';
import type { Connection, Credentials, KubeconfigOptions } from '../../../kube/index.js';
import { bypassesProxy } from '../../../kube/proxy.js';
import { CA, CLIENT_ONE, CLIENT_TWO, OTHER_SERVER, SERVER } from './fixtures/certificates.js';
import { startHttpProxy, startSocksProxy } from './fixtures/proxies.js';
import { freePort } from '../../helpers/free-port.js';
import { json, kubeFor, startHttp, status } from './fixtures/servers.js';
import { until } from '../../helpers/eventually.js';
import type { Seen } from './fixtures/servers.js';

const TLS = { ...SERVER, ca: CA };
const MUTUAL = { ...TLS, requestCert: true, rejectUnauthorized: true };
const base64 = (text: string) => Buffer.from(text).toString('base64');
const ok = (_: Seen, answer: ServerResponse) => json(answer, 200, { gitVersion: 'v1' });
const clientName = (seen: Seen) => (seen.request.socket as TLSSocket).getPeerCertificate().subject?.CN;

const failure = async (call: Promise<unknown>): Promise<KubeError> => {
  const error: unknown = await call.then(
    () => new Error('it succeeded'),
    (cause: unknown) => cause,
  );
  if (error instanceof KubeError) return error;
  throw error;
};

const secure = (
  url: string,
  credentials: Credentials = { ca: CA },
  more: Partial<Connection> = {},
): Connection => ({
  how: 'kubeconfig',
  url,
  credentials: { get: () => credentials, renew: () => {} },
  ...more,
});

/** Writes files below a folder of the test's own and answers the folder. */
const folderWith = async (t: Test, files: Record<string, string>) => {
  const folder = t.testdir();
  await write(folder, files);
  return folder;
};
const write = async (folder: string, files: Record<string, string>) => {
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    // As the kubelet does it: a file is there whole or not at all.
    await writeFile(join(folder, `${name}.new`), text, { mode: 0o755 });
    await rename(join(folder, `${name}.new`), join(folder, name));
  }
};

/** A kubeconfig with one of each, as JSON, which is YAML. */
const kubeconfig = (cluster: object, user: object, context: object = {}) =>
  JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'main',
    clusters: [{ name: 'c', cluster }],
    users: [{ name: 'u', user }],
    contexts: [{ name: 'main', context: { cluster: 'c', user: 'u', ...context } }],
  });

const load = async (t: Test, cluster: object, user: object, options: Partial<KubeconfigOptions> = {}) => {
  const folder = await folderWith(t, { config: kubeconfig(cluster, user) });
  return kubeconfigConnection({ paths: [join(folder, 'config')], ...options });
};

t.test('TLS: authorities, names and client certificates', async (t) => {
  const server = await startHttp(t, ok, { tls: TLS });
  t.match(await kubeFor(t, secure(server.url)).version(), { gitVersion: 'v1' });

  const unknown = await failure(kubeFor(t, secure(server.url, {})).version());
  t.match(unknown, { reason: 'unreachable', outcome: 'not_sent' });
  t.match(unknown.message, /certificate/);
  await kubeFor(t, secure(server.url, {}, { insecureSkipTlsVerify: true })).version();
  await kubeFor(t, secure(`https://localhost:${server.port}`)).version();

  const other = await startHttp(t, ok, { tls: { ...OTHER_SERVER, ca: CA } });
  const create = kubeFor(t, secure(other.url)).create(PODS, 'shop', {});
  t.match(await failure(create), { reason: 'unreachable', outcome: 'not_sent', message: /127\.0\.0\.1/ });
  t.equal(other.seen.length, 0);
  await kubeFor(t, secure(other.url, { ca: CA }, { tlsServerName: 'other.test' })).version();

  const mutual = await startHttp(t, ok, { tls: MUTUAL });
  await kubeFor(t, secure(mutual.url, { ca: CA, ...CLIENT_ONE })).version();
  t.equal(clientName(mutual.seen[0]!), 'client-one');
  t.match(await failure(kubeFor(t, secure(mutual.url)).version()), { reason: 'unreachable' });

  const plain = await startHttp(t, ok);
  const wrong = kubeFor(t, secure(plain.url.replace('http:', 'https:'))).create(PODS, 'shop', {});
  t.match(await failure(wrong), { reason: 'unreachable', outcome: 'not_sent' }, 'TLS to a server without it');
});

t.test('in a cluster', async (t) => {
  let good = 'Bearer first';
  const server = await startHttp(
    t,
    (seen, answer) =>
      seen.headers.authorization === good
        ? ok(seen, answer)
        : json(answer, 401, status(401, 'Unauthorized', 'who?')),
    { tls: TLS },
  );
  const folder = await folderWith(t, { token: 'first\n', 'ca.crt': CA });
  const options = { host: '127.0.0.1', port: server.port, directory: folder };
  const connection = await inClusterConnection(options);
  t.match(connection, { how: 'in-cluster', url: server.url });
  const kube = kubeFor(t, connection);
  t.match(kube.cluster, { how: 'in-cluster', url: server.url });
  await kube.version();

  good = 'Bearer second';
  await write(folder, { token: 'second' });
  await kube.create(PODS, 'shop', {});
  t.strictSame(
    server.seen.slice(1).map(({ method, headers }) => `${method} ${headers.authorization}`),
    ['POST Bearer first', 'POST Bearer second'],
    'a 401 reads the token again and sends once more, for changes too',
  );

  good = 'Bearer nobody has it';
  const before = server.seen.length;
  t.match(await failure(kube.version()), { reason: 'status', code: 401, outcome: 'refused' });
  t.equal(server.seen.length, before + 1, 'the same token is not sent again');

  const quick = kubeFor(t, await inClusterConnection({ ...options, rereadMs: 1 }));
  good = 'Bearer third';
  await write(folder, { token: 'third' });
  await new Promise((resolve) => setTimeout(resolve, 10));
  const calls = server.seen.length;
  await quick.version();
  t.equal(server.seen.length, calls + 1, 'a file past its age is read without a 401');
  await rm(join(folder, 'token'));
  await new Promise((resolve) => setTimeout(resolve, 10));
  await quick.version();

  const missing = await failure(inClusterConnection(options));
  t.match(missing, { reason: 'unreachable', outcome: 'not_sent' });
  t.match(missing.message, join(folder, 'token'));
  t.match(missing.message, 'does not exist');
  await write(folder, { token: '\n' });
  t.match((await failure(inClusterConnection(options))).message, 'is empty');
  t.match(
    await inClusterConnection({
      ...options,
      host: 'fd00::1',
      directory: await folderWith(t, { token: 'x', 'ca.crt': CA }),
    }),
    {
      url: `https://[fd00::1]:${server.port}`,
      namespace: undefined,
    },
  );
});

t.test('kubeconfig: who we are', async (t) => {
  const server = await startHttp(t, ok, { tls: { ...MUTUAL, rejectUnauthorized: false } });
  const folder = await folderWith(t, {
    'pki/ca.pem': CA,
    'pki/one.pem': CLIENT_ONE.cert,
    'pki/one.key': CLIENT_ONE.key,
    'secrets/token': 'from-a-file\n',
  });
  const data = { server: server.url, 'certificate-authority-data': base64(CA) };
  const cases: { cluster: object; user: object; headers?: object; client?: string }[] = [
    { cluster: data, user: {} },
    { cluster: { server: `${server.url}/`, 'certificate-authority': 'pki/ca.pem' }, user: {} },
    { cluster: { server: server.url, 'insecure-skip-tls-verify': true }, user: {} },
    { cluster: { ...data, 'tls-server-name': 'localhost' }, user: {} },
    { cluster: data, user: { token: 'abc' }, headers: { authorization: 'Bearer abc' } },
    {
      cluster: data,
      user: { token: 'abc', tokenFile: 'secrets/token' },
      headers: { authorization: 'Bearer from-a-file' },
    },
    {
      cluster: data,
      user: { username: 'me', password: 'pä:ss' },
      headers: { authorization: `Basic ${base64('me:pä:ss')}` },
    },
    {
      cluster: data,
      user: { 'client-certificate-data': base64(CLIENT_TWO.cert), 'client-key-data': base64(CLIENT_TWO.key) },
      client: 'client-two',
    },
    {
      cluster: data,
      user: { 'client-certificate': 'pki/one.pem', 'client-key': join(folder, 'pki/one.key') },
      client: 'client-one',
    },
    {
      cluster: data,
      user: { token: 'abc', as: 'jane', 'as-groups': ['dev', 'ops'] },
      headers: { 'impersonate-user': 'jane', 'impersonate-group': 'dev, ops' },
    },
  ];
  for (const { cluster, user, headers = {}, client } of cases) {
    await write(folder, { config: kubeconfig(cluster, user, { namespace: 'shop' }) });
    const connection = await kubeconfigConnection({ paths: [join(folder, 'config')] });
    t.match(connection, { how: 'kubeconfig', url: server.url, context: 'main', namespace: 'shop' });
    await kubeFor(t, connection).version();
    t.match(server.seen.at(-1)?.headers, headers, JSON.stringify(user).slice(0, 80));
    t.equal(clientName(server.seen.at(-1)!), client);
  }
});

t.test('kubeconfig: several files, and what can be wrong with them', async (t) => {
  const folder = await folderWith(t, {
    yaml: 'apiVersion: v1\nkind: Config\ncurrent-context: dev\nclusters:\n- name: c\n  cluster: {server: "http://127.0.0.1:1/"}\ncontexts:\n- name: dev\n  context: {cluster: c, user: ghost}\n- name: anonymous\n  context: {cluster: c}\n- name: nowhere\n  context: {cluster: x}\n',
    more: kubeconfig({ server: 'http://127.0.0.1:2' }, { token: 'x' }),
    noserver: kubeconfig({ server: '127.0.0.1:6443' }, {}),
    legacy: kubeconfig({ server: 'http://127.0.0.1:2' }, { 'auth-provider': { name: 'gcp' } }),
    notoken: kubeconfig({ server: 'http://127.0.0.1:2' }, { tokenFile: 'absent-token' }),
    nocurrent: JSON.stringify({
      contexts: [
        { name: 'a', context: {} },
        { name: 'b', context: {} },
      ],
    }),
    broken: 'a: [',
    empty: '',
  });
  const at = (...names: string[]) => names.map((name) => join(folder, name));

  t.match(
    await kubeconfigConnection({ paths: at('absent', 'yaml', 'more'), context: 'main' }),
    {
      url: 'http://127.0.0.1:1',
      context: 'main',
    },
    'of two clusters with one name the first counts, and absent files are passed over',
  );
  t.match(await kubeconfigConnection({ paths: at('more', 'yaml') }), {
    url: 'http://127.0.0.1:2',
    context: 'main',
  });
  t.match(await kubeconfigConnection({ paths: at('yaml'), context: 'anonymous' }), { context: 'anonymous' });

  const wrong: [paths: string[], context: string | undefined, ...texts: string[]][] = [
    [at('absent', 'gone'), undefined, 'There is no kubeconfig', join(folder, 'absent'), join(folder, 'gone')],
    [[], undefined, 'none was given'],
    [at('yaml'), 'prod', 'no context "prod"', '"dev", "anonymous", "nowhere"'],
    [at('yaml'), undefined, 'the user "ghost"'],
    [at('yaml'), 'nowhere', 'the cluster "x"', '"c"'],
    [at('noserver'), undefined, '"127.0.0.1:6443"', 'http'],
    [at('legacy'), undefined, '"gcp"', 'exec plugin'],
    [at('notoken'), undefined, join(folder, 'absent-token'), 'does not exist'],
    [at('nocurrent'), undefined, 'no current-context', '"a", "b"'],
    [at('broken'), undefined, 'is not YAML'],
    [at('empty'), undefined, 'is empty'],
    [[folder], undefined, 'cannot be read'],
  ];
  for (const [paths, context, ...texts] of wrong) {
    const error = await failure(kubeconfigConnection({ paths, context }));
    t.match(error, { reason: 'unreachable', outcome: 'not_sent' });
    for (const text of texts) t.ok(error.message.includes(text), `${error.message} (${text})`);
  }
});

/** A plugin in a file of its own, which counts its runs and prints what `answer` holds. */
const PLUGIN = `#!${execPath}
const fs = require('node:fs');
const at = (name) => __dirname + '/' + name;
fs.appendFileSync(at('runs'), 'x');
fs.writeFileSync(at('info'), JSON.stringify({ env: process.env, args: process.argv.slice(2) }));
process.stdout.write(fs.readFileSync(at('answer'), 'utf8'));
`;

t.test('exec credential plugins', async (t) => {
  let good: string | undefined;
  const server = await startHttp(
    t,
    (seen, answer) =>
      good === undefined || seen.headers.authorization === good
        ? ok(seen, answer)
        : json(answer, 401, status(401, 'Unauthorized', 'who?')),
    { tls: { ...MUTUAL, rejectUnauthorized: false } },
  );
  const cluster = { server: server.url, 'certificate-authority-data': base64(CA) };
  const apiVersion = 'client.authentication.k8s.io/v1';
  const answer = (answered: object) =>
    JSON.stringify({ apiVersion, kind: 'ExecCredential', status: answered });
  const inMinutes = (minutes: number) => new Date(Date.now() + minutes * 60_000).toISOString();

  const folder = await folderWith(t, {
    'bin/plugin.cjs': PLUGIN,
    'bin/answer': answer({ token: 'one', expirationTimestamp: inMinutes(10) }),
    'bin/runs': '',
    config: kubeconfig(cluster, {
      exec: {
        apiVersion,
        command: './bin/plugin.cjs',
        args: ['get', 'token'],
        env: [{ name: 'REGION', value: 'north' }],
        provideClusterInfo: true,
        installHint: 'Install it with care.',
      },
    }),
  });
  const runs = async () => (await readFile(join(folder, 'bin/runs'), 'utf8')).length;
  const options = { paths: [join(folder, 'config')], env: { HOME: '/nowhere' } };
  const kube = kubeFor(t, await kubeconfigConnection(options));
  await Promise.all([kube.version(), kube.version(), kube.version()]);
  await kube.version();
  t.equal(server.seen.at(-1)?.headers.authorization, 'Bearer one');
  t.equal(await runs(), 1, 'its answer is kept');

  const { env, args } = JSON.parse(await readFile(join(folder, 'bin/info'), 'utf8')) as {
    env: Record<string, string>;
    args: string[];
  };
  t.match(env, { HOME: '/nowhere', REGION: 'north' });
  t.equal(env['PATH'], undefined, 'only the given environment reaches it');
  t.strictSame(args, ['get', 'token']);
  t.match(JSON.parse(env['KUBERNETES_EXEC_INFO'] ?? ''), {
    apiVersion,
    kind: 'ExecCredential',
    spec: { interactive: false, cluster: { server: server.url, 'certificate-authority-data': base64(CA) } },
  });

  good = 'Bearer two';
  await write(folder, { 'bin/answer': answer({ token: 'two', expirationTimestamp: inMinutes(-1) }) });
  await kube.version();
  t.equal(await runs(), 2, 'a 401 runs it again');
  await kube.version();
  t.equal(await runs(), 3, 'and so does an answer that has expired');

  good = undefined;
  await write(folder, {
    'bin/answer': answer({
      clientCertificateData: CLIENT_ONE.cert,
      clientKeyData: CLIENT_ONE.key,
      expirationTimestamp: inMinutes(-1),
    }),
  });
  await kube.version();
  t.equal(clientName(server.seen.at(-1)!), 'client-one');
  t.equal(server.seen.at(-1)?.headers.authorization, undefined);

  const wrong: [answer: string, text: RegExp][] = [
    ['nothing', /printed no JSON/],
    [answer({}), /neither a token nor a certificate/],
    [JSON.stringify({ apiVersion: 'v7', kind: 'ExecCredential' }), /v7 ExecCredential instead of/],
  ];
  for (const [text, expected] of wrong) {
    await write(folder, { 'bin/answer': text });
    t.match(await failure(kube.version()), { reason: 'unreachable', outcome: 'not_sent', message: expected });
  }
  await rm(join(folder, 'bin/answer'));
  const failed = await failure(kubeconfigConnection(options));
  t.match(failed.message, /bin\/plugin.cjs failed: exit code 1:.*ENOENT/s);
  t.match(failed.message, 'Install it with care.');
  await rm(join(folder, 'bin/plugin.cjs'));
  t.match((await failure(kubeconfigConnection(options))).message, /is not installed/);
  await t.rejects(
    load(t, cluster, { exec: { command: 'x', interactiveMode: 'Always' } }),
    /wants a terminal/,
  );
  await t.rejects(load(t, cluster, { exec: {} }), /without a command/);
});

t.test('certificates that rotate lead to new connections and end no call', async (t) => {
  const held: ServerResponse[] = [];
  const server = await startHttp(
    t,
    (seen, answer) => {
      if (seen.query['watch']) held.push(answer.writeHead(200) && answer);
      else if (seen.path.endsWith('/slow')) held.push(answer);
      else ok(seen, answer);
    },
    { tls: MUTUAL },
  );
  const folder = await folderWith(t, {
    cert: CLIENT_ONE.cert,
    key: CLIENT_ONE.key,
    config: kubeconfig(
      { server: server.url, 'certificate-authority-data': base64(CA) },
      { 'client-certificate': 'cert', 'client-key': 'key' },
    ),
  });
  const kube = kubeFor(t, await kubeconfigConnection({ paths: [join(folder, 'config')], rereadMs: 1 }));
  const events = kube.watch(PODS, 'shop');
  const event = events.next();
  const slow = kube.get(PODS, { namespace: 'shop', name: 'slow' });
  await until(() => held.length === 2);

  await write(folder, { cert: CLIENT_TWO.cert, key: CLIENT_TWO.key });
  await new Promise((resolve) => setTimeout(resolve, 10));
  await kube.version();
  t.strictSame(server.seen.map(clientName), ['client-one', 'client-one', 'client-two']);
  for (const answer of held) {
    answer.end(`${JSON.stringify({ type: 'ADDED', object: { metadata: { name: 'late' } } })}\n`);
  }
  t.match(await event, { value: { object: { metadata: { name: 'late' } } } });
  t.match(await slow, { type: 'ADDED' });
  t.equal((await events.next()).done, true);
});

t.test('proxies', async (t) => {
  const target = await startHttp(t, ok, { tls: TLS });
  const plain = await startHttp(t, ok);
  const proxy = await startHttpProxy(t);
  const cluster = { server: target.url, 'certificate-authority-data': base64(CA) };

  const viaConfig = await load(
    t,
    { ...cluster, 'proxy-url': `http://me:p%40ss@127.0.0.1:${proxy.port}` },
    {},
  );
  await kubeFor(t, viaConfig).version();
  t.strictSame(proxy.asked, [`127.0.0.1:${target.port}`]);
  t.strictSame(proxy.logins, [`Basic ${base64('me:p@ss')}`]);

  const settings = { url: `http://127.0.0.1:${proxy.port}`, noProxy: ['example.com'] };
  await kubeFor(t, await load(t, cluster, {}, { proxy: settings })).version();
  await kubeFor(t, { ...plainConnection({ url: plain.url, how: 'kubeconfig' }), proxy: settings }).version();
  t.strictSame(proxy.asked.slice(1), [`127.0.0.1:${target.port}`, `127.0.0.1:${plain.port}`]);
  await kubeFor(
    t,
    await load(t, cluster, {}, { proxy: { ...settings, noProxy: ['127.0.0.0/8'] } }),
  ).version();
  t.equal(proxy.asked.length, 3, 'noProxy goes past it');

  for (const login of [false, true]) {
    const socks = await startSocksProxy(t, { login });
    const url = `socks5://${login ? 'me:secret@' : ''}127.0.0.1:${socks.port}`;
    await kubeFor(t, await load(t, { ...cluster, 'proxy-url': url }, {})).version();
    t.strictSame(socks.asked, [`127.0.0.1:${target.port}`]);
    t.strictSame(socks.logins, login ? ['me:secret'] : []);
  }

  const refusing = await startHttpProxy(t, () => 'HTTP/1.1 407 Log in\r\n\r\n');
  const rude = await startHttpProxy(t, () => '');
  const blocked = await startSocksProxy(t, { code: 2 });
  const deaf = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve) => deaf.listen(0, '127.0.0.1', resolve));
  t.teardown(() => deaf.close());
  const closed = (deaf.address() as { port: number }).port;
  const wrong: [url: string, text: RegExp][] = [
    [`http://127.0.0.1:${refusing.port}`, /answered 407 Log in/],
    [`http://127.0.0.1:${rude.port}`, /The proxy http:/],
    [`http://127.0.0.1:${closed}`, /The proxy http:/],
    [`http://127.0.0.1:${await freePort()}`, /ECONNREFUSED/],
    [`socks5://127.0.0.1:${blocked.port}`, /not allowed by its rules/],
    [`socks5://127.0.0.1:${closed}`, /The proxy socks5:/],
    [`ftp://me:hidden@127.0.0.1:${closed}`, /no kind that is supported/],
  ];
  for (const [url, message] of wrong) {
    const connection = await load(t, { ...cluster, 'proxy-url': url }, {});
    const error = await failure(kubeFor(t, connection, { retries: 0 }).create(PODS, 'shop', {}));
    t.match(error, { reason: 'unreachable', outcome: 'not_sent', message });
    t.notMatch(error.message, 'hidden');
  }
  t.equal(target.seen.length, 6 - 1);
});

t.test('who is reached without a proxy', async (t) => {
  const cases: [rule: string, url: string, direct: boolean][] = [
    ['*', 'https://anything', true],
    ['example.com', 'https://example.com', true],
    ['example.com', 'https://api.EXAMPLE.com', true],
    ['.example.com', 'https://api.example.com', true],
    ['*.example.com', 'https://api.example.com', true],
    ['example.com', 'https://notexample.com', false],
    ['example.com:6443', 'https://example.com:6443', true],
    ['example.com:6443', 'https://example.com', false],
    ['example.com:443', 'https://example.com', true],
    ['10.0.0.1', 'https://10.0.0.1:6443', true],
    ['10.0.0.1', 'https://10.0.0.11', false],
    ['0.0.1', 'https://10.0.0.1', false],
    ['10.0.0.0/8', 'https://10.1.2.3', true],
    ['10.0.0.0/8', 'https://11.1.2.3', false],
    ['10.0.0.0/8', 'https://ten.example', false],
    ['10.0.0.0/99', 'https://10.0.0.1', false],
    ['fd00::/8', 'https://[fd12::1]:6443', true],
    ['fd12::1', 'https://[fd12::1]', true],
    ['', 'https://example.com', false],
  ];
  for (const [rule, url, direct] of cases) {
    t.equal(bypassesProxy(new URL(url), ['other.test', rule]), direct, `"${rule}" for ${url}`);
  }
});
