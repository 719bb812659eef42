import t from 'tap';
import { connect as openSession } from 'node:http2';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { gunzipSync, gzipSync } from 'node:zlib';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { ConnectError, createHandler } from '../../../connect/index.js';
import type { CallContext, UnaryImplementation } from '../../../connect/index.js';
import {
  DiscoverServiceRequestSchema,
  DiscoverServiceResponseSchema,
} from '../../../proto/gen/connectplugin/v1/plugin_pb.js';
import { until } from '../../helpers/eventually.js';
import type { Sent, DISCOVER } from './fixtures/served.js';
import {
  DISCOVER_PATH,
  WATCH_PATH,
  discover,
  frame,
  http1,
  http2,
  json,
  opened,
  serve,
  watch,
  wire,
} from './fixtures/served.js';

const JSON_TYPE = { 'content-type': 'application/json' };
const PROTO_TYPE = { 'content-type': 'application/proto' };
const LIMIT = 64 * 1024;

/** Answers with what it was asked; some service types stand for what can go wrong. */
const echo: UnaryImplementation<typeof DISCOVER> = ({ serviceType, minVersion }) => {
  if (serviceType === 'missing') throw new ConnectError('not_found', 'nobody provides "missing"');
  if (serviceType === 'later') return Promise.reject(new ConnectError('failed_precondition', 'not yet'));
  if (serviceType === 'broken') throw new Error('the password is 1234');
  if (serviceType === 'broken later') return Promise.reject(new Error('the password is 1234'));
  if (serviceType === 'detailed') {
    throw new ConnectError('aborted', 'see', { details: [{ type: 'a.B', value: 'AAE' }] });
  }
  const answer = { endpoint: { providerId: serviceType, version: minVersion }, singleProvider: true };
  return minVersion === 'promised' ? Promise.resolve(answer) : answer;
};
const never = watch(async function* () {});
const methods = [discover(echo), never];
const proto = (serviceType: string) =>
  Buffer.from(toBinary(DiscoverServiceRequestSchema, create(DiscoverServiceRequestSchema, { serviceType })));

