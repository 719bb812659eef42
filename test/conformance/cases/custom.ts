/** CustomResourceDefinitions and the objects that they define. */
import {
  HASH,
  apply,
  area,
  del,
  events,
  get,
  jsonPatch,
  mergePatch,
  METADATA_LIST,
  post,
  put,
  setup,
  strategic,
  TABLE,
  until,
  watch,
} from '../case.js';
import type { Fields, Json, Step } from '../case.js';

const DEFINITIONS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
/** Each case has a group of its own: `{ns}.example.com`. */
const GROUP = '{ns}.example.com';
const THINGS = `/apis/${GROUP}/v1/namespaces/{ns}/things`;
const THING = `${THINGS}/a`;

const SCHEMA: Fields = {
  type: 'object',
  required: ['spec'],
  properties: {
    spec: {
      type: 'object',
      required: ['size'],
      properties: {
        size: { type: 'integer', minimum: 1, maximum: 10 },
        name: { type: 'string', pattern: '^[a-z]+$', maxLength: 8 },
        mode: { type: 'string', enum: ['fast', 'slow'], default: 'slow' },
        ratio: { type: 'number' },
        on: { type: 'boolean', default: true },
        tags: { type: 'array', items: { type: 'string' }, maxItems: 3, 'x-kubernetes-list-type': 'set' },
        parts: {
          type: 'array',
          'x-kubernetes-list-type': 'map',
          'x-kubernetes-list-map-keys': ['name'],
          items: {
            type: 'object',
            required: ['name'],
            properties: { name: { type: 'string' }, count: { type: 'integer', default: 1 } },
          },
        },
        free: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
        labels: { type: 'object', additionalProperties: { type: 'string' } },
        port: { 'x-kubernetes-int-or-string': true },
        maybe: { type: 'string', nullable: true },
        nested: { type: 'object', default: {}, properties: { deep: { type: 'string', default: 'x' } } },
      },
    },
    status: { type: 'object', properties: { phase: { type: 'string' }, replicas: { type: 'integer' } } },
  },
};

const definition = (version: Fields = {}, spec: Fields = {}): Fields => ({
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: `things.${GROUP}` },
  spec: {
    group: GROUP,
    scope: 'Namespaced',
    names: {
      plural: 'things',
      singular: 'thing',
      kind: 'Thing',
      listKind: 'ThingList',
      shortNames: ['th'],
      categories: ['all'],
    },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        schema: { openAPIV3Schema: SCHEMA },
        subresources: {
          status: {},
          scale: { specReplicasPath: '.spec.size', statusReplicasPath: '.status.replicas' },
        },
        additionalPrinterColumns: [
          { name: 'Size', type: 'integer', jsonPath: '.spec.size' },
          { name: 'Mode', type: 'string', jsonPath: '.spec.mode', priority: 1 },
          { name: 'Phase', type: 'string', jsonPath: '.status.phase' },
          { name: 'Part', type: 'string', jsonPath: '.spec.parts[0].name' },
          { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp' },
        ],
        ...version,
      },
    ],
    ...spec,
  },
});

/** The definition, and the wait until its objects are served. */
const defined = (version: Fields = {}, spec: Fields = {}): Step[] => [
  setup(post(DEFINITIONS, definition(version, spec))),
  until(get(THINGS), { code: 200 }),
  // Until writes are served too: a definition is taken up a moment after it is established.
  until(
    post(`${THINGS}?dryRun=All`, {
      apiVersion: `${GROUP}/v1`,
      kind: 'Thing',
      metadata: { name: 'x' },
      spec: { size: 1 },
    }),
    { code: 201 },
  ),
];
const gone: Step = setup(del(`${DEFINITIONS}/things.${GROUP}`));
const thing = (name: string, spec: Json = { size: 1 }, more: Fields = {}): Fields => ({
  apiVersion: `${GROUP}/v1`,
  kind: 'Thing',
  metadata: { name },
  spec,
  ...more,
});
const withThings = (...steps: Step[]): Step[] => [...defined(), ...steps, gone];

