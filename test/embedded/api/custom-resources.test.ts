/** CustomResourceDefinitions: kinds that come and go at run time, and the rules of their schemas. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import { whyNoKubectl } from '../../helpers/stock-kubectl.js';
import { dig, PATCH, startApi } from './server.js';
import type { Answer, Api, Body, Value } from './server.js';

const run = promisify(execFile);
const DEFINITIONS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
const TABLE = { accept: 'application/json;as=Table;g=meta.k8s.io;v=v1' };

const SPEC: Body = {
  type: 'object',
  required: ['size'],
  properties: {
    size: { type: 'string', enum: ['small', 'big'] },
    replicas: { type: 'integer', minimum: 0, maximum: 10, default: 1 },
    name: { type: 'string', pattern: '^[a-z]+$', minLength: 2, maxLength: 5 },
    when: { type: 'string', format: 'date-time' },
    port: { 'x-kubernetes-int-or-string': true },
    nothing: { type: 'string', nullable: true },
    nested: { type: 'object', default: {}, properties: { a: { type: 'string', default: 'x' } } },
    open: {
      type: 'object',
      'x-kubernetes-preserve-unknown-fields': true,
      properties: { known: { type: 'integer' } },
    },
    free: { 'x-kubernetes-preserve-unknown-fields': true },
    template: {
      type: 'object',
      'x-kubernetes-embedded-resource': true,
      'x-kubernetes-preserve-unknown-fields': true,
    },
    ports: {
      type: 'array',
      maxItems: 3,
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['name'],
      items: {
        type: 'object',
        required: ['name'],
        properties: {
          name: { type: 'string' },
          port: { type: 'integer' },
          proto: { type: 'string', default: 'TCP' },
        },
      },
    },
    tags: { type: 'array', 'x-kubernetes-list-type': 'set', items: { type: 'string' } },
    labels: { type: 'object', additionalProperties: { type: 'string' }, maxProperties: 2 },
    one: {
      type: 'object',
      properties: { a: { type: 'string' }, b: { type: 'string' } },
      oneOf: [{ required: ['a'] }, { required: ['b'] }],
    },
    any: { type: 'integer', anyOf: [{ minimum: 5 }, { maximum: 2 }] },
    not: { type: 'string', not: { enum: ['bad'] } },
    all: { type: 'integer', allOf: [{ minimum: 5 }, { multipleOf: 2 }] },
  },
};
const V1: Body = {
  name: 'v1',
  served: true,
  storage: true,
  subresources: {
    status: {},
    scale: {
      specReplicasPath: '.spec.replicas',
      statusReplicasPath: '.status.replicas',
      labelSelectorPath: '.status.selector',
    },
  },
  additionalPrinterColumns: [
    { name: 'Replicas', type: 'integer', jsonPath: '.spec.replicas' },
    { name: 'Second', type: 'string', jsonPath: ".spec.ports[?(@.name=='b')].port", priority: 1 },
    { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
  ],
  schema: {
    openAPIV3Schema: {
      type: 'object',
      required: ['spec'],
      properties: {
        spec: SPEC,
        status: {
          type: 'object',
          properties: {
            phase: { type: 'string', enum: ['A', 'B'] },
            replicas: { type: 'integer' },
            selector: { type: 'string' },
          },
        },
      },
    },
  },
};
const V1BETA1: Body = {
  name: 'v1beta1',
  served: true,
  storage: false,
  deprecated: true,
  schema: {
    openAPIV3Schema: {
      type: 'object',
      properties: {
        spec: {
          type: 'object',
          properties: { size: { type: 'string' }, extra: { type: 'string', default: 'e' } },
        },
      },
    },
  },
};

/** A definition of a kind whose plural is its name and an s. */
const definition = (kind: string, group: string, versions: Body[] = [V1], names: Body = {}): Body => {
  const plural = `${kind.toLowerCase()}s`;
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${group}` },
    spec: { group, scope: 'Namespaced', names: { plural, kind, ...names }, versions },
  };
};
const widget = (name: string, spec: Value, more: Body = {}): Body => ({
  apiVersion: 'demo.example.com/v1',
  kind: 'Widget',
  metadata: { name },
  spec,
  ...more,
});

const api = await startApi(t);
const WIDGETS = '/apis/demo.example.com/v1/namespaces/default/widgets';

/** Asks until the answer is another than 404, as clients do who wait for a kind. */
async function served(path: string): Promise<void> {
  while ((await api.call('GET', path)).code === 404) await new Promise((resolve) => setImmediate(resolve));
}
async function gone(path: string): Promise<void> {
  while ((await api.call('GET', path)).code !== 404) await new Promise((resolve) => setImmediate(resolve));
}
const define = async (of: Api, body: Body): Promise<Answer> => of.call('POST', DEFINITIONS, body);

await define(
  api,
  definition('Widget', 'demo.example.com', [V1, V1BETA1], { shortNames: ['wd'], categories: ['all'] }),
);
await served(WIDGETS);
const noKubectl = whyNoKubectl();
const home = await mkdtemp(join(tmpdir(), 'custom-'));
t.teardown(() => rm(home, { recursive: true }));

t.test('a definition gets its names, conditions and stored versions', async (t) => {
  const found = await api.ok('GET', `${DEFINITIONS}/widgets.demo.example.com`);
  t.match(found.spec, {
    names: { singular: 'widget', listKind: 'WidgetList' },
    conversion: { strategy: 'None' },
  });
  t.match(found.status, {
    acceptedNames: { plural: 'widgets', kind: 'Widget', listKind: 'WidgetList', shortNames: ['wd'] },
    storedVersions: ['v1'],
    conditions: [
      { type: 'NamesAccepted', status: 'True', reason: 'NoConflicts' },
      { type: 'Established', status: 'True', reason: 'InitialNamesAccepted' },
    ],
  });
});

t.test('discovery and OpenAPI documents show the kind', async (t) => {
  t.match(await api.ok('GET', '/apis/demo.example.com'), {
    versions: [{ version: 'v1' }, { version: 'v1beta1' }],
    preferredVersion: { version: 'v1' },
  });
  t.match(dig(await api.ok('GET', '/apis/demo.example.com/v1'), 'resources'), [
    { name: 'widgets', shortNames: ['wd'], categories: ['all'] },
    { name: 'widgets/status' },
    { name: 'widgets/scale', kind: 'Scale', group: 'autoscaling' },
  ]);
  const document = await api.ok('GET', '/openapi/v3/apis/demo.example.com/v1');
  t.match(dig(document, 'components', 'schemas', 'com.example.demo.v1.Widget'), {
    'x-kubernetes-group-version-kind': [{ group: 'demo.example.com', version: 'v1', kind: 'Widget' }],
    properties: {
      metadata: { $ref: /ObjectMeta$/ },
      spec: { properties: { ports: { 'x-kubernetes-list-type': 'map' } } },
    },
  });
  const v2 = await api.ok('GET', '/openapi/v2');
  const spec = dig(
    v2,
    'definitions',
    'com.example.demo.v1.Widget',
    'properties',
    'spec',
    'properties',
  ) as Body;
  t.strictSame(spec.nothing, {}, 'nullable is unknown to version 2');
  t.strictSame(spec.any, { type: 'integer' });
});

t.test('unknown fields are pruned, defaults filled, nulls kept where they are values', async (t) => {
  const spec = {
    size: 'small',
    nope: 1,
    replicas: null,
    nothing: null,
    open: { known: 1, other: { y: [1] } },
    ports: [{ name: 'a', port: 0, unknown: true }],
    template: { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'x', bad: 1 }, spec: { any: 1 } },
  };
  const created = await api.call('POST', WIDGETS, widget('pruned', spec, { status: { phase: 'A' } }));
  t.equal(created.code, 201);
  t.strictSame(created.body.spec, {
    size: 'small',
    replicas: 1,
    nothing: null,
    open: { known: 1, other: { y: [1] } },
    ports: [{ name: 'a', port: 0, proto: 'TCP' }],
    template: { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'x' }, spec: { any: 1 } },
    nested: { a: 'x' },
  });
  t.equal(created.body.status, undefined);
  t.strictSame(
    String(created.headers.warning),
    ['spec.nope', 'spec.ports[0].unknown', 'spec.template.metadata.bad']
      .map((field) => `299 - "unknown field \\"${field}\\""`)
      .join(', '),
  );
  const strict = await api.call(
    'POST',
    `${WIDGETS}?fieldValidation=Strict`,
    widget('strict', { size: 'big', x: 1 }),
  );
  t.equal(strict.code, 400);
  t.equal(
    strict.body.message,
    'Widget in version "v1" cannot be handled as a Widget: strict decoding error: unknown field "spec.x"',
  );
});

/** A spec, and what is said of it: the fields and messages of the causes. */
const INVALID: [string, Value, Record<string, string>][] = [
  ['required', {}, { 'spec.size': 'Required value' }],
  [
    'a list for an object',
    [],
    {
      spec: 'Invalid value: "array": spec in body must be of type object: "array"',
      '.spec.replicas':
        'Invalid value: 0: .spec.replicas accessor error: [] is of the type []interface {}, expected map[string]interface{}',
    },
  ],
  ['enum', { size: 'mid' }, { 'spec.size': 'Unsupported value: "mid": supported values: "small", "big"' }],
  [
    'type',
    { size: 1 },
    { 'spec.size': 'Invalid value: "integer": spec.size in body must be of type string: "integer"' },
  ],
  [
    'null',
    { size: null },
    { 'spec.size': 'Invalid value: "null": spec.size in body must be of type string: "null"' },
  ],
  [
    'maximum',
    { size: 'big', replicas: 11 },
    { 'spec.replicas': 'Invalid value: 11: spec.replicas in body should be less than or equal to 10' },
  ],
  [
    'minimum',
    { size: 'big', replicas: -1 },
    {
      'spec.replicas': 'Invalid value: -1: spec.replicas in body should be greater than or equal to 0',
      '.spec.replicas': 'Invalid value: -1: should be a non-negative integer',
    },
  ],
  [
    'pattern',
    { size: 'big', name: 'A1' },
    { 'spec.name': 'Invalid value: "A1": spec.name in body should match \'^[a-z]+$\'' },
  ],
  [
    'minLength',
    { size: 'big', name: 'a' },
    { 'spec.name': 'Invalid value: "a": spec.name in body should be at least 2 chars long' },
  ],
  ['maxLength', { size: 'big', name: 'abcdef' }, { 'spec.name': 'Too long: may not be more than 5 bytes' }],
  [
    'format',
    { size: 'big', when: 'x' },
    { 'spec.when': 'Invalid value: "x": spec.when in body must be of type date-time: "x"' },
  ],
  [
    'int-or-string',
    { size: 'big', port: 1.5 },
    { 'spec.port': 'Invalid value: "number": spec.port in body must be of type integer,string: "number"' },
  ],
  [
    'items',
    { size: 'big', ports: [{ port: 'x' }] },
    {
      'spec.ports[0].name': 'Required value',
      'spec.ports[0].port':
        'Invalid value: "string": spec.ports[0].port in body must be of type integer: "string"',
    },
  ],
  [
    'maxItems',
    { size: 'big', ports: ['a', 'b', 'c', 'd'].map((name) => ({ name })) },
    { 'spec.ports': 'Too many: 4: must have at most 3 items' },
  ],
  [
    'keys twice',
    { size: 'big', ports: [{ name: 'a' }, { name: 'a' }] },
    { 'spec.ports[1]': 'Duplicate value: {"name":"a"}' },
  ],
  ['a set', { size: 'big', tags: ['a', 'a'] }, { 'spec.tags[1]': 'Duplicate value: "a"' }],
  [
    'additionalProperties',
    { size: 'big', labels: { a: 1 } },
    { 'spec.labels.a': 'Invalid value: "integer": spec.labels.a in body must be of type string: "integer"' },
  ],
  [
    'maxProperties',
    { size: 'big', labels: { a: '', b: '', c: '' } },
    { 'spec.labels': 'Too many: 3: must have at most 2 items' },
  ],
  [
    'oneOf',
    { size: 'big', one: { a: 'x', b: 'y' } },
    {
      '<nil>':
        'Invalid value: "": "spec.one" must validate one and only one schema (oneOf). Found 2 valid alternatives',
    },
  ],
  [
    'anyOf',
    { size: 'big', any: 3 },
    {
      '<nil>': 'Invalid value: "": "spec.any" must validate at least one schema (anyOf)',
      'spec.any': 'Invalid value: 3: spec.any in body should be greater than or equal to 5',
    },
  ],
  [
    'not',
    { size: 'big', not: 'bad' },
    { '<nil>': 'Invalid value: "": "spec.not" must not validate the schema (not)' },
  ],
  [
    'allOf',
    { size: 'big', all: 7 },
    {
      '<nil>': 'Invalid value: "": "spec.all" must validate all the schemas (allOf)',
      'spec.all': 'Invalid value: 7: spec.all in body should be a multiple of 2',
    },
  ],
  [
    'embedded resource',
    { size: 'big', template: { kind: 'Pod' } },
    { 'spec.template.apiVersion': 'Required value: must not be empty' },
  ],
];

t.test('what a schema refuses, in the words of the API', async (t) => {
  for (const [what, spec, causes] of INVALID) {
    const answer = await api.call('POST', WIDGETS, widget('bad', spec));
    t.equal(answer.code, 422, what);
    const found = (dig(answer.body, 'details', 'causes') as Body[]).map(({ field, message }) => [
      field,
      message,
    ]);
    t.strictSame(Object.fromEntries(found) as unknown, causes, what);
  }
});

t.test('bodies that are of no such kind', async (t) => {
  const post = (body: Body): Promise<Answer> => api.call('POST', WIDGETS, body);
  const version = await post({ ...widget('v', { size: 'big' }), apiVersion: 'demo.example.com/v2' });
  t.match(version.body, {
    code: 400,
    message:
      'the API version in the data (demo.example.com/v2) does not match the expected API version (demo.example.com/v1)',
  });
  const kind = await post({ ...widget('k', { size: 'big' }), kind: 'Gadget' });
  t.match(kind.body, {
    code: 422,
    message: 'Gadget.demo.example.com "k" is invalid: kind: Invalid value: "Gadget": must be Widget',
  });
  const labels = await post({ ...widget('l', { size: 'big' }), metadata: { name: 'l', labels: { a: 1 } } });
  t.match(labels.body, {
    code: 400,
    message: /cannot unmarshal number into Go struct field ObjectMeta.labels of type string$/,
  });
  const strategic = await api.call('PATCH', `${WIDGETS}/pruned`, { spec: {} }, PATCH.strategic);
  t.match(strategic.body, { code: 415, message: /application\/apply-patch\+yaml$/ });
  t.equal((await api.call('GET', '/apis/demo.example.com/v1/gadgets')).text, '404 page not found\n');
});

t.test('status and scale', async (t) => {
  await api.ok('POST', WIDGETS, widget('parts', { size: 'big' }));
  const one = `${WIDGETS}/parts`;
  const changed = await api.ok('PATCH', one, { spec: { replicas: 3 }, status: { phase: 'A' } }, PATCH.merge);
  t.match(changed, { metadata: { generation: 2 }, spec: { replicas: 3 } });
  t.equal(changed.status, undefined);
  const refused = await api.call('PATCH', `${one}/status`, { status: { phase: 'C' } }, PATCH.merge);
  t.match(refused.body, { code: 422, details: { causes: [{ field: 'status.phase' }] } });
  const status = { phase: 'B', replicas: 4, selector: 'a=b' };
  const written = await api.ok('PATCH', `${one}/status`, { status, spec: { replicas: 9 } }, PATCH.merge);
  t.match(written, { metadata: { generation: 2 }, spec: { replicas: 3 }, status });
  t.match(await api.ok('GET', `${one}/scale`), {
    spec: { replicas: 3 },
    status: { replicas: 4, selector: 'a=b' },
  });
  await api.ok('PATCH', `${one}/scale`, { spec: { replicas: 5 } }, PATCH.merge);
  t.match(await api.ok('GET', one), { metadata: { generation: 3 }, spec: { size: 'big', replicas: 5 } });
  t.equal((await api.call('PATCH', `${one}/scale`, { spec: { replicas: 50 } }, PATCH.merge)).code, 422);
});

t.test('server-side apply by list types', async (t) => {
  const apply = (manager: string, spec: Body, more = ''): Promise<Answer> =>
    api.call(
      'PATCH',
      `${WIDGETS}/applied?fieldManager=${manager}${more}`,
      widget('applied', spec),
      PATCH.apply,
    );
  await apply('m', {
    size: 'big',
    ports: [{ name: 'a', port: 1 }],
    tags: ['x'],
    free: { a: { b: 1 } },
    open: { known: 1, z: { q: 1 } },
  });
  const theirs = { size: 'small', ports: [{ name: 'b', port: 1 }], tags: ['y'], free: { a: { c: 1 } } };
  const conflict = await apply('n', theirs);
  t.match(conflict.body, {
    code: 409,
    message: 'Apply failed with 1 conflict: conflict with "m": .spec.size',
  });
  const { body } = await apply('n', theirs, '&force=true');
  t.match(body.spec, {
    size: 'small',
    tags: ['x', 'y'],
    ports: [
      { name: 'a', proto: 'TCP' },
      { name: 'b', proto: 'TCP' },
    ],
    free: { a: { b: 1, c: 1 } },
  });
  const entries = dig(body, 'metadata', 'managedFields') as Body[];
  t.strictSame(
    dig(
      entries.find(({ manager }) => manager === 'm'),
      'fieldsV1',
    ),
    {
      'f:spec': {
        'f:ports': { 'k:{"name":"a"}': { '.': {}, 'f:name': {}, 'f:port': {} } },
        'f:tags': { 'v:"x"': {} },
        'f:free': { 'f:a': { '.': {}, 'f:b': {} } },
        'f:open': { 'f:known': {}, 'f:z': { '.': {}, 'f:q': {} } },
      },
    },
  );
  const unknown = await apply('n', { size: 'small', unknown: 1 });
  t.match(unknown.body, { code: 500, message: /\.spec\.unknown: field not declared in schema$/ });
  // What its manager no longer applies goes.
  const { body: less } = await apply('n', { size: 'small' });
  t.match(less.spec, { tags: ['x'], free: { a: { b: 1 } } });
});

t.test(
  'another version shows the same objects by its own schema, and is told to be deprecated',
  async (t) => {
    const answer = await api.call('GET', '/apis/demo.example.com/v1beta1/namespaces/default/widgets/parts');
    t.match(answer.body, { apiVersion: 'demo.example.com/v1beta1', kind: 'Widget' });
    t.strictSame(answer.body.spec, { size: 'big', extra: 'e' });
    t.equal(
      answer.headers.warning,
      '299 - "demo.example.com/v1beta1 Widget is deprecated; use demo.example.com/v1 Widget"',
    );
    const made = await api.call('POST', '/apis/demo.example.com/v1beta1/namespaces/default/widgets', {
      ...widget('old', { size: 'big', unknown: 1 }),
      apiVersion: 'demo.example.com/v1beta1',
    });
    t.match(made.headers.warning, /is deprecated.*unknown field/, 'all warnings are told');
    const list = await api.ok('GET', '/apis/demo.example.com/v1beta1/widgets');
    t.match(list, {
      kind: 'WidgetList',
      items: [{ kind: 'Widget', apiVersion: 'demo.example.com/v1beta1' }],
    });
  },
);

t.test('Tables by JSONPath', async (t) => {
  await api.ok(
    'POST',
    WIDGETS,
    widget('table', {
      size: 'big',
      replicas: 2,
      ports: [
        { name: 'a', port: 1 },
        { name: 'b', port: 7 },
      ],
    }),
  );
  const table = await api.ok('GET', `${WIDGETS}/table`, undefined, TABLE);
  t.match(table.columnDefinitions, [
    { name: 'Name', format: 'name' },
    { name: 'Replicas', type: 'integer' },
    { name: 'Second', priority: 1 },
    { name: 'Age', type: 'date' },
  ]);
  t.match(dig(table, 'rows', 0, 'cells'), ['table', 2, '7', /^\d+s$/]);
});

t.test('watches tell of custom objects', async (t) => {
  const watch = await api.watch(`${WIDGETS}?watch=true&fieldSelector=metadata.name%3Dwatched`);
  await api.ok('POST', WIDGETS, widget('watched', { size: 'big' }));
  t.match(await watch.next(), {
    type: 'ADDED',
    object: { kind: 'Widget', apiVersion: 'demo.example.com/v1' },
  });
  await api.ok('DELETE', `${WIDGETS}/watched`);
  t.match(await watch.next(), { type: 'DELETED' });
  watch.close();
});

t.test('a changed schema holds for what is stored already; old versions stay stored', async (t) => {
  const version = (name: string, storage: boolean, properties: Body): Body => ({
    name,
    served: true,
    storage,
    schema: { openAPIV3Schema: { type: 'object', properties } },
  });
  const path = '/apis/change.example.com/v1/namespaces/default/things';
  await define(
    api,
    definition('Thing', 'change.example.com', [version('v1', true, { a: { type: 'string' } })]),
  );
  await served(path);
  await api.ok('POST', path, {
    apiVersion: 'change.example.com/v1',
    kind: 'Thing',
    metadata: { name: 'x' },
    a: 'old',
  });
  const more = { a: { type: 'string' }, b: { type: 'string', default: 'new' } };
  const next = { spec: { versions: [version('v1', false, more), version('v2', true, more)] } };
  const changed = await api.ok('PATCH', `${DEFINITIONS}/things.change.example.com`, next, PATCH.merge);
  t.strictSame(dig(changed, 'status', 'storedVersions'), ['v1', 'v2']);
  await served('/apis/change.example.com/v2/things');
  t.match(await api.ok('GET', `${path}/x`), { a: 'old', b: 'new' });
  const without = { spec: { versions: [version('v2', true, more)] } };
  const refused = await api.call('PATCH', `${DEFINITIONS}/things.change.example.com`, without, PATCH.merge);
  t.match(refused.body, {
    code: 422,
    details: {
      causes: [
        { field: 'status.storedVersions[0]', message: 'Invalid value: "v1": must appear in spec.versions' },
      ],
    },
  });
});

const props = (properties: Body): Body[] => [
  { name: 'v1', served: true, storage: true, schema: { openAPIV3Schema: { type: 'object', properties } } },
];
const at = 'spec.validation.openAPIV3Schema';
/** A definition, and the causes of its refusal. */
const REFUSED: [string, Body, Record<string, RegExp>][] = [
  [
    'its name',
    { ...definition('A', 'x.example.com', props({})), metadata: { name: 'foo' } },
    { 'metadata.name': /must be spec.names.plural\+"."\+spec.group$/ },
  ],
  [
    'a group without a dot',
    definition('A', 'x', props({})),
    { 'spec.group': /should be a domain with at least one dot$/ },
  ],
  [
    'a protected group',
    definition('A', 'x.k8s.io', props({})),
    { 'metadata.annotations[api-approved.kubernetes.io]': /^Required value: protected groups/ },
  ],
  [
    'no schema',
    definition('A', 'x.example.com', [{ name: 'v1', served: true, storage: true }]),
    { 'spec.versions[0].schema.openAPIV3Schema': /^Required value$/ },
  ],
  [
    'no storage version',
    definition('A', 'x.example.com', [{ ...props({})[0], storage: false }]),
    { 'spec.versions': /must have exactly one version marked as storage version$/ },
  ],
  [
    'a field without type',
    definition('A', 'x.example.com', props({ a: {} })),
    { [`${at}.properties[a].type`]: /^Required value: must not be empty for specified object fields$/ },
  ],
  [
    'an unknown type',
    definition('A', 'x.example.com', props({ a: { type: 'strin' } })),
    { [`${at}.properties[a].type`]: /^Unsupported value: "strin"/ },
  ],
  [
    'a list without items',
    definition('A', 'x.example.com', props({ a: { type: 'array' } })),
    { [`${at}.properties[a].items`]: /^Required value: must be specified$/ },
  ],
  [
    'a list without keys',
    definition(
      'A',
      'x.example.com',
      props({ a: { type: 'array', 'x-kubernetes-list-type': 'map', items: { type: 'object' } } }),
    ),
    { [`${at}.properties[a].x-kubernetes-list-map-keys`]: /^Required value/ },
  ],
  [
    'a default of another type',
    definition('A', 'x.example.com', props({ a: { type: 'string', default: 1 } })),
    { [`${at}.properties[a].default`]: /must be of type string/ },
  ],
  [
    'types inside anyOf',
    definition('A', 'x.example.com', props({ a: { type: 'object', anyOf: [{ type: 'object' }] } })),
    { [`${at}.properties[a].anyOf[0].type`]: /^Forbidden: must be empty to be structural$/ },
  ],
  [
    'conversion by a webhook',
    {
      ...definition('A', 'x.example.com', props({})),
      spec: {
        ...(definition('A', 'x.example.com', props({})).spec as Body),
        conversion: { strategy: 'Webhook' },
      },
    },
    { 'spec.conversion.strategy': /^Unsupported value: "Webhook": supported values: "None"$/ },
  ],
];

t.test('definitions that are refused', async (t) => {
  for (const [what, body, causes] of REFUSED) {
    const answer = await define(api, body);
    t.equal(answer.code, 422, what);
    const found = dig(answer.body, 'details', 'causes') as Body[];
    t.match(Object.fromEntries(found.map(({ field, message }) => [field, message])), causes, what);
    t.equal(found.length, Object.keys(causes).length, what);
  }
  const immutable = await api.call(
    'PATCH',
    `${DEFINITIONS}/widgets.demo.example.com`,
    { spec: { scope: 'Cluster' } },
    PATCH.merge,
  );
  t.match(immutable.body, {
    code: 422,
    details: { causes: [{ field: 'spec.scope', message: 'Invalid value: "Cluster": field is immutable' }] },
  });
});

t.test('rules in CEL are taken and not evaluated, which the answer says', async (t) => {
  const ruled = { a: { type: 'string', 'x-kubernetes-validations': [{ rule: 'self != "x"' }] } };
  const answer = await define(api, definition('Ruled', 'cel.example.com', props(ruled)));
  t.equal(answer.code, 201);
  t.match(answer.headers.warning, /does not evaluate x-kubernetes-validations/);
});

t.test('names that another kind of the group has', async (t) => {
  await define(api, definition('Other', 'demo.example.com', props({}), { shortNames: ['wd'] }));
  const path = `${DEFINITIONS}/others.demo.example.com`;
  const conditions = async (): Promise<Body[]> =>
    (dig(await api.ok('GET', path), 'status', 'conditions') ?? []) as Body[];
  while ((await conditions()).length < 2) await new Promise((resolve) => setImmediate(resolve));
  t.match(await conditions(), [
    {
      type: 'NamesAccepted',
      status: 'False',
      reason: 'ShortNamesConflict',
      message: '"wd" is already in use',
    },
    { type: 'Established', status: 'False', reason: 'NotAccepted' },
  ]);
  t.equal((await api.call('GET', '/apis/demo.example.com/v1/others')).code, 404);
  await api.ok('DELETE', path);

  const ingress = definition('Ingress', 'networking.k8s.io', props({}), { plural: 'ingresses' });
  const metadata = {
    name: 'ingresses.networking.k8s.io',
    annotations: { 'api-approved.kubernetes.io': 'https://example.com' },
  };
  t.equal((await define(api, { ...ingress, metadata })).code, 201);
  t.match(await api.ok('GET', '/apis/networking.k8s.io/v1/ingresses'), { kind: 'IngressList' });
  await api.ok('DELETE', `${DEFINITIONS}/ingresses.networking.k8s.io`);
  await gone(`${DEFINITIONS}/ingresses.networking.k8s.io`);
  t.match(await api.ok('GET', '/apis/networking.k8s.io/v1/ingresses'), { kind: 'IngressList' });
});

t.test('a definition goes when its objects are gone', async (t) => {
  const path = '/apis/gone.example.com/v1/namespaces/default/parcels';
  const name = `${DEFINITIONS}/parcels.gone.example.com`;
  const parcel = (metadata: Body): Body => ({ apiVersion: 'gone.example.com/v1', kind: 'Parcel', metadata });
  await define(api, definition('Parcel', 'gone.example.com', props({})));
  await served(path);
  await api.ok('POST', path, parcel({ name: 'plain' }));
  await api.ok('POST', path, parcel({ name: 'held', finalizers: ['a.example.com/b'] }));
  const watch = await api.watch(`${path}?watch=true&fieldSelector=metadata.name%3Dheld`);
  t.match(await watch.next(), { type: 'ADDED' });
  const deleted = await api.ok('DELETE', name);
  t.strictSame(dig(deleted, 'metadata', 'finalizers'), ['customresourcecleanup.apiextensions.k8s.io']);
  await gone(`${path}/plain`);
  const refused = await api.call('POST', path, parcel({ name: 'late' }));
  t.match(refused.body, {
    code: 403,
    message:
      'parcels.gone.example.com "late" is forbidden: create not allowed while custom resource definition is terminating',
  });
  t.ok(dig(await api.ok('GET', `${path}/held`), 'metadata', 'deletionTimestamp'));
  await api.ok('PATCH', `${path}/held`, { metadata: { finalizers: null } }, PATCH.merge);
  await gone(name);
  t.match(await watch.next(), { type: 'MODIFIED' });
  t.match(await watch.next(), { type: 'DELETED' });
  t.equal(await watch.next(), undefined, 'a watch ends with its kind');
  t.equal((await api.call('GET', path)).code, 404);
  t.notMatch(JSON.stringify(await api.ok('GET', '/apis')), /gone\.example\.com/);
  await define(api, definition('Parcel', 'gone.example.com', props({})));
  await served(path);
  t.match(await api.ok('GET', path), { items: [] });
});

if (noKubectl !== undefined)
  process.stderr.write(`custom-resources.test: kubectl lines skipped: ${noKubectl}\n`);

t.test('stock kubectl', { skip: noKubectl ?? false }, async (t) => {
  const manifest = join(home, 'widget.json');
  await writeFile(manifest, JSON.stringify(widget('mine', { size: 'big' })));
  const typo = join(home, 'typo.json');
  await writeFile(typo, JSON.stringify(widget('typo', { size: 'big', sise: 1 })));
  const lines: [string, boolean, RegExp][] = [
    ['wait --for=condition=Established crd/widgets.demo.example.com --timeout=5s', true, /condition met/],
    ['explain widget.spec.ports', true, /FIELD: ports <\[\]Object>[^]*name\t<string> -required-/],
    [`apply -f ${manifest} --validate=strict`, true, /widget.demo.example.com\/mine created/],
    [`apply -f ${manifest}`, true, /mine unchanged/],
    [`apply -f ${typo}`, false, /unknown field "spec.sise"/],
    ['get wd mine', true, /^NAME +REPLICAS +AGE\nmine +1 +\d+s$/m],
    ['scale wd mine --replicas=4', true, /scaled/],
    ['get all', true, /widget.demo.example.com\/mine +4/],
    [`delete -f ${manifest}`, true, /deleted/],
  ];
  for (const [line, succeeds, says] of lines) {
    const args = ['--server', api.server.url, '--cache-dir', join(home, 'cache'), ...line.split(' ')];
    const env = { PATH: process.env.PATH ?? '', HOME: home, KUBECONFIG: join(home, 'none') };
    const { ok, text } = await run('kubectl', args, { env }).then(
      ({ stdout, stderr }) => ({ ok: true, text: stdout + stderr }),
      (error: { stdout: string; stderr: string }) => ({ ok: false, text: error.stdout + error.stderr }),
    );
    t.equal(ok, succeeds, `kubectl ${line}`);
    t.match(text, says, `kubectl ${line}`);
  }
});
