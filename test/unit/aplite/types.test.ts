import { Type } from '@sinclair/typebox';
import t from 'tap';
import { contractList, contracts, defineFunction } from '../../../schemas/index.js';
import type { Contract } from '../../../schemas/index.js';
import {
  INT,
  STR,
  U,
  UNIT,
  instantiate,
  io,
  pi,
  prim,
  readType,
  show,
  yieldOf,
} from '../../../server/http/aplite/terms.js';
import { formsOf, remoteBlock, surface } from '../../../server/http/aplite/types.js';

const printed = (contract: Contract): string[] =>
  formsOf(contract).map(({ name, type }) => `${name}: ${surface(type)}`);

const sample = (rest: Partial<Parameters<typeof defineFunction>[0]>): Contract =>
  defineFunction({
    name: 'count_things',
    summary: 'Count',
    description: 'Counts.',
    effect: 'update',
    params: {
      kind: Type.String({ description: 'Which.' }),
      most: Type.Optional(Type.Integer({ description: 'Bound.' })),
    },
    result: Type.Integer(),
    permissions: [],
    examples: [{ title: 'One', params: { kind: 'x' } }],
    ...rest,
  } as never);

t.test('from contract to type', async (t) => {
  t.same(printed(contracts.create_deployment), [
    'create_deployment: k8s UnitType',
    'create_deployment_json: Str -> k8s Str',
  ]);
  t.same(printed(contracts.get_deployment), [
    'get_deployment: Str -> k8s UnitType',
    'get_deployment_json: Str -> k8s Str',
    'get_deployment_text: Str -> Str',
  ]);
  t.equal(printed(contracts.scale_deployment)[0], 'scale_deployment: Str -> Int -> k8s UnitType');
  t.same(formsOf(contracts.scale_deployment)[0], {
    name: 'scale_deployment',
    style: 'typed',
    type: {
      kind: 'pi',
      left: { kind: 'prim', value: 'Str' },
      right: {
        kind: 'pi',
        left: { kind: 'prim', value: 'Int' },
        right: {
          kind: 'app',
          left: { kind: 'prim', value: 'IO' },
          right: { kind: 'prim', value: 'UnitType' },
        },
        var_id: 0,
      },
      var_id: 0,
    },
  });
  t.same(printed(sample({})), ['count_things_json: Str -> k8s Str'], 'a required param that is no argument');
  t.same(printed(sample({ aplite: ['most', 'kind'] as never })), [
    'count_things: Int -> Str -> k8s Int',
    'count_things_json: Str -> k8s Str',
  ]);
  t.equal(
    printed(sample({ aplite: ['kind'] as never, result: Type.String() }))[0],
    'count_things: Str -> k8s Str',
  );
  const streamed = sample({ aplite: ['kind'] as never, mode: 'stream', item: Type.String(), effect: 'read' });
  t.same(
    printed(streamed),
    [
      'count_things: Str -> k8s UnitType',
      'count_things_json: Str -> k8s Str',
      'count_things_text: Str -> Str',
    ],
    "a stream's result comes with its items, as JSON only",
  );
});

t.test('the remote block has every function', async (t) => {
  const block = remoteBlock(contractList, 'localhost:18080');
  const lines = block.split('\n');
  t.equal(lines[0], 'remote "localhost:18080" {');
  t.equal(lines[1], '    k8s: Type -> Type,');
  t.same(lines.slice(-2), ['}', '']);
  t.notMatch(lines.at(-3), /,$/, 'no comma after the last');
  for (const { name, effect } of contractList) {
    t.ok(block.includes(`    ${name}_json: Str -> k8s Str`), name);
    t.equal(block.includes(`    ${name}_text: Str -> Str`), effect === 'read', name);
  }
});

t.test('types: printed, instantiated, read', async (t) => {
  const v0 = { kind: 'free_var', index: 0 } as const;
  const identity = pi(U, pi(v0, v0, 1), 0);
  t.equal(show(identity), '(t0: Type) -> t0 -> t0');
  t.equal(show(pi(pi(INT, STR), io(UNIT))), '(Int -> Str) -> IO UnitType');
  t.equal(show(io(io(STR))), 'IO (IO Str)');
  t.equal(show(pi(io(STR), pi(U, v0, 3), 9)), 'IO Str -> Type -> t0');
  t.equal(show(io(pi(INT, INT)), 'k8s'), 'k8s (Int -> Int)');
  t.same(instantiate(pi(v0, v0, 1), 0, STR), pi(STR, STR, 1));
  t.same(instantiate(pi(v0, v0, 0), 0, STR), pi(STR, v0, 0), 'an inner pi of the same number hides it');
  t.same(instantiate(io(v0), 0, INT), io(INT));
  t.same(instantiate(io(v0), 1, INT), io(v0));
  t.same(yieldOf(io(STR)), STR);
  t.equal(yieldOf({ kind: 'app', left: prim('List'), right: STR }), undefined);

  for (const type of [U, INT, io(UNIT), identity, pi(U, U)])
    t.same(readType(JSON.parse(JSON.stringify(type)), 'It'), type);

  let deep: unknown = INT;
  for (let i = 0; i < 40; i++) deep = { kind: 'app', left: prim('IO'), right: deep };
  let wide: unknown = INT;
  for (let i = 0; i < 10; i++) wide = { kind: 'app', left: wide, right: wide };
  const wrong: [value: unknown, message: RegExp][] = [
    [undefined, /it must be an object with a kind/],
    [null, /it must be an object/],
    [5, /it must be an object/],
    [[], /it must be an object/],
    [{}, /it must have a kind, one of/],
    [{ kind: 'sigma' }, /it must have a kind/],
    [{ kind: 'prim' }, /it needs value/],
    [{ kind: 'prim', value: 'a b' }, /it needs value/],
    [{ kind: 'free_var', index: '0' }, /it needs index/],
    [v0, /it is the variable 0, which no pi around it binds/],
    [pi(v0, INT, 0), /left is the variable 0/],
    [{ kind: 'app', left: INT }, /right must be an object/],
    [
      { kind: 'pi', left: INT, right: { kind: 'app', left: 7, right: INT }, var_id: 0 },
      /right\.left must be an object/,
    ],
    [{ kind: 'pi', left: INT, right: INT }, /it needs var_id/],
    [deep, /nested too deeply/],
    [wide, /too many parts/],
  ];
  for (const [value, message] of wrong)
    t.throws(() => readType(value, 'The Type argument of k8s'), {
      code: 'invalid_params',
      message: new RegExp(`^The Type argument of k8s is not a type: .*${message.source}`),
    });
});
