import { Type } from '@sinclair/typebox';
import t from 'tap';
import { defineFunction } from '../../../schemas/index.js';
import type { Contract } from '../../../schemas/index.js';
import { AppError } from '../../../server/errors.js';
import { createPeer } from '../../../server/http/aplite/callback.js';
import { MAX_STREAM_BYTES, defineFunctions } from '../../../server/http/aplite/functions.js';
import { createRegistry } from '../../../server/http/aplite/registry.js';
import { createAnswerer } from '../../../server/http/aplite/request.js';
import { createValues } from '../../../server/http/aplite/values.js';
import type { Library } from '../../../server/library/library.js';

const common = { summary: 'A', description: 'A.', permissions: [] };

/** Contracts of every shape that Aplite tells apart. */
const samples: Contract[] = [
  defineFunction({
    ...common,
    name: 'repeat_word',
    effect: 'read',
    params: {
      word: Type.String(),
      times: Type.Integer({ minimum: 0, maximum: 1000 }),
      upper: Type.Optional(Type.Boolean()),
    },
    result: Type.String(),
    aplite: ['word', 'times'],
    examples: [{ title: 'A', params: { word: 'a', times: 1 } }],
  }),
  defineFunction({
    ...common,
    name: 'count_words',
    effect: 'create',
    params: {},
    result: Type.Integer(),
    examples: [{ title: 'A', params: {} }],
  }),
  defineFunction({
    ...common,
    name: 'tell_lines',
    effect: 'read',
    mode: 'stream',
    params: { size: Type.Optional(Type.Integer()), follow: Type.Optional(Type.Boolean()) },
    item: Type.String(),
    result: Type.Object({ told: Type.Integer() }),
    examples: [{ title: 'A', params: {} }],
  }),
];

function build() {
  const calls: { name: string; params: unknown }[] = [];
  const ended: string[] = [];
  let counted = 0;
  const library: Library = {
    contracts: samples,
    unknown: (name) => new AppError('unknown_function', name),
    call: async (name, params) => {
      calls.push({ name, params });
      const { word = '', times = 0 } = params as { word?: string; times?: number };
      if (name === 'repeat_word') return word.repeat(times);
      return name === 'count_words' ? ++counted : { told: 0 };
    },
    stream: async function* (name, params) {
      calls.push({ name, params });
      try {
        const { size = 3 } = (params ?? {}) as { size?: number };
        yield ['first'];
        for (let sent = 0; sent < size; sent += 1000) yield ['x'.repeat(Math.min(1000, size - sent))];
        return { told: size };
      } finally {
        ended.push(name);
      }
    },
  };
  const registry = createRegistry({ maxEntries: 100, ttlSeconds: 60 });
  const answer = createAnswerer(registry, createValues(registry, createPeer(undefined)));
  defineFunctions(registry, library);
  const post = (body: unknown): Promise<string> =>
    answer(body, {
      caller: { name: 'test', face: 'aplite' },
      requestId: 'test',
      signal: new AbortController().signal,
    });
  const id = async (name: string): Promise<number> =>
    Number(await post({ request_type: 'reg_id', var_name: name }));
  const apply = async (remote_ident: number, value: unknown): Promise<number> =>
    Number(await post({ remote_ident, arg: { value } }));
  const run = (remote_ident: number): Promise<string> => post({ remote_ident, IO: true });
  const read = (remote_ident: number): Promise<string> => post({ remote_ident });
  return { calls, ended, id, apply, run, read };
}

t.test('results that are Str or Int come as such', async (t) => {
  const { calls, id, apply, run, read } = build();
  const repeat = await apply(await apply(await id('repeat_word'), 'ab"'), '2');
  t.equal(await run(repeat), JSON.stringify('ab"ab"'));
  t.same(calls, [{ name: 'repeat_word', params: { word: 'ab"', times: 2 } }]);
  t.equal(await run(await id('count_words')), '1');
  t.equal(await run(await id('count_words')), '2', 'each running of one id runs the function again');

  const json = await apply(await id('repeat_word_json'), '{"word":"x","times":3}');
  t.equal(await run(json), JSON.stringify('"xxx"'), 'JSON text as a Str, in JSON');
  const text = await apply(await id('repeat_word_text'), '{"word":"x","times":3}');
  t.equal(await read(text), '"xxx"');
  const before = calls.length;
  await read(text);
  t.equal(calls.length, before, 'a text is made when it is applied, and then kept');
  t.equal(await run(await apply(await id('count_words_json'), '')), '"3"', 'no text is no params');
  t.same(calls.at(-1)?.params, {});
});

t.test('a partial application can be used again and again', async (t) => {
  const { id, apply, run } = build();
  const partial = await apply(await id('repeat_word'), 'a');
  const [one, two] = [await apply(partial, 1), await apply(partial, 2)];
  t.same([await run(two), await run(one), await run(two)], ['"aa"', '"a"', '"aa"']);
});

t.test('whole numbers that no param can hold', async (t) => {
  const { calls, id, apply } = build();
  const partial = await apply(await id('repeat_word'), 'a');
  for (const value of [2n ** 53n, -(10n ** 100n), '9'.repeat(100)])
    await t.rejects(apply(partial, value), {
      code: 'invalid_params',
      message: /^repeat_word: times must be a whole number from 0 to 1000, and is -?\d+…?\.$/,
      details: { errors: [{ field: 'times', message: /^must be a whole number from 0 to 1000/ }] },
    });
  t.same(calls, []);
});

t.test('streams are one value', async (t) => {
  const { calls, ended, id, apply, run, read } = build();
  const whole = '{"items":["first","xxx"],"result":{"told":3}}';
  t.equal(await read(await apply(await id('tell_lines_text'), '{}')), whole);
  t.equal(await run(await apply(await id('tell_lines_json'), '{"follow":false}')), JSON.stringify(whole));
  t.equal(await run(await id('tell_lines')), 'null', 'the typed form just runs it to its end');

  ended.length = 0;
  const large = JSON.stringify({ size: MAX_STREAM_BYTES });
  await t.rejects(apply(await id('tell_lines_text'), large), {
    code: 'payload_too_large',
    message: /tell_lines .* POST \/v1\/functions\/tell_lines/,
  });
  t.same(ended, ['tell_lines'], 'and its source is closed');
  t.match(await read(await apply(await id('tell_lines_text'), '{"size":3000000}')), /"told":3000000/);

  calls.length = 0;
  await t.rejects(apply(await id('tell_lines_text'), '{"follow":true}'), {
    code: 'invalid_params',
    message: /^tell_lines: follow must be absent .* over HTTP/,
    details: { errors: [{ field: 'follow' }] },
  });
  t.same(calls, []);
});

t.test('JSON text that is wrong says where', async (t) => {
  const { id, apply, run } = build();
  const wrong: [text: string, message: RegExp][] = [
    ['{"word": }', /^The argument of repeat_word is not JSON: at position 9 /],
    ['web', /at position 0 \(line 1, column 1\) there is "web"/],
    ['{"word":"a"', /the text ends/],
  ];
  for (const [text, message] of wrong) {
    await t.rejects(apply(await id('repeat_word_text'), text), {
      code: 'invalid_json',
      status: 400,
      message,
    });
    const action = await apply(await id('repeat_word_json'), text);
    await t.rejects(run(action), { code: 'invalid_json', message });
  }
});
