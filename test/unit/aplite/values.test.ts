import { createServer } from 'node:http';
import type { RequestListener, Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import t from 'tap';
import type { Test } from 'tap';
import { AppError, asAppError, toProblem } from '../../../server/errors.js';
import { createPeer } from '../../../server/http/aplite/callback.js';
import { parseJson } from '../../../server/http/aplite/json.js';
import { createRegistry } from '../../../server/http/aplite/registry.js';
import type { Registry } from '../../../server/http/aplite/registry.js';
import { createAnswerer } from '../../../server/http/aplite/request.js';
import { INT, STR, U, UNIT, io, pi } from '../../../server/http/aplite/terms.js';
import type { AType } from '../../../server/http/aplite/terms.js';
import { createValues } from '../../../server/http/aplite/values.js';
import type { Action, Context, Fn, Value } from '../../../server/http/aplite/values.js';
import * as wire from '../../helpers/aplite-client.js';
import type { NativeFn, NativeIo } from '../../helpers/aplite-client.js';
import { freePort } from '../../helpers/free-port.js';

const STORE = { maxEntries: 1000, ttlSeconds: 60 };

const context = (signal = new AbortController().signal): Context => ({
  caller: { name: 'test', face: 'aplite' },
  requestId: 'test',
  signal,
});
const fn = (apply: Fn['apply']): Fn => ({ held: [], apply });
const action = (run: Action['run']): Action => ({ held: [], run });

async function listen(t: Test, listener: RequestListener): Promise<{ url: string; server: Server }> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, server };
}

/** Values of any type, served as the face serves those of the library. */
async function serve(t: Test, callback: string, define: (registry: Registry) => void): Promise<string> {
  const registry = createRegistry(STORE);
  define(registry);
  const answer = createAnswerer(registry, createValues(registry, createPeer(callback)));
  const { url } = await listen(t, (request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString()));
    request.on('end', () => {
      Promise.resolve()
        .then(() => answer(parseJson(body, 'The body'), context()))
        .then((text) => response.end(text))
        .catch((error: unknown) => {
          const known = asAppError(error);
          response.statusCode = known.status;
          response.end(JSON.stringify(toProblem(known)));
        });
    });
  });
  return url;
}

