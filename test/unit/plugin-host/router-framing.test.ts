/** Bodies and answers whose framing could be understood in two ways, or not at all. */
import { connect as openSession } from 'node:http2';
import type { IncomingHttpHeaders } from 'node:http2';
import t from 'tap';
import type { Test } from 'tap';
import { call, http1Plugin, identityLines, rawCall, rawPlugin, startHost } from './router-ground.js';
import type { Host } from './router-ground.js';

/** A host, and the one plugin behind it, which answers everything with these bytes and closes nothing. */
async function answering(t: Test, text: string): Promise<Host> {
  const plugin = await rawPlugin(t, (socket) => socket.on('data', () => socket.write(text, 'latin1')));
  const host = await startHost(t);
  host.provide('s', [plugin.url]);
  return host;
}

const rawAnswer = (host: Host, enough: (text: string) => boolean) =>
  rawCall(
    host.port,
    `GET /services/s/-/M HTTP/1.1\r\nhost: x\r\nconnection: close\r\n${identityLines(host)}\r\n`,
    enough,
  );

async function http2Answer(t: Test, host: Host): Promise<{ headers: IncomingHttpHeaders; code: number }> {
  const session = openSession(`http://127.0.0.1:${host.port}`);
  t.teardown(() => session.destroy());
  const stream = session.request({ ':path': '/services/s/-/M', ...host.identity });
  let headers: IncomingHttpHeaders = {};
  stream.on('response', (received) => (headers = received));
  stream.on('error', () => undefined).resume();
  await new Promise((resolve) => stream.on('close', resolve));
  return { headers, code: stream.rstCode ?? -1 };
}

t.test('a length that comes twice, equal, goes on once', async (t) => {
  const host = await answering(t, 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\nContent-Length: 2\r\n\r\nok');
  const text = await rawAnswer(host, () => false);
  t.equal(text.match(/content-length/gi)?.length, 1);
  t.match(text, /\r\n\r\nok$/);
});

t.test('a 204 has no length, and a 304 may have one', async (t) => {
  const none = await answering(t, 'HTTP/1.1 204 No\r\ncontent-length: 2\r\n\r\n');
  t.notMatch(await rawAnswer(none, () => false), /content-length/i);
  t.match(await http2Answer(t, none), { headers: { ':status': 204 }, code: 0 });
  const same = await answering(t, 'HTTP/1.1 304 Same\r\ncontent-length: 20\r\n\r\n');
  t.match(await rawAnswer(same, () => false), /content-length: 20\r\n/i);
  t.match(await http2Answer(t, same), { headers: { ':status': 304 }, code: 0 });
});

t.test('lines that end by LF alone are refused at once, wherever they are', async (t) => {
  const chunked = 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n';
  for (const text of [
    'HTTP/1.1 200 OK\ncontent-length: 2\n\nok',
    'HTTP/1.1 200 OK\ncontent-length: 2\n\r\nok',
    'HTTP/1.1 200 OK\r\ncontent-length: 2\n\nok',
  ]) {
    const answer = await call(await answering(t, text), '/services/s/-/M');
    t.equal(answer.status, 502);
    t.match(answer.text, /LF alone/);
  }
  for (const text of [`${chunked}2\nok\n0\n\n`, `${chunked}2\r\nok\r\n0\r\nx: 1\n\n`]) {
    const host = await answering(t, text);
    await call(host, '/services/s/-/M').then(
      ({ status, complete }) => t.notOk(status === 200 && complete),
      () => t.pass('it was reset before its head was there'),
    );
    t.match(host.routed, [{ labels: { status: 502 } }]);
  }
});

t.test('an encoding of transfer that is not chunked is refused before anybody is asked', async (t) => {
  let asked = 0;
  const plugin = await http1Plugin(t, (_, response) => response.end(String((asked += 1))));
  const host = await startHost(t);
  host.provide('s', [plugin.url]);
  const send = (lines: string) =>
    rawCall(
      host.port,
      `POST /services/s/-/M HTTP/1.1\r\nhost: x\r\nconnection: close\r\n${lines}${identityLines(host)}\r\n2\r\n{}\r\n0\r\n\r\n`,
      () => false,
    );
  for (const lines of [
    'transfer-encoding: gzip, chunked\r\n',
    'transfer-encoding: gzip\r\ntransfer-encoding: chunked\r\n',
    'transfer-encoding: chunked, chunked\r\n',
    'transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n',
  ])
    t.match(await send(lines), /^HTTP\/1\.1 (501|400) /);
  t.match(await send('transfer-encoding: gzip, chunked\r\n'), /501 [^]*"unimplemented"/);
  t.equal(asked, 0);
  t.match(await send('Transfer-Encoding: Chunked\r\n'), /^HTTP\/1\.1 200 /);
});
