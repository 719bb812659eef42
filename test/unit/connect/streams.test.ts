import t from 'tap';
import { connect as openSession } from 'node:http2';
import { gunzipSync, gzipSync } from 'node:zlib';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { ConnectError } from '../../../connect/index.js';
import type { StreamImplementation } from '../../../connect/index.js';
import type { ServiceState } from '../../../proto/gen/connectplugin/v1/plugin_pb.js';
import {
  WatchServiceEventSchema,
  WatchServiceRequestSchema,
} from '../../../proto/gen/connectplugin/v1/plugin_pb.js';
import { until } from '../../helpers/eventually.js';
import type { Got, Sent, WATCH } from './fixtures/served.js';
import {
  WATCH_PATH,
  enveloped,
  envelopes,
  http1,
  http2,
  json,
  serve,
  watch,
  wire,
} from './fixtures/served.js';

const JSON_TYPE = { 'content-type': 'application/connect+json' };
const PROTO_TYPE = { 'content-type': 'application/connect+proto' };
const LIMIT = 64 * 1024;

/** Three events of the type that it was asked for; some types stand for what can go wrong. */
const three: StreamImplementation<typeof WATCH> = async function* ({ serviceType }) {
  if (serviceType === 'denied') throw new ConnectError('permission_denied', 'not yours');
  for (let state = 1; state <= 3; state++) {
    yield { serviceType, state: state as ServiceState };
    if (serviceType === 'failing') throw new ConnectError('aborted', 'enough');
    if (serviceType === 'broken') throw new Error('the password is 1234');
  }
};

const ask = (serviceType: string) => enveloped(0, JSON.stringify({ serviceType }));
const last = (got: Got) => {
  const all = envelopes(got.body);
  const end = all.pop();
  return { flags: end?.flags, end: json(end?.bytes ?? Buffer.from('{}')), messages: all };
};