for (const [version, speak] of Object.entries({ http1, http2 })) {
  t.test(`${version}: a call is answered in the encoding that it came in`, async (t) => {
    const { port } = await serve(t, methods);
    for (const minVersion of ['1.2.3', 'promised']) {
      const body = JSON.stringify({ serviceType: 'größe', minVersion });
      const got = await speak(port, { headers: JSON_TYPE, body });
      t.equal(got.status, 200);
      t.equal(got.headers['content-type'], 'application/json');
      t.equal(got.headers['content-length'], String(got.body.length));
      t.same(json(got.body), {
        endpoint: { providerId: 'größe', version: minVersion },
        singleProvider: true,
      });
    }
    const got = await speak(port, { headers: PROTO_TYPE, body: proto('größe') });
    t.equal(got.status, 200);
    t.equal(got.headers['content-type'], 'application/proto');
    t.equal(fromBinary(DiscoverServiceResponseSchema, got.body).endpoint?.providerId, 'größe');
  });

  t.test(`${version}: what is tolerated`, async (t) => {
    const { port } = await serve(t, methods);
    const body = JSON.stringify({ serviceType: 'a' });
    const good: Record<string, Sent> = {
      'a charset': { headers: { 'content-type': 'application/json; charset=UTF-8' }, body },
      'a quoted charset': { headers: { 'content-type': 'Application/JSON;charset="utf-8"' }, body },
      'fields that the message does not have': {
        headers: JSON_TYPE,
        body: '{"serviceType":"a","new":{"x":[1]}}',
      },
      'the names of the .proto file': { headers: JSON_TYPE, body: '{"service_type":"a"}' },
      'version 1': { headers: { ...JSON_TYPE, 'connect-protocol-version': '1' }, body },
      'a timeout': { headers: { ...JSON_TYPE, 'connect-timeout-ms': '9999999999' }, body },
      'no compression': { headers: { ...JSON_TYPE, 'content-encoding': 'identity' }, body },
      gzip: { headers: { ...JSON_TYPE, 'content-encoding': 'gzip' }, body: gzipSync(body) },
      'a query': { path: `${DISCOVER_PATH}?a=b`, headers: JSON_TYPE, body },
    };
    for (const [what, sent] of Object.entries(good)) {
      const got = await speak(port, sent);
      t.equal(got.status, 200, what);
      t.match(json(got.body), { endpoint: { providerId: 'a' } }, what);
    }
    const empty = await speak(port, { headers: PROTO_TYPE });
    t.equal(empty.status, 200, 'an empty binary message is a message');
    const unread = await speak(port, { headers: { ...PROTO_TYPE, 'content-encoding': 'gzip' } });
    t.equal(unread.status, 200, 'nothing needs no decompression');
  });

  t.test(`${version}: each bad input has its answer`, async (t) => {
    const { port, errors } = await serve(t, methods, { maxBytes: LIMIT });
    const body = '{"serviceType":"a"}';
    type Row = [what: string, sent: Sent, status: number, code: string, text: RegExp];
    // prettier-ignore
    const rows: Row[] = [
      ['GET', { method: 'GET' }, 405, 'unknown', /POST/],
      ['DELETE', { method: 'DELETE', headers: JSON_TYPE }, 405, 'unknown', /DELETE/],
      ['no content type', { body }, 415, 'unknown', /content type is none/],
      ['another content type', { headers: { 'content-type': 'text/plain' }, body }, 415, 'unknown', /text\/plain/],
      ["a name that JavaScript's objects have", { headers: { 'content-type': 'constructor' }, body }, 415, 'unknown', /constructor/],
      ['gRPC', { headers: { 'content-type': 'application/grpc' } }, 415, 'unknown', /application\/grpc/],
      ["a stream's type", { headers: { 'content-type': 'application/connect+json' } }, 415, 'unknown', /connect\+json/],
      ['a foreign charset', { headers: { 'content-type': 'application/json; charset=latin1' } }, 415, 'unknown', /latin1/],
      ['an unknown method', { path: '/connectplugin.v1.ServiceRegistry/Nope', headers: JSON_TYPE }, 404, 'unimplemented', /Nope/],
      ['no method', { path: '/connectplugin.v1.ServiceRegistry/', headers: JSON_TYPE }, 404, 'unimplemented', /no method/],
      ['version 2', { headers: { ...JSON_TYPE, 'connect-protocol-version': '2' }, body }, 400, 'invalid_argument', /"2"/],
      ['timeout of letters', { headers: { ...JSON_TYPE, 'connect-timeout-ms': 'soon' }, body }, 400, 'invalid_argument', /"soon"/],
      ['timeout below zero', { headers: { ...JSON_TYPE, 'connect-timeout-ms': '-1' }, body }, 400, 'invalid_argument', /"-1"/],
      ['timeout of 11 digits', { headers: { ...JSON_TYPE, 'connect-timeout-ms': '12345678901' }, body }, 400, 'invalid_argument', /ten digits/],
      ['an unknown compression', { headers: { ...JSON_TYPE, 'content-encoding': 'br' }, body }, 501, 'unimplemented', /"br".*gzip/],
      ['no gzip', { headers: { ...JSON_TYPE, 'content-encoding': 'gzip' }, body }, 400, 'invalid_argument', /no gzip/],
      ['half a gzip', { headers: { ...JSON_TYPE, 'content-encoding': 'gzip' }, body: gzipSync(body).subarray(0, 20) }, 400, 'invalid_argument', /no gzip/],
      ['a gzip of too much', { headers: { ...JSON_TYPE, 'content-encoding': 'gzip' }, body: gzipSync(Buffer.alloc(LIMIT + 1)) }, 429, 'resource_exhausted', /65536/],
      ['no JSON', { headers: JSON_TYPE, body: '{"serviceType":' }, 400, 'invalid_argument', /DiscoverServiceRequest/],
      ['nothing for JSON', { headers: JSON_TYPE }, 400, 'invalid_argument', /JSON/],
      ['a JSON list', { headers: JSON_TYPE, body: '[]' }, 400, 'invalid_argument', /JSON/],
      ['null', { headers: JSON_TYPE, body: 'null' }, 400, 'invalid_argument', /JSON/],
      ['a field twice', { headers: JSON_TYPE, body: '{"serviceType":"a","serviceType":"b"}' }, 400, 'invalid_argument', /JSON/],
      ['JSON that is too deep', { headers: JSON_TYPE, body: '['.repeat(60_000) }, 400, 'invalid_argument', /JSON/],
      ['a field of another type', { headers: JSON_TYPE, body: '{"serviceType":7}' }, 400, 'invalid_argument', /service_type/],
      ['no UTF-8', { headers: JSON_TYPE, body: Buffer.from('7b2261223a22ff227d', 'hex') }, 400, 'invalid_argument', /UTF-8/],
      ['no binary message', { headers: PROTO_TYPE, body: Buffer.from('0a7f61', 'hex') }, 400, 'invalid_argument', /binary/],
      ['binary with no UTF-8', { headers: PROTO_TYPE, body: Buffer.from('0a01ff', 'hex') }, 400, 'invalid_argument', /binary/],
      ['too much', { headers: JSON_TYPE, body: Buffer.alloc(LIMIT + 1, 32) }, 429, 'resource_exhausted', /65537.*65536/],
      ['far too much', { headers: JSON_TYPE, body: Buffer.alloc(LIMIT * 40, 32) }, 429, 'resource_exhausted', /65536/],
      ['what the implementation throws', { headers: JSON_TYPE, body: '{"serviceType":"missing"}' }, 404, 'not_found', /^nobody provides "missing"$/],
      ['what it rejects with', { headers: JSON_TYPE, body: '{"serviceType":"later"}' }, 400, 'failed_precondition', /^not yet$/],
      ['the same to a binary call', { headers: PROTO_TYPE, body: proto('missing') }, 404, 'not_found', /nobody/],
    ];
    for (const [what, sent, status, code, text] of rows) {
      const got = await speak(port, sent);
      t.equal(got.status, status, what);
      t.equal(got.headers['content-type'], 'application/json', what);
      t.equal(got.headers['content-length'], String(got.body.length), what);
      const { code: told, message, ...rest } = json(got.body);
      t.equal(told, code, what);
      t.match(message, text, what);
      t.same(rest, {}, what);
    }
    t.same(errors, [], 'none of it is an error of the server');
  });

  t.test(`${version}: a refused method or type says what is taken`, async (t) => {
    const { port } = await serve(t, methods);
    t.equal((await speak(port, { method: 'GET' })).headers.allow, 'POST');
    const wrong = { headers: { 'content-type': 'text/plain' } };
    const accepted = async (path: string) => (await speak(port, { ...wrong, path })).headers['accept-post'];
    t.equal(await accepted(DISCOVER_PATH), 'application/json, application/proto');
    t.equal(await accepted(WATCH_PATH), 'application/connect+json, application/connect+proto');
  });

  t.test(
    `${version}: details go out; what is no ConnectError is internal, and told to the server`,
    async (t) => {
      const { port, errors } = await serve(t, methods);
      const ask = (serviceType: string) =>
        speak(port, {
          path: `${DISCOVER_PATH}?token=1`,
          headers: JSON_TYPE,
          body: JSON.stringify({ serviceType }),
        });
      t.same(json((await ask('detailed')).body), {
        code: 'aborted',
        message: 'see',
        details: [{ type: 'a.B', value: 'AAE' }],
      });
      for (const type of ['broken', 'broken later']) {
        const got = await ask(type);
        t.equal(got.status, 500);
        t.same(json(got.body), { code: 'internal', message: 'internal error' });
      }
      t.match(errors, [{ error: { message: /1234/ } }, { error: { message: /1234/ } }]);
      t.same(
        errors.map(({ path }) => path),
        [DISCOVER_PATH, DISCOVER_PATH],
        'with the path alone: a query may hold secrets',
      );
    },
  );

  t.test(`${version}: large answers are compressed for who takes gzip, and only then`, async (t) => {
    const { port } = await serve(t, methods);
    const large = 'x'.repeat(5000);
    const ask = (type: Record<string, string>, accepted: string | undefined, name = large) =>
      speak(port, {
        headers: { ...type, ...(accepted === undefined ? {} : { 'accept-encoding': accepted }) },
        body: type === PROTO_TYPE ? proto(name) : JSON.stringify({ serviceType: name }),
      });
    for (const accepted of ['gzip', 'br, gzip', 'deflate, GZIP;q=0.5']) {
      const got = await ask(JSON_TYPE, accepted);
      t.equal(got.headers['content-encoding'], 'gzip', accepted);
      t.equal(got.headers['content-length'], String(got.body.length), accepted);
      t.match(json(gunzipSync(got.body)), { endpoint: { providerId: large } }, accepted);
    }
    const binary = gunzipSync((await ask(PROTO_TYPE, 'gzip')).body);
    t.equal(fromBinary(DiscoverServiceResponseSchema, binary).endpoint?.providerId, large);
    for (const accepted of [undefined, 'br', 'gzip;q=0', 'gzip;q=0.0, br', 'xgzip']) {
      const got = await ask(JSON_TYPE, accepted);
      t.equal(got.headers['content-encoding'], undefined, String(accepted));
      t.match(json(got.body), { endpoint: { providerId: large } }, String(accepted));
    }
    t.equal(
      (await ask(JSON_TYPE, 'gzip', 'small')).headers['content-encoding'],
      undefined,
      'small ones are not',
    );
    const huge = 'y'.repeat(100_000);
    t.match(json((await ask(JSON_TYPE, undefined, huge)).body), { endpoint: { providerId: huge } });
    const hugeBinary = (await ask(PROTO_TYPE, undefined, huge)).body;
    t.equal(fromBinary(DiscoverServiceResponseSchema, hugeBinary).endpoint?.providerId, huge);
  });

  t.test(`${version}: an implementation sees the headers and the address`, async (t) => {
    let seen: CallContext | undefined;
    let address = '';
    const { port } = await serve(t, [
      discover((_, context) => {
        seen = context;
        address = context.remoteAddress;
        return {};
      }),
    ]);
    const headers = { ...JSON_TYPE, authorization: 'Bearer a', 'x-twice': ['b', 'c'] };
    await speak(port, { headers, body: '{}' });
    t.equal(seen?.header('authorization'), 'Bearer a');
    t.equal(seen?.header('x-twice'), 'b, c');
    t.equal(seen?.header('x-none'), undefined);
    t.equal(address, '127.0.0.1');
  });

  t.test(`${version}: at its deadline a call is answered and its signal fires`, async (t) => {
    const signals: AbortSignal[] = [];
    const { port, errors } = await serve(t, [
      discover(async (_, { signal }) => {
        signals.push(signal);
        await new Promise((_, reject) => {
          signal.addEventListener('abort', () => reject(new Error('it was stopped')));
        });
        return {};
      }),
    ]);
    const headers = { ...JSON_TYPE, 'connect-timeout-ms': '20' };
    const got = await speak(port, { headers, body: '{}' });
    t.equal(got.status, 504);
    t.match(json(got.body), { code: 'deadline_exceeded', message: /deadline/ });
    t.match(signals[0]?.reason, { code: 'deadline_exceeded' });
    t.same(errors, [], 'what fails because of it is no error of the server');
  });
}