for (const dialect of ['python', 'deno'] as const)
  t.test(`higher order, both ways, with a ${dialect} program`, async (t) => {
    const program = await wire.startProgram(dialect);
    t.teardown(program.close);
    const whole = (n: number): unknown => (dialect === 'python' ? BigInt(n) : n);
    const v0 = { kind: 'free_var', index: 0 } as const;
    const ran: string[] = [];
    const operator = await serve(t, program.url, (registry) => {
      registry.define(
        'add',
        pi(INT, pi(INT, INT)),
        fn((a) => fn((b) => (a as bigint) + (b as bigint))),
      );
      registry.define(
        'twice',
        pi(pi(STR, STR), pi(STR, STR)),
        fn((f) => fn(async (x, c) => (f as Fn).apply(await (f as Fn).apply(x, c), c))),
      );
      registry.define(
        'log_both',
        pi(io(STR), pi(io(UNIT), io(INT))),
        fn((a) =>
          fn((b) =>
            action(async (c) => {
              ran.push((await (a as Action).run(c)) as string);
              await (b as Action).run(c);
              return 7n;
            }),
          ),
        ),
      );
      registry.define(
        'identity',
        pi(U, pi(v0, v0, 1)),
        fn(() => fn((x) => x)),
      );
      registry.define(
        'at_int',
        pi(pi(U, U), U),
        fn((f, c) => (f as Fn).apply(INT, c)),
      );
      registry.define(
        'nested',
        io(io(STR)),
        action(async () => action(async () => 'inner "text"')),
      );
      registry.define(
        'choose',
        pi(pi(INT, pi(INT, INT)), INT),
        fn(async (f, c) => ((await (f as Fn).apply(30n, c)) as Fn).apply(12n, c)),
      );
      registry.define(
        'const_unit',
        pi(UNIT, STR),
        fn((x) => (x === undefined ? 'unit' : 'more')),
      );
    });
    program.connect(operator);

    const add = (await program.remote('add', wire.fn(wire.int, wire.fn(wire.int, wire.int)))) as NativeFn;
    t.equal(await ((await add(whole(40))) as NativeFn)(whole(2)), whole(42));
    t.equal(await ((await add(whole(-40))) as NativeFn)(whole(2)), whole(-38));
    if (dialect === 'python')
      t.equal(await ((await add(10n ** 30n)) as NativeFn)(1n), 10n ** 30n + 1n, 'whole numbers of any size');

    const twice = (await program.remote(
      'twice',
      wire.fn(wire.fn(wire.str, wire.str), wire.fn(wire.str, wire.str)),
    )) as NativeFn;
    const twiced = (await twice(async (x: unknown) => `${String(x)}!é`)) as NativeFn;
    t.equal(
      await twiced('say "hi"\n'),
      'say "hi"\n!é!é',
      "the program's function is applied to texts of both sides",
    );

    const logBoth = (await program.remote(
      'log_both',
      wire.fn(wire.io(wire.str), wire.fn(wire.io(wire.unit), wire.io(wire.int))),
    )) as NativeFn;
    let effects = 0;
    const both = (await ((await logBoth(async () => 'from the program')) as NativeFn)(async () => {
      effects++;
    })) as NativeIo;
    t.same([ran.length, effects], [0, 0], 'nothing runs before it is run');
    await both();
    t.equal(program.last()?.text, '7');
    await both();
    t.same(ran, ['from the program', 'from the program'], 'each running runs it anew');
    t.equal(effects, 2);

    const identity = (await program.remote(
      'identity',
      wire.fn(wire.type, wire.fn(wire.variable(0), wire.variable(0), 1)),
    )) as NativeFn;
    t.equal(await ((await identity(wire.str)) as NativeFn)('x'), 'x');
    t.equal(await ((await identity(wire.int)) as NativeFn)(whole(5)), whole(5));
    const through = (await ((await identity(wire.fn(wire.str, wire.str))) as NativeFn)(
      async (x: unknown) => `<${String(x)}>`,
    )) as NativeFn;
    t.equal(await through('y'), '<y>', 'a function goes out and comes back');
    await t.rejects(async () => ((await identity(wire.prim('Blob'))) as NativeFn)('x'), {
      message: /^400: .*Values of type Blob cannot be passed/,
    });

    const atInt = (await program.remote(
      'at_int',
      wire.fn(wire.fn(wire.type, wire.type), wire.type),
    )) as NativeFn;
    t.same(
      await atInt(async (a: unknown) => wire.io(a as wire.WireType)),
      wire.io(wire.int),
      'a function on types',
    );

    const choose = (await program.remote(
      'choose',
      wire.fn(wire.fn(wire.int, wire.fn(wire.int, wire.int)), wire.int),
    )) as NativeFn;
    const plus = async (a: unknown) => async (b: unknown) =>
      dialect === 'python' ? (a as bigint) + (b as bigint) : Number(a) + Number(b);
    t.equal(await choose(plus), whole(42), 'a curried function of the program');

    const id = (await wire.post(operator, '{"request_type":"reg_id","var_name":"nested"}')).text;
    const inner = await wire.post(operator, `{"remote_ident":${id},"IO":true}`);
    const innermost = await wire.post(operator, `{"remote_ident":${inner.text},"IO":true}`);
    t.equal(innermost.text, JSON.stringify('inner "text"'), 'an action may yield an action');

    program.called.length = 0;
    const constUnit = (await wire.post(operator, '{"request_type":"reg_id","var_name":"const_unit"}')).text;
    const applied = await wire.post(operator, `{"remote_ident":${constUnit},"arg":3}`);
    t.equal((await wire.post(operator, `{"remote_ident":${applied.text}}`)).text, 'unit');
    t.same(program.called, [], 'unit has one value: nobody is asked for it');
  });