export const custom = area('custom resources', {
  'a definition': {
    steps: [
      post(DEFINITIONS, definition()),
      until(get(THINGS), { code: 200 }),
      get(`${DEFINITIONS}/things.${GROUP}`),
      del(`${DEFINITIONS}/things.${GROUP}`),
      until(get(`${DEFINITIONS}/things.${GROUP}`), { code: 404 }),
      until(get(THINGS), { code: 404 }),
      get(THINGS),
    ],
    ignored: [
      {
        field: 'body.metadata.managedFields',
        reason: 'the controller that accepts the names writes the status in steps of its own',
      },
    ],
  },
  'definitions that cannot be': [
    post(DEFINITIONS, { ...definition(), metadata: { name: 'other' } }),
    post(DEFINITIONS, definition({ schema: undefined as never })),
    post(DEFINITIONS, definition({}, { scope: 'Other' })),
    post(DEFINITIONS, definition({}, { names: { plural: 'things', kind: '' } })),
    post(
      DEFINITIONS,
      definition({
        schema: { openAPIV3Schema: { type: 'object', properties: { spec: { properties: {} } } } },
      }),
    ),
  ],
  discovery: {
    steps: withThings(get(`/apis/${GROUP}/v1`), get(`/apis/${GROUP}`)),
    ignored: [HASH],
  },
  'create, with defaults': withThings(
    post(THINGS, thing('a')),
    post(
      THINGS,
      thing('b', {
        size: 2,
        parts: [{ name: 'p' }],
        nested: {},
        tags: ['x', 'y'],
        port: '80',
        maybe: null,
        ratio: 1.5,
      }),
    ),
  ),
  'unknown fields are pruned': withThings(
    post(
      THINGS,
      thing('a', { size: 1, unknown: 1, free: { any: { thing: [1] } }, labels: { a: 'b' } }, { extra: 'x' }),
    ),
    post(
      `${THINGS}?fieldValidation=Strict`,
      thing('b', { size: 1, unknown: 1, parts: [{ name: 'p', more: 1 }] }),
    ),
    post(`${THINGS}?fieldValidation=Ignore`, thing('c', { size: 1, unknown: 1 })),
  ),
  'values that the schema refuses': withThings(
    post(THINGS, thing('a', {})),
    post(THINGS, { ...thing('a'), spec: undefined as never }),
    post(THINGS, thing('a', { size: 0 })),
    post(THINGS, thing('a', { size: 11 })),
    post(THINGS, thing('a', { size: 1, name: 'UPPER' })),
    post(THINGS, thing('a', { size: 1, mode: 'other' })),
    post(THINGS, thing('a', { size: 'x' })),
    post(THINGS, thing('a', { size: 1.5 })),
    post(THINGS, thing('a', { size: 1, name: 'muchtoolong' })),
    post(THINGS, thing('a', { size: 1, tags: ['a', 'b', 'c', 'd'] })),
    post(THINGS, thing('a', { size: 1, tags: ['a', 'a'] })),
    post(THINGS, thing('a', { size: 1, parts: [{ name: 'x' }, { name: 'x' }] })),
    post(THINGS, thing('a', { size: 1, parts: [{ count: 1 }] })),
    post(THINGS, thing('a', { size: 1, labels: { a: 1 } })),
    post(THINGS, thing('a', { size: 1, on: 'yes' })),
    post(THINGS, thing('a', { size: 1, port: true })),
    post(THINGS, thing('a', 'text')),
    post(THINGS, thing('A_B')),
  ),
  'bodies of other kinds': withThings(
    post(THINGS, { ...thing('a'), kind: 'Other' }),
    post(THINGS, { metadata: { name: 'a' }, spec: { size: 1 } }),
    post(THINGS, 'not json'),
    post(THINGS, thing('a'), { headers: { 'content-type': 'text/plain' } }),
  ),
  'read and list': withThings(
    setup(post(THINGS, thing('a'))),
    setup(post(THINGS, thing('b', { size: 2 }, { metadata: { name: 'b', labels: { l: 'm' } } }))),
    get(THING),
    get(THINGS),
    get(`${THINGS}?labelSelector=l%3Dm`, { headers: METADATA_LIST }),
    get(`${THINGS}?fieldSelector=metadata.name%3Da`, { headers: METADATA_LIST }),
    get(`${THINGS}?fieldSelector=spec.size%3D1`),
    get(`${THINGS}/none`),
    get(`${THINGS}?limit=1`, { headers: METADATA_LIST }),
  ),
  'as Tables': withThings(
    setup(post(THINGS, thing('a', { size: 1, parts: [{ name: 'p' }] }))),
    setup(post(THINGS, thing('b', { size: 2 }))),
    setup(mergePatch(`${THINGS}/b/status`, { status: { phase: 'Done' } })),
    get(`${THINGS}?includeObject=None`, { headers: TABLE }),
    get(`${DEFINITIONS}/things.${GROUP}?includeObject=None`, { headers: TABLE }),
  ),
  'as Tables without columns': [
    ...defined({ additionalPrinterColumns: [] }),
    setup(post(THINGS, thing('a'))),
    get(`${THINGS}?includeObject=None`, { headers: TABLE }),
    gone,
  ],
  update: withThings(
    setup(post(THINGS, thing('a'), { save: { version: 'metadata.resourceVersion' } })),
    put(THING, thing('a', { size: 2 })),
    put(THING, thing('a', { size: 2 }, { metadata: { name: 'a', resourceVersion: '{version}' } })),
    put(THING, thing('a', { size: 2 }, { metadata: { name: 'a', resourceVersion: '1' } })),
  ),
  'the status': withThings(
    setup(post(THINGS, thing('a', { size: 1 }, { status: { phase: 'ignored' } }))),
    mergePatch(`${THING}/status`, { status: { phase: 'Done', unknown: 1 }, spec: { size: 5 } }),
    mergePatch(THING, { status: { phase: 'Other' }, spec: { size: 3 } }),
    mergePatch(`${THING}/status`, { status: { phase: 1 } }),
  ),
  'the scale': withThings(
    setup(post(THINGS, thing('a'))),
    get(`${THING}/scale`),
    mergePatch(`${THING}/scale`, { spec: { replicas: 4 } }),
    mergePatch(`${THING}/scale`, { spec: { replicas: 40 } }),
  ),
  patches: withThings(
    setup(post(THINGS, thing('a', { size: 1, tags: ['x'] }))),
    mergePatch(THING, { spec: { mode: 'fast', tags: ['y'], unknown: 1 } }),
    jsonPatch(THING, [{ op: 'replace', path: '/spec/size', value: 5 }]),
    strategic(THING, { spec: { size: 2 } }),
    mergePatch(THING, { spec: { size: 50 } }),
    mergePatch(THING, { spec: { mode: null } }),
  ),
  apply: withThings(
    apply(THING, 'me', thing('a', { size: 1, tags: ['a'], parts: [{ name: 'p', count: 2 }] })),
    apply(THING, 'you', thing('a', { size: 1, tags: ['b'], parts: [{ name: 'q' }] })),
    apply(THING, 'you', thing('a', { size: 2 })),
    apply(THING, 'me', thing('a', { size: 1 })),
    apply(THING, 'me', thing('a', { size: 1, unknown: 1 })),
  ),
  watch: withThings(
    watch('w', `${THINGS}?watch=true`),
    setup(post(THINGS, thing('a'))),
    setup(mergePatch(THING, { spec: { size: 2 } })),
    setup(del(THING)),
    events('w', 3),
  ),
  'a watch from a version that is too old': withThings(
    setup(post(THINGS, thing('a'))),
    watch('w', `${THINGS}?watch=true&resourceVersion=1`),
    events('w', 'end'),
  ),
  delete: withThings(
    setup(post(THINGS, thing('a'))),
    setup(post(THINGS, thing('b'))),
    del(THING),
    del(THINGS),
    del(THING),
  ),
  'without status and columns': [
    ...defined({ subresources: {}, additionalPrinterColumns: [] }),
    post(THINGS, thing('a', { size: 1 }, { status: { phase: 'x' } })),
    mergePatch(THING, { status: { phase: 'y' } }),
    get(`${THING}/status`),
    get(`${THING}/scale`),
    gone,
  ],
});