const head = (lines: string[], body: string) =>
  [`POST ${DISCOVER_PATH} HTTP/1.1`, 'Host: a', 'Content-Type: application/json', ...lines, '', body].join(
    '\r\n',
  );

t.test('a header that is sent twice is seen to be two, in both versions', async (t) => {
  const seen: (string | undefined)[] = [];
  const implementation: UnaryImplementation<typeof DISCOVER> = (_, { header }) => {
    seen.push(header('authorization'));
    return {};
  };
  const { port } = await serve(t, [discover(implementation)]);
  const twice = ['Authorization: Bearer a', 'authorization: Bearer b', 'Content-Length: 2'];
  const one = wire(port, head(twice, '{}'));
  await until(() => seen.length === 1);
  one.socket.destroy();

  const headers: [string, string][] = [
    ['content-type', 'application/json'],
    ['authorization', 'Bearer a'],
    ['authorization', 'Bearer b'],
  ];
  const body = frame(0, 1, { stream: 1, payload: Buffer.from('{}') });
  const two = wire(port, Buffer.concat([opened(headers), body]));
  await until(() => seen.length === 2);
  two.socket.destroy();
  t.same(seen, ['Bearer a, Bearer b', 'Bearer a, Bearer b']);
});

t.test('a caller that leaves fires the signal, in both versions', async (t) => {
  const signals: AbortSignal[] = [];
  const { port, errors } = await serve(t, [
    discover(async (_, { signal }) => {
      signals.push(signal);
      await until(() => signal.aborted);
      return {};
    }),
  ]);
  const { socket } = wire(port, head(['Content-Length: 2'], '{}'));
  await until(() => signals.length === 1);
  socket.destroy();
  const session = openSession(`http://127.0.0.1:${port}`);
  const stream = session.request({ ':method': 'POST', ':path': DISCOVER_PATH, ...JSON_TYPE });
  stream.end('{}');
  await until(() => signals.length === 2);
  stream.close(8);
  await until(() => signals.every(({ aborted }) => aborted));
  for (const { reason } of signals) t.match(reason, { code: 'canceled' });
  session.destroy();
  t.same(errors, []);
});

