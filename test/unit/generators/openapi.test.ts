import { createRequire } from 'node:module';
import t from 'tap';
import { Type } from '@sinclair/typebox';
import { contractList, contracts, defineFunction, statusOf } from '../../../schemas/index.js';
import type { Contract } from '../../../schemas/index.js';
import { namedTypes } from '../../../server/http/named-types.js';
import { codesOf, openApiDocument } from '../../../server/http/openapi.js';

type Json = Record<string, unknown>;
type Validate = (value: unknown) => boolean;
interface Ajv {
  compile(schema: object): Validate & { errors?: unknown };
}

// The validator that Fastify brings along.
const fastify = createRequire(createRequire(import.meta.url).resolve('fastify'));
const { default: Ajv2020 } = createRequire(fastify.resolve('@fastify/ajv-compiler'))('ajv/dist/2020.js') as {
  default: new (options: object) => Ajv;
};

const document = openApiDocument(contractList, { version: '1.2.3', serverUrl: 'http://localhost:8080' });
const at = (...path: string[]): unknown =>
  path.reduce<unknown>((value, key) => (value as Json | undefined)?.[key], document);

/** Every object in a value, with its path. */
function* objects(value: unknown, path = '#'): Generator<[string, Json]> {
  if (typeof value !== 'object' || value === null) return;
  if (!Array.isArray(value)) yield [path, value as Json];
  for (const [key, inner] of Object.entries(value)) yield* objects(inner, `${path}/${key}`);
}

t.test('the document holds together', async (t) => {
  t.equal(at('openapi'), '3.1.0');
  t.equal(at('info', 'version'), '1.2.3');
  const dangling = [...objects(document)].filter(
    ([, { $ref }]) => typeof $ref === 'string' && at(...$ref.slice(2).split('/')) === undefined,
  );
  t.same(dangling, [], 'every reference leads somewhere');
  const ids = [...objects(document)].flatMap(([, { operationId }]) =>
    operationId === undefined ? [] : [operationId],
  );
  t.equal(new Set(ids).size, ids.length, 'operation ids are unique');
  t.same(Object.keys(at('paths') as Json), [
    ...contractList.map(({ name }) => `/v1/functions/${name}`),
    '/v1/functions',
    '/',
    '/docs',
    '/openapi.json',
    '/v1/aplite',
  ]);
  t.same(JSON.parse(JSON.stringify(document)), document, 'it is plain JSON');
  const titled = [...objects(at('paths'))].filter(
    ([, value]) => value['title'] !== undefined && 'type' in value,
  );
  t.same(titled, [], 'named types stand under components only');
});

t.test('every schema compiles, and the examples fit theirs', async (t) => {
  const ajv = new Ajv2020({
    strict: true,
    strictTypes: false,
    strictRequired: false,
    keywords: ['x-rule', 'example'],
    formats: { 'date-time': true },
  });
  const compile = (schema: object) => {
    // A schema refers to components of the document: give it the document's.
    const rooted = JSON.parse(
      JSON.stringify(schema).replaceAll('#/components/schemas/', '#/$defs/'),
    ) as object;
    const $defs = JSON.parse(
      JSON.stringify(at('components', 'schemas')).replaceAll('#/components/schemas/', '#/$defs/'),
    ) as object;
    return ajv.compile({ ...rooted, $defs });
  };
  for (const contract of contractList) {
    const post = at('paths', `/v1/functions/${contract.name}`, 'post') as {
      requestBody: {
        content: Record<string, { schema: object; examples: Record<string, { value: unknown }> }>;
      };
      responses: Record<string, { content: Record<string, { schema: object }> }>;
    };
    const { schema, examples } = post.requestBody.content['application/json']!;
    const check = compile(schema);
    t.equal(Object.keys(examples).length, contract.examples.length);
    for (const { value } of Object.values(examples))
      t.ok(check(value), `${contract.name} ${JSON.stringify(value)}`, { errors: check.errors });
    t.notOk(check({ no_such_param: 1 }), `${contract.name} refuses an unknown param`);
    const { content } = post.responses['200']!;
    for (const [type, { schema: answer }] of Object.entries(content))
      t.ok(compile(answer), `${contract.name} ${type}`);
    t.same(
      Object.keys(content),
      {
        unary: ['application/json'],
        progress: ['application/json', 'application/x-ndjson', 'text/event-stream'],
        stream: ['application/x-ndjson', 'text/event-stream'],
      }[contract.mode],
    );
    for (const code of codesOf(contract))
      t.ok(post.responses[String(statusOf(code))], `${contract.name} ${code}`);
  }

  const line = compile(
    (
      at(
        'paths',
        '/v1/functions/pod_logs',
        'post',
        'responses',
        '200',
        'content',
        'application/x-ndjson',
      ) as Json
    )['schema'] as object,
  );
  t.ok(line({ type: 'item', item: { pod: 'p', container: 'c', line: 'l' } }));
  t.ok(line({ type: 'heartbeat' }) && line({ type: 'end' }));
  t.notOk(line({ type: 'item', item: { pod: 'p' } }), 'an item that the contract does not know');
  t.notOk(line({ type: 'other' }));
});

t.test('what a function has depends on what it does', async (t) => {
  const refs = (name: string) =>
    (at('paths', `/v1/functions/${name}`, 'post', 'parameters') as { $ref: string }[]).map(
      ({ $ref }) => $ref,
    );
  t.ok(refs('create_deployment').includes('#/components/parameters/DryRun'));
  t.notOk(refs('list_pods').includes('#/components/parameters/DryRun'));
  const table: [Contract, string[], string[]][] = [
    [contracts.create_deployment, ['already_exists', 'rejected_by_cluster'], ['gone', 'conflict']],
    [contracts.list_pods, ['gone', 'not_found'], ['already_exists', 'conflict', 'rejected_by_cluster']],
    [contracts.scale_deployment, ['conflict', 'not_found'], ['already_exists', 'gone']],
    [contracts.server_info, ['internal'], ['not_found', 'gone']],
  ];
  for (const [contract, has, lacks] of table) {
    const codes: string[] = codesOf(contract);
    for (const code of has) t.ok(codes.includes(code), `${contract.name} has ${code}`);
    for (const code of lacks) t.notOk(codes.includes(code), `${contract.name} lacks ${code}`);
  }
});

t.test('one name stands for one type', async (t) => {
  const one = Type.Object({ a: Type.String() }, { title: 'One' });
  const used = { ...one, description: 'in this use', default: { a: 'b' } };
  t.same([...namedTypes([one, Type.Object({ used })]).keys()], ['One'], 'a use may say more');
  const other = Type.Object({ a: Type.Integer() }, { title: 'One' });
  t.throws(() => namedTypes([one, other]), /two different schemas have the title One/);
  const named = defineFunction({
    name: 'use_one',
    summary: 'Use one',
    description: 'Uses one.',
    effect: 'update',
    params: { used: Type.Optional(used) },
    result: one,
    permissions: [],
    examples: [{ title: 'Use', params: {} }],
  });
  const made = openApiDocument([named], { version: '1' });
  t.match(made, {
    servers: [{ url: '/' }],
    paths: {
      '/v1/functions/use_one': {
        post: {
          requestBody: {
            required: false,
            content: {
              'application/json': {
                schema: {
                  properties: {
                    used: {
                      $ref: '#/components/schemas/One',
                      description: 'in this use',
                      default: { a: 'b' },
                    },
                  },
                },
              },
            },
          },
        },
      },
    },
  });
});
