/** Many calls at once on one connection of HTTP/2, which nobody reads: the others go on, and what is held stays small. */
import { connect as openSession } from 'node:http2';
import type { ClientHttp2Stream } from 'node:http2';
import { connect } from 'node:net';
import t from 'tap';
import { until } from '../../helpers/eventually.js';
import { call, h2cPlugin, http1Plugin, identityLines, startHost } from './router-ground.js';

const MANY = 300;
const BODY = Buffer.alloc(300_000);

t.test('many slow downloads of one HTTP/2 caller, and small calls beside them', async (t) => {
  const plugin = await http1Plugin(t, (request, response) =>
    response.end(request.url === '/s.v1.S/Small' ? 'small' : BODY),
  );
  const host = await startHost(t);
  host.provide('s', [plugin.url]);
  const session = openSession(`http://127.0.0.1:${host.port}`, { maxSessionMemory: 1_000 });
  session.on('error', () => undefined);
  t.teardown(() => session.destroy());
  let failed = 0;
  let answered = 0;
  const get = (method: string): ClientHttp2Stream =>
    session
      .request({ ':path': `/services/s/-/${method}`, ...host.identity })
      .on('response', () => (answered += 1))
      .on('error', () => (failed += 1));
  const slow = Array.from({ length: MANY }, () => get('Big').pause());
  await until(() => answered + failed === MANY);
  for (let i = 0; i < 10; i += 1) {
    const small = get('Small').resume();
    await new Promise((resolve) => small.on('close', resolve));
  }
  t.equal(failed, 0);
  let bytes = 0;
  for (const stream of slow) stream.on('data', (chunk: Buffer) => (bytes += chunk.length)).resume();
  await until(() => slow.every(({ closed }) => closed));
  t.equal(failed, 0);
  t.equal(bytes, MANY * BODY.length);
});

t.test('many uploads that an h2c plugin does not read, and small calls beside them', async (t) => {
  let uploads = 0;
  const plugin = await h2cPlugin(
    t,
    (request, response) => {
      if (request.url === '/s.v1.S/Small') return response.end('small');
      uploads += 1;
      return request.pause();
    },
    { maxSessionMemory: 1_000 },
  );
  const host = await startHost(t);
  host.provide('s', [plugin.url], { protocol: 'h2c' });
  const head = `POST /services/s/-/Up HTTP/1.1\r\nhost: x\r\ncontent-length: ${10 * BODY.length}\r\n`;
  for (let i = 0; i < MANY; i += 1) {
    const socket = connect({ host: '127.0.0.1', port: host.port });
    socket.on('error', () => undefined);
    t.teardown(() => socket.destroy());
    socket.write(`${head}${identityLines(host)}\r\n`);
    socket.write(BODY);
    await until(() => uploads === i + 1 || host.routed.length > 0);
  }
  for (let i = 0; i < 10; i += 1) t.equal((await call(host, '/services/s/-/Small')).status, 200);
  t.equal(host.router.inFlight(), MANY);
});