t.test('a signal that is asked for when the call is over has fired', async (t) => {
  let begun = 0;
  let over = 0;
  const reasons: unknown[] = [];
  const { port } = await serve(t, [
    discover(async (_, context) => {
      const nth = ++begun;
      await until(() => over >= nth);
      reasons.push(context.signal.reason);
      return {};
    }),
  ]);
  const headers = { ...JSON_TYPE, 'connect-timeout-ms': '50' };
  t.equal((await http1(port, { headers, body: '{}' })).status, 504);
  over = 1;
  const { socket } = wire(port, head(['Content-Length: 2'], '{}'));
  await until(() => begun === 2);
  socket.destroy();
  await delay(50);
  // However slow the machine is, the loop has looked at its sockets by then.
  for (let turns = 0; turns < 5; turns++) await new Promise((resolve) => setImmediate(resolve));
  over = 2;
  await until(() => reasons.length === 2);
  t.match(reasons, [{ code: 'deadline_exceeded' }, { code: 'canceled' }]);
});

t.test('the signal of a call that was answered does not fire', async (t) => {
  const signals: AbortSignal[] = [];
  const { port } = await serve(t, [
    discover(async (_, { signal }) => {
      signals.push(signal);
      return {};
    }),
  ]);
  const headers = { ...JSON_TYPE, 'connect-timeout-ms': '50' };
  for (const speak of [http1, http2]) t.equal((await speak(port, { headers, body: '{}' })).status, 200);
  await delay(100);
  t.same(
    signals.map(({ aborted }) => aborted),
    [false, false],
  );
});