t.test('what the program answers, in both dialects', async (t) => {
  let answer = '';
  const asked: string[] = [];
  const { url } = await listen(t, (request, response) => {
    t.equal(request.headers['content-type'], 'application/json');
    t.equal(request.headers.connection, 'close');
    request.on('data', (chunk: Buffer) => asked.push(chunk.toString()));
    request.on('end', () => response.end(answer));
  });
  const values = createValues(createRegistry(STORE), createPeer(url));
  const get = async (type: AType, text: string, id: number | bigint = 3): Promise<Value> => {
    answer = text;
    return values.deserialise(type, id, 'The argument', context());
  };
  const texts: [sent: string, meant: string][] = [
    ['plain', 'plain'],
    ['"quoted"', 'quoted'],
    ['"a\\nb\\u00e9"', 'a\nbé'],
    ['', ''],
    ['""', ''],
    ['"', '"'],
    ['"not" json "', '"not" json "'],
    ['{"name":"web"}', '{"name":"web"}'],
    ['"{\\"name\\":\\"web\\"}"', '{"name":"web"}'],
    [' spaced ', ' spaced '],
    ['5', '5'],
  ];
  for (const [sent, meant] of texts) t.equal(await get(STR, sent), meant, JSON.stringify(sent));
  t.equal(await get(INT, '5'), 5n);
  t.equal(await get(INT, ' -12\n'), -12n);
  t.equal(await get(INT, '"12"'), 12n);
  t.equal(await get(INT, '1'.repeat(40)), BigInt('1'.repeat(40)));
  asked.length = 0;
  await get(INT, '1', 9007199254740993n);
  t.same(asked, ['{"remote_ident":9007199254740993}'], 'an id of the program keeps all its digits');
  for (const nonsense of ['1.5', 'five', '', 'null', '1e3'])
    await t.rejects(
      get(INT, nonsense),
      { code: 'bad_gateway', message: /instead of a whole number/ },
      nonsense,
    );
  const apply = async (type: AType, text: string): Promise<Value> => {
    const found = (await get(type, '')) as Fn;
    answer = text;
    return found.apply(1n, context());
  };
  for (const nonsense of ['x', '1.5', '"7"', '{}', ''])
    await t.rejects(
      apply(pi(INT, INT), nonsense),
      { code: 'bad_gateway', message: /instead of an id/ },
      nonsense,
    );
  for (const nonsense of ['x', '7', '{"kind":"none"}'])
    await t.rejects(
      apply(pi(INT, U), nonsense),
      { code: 'bad_gateway', message: /instead of a type's JSON/ },
      nonsense,
    );
});

t.test('a callback that fails says which address, and what to start', async (t) => {
  const answers: Record<string, RequestListener> = {
    'answered with status 500: "it broke"': (_request, response) => response.writeHead(500).end('it broke'),
    'answered with status 302, and redirects are not followed': (_request, response) =>
      response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end(),
    'answered more than 1000 bytes': (_request, response) => {
      const more = (): void => {
        while (!response.destroyed && response.write('x'.repeat(400)));
      };
      response.on('drain', more);
      more();
    },
    'broke off': (_request, response) => {
      response.writeHead(200, { 'content-length': '100' });
      response.write('x', () => response.destroy());
    },
    'cannot be reached \\(ECONNRESET\\)': (request) => request.socket.destroy(),
    'did not answer within 0.05 s': () => undefined,
  };
  for (const [what, listener] of Object.entries(answers)) {
    const { url, server } = await listen(t, listener);
    const closed = new Promise<void>((resolve) =>
      server.on('connection', (socket) => socket.on('close', () => resolve()).on('error', () => {})),
    );
    // Only the one that never answers waits for as little as this.
    const peer = createPeer(url, { timeoutMs: what.startsWith('did not') ? 50 : 5000, maxBytes: 1000 });
    const values = createValues(createRegistry(STORE), peer);
    await t.rejects(values.deserialise(STR, 3, 'The argument', context()), {
      code: 'bad_gateway',
      status: 502,
      message: new RegExp(
        `^The Aplite program at ${url}, called back to read the Str 3, ${what}.*Start the program's own server`,
      ),
    });
    await closed;
  }
  const nobody = createPeer(`http://127.0.0.1:${await freePort()}`);
  const values = createValues(createRegistry(STORE), nobody);
  await t.rejects(values.deserialise(INT, 3, 'The argument', context()), {
    code: 'bad_gateway',
    message: /cannot be reached \(ECONNREFUSED\)/,
  });
});

t.test('the deadline and the caller end a callback', async (t) => {
  const reached: (() => void)[] = [];
  const { url, server } = await listen(t, () => reached.shift()?.());
  const closed = new Promise<void>((resolve) =>
    server.on('connection', (socket) => socket.on('close', () => resolve())),
  );
  const values = createValues(createRegistry(STORE), createPeer(url));
  const controller = new AbortController();
  const arrived = new Promise<void>((resolve) => reached.push(resolve));
  const waiting = values.deserialise(STR, 3, 'The argument', context(controller.signal));
  await arrived;
  controller.abort(new AppError('deadline_exceeded', 'Time is over.'));
  await t.rejects(waiting, { code: 'deadline_exceeded' });
  await closed;
  await t.rejects(values.deserialise(STR, 3, 'The argument', context(controller.signal)), {
    code: 'deadline_exceeded',
  });
});

t.test('arguments by value', async (t) => {
  const values = createValues(createRegistry(STORE), createPeer(undefined));
  const get = (type: AType, raw: unknown): Promise<Value> =>
    values.deserialise(type, raw, 'The argument of f', context());
  const right: [type: AType, value: unknown, meant: Value][] = [
    [INT, 5, 5n],
    [INT, -5, -5n],
    [INT, 10n ** 30n, 10n ** 30n],
    [INT, '123456789012345678901234567890', 123456789012345678901234567890n],
    [INT, '-7', -7n],
    [STR, '', ''],
    [STR, '"stays as it is"', '"stays as it is"'],
    [UNIT, null, undefined],
  ];
  for (const [type, value, meant] of right) t.equal(await get(type, { value }), meant, String(value));
  const wrong: [type: AType, raw: unknown, message: RegExp][] = [
    [INT, { value: 1.5 }, /is an Int/],
    [INT, { value: 1e300 }, /is an Int/],
    [INT, { value: 'five' }, /is an Int/],
    [INT, { value: '' }, /is an Int/],
    [INT, { value: '9'.repeat(5000) }, /at most 4096 digits/],
    [INT, { value: null }, /is an Int/],
    [INT, { value: [5] }, /is an Int/],
    [STR, { value: 5 }, /is a Str: its value must be text/],
    [STR, { value: 5n }, /is a Str/],
    [STR, { value: undefined }, /is a Str/],
    [STR, {}, /is an object without value/],
    [STR, { text: 'x' }, /is an object without value/],
    [STR, { value: 'x', more: 1 }, /the unknown field more/],
    [STR, 'x', /must be an id .* or sent by value/],
    [STR, 1.5, /must be an id/],
    [STR, null, /must be an id/],
    [STR, [3], /must be an id/],
    [STR, true, /must be an id/],
    [pi(STR, STR), { value: 'x' }, /of type Str -> Str, which has no form by value/],
    [io(STR), { value: 'x' }, /of type IO Str, which has no form by value/],
    [STR, 3, /came as the id 3 .*`xi-k8s bridge`/],
    [io(STR), 3, /`xi-k8s bridge`/],
    [pi(INT, INT), 12345678901234567890n, /came as the id 12345678901234567890 /],
    [U, 3, /is not a type/],
    [U, { value: 'Int' }, /is not a type/],
  ];
  for (const [type, raw, message] of wrong)
    await t.rejects(get(type, raw), { code: 'invalid_params', message }, String(message));
});

t.test('what is kept under ids is bounded', async (t) => {
  let now = 0;
  const bounds = { maxEntries: 3, ttlSeconds: 10, maxBytes: 100_000 };
  const registry = createRegistry(bounds, () => now);
  const keep = (value: Value): number => registry.register({ type: STR, value, origin: 'f' });
  const gone = (id: number): void => {
    t.throws(() => registry.find(id), {
      code: 'not_found',
      status: 404,
      message: /earlier run.*expired, after 10 s/,
    });
  };
  registry.define('k', STR, 'kept');
  const top = registry.idOf('k');
  t.equal(registry.idOf('k'), top, 'a name keeps its id');
  t.throws(() => registry.idOf('K_'), { code: 'unknown_function', details: { suggestion: 'k' } });

  const [a, b, c] = [keep('a'), keep('b'), keep('c')];
  for (const id of [top, a, b, c]) t.ok(Number.isSafeInteger(id) && id >= 0);
  registry.find(a);
  const d = keep('d');
  gone(b);
  t.equal(registry.find(a).value, 'a', 'the one used last stays');
  now = 9_000;
  registry.find(c);
  now = 15_000;
  t.equal(registry.find(c).value, 'c', 'a use renews the lifetime');
  gone(a);
  gone(d);
  t.equal(registry.size, 1);
  t.equal(registry.find(top).value, 'kept', 'top-level names never expire');

  const large = keep('x'.repeat(30_000));
  keep({ held: ['y'.repeat(19_400)], apply: (x) => x });
  t.equal(registry.size, 2, 'by size too, the oldest first');
  gone(c);
  t.ok(registry.find(large));
  t.throws(() => keep('z'.repeat(60_000)), { code: 'payload_too_large' });
  t.ok(registry.find(large), 'one that is refused drives nobody out');
  for (const unknown of [0, -1, 1.5, 2 ** 60, 10n ** 20n])
    t.throws(() => registry.find(unknown), { code: 'not_found' });
  t.throws(() => registry.find(BigInt(Number.MAX_SAFE_INTEGER) + BigInt(top)), { code: 'not_found' });
});