for (const [version, speak] of Object.entries({ http1, http2 })) {
  const call = (port: number, sent: Sent) => speak(port, { path: WATCH_PATH, headers: JSON_TYPE, ...sent });

  t.test(`${version}: messages and an end, in the encoding of the call`, async (t) => {
    const { port } = await serve(t, [watch(three)]);
    const text = await call(port, { body: ask('a') });
    t.equal(text.status, 200);
    t.equal(text.headers['content-type'], 'application/connect+json');
    const { flags, end, messages } = last(text);
    t.same([flags, end], [2, {}]);
    t.same(
      messages.map(({ bytes }) => json(bytes).state),
      ['SERVICE_STATE_AVAILABLE', 'SERVICE_STATE_UNAVAILABLE', 'SERVICE_STATE_DEGRADED'],
    );
    const message = toBinary(
      WatchServiceRequestSchema,
      create(WatchServiceRequestSchema, { serviceType: 'b' }),
    );
    const binary = await call(port, { headers: PROTO_TYPE, body: enveloped(0, Buffer.from(message)) });
    t.equal(binary.headers['content-type'], 'application/connect+proto');
    const events = last(binary).messages.map(({ bytes }) => fromBinary(WatchServiceEventSchema, bytes));
    t.same(events.map(({ serviceType, state }) => [serviceType, state]), [['b', 1], ['b', 2], ['b', 3]]); // prettier-ignore
    t.same(last(binary).end, {});
  });

  t.test(`${version}: each error is the stream's last message`, async (t) => {
    const { port, errors } = await serve(t, [watch(three)], { maxBytes: LIMIT });
    type Row = [what: string, sent: Sent, code: string, text: RegExp];
    const gzip = { ...JSON_TYPE, 'connect-content-encoding': 'gzip' };
    // prettier-ignore
    const rows: Row[] = [
      ['version 2', { headers: { ...JSON_TYPE, 'connect-protocol-version': '2' }, body: ask('a') }, 'invalid_argument', /"2"/],
      ['a timeout of letters', { headers: { ...JSON_TYPE, 'connect-timeout-ms': 'x' }, body: ask('a') }, 'invalid_argument', /"x"/],
      ['an unknown compression', { headers: { ...JSON_TYPE, 'connect-content-encoding': 'br' }, body: ask('a') }, 'unimplemented', /"br"/],
      ['no message', {}, 'unimplemented', /no message/],
      ['two messages', { body: Buffer.concat([ask('a'), ask('b')]) }, 'unimplemented', /2 messages/],
      ['no envelope', { body: '{}' }, 'invalid_argument', /not whole/],
      ['half an envelope', { body: ask('a').subarray(0, 9) }, 'invalid_argument', /not whole/],
      ['one and a half', { body: Buffer.concat([ask('a'), ask('b').subarray(0, 9)]) }, 'invalid_argument', /not whole/],
      ['a text as a prefix', { body: '{"serviceType":"a"}' }, 'resource_exhausted', /announced/],
      ['more announced than taken', { body: Buffer.from([0, 255, 255, 255, 255]) }, 'resource_exhausted', /4294967295/],
      ['too much', { body: Buffer.alloc(LIMIT * 3) }, 'resource_exhausted', /65541/],
      ['unknown flags', { body: enveloped(4, '{}') }, 'invalid_argument', /flags are 4/],
      ['an end', { body: enveloped(2, '{}') }, 'invalid_argument', /flags are 2/],
      ['compressed, and not said how', { body: enveloped(1, gzipSync('{}')) }, 'internal', /Connect-Content-Encoding/],
      ['no gzip', { headers: gzip, body: enveloped(1, '{}') }, 'invalid_argument', /no gzip/],
      ['a gzip of too much', { headers: gzip, body: enveloped(1, gzipSync(Buffer.alloc(LIMIT + 1))) }, 'resource_exhausted', /65536/],
      ['no JSON', { body: enveloped(0, '{') }, 'invalid_argument', /WatchServiceRequest/],
      ['no binary message', { headers: PROTO_TYPE, body: enveloped(0, '\n\x7f') }, 'invalid_argument', /binary/],
      ['what is thrown first', { body: ask('denied') }, 'permission_denied', /^not yours$/],
    ];
    for (const [what, sent, code, text] of rows) {
      const got = await call(port, sent);
      t.equal(got.status, 200, what);
      t.match(got.headers['content-type'], /^application\/connect\+/, what);
      const { flags, end, messages } = last(got);
      t.same([flags, messages], [2, []], what);
      t.match(end, { error: { code, message: text } }, what);
    }
    t.same(errors, []);
  });

  t.test(
    `${version}: errors in the middle; what is no ConnectError is told to the server alone`,
    async (t) => {
      const { port, errors } = await serve(t, [watch(three)]);
      const failing = last(await call(port, { body: ask('failing') }));
      t.equal(failing.messages.length, 1);
      t.same(failing.end, { error: { code: 'aborted', message: 'enough' } });
      const broken = last(await call(port, { body: ask('broken') }));
      t.same(broken.end, { error: { code: 'internal', message: 'internal error' } });
      t.match(errors, [{ error: { message: /1234/ }, path: WATCH_PATH }]);
    },
  );

  t.test(`${version}: messages are compressed one by one, when the caller takes it`, async (t) => {
    const large = 'x'.repeat(3000);
    const { port } = await serve(t, [
      watch(async function* () {
        yield { serviceType: large };
        yield { serviceType: 'small' };
      }),
    ]);
    const headers = { ...JSON_TYPE, 'connect-content-encoding': 'gzip', 'connect-accept-encoding': 'gzip' };
    const got = await call(port, { headers, body: enveloped(1, gzipSync('{"serviceType":"a"}')) });
    t.equal(got.headers['connect-content-encoding'], 'gzip');
    const [first, second, ...others] = last(got).messages;
    t.equal(first?.flags, 1);
    t.same(json(gunzipSync(first?.bytes ?? '')), { serviceType: large });
    t.same([second?.flags, json(second?.bytes ?? Buffer.alloc(0))], [0, { serviceType: 'small' }]);
    t.same(others, []);
    const plain = await call(port, { body: ask('a') });
    t.equal(plain.headers['connect-content-encoding'], undefined);
    t.same(json(last(plain).messages[0]?.bytes ?? Buffer.alloc(0)), { serviceType: large });
  });

  t.test(`${version}: at its deadline a quiet stream ends`, async (t) => {
    const gates = gated();
    const { port, errors } = await serve(t, [watch(gates.quiet)]);
    const got = await call(port, { headers: { ...JSON_TYPE, 'connect-timeout-ms': '30' }, body: ask('a') });
    t.match(last(got).end, { error: { code: 'deadline_exceeded' } });
    t.match(gates.signals[0]?.reason, { code: 'deadline_exceeded' });
    await until(() => gates.ended() === 1);
    t.same(errors, []);
  });

  t.test(`${version}: when the server stops, streams end, and no new ones are opened`, async (t) => {
    const gates = gated();
    const stopping = new AbortController();
    const { port, close } = await serve(t, [watch(gates.quiet)], { stopping: stopping.signal });
    const open = [call(port, { body: ask('a') }), call(port, { body: ask('b') })];
    await until(() => gates.signals.length === 2);
    stopping.abort();
    for (const got of await Promise.all(open)) {
      const { messages, end } = last(got);
      t.equal(messages.length, 1);
      t.match(end, { error: { code: 'unavailable' } });
    }
    await until(() => gates.ended() === 2);
    t.match(last(await call(port, { body: ask('c') })).end, { error: { code: 'unavailable' } });
    await close();
  });
}