t.test('calls of one connection, one after another and sent together, are answered in order', async (t) => {
  const { port } = await serve(t, methods);
  const call = (serviceType: string) => {
    const body = JSON.stringify({ serviceType });
    return head([`Content-Length: ${body.length}`], body);
  };
  const { socket, text } = wire(port, call('first') + call('missing') + call('third'));
  await until(() => text().includes('third'));
  t.match(text(), /^HTTP\/1.1 200[^]*first[^]*HTTP\/1.1 404[^]*HTTP\/1.1 200[^]*third/);
  socket.write(call('fourth'));
  await until(() => text().includes('fourth'));
  t.equal(text().split('HTTP/1.1').length - 1, 4);
  socket.destroy();
});

t.test('a body in pieces, chunked or not, is one message', async (t) => {
  const { port } = await serve(t, methods);
  const whole = wire(port, head(['Content-Length: 19'], '{"servic'));
  await until(() => whole.socket.writableLength === 0);
  whole.socket.write('eType":"a"}');
  await until(() => whole.text().includes('"providerId":"a"'));
  const chunked = wire(port, head(['Transfer-Encoding: chunked'], '8\r\n{"servic\r\n'));
  await until(() => chunked.socket.writableLength === 0);
  chunked.socket.write('b\r\neType":"b"}\r\n0\r\n\r\n');
  await until(() => chunked.text().includes('"providerId":"b"'));
  t.match(chunked.text(), /^HTTP\/1.1 200/);
  const large = wire(port, head(['Transfer-Encoding: chunked'], ''));
  large.socket.write(`500001\r\n${' '.repeat(0x500001)}\r\n0\r\n\r\n`);
  await until(() => large.text().includes('resource_exhausted'));
  t.match(large.text(), /^HTTP\/1.1 429/);
  for (const { socket } of [whole, chunked, large]) socket.destroy();
});

