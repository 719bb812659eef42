/** How the WebSockets of streams are opened: TLS, client certificates, tokens that rotate, proxies, and what goes wrong. */
import { createServer as createHttp } from 'node:http';
import type { IncomingMessage, Server } from 'node:http';
import { createServer as createHttps } from 'node:https';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { PassThrough } from 'node:stream';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import t from 'tap';
import type { Test } from 'tap';
import { WebSocketServer } from 'ws';
import type { Connection, CredentialSource, Credentials, Kube } from '../../../kube/index.js';
import { CA, CLIENT_ONE, SERVER } from './fixtures/certificates.js';
import { startHttpProxy, startSocksProxy } from './fixtures/proxies.js';
import { freePort } from '../../helpers/free-port.js';
import { kubeFor, startTcp } from './fixtures/servers.js';

const AT = { namespace: 'shop', name: 'web' };

interface Fixture {
  url: string;
  port: number;
  seen: IncomingMessage[];
  /** The names in the certificates of the clients. */
  clients: string[];
}

/** A server whose commands all succeed, once `guard` lets their requests in. */
async function startServer(
  t: Test,
  { tls, guard }: { tls?: object; guard?: (request: IncomingMessage) => string | undefined } = {},
): Promise<Fixture> {
  const seen: IncomingMessage[] = [];
  const clients: string[] = [];
  const sockets = new WebSocketServer({ noServer: true });
  const server: Server = tls ? createHttps(tls) : createHttp();
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    seen.push(request);
    if (tls) clients.push(String((socket as TLSSocket).getPeerCertificate().subject?.CN));
    const refusal = guard?.(request);
    if (refusal !== undefined) return void socket.end(refusal);
    sockets.handleUpgrade(request, socket, head, (opened) => {
      opened.send(Buffer.from(`\x03${JSON.stringify({ status: 'Success' })}`));
      opened.close(1000);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return { url: `${tls ? 'https' : 'http'}://127.0.0.1:${port}`, port, seen, clients };
}

const source = (...all: Credentials[]): CredentialSource & { renewed: Credentials[] } => {
  const renewed: Credentials[] = [];
  let at = 0;
  return {
    renewed,
    get: () => all[at] ?? {},
    renew(used) {
      renewed.push(used);
      at = Math.min(at + 1, all.length - 1);
    },
  };
};

const to = (url: string, more: Partial<Connection> = {}): Connection => ({ url, how: 'kubeconfig', ...more });
const run = (kube: Kube, options = {}): Promise<number> =>
  kube.exec(AT, { command: ['true', 'a&b'] }, { stdout: new PassThrough() }, options);
const failure = (kube: Kube, options = {}): Promise<unknown> =>
  run(kube, options).then(
    () => 'it succeeded',
    (error: unknown) => error,
  );
const answer = (head: string, body = ''): string =>
  `HTTP/1.1 ${head}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\nconnection: close\r\n\r\n${body}`;

t.test('what is sent', async (t) => {
  const server = await startServer(t);
  const credentials = source({ authorization: 'Bearer x', headers: [['impersonate-user', 'me']] });
  const kube = kubeFor(t, to(`${server.url}/base/`, { credentials }), { userAgent: 'tester' });
  t.equal(await run(kube), 0);
  const [request] = server.seen as [IncomingMessage];
  t.equal(
    request.url,
    '/base/api/v1/namespaces/shop/pods/web/exec?tty=false&stdin=false&stdout=true&stderr=false&command=true&command=a%26b',
  );
  t.match(request.headers, {
    host: `127.0.0.1:${server.port}`,
    authorization: 'Bearer x',
    'impersonate-user': 'me',
    'user-agent': 'tester',
    'sec-websocket-protocol': 'v5.channel.k8s.io',
  });
});

t.test('TLS', async (t) => {
  const tls = { ...SERVER, ca: CA, requestCert: true, rejectUnauthorized: true };
  const server = await startServer(t, { tls });
  const kube = kubeFor(t, to(server.url, { credentials: source({ ca: CA, ...CLIENT_ONE }) }));
  t.equal(await run(kube), 0);
  t.same(server.clients, ['client-one']);
  t.match(await failure(kubeFor(t, to(server.url, { credentials: source(CLIENT_ONE) }))), {
    name: 'KubeError',
    reason: 'unreachable',
    outcome: 'not_sent',
    message: /certificate/,
  });
  t.match(await failure(kubeFor(t, to(server.url, { credentials: source({ ca: CA }) }))), {
    reason: 'unreachable',
    outcome: 'not_sent',
  });
});

t.test('a token that is no good any more is renewed, once', async (t) => {
  let good = 'Bearer two';
  const server = await startServer(t, {
    guard: ({ headers }) => (headers.authorization === good ? undefined : answer('401 Unauthorized', '{}')),
  });
  const credentials = source({ authorization: 'Bearer one' }, { authorization: 'Bearer two' });
  const kube = kubeFor(t, to(server.url, { credentials }));
  t.equal(await run(kube), 0);
  t.same(credentials.renewed, [{ authorization: 'Bearer one' }]);
  good = 'Bearer three';
  t.match(await failure(kube), { reason: 'status', code: 401 });
  t.equal(server.seen.length, 3, 'the same credentials are not tried again');
});

t.test('proxies', async (t) => {
  const server = await startServer(t, { tls: SERVER });
  const http = await startHttpProxy(t);
  const socks = await startSocksProxy(t, { login: true });
  const credentials = source({ ca: CA });
  for (const url of [`http://127.0.0.1:${http.port}`, `socks5://me:secret@127.0.0.1:${socks.port}`])
    t.equal(await run(kubeFor(t, to(server.url, { credentials, proxy: { url } }))), 0, url);
  t.same([http.asked, socks.asked], [[`127.0.0.1:${server.port}`], [`127.0.0.1:${server.port}`]]);
  const refusing = await startHttpProxy(t, () => 'HTTP/1.1 407 Log in\r\n\r\n');
  const proxy = { url: `http://127.0.0.1:${refusing.port}` };
  t.match(await failure(kubeFor(t, to(server.url, { credentials, proxy }))), {
    reason: 'unreachable',
    outcome: 'not_sent',
    message: /answered 407 Log in/,
  });
});

t.test('refusals and what is no answer', async (t) => {
  const forbidden = JSON.stringify({
    kind: 'Status',
    status: 'Failure',
    reason: 'Forbidden',
    message: 'pods "web" is forbidden: no',
    code: 403,
  });
  const cases: [string, object][] = [
    [
      answer('403 Forbidden', forbidden),
      {
        reason: 'status',
        outcome: 'refused',
        code: 403,
        status: { reason: 'Forbidden' },
        message: /forbidden: no/,
      },
    ],
    [
      answer('500 Oops', 'container not found'),
      { reason: 'status', code: 500, message: /container not found/ },
    ],
    [answer('429 Wait').replace('\r\n', '\r\nretry-after: 7\r\n'), { code: 429, retryAfterSeconds: 7 }],
    ['no HTTP', { reason: 'unreachable', outcome: 'not_sent' }],
    ['', { reason: 'unreachable', outcome: 'not_sent' }],
    [
      'HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: x\r\n\r\n',
      { reason: 'unreachable', message: /no subprotocol and not v5.channel.k8s.io/ },
    ],
    [
      'HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: x\r\nsec-websocket-protocol: v5.channel.k8s.io\r\n\r\n',
      { reason: 'unreachable', message: /Sec-WebSocket-Accept/ },
    ],
  ];
  for (const [text, error] of cases) {
    const server = await startTcp(t, { request: (socket) => socket.end(text) });
    const found = await failure(kubeFor(t, to(server.url)));
    t.match(found, { name: 'KubeError', ...error }, JSON.stringify(text.slice(0, 60)));
  }
  const nobody = kubeFor(t, to(`http://127.0.0.1:${await freePort()}`));
  t.match(await failure(nobody), { reason: 'unreachable', outcome: 'not_sent', message: /ECONNREFUSED/ });
});

t.test('deadlines, signals and closing before it is open', async (t) => {
  const silent = await startTcp(t, { request: () => undefined });
  const kube = kubeFor(t, to(silent.url));
  t.match(await failure(kube, { timeoutMs: 50 }), { reason: 'deadline', outcome: 'not_sent' });
  const abort = new AbortController();
  const aborted = failure(kube, { signal: abort.signal });
  setTimeout(() => abort.abort(), 20);
  t.match(await aborted, { reason: 'cancelled', outcome: 'not_sent' });
  const never: CredentialSource = { get: () => new Promise(() => undefined), renew: () => undefined };
  const waiting = kubeFor(t, to(silent.url, { credentials: never }));
  t.match(await failure(waiting, { timeoutMs: 50 }), { reason: 'deadline', outcome: 'not_sent' });
  const closed = failure(kube);
  setTimeout(() => void kube.close(), 20);
  t.match(await closed, { reason: 'cancelled', message: /client was closed/ });
});