/** A stream of one message that then waits for its signal, and what became of its calls. */
function gated() {
  const signals: AbortSignal[] = [];
  let ended = 0;
  const quiet: StreamImplementation<typeof WATCH> = async function* ({ serviceType }, { signal }) {
    signals.push(signal);
    try {
      yield { serviceType };
      await new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('stopped'))));
    } finally {
      ended++;
    }
  };
  return { signals, ended: () => ended, quiet };
}

const head = (port: number) =>
  `POST ${WATCH_PATH} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nContent-Type: application/connect+json\r\n`;

t.test('a caller that leaves ends the stream, in both versions', async (t) => {
  const gates = gated();
  const { port, errors } = await serve(t, [watch(gates.quiet)]);
  const body = ask('a');
  const { socket, text } = wire(port, `${head(port)}Content-Length: ${body.length}\r\n\r\n`);
  socket.write(body);
  await until(() => text().includes('serviceType'));
  socket.destroy();
  await until(() => gates.ended() === 1);
  const session = openSession(`http://127.0.0.1:${port}`);
  const stream = session.request({ ':method': 'POST', ':path': WATCH_PATH, ...JSON_TYPE });
  stream.end(body);
  await until(() => gates.signals.length === 2);
  stream.close(8);
  await until(() => gates.ended() === 2);
  for (const { reason } of gates.signals) t.match(reason, { code: 'canceled' });
  session.destroy();
  t.same(errors, []);
});

t.test('pipelined streams end with their connection, those behind the first one too', async (t) => {
  const gates = gated();
  const { port, errors } = await serve(t, [watch(gates.quiet)]);
  const body = ask('a');
  const one = `${head(port)}Content-Length: ${body.length}\r\n\r\n${body.toString('latin1')}`;
  const { socket } = wire(port, Buffer.from(one.repeat(20), 'latin1'));
  await until(() => gates.signals.length === 20);
  socket.destroy();
  await until(() => gates.ended() === 20);
  for (const { reason } of gates.signals) t.match(reason, { code: 'canceled' });
  t.same(errors, []);
});

t.test('a slow reader is waited for: no message is made before there is room for it', async (t) => {
  let made = 0;
  let ended = false;
  const { port } = await serve(t, [
    watch(async function* () {
      try {
        for (;;) {
          made++;
          yield { serviceType: 'x'.repeat(64 * 1024) };
        }
      } finally {
        ended = true;
      }
    }),
  ]);
  const body = ask('a');
  const { socket } = wire(port);
  socket.pause();
  socket.write(`${head(port)}Content-Length: ${body.length}\r\n\r\n`);
  socket.write(body);
  let before = -1;
  await until(async () => {
    const stood = made > 0 && made === before;
    before = made;
    await new Promise((resolve) => setTimeout(resolve, 100));
    return stood;
  });
  const stood = made;
  t.ok(stood < 1000, `the stream stands at ${stood} messages`);
  socket.resume();
  await until(() => made > stood + 100);
  socket.destroy();
  await until(() => ended);
  t.pass('and ends when its reader leaves');
});

t.test('a request in chunks, as Go sends it, is answered while it is open', async (t) => {
  const { port } = await serve(t, [watch(three)]);
  const { socket, text } = wire(port, `${head(port)}Transfer-Encoding: chunked\r\n\r\n`);
  const body = ask('a');
  for (const piece of [body.subarray(0, 3), body.subarray(3, 12), body.subarray(12)]) {
    socket.write(`${piece.length.toString(16)}\r\n${piece.toString('latin1')}\r\n`, 'latin1');
  }
  socket.write('0\r\n\r\n');
  await until(() => text().includes('DEGRADED') && text().endsWith('0\r\n\r\n'));
  t.match(text(), /AVAILABLE[^]*UNAVAILABLE[^]*DEGRADED[^]*\{\}/);
  socket.destroy();
});