t.test('a body that does not come is answered, and its connection ends', async (t) => {
  const { port } = await serve(t, methods, { bodyTimeoutMs: 30 });
  for (const lines of [['Content-Length: 19'], ['Transfer-Encoding: chunked']]) {
    const { text, closed } = wire(port, head(lines, ''));
    await closed;
    t.match(text(), /^HTTP\/1.1 504[^]*deadline_exceeded/);
  }
  const unread = head(['Content-Length: 99999999'], '');
  const rows: [bytes: string, answer: RegExp][] = [
    [unread, /^HTTP\/1.1 429[^]*resource_exhausted/],
    [unread.replace('POST', 'PUT'), /^HTTP\/1.1 405/],
    [unread.replace('application/json', 'text/plain'), /^HTTP\/1.1 415/],
    [unread.replace('/DiscoverService', '/Nope'), /^HTTP\/1.1 404/],
  ];
  for (const [bytes, answer] of rows) {
    const { text, closed } = wire(port, bytes);
    await closed;
    t.match(text(), answer);
  }
});

t.test('half a message of a caller that leaves is none, in both versions', async (t) => {
  const asked: string[] = [];
  const { port, errors } = await serve(t, [
    discover(({ serviceType }) => {
      asked.push(serviceType);
      return {};
    }),
  ]);
  const half = proto('half').toString('latin1');
  for (const lines of [['Content-Length: 99'], ['Transfer-Encoding: chunked']]) {
    const body = lines[0] === 'Content-Length: 99' ? half : `${half.length.toString(16)}\r\n${half}\r\n`;
    const { socket } = wire(port, head(lines, body).replace('application/json', 'application/proto'));
    await until(() => socket.bytesWritten > 0);
    socket.end();
    await once(socket, 'close');
  }
  const reset = frame(3, 0, { stream: 1, payload: Buffer.from([0, 0, 0, 8]) });
  const data = frame(0, 0, { stream: 1, payload: proto('half') });
  const nothing = Buffer.alloc(0);
  for (const [sent, end] of [
    [data, reset],
    [data, nothing],
    [nothing, reset],
    [nothing, nothing],
  ] as const) {
    const { socket, text } = wire(
      port,
      Buffer.concat([opened([['content-type', 'application/proto']]), sent]),
    );
    await until(() => text().length > 0);
    socket.end(end);
    await once(socket, 'close');
  }
  await http1(port, { headers: PROTO_TYPE, body: proto('whole') });
  t.same([asked, errors], [['whole'], []]);
});

t.test('paths of no method are left alone', async (t) => {
  const { port } = await serve(t, methods);
  for (const path of [
    '/',
    '/health',
    '/connectplugin.v1.Other/DiscoverService',
    '*',
    '//',
    '/a/b?c',
    '/%00',
  ]) {
    const got = await http1(port, { method: path === '*' ? 'OPTIONS' : 'POST', path });
    t.same([got.status, got.body.toString()], [404, 'none of mine'], path);
  }
});

t.test('methods are made by unary() and serverStream(), one a path', async (t) => {
  t.throws(() => createHandler([discover(echo), discover(echo)]), /DiscoverService has two handlers/);
  t.throws(() => createHandler([{ path: '/a/b', kind: 'unary' }]), { name: 'TypeError', message: /\/a\/b/ });
});

t.test('what an implementation gives that is no message is internal', async (t) => {
  const wrong = { singleProvider: 'yes' } as unknown as { singleProvider: boolean };
  const { port, errors } = await serve(t, [discover(() => wrong)]);
  const got = await http1(port, { headers: JSON_TYPE, body: '{}' });
  t.equal(got.status, 500);
  t.same(json(got.body), { code: 'internal', message: 'internal error' });
  t.equal(errors.length, 1);
});
