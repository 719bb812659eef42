/** The OpenAPI 3.1 document, from the contracts. */
import { ERRORS, Problem } from '../../schemas/errors.js';
import type { Contract, ErrorCode } from '../../schemas/index.js';
import { namedTypes, plainSchema, schemasOf } from './named-types.js';
import type { Schema } from './named-types.js';

export interface OpenApiOptions {
  readonly version: string;
  /** Where the server is reached; relative to the document's own address when absent. */
  readonly serverUrl?: string;
}

type Json = Record<string, unknown>;

const ref = (name: string): Json => ({ $ref: `#/components/schemas/${name}` });

/** A schema with each named type in it as a reference. What a use says of its own stays beside the reference. */
function referring(schema: Schema, top = true): Json {
  if (!top && schema.title !== undefined) {
    const { description, default: value } = schema;
    return {
      ...ref(schema.title),
      ...(description === undefined ? {} : { description }),
      ...(value === undefined ? {} : { default: value }),
    };
  }
  const inner = (value: Schema): Json => referring(value, false);
  const each = (values: Readonly<Record<string, Schema>>): Json =>
    Object.fromEntries(Object.entries(values).map(([key, value]) => [key, inner(value)]));
  return {
    ...schema,
    ...(schema.anyOf === undefined ? {} : { anyOf: schema.anyOf.map(inner) }),
    ...(schema.items === undefined ? {} : { items: inner(schema.items) }),
    ...(schema.properties === undefined ? {} : { properties: each(schema.properties) }),
    ...(schema.patternProperties === undefined ? {} : { patternProperties: each(schema.patternProperties) }),
  };
}

const schemaRef = (schema: Contract['result']): Json =>
  schema === undefined ? {} : referring(plainSchema(schema), false);

/** A line of a stream; the last one is a result, an end or an error. */
function lineSchema(contract: Contract): Json {
  const line = (type: string, more: Json = {}): Json => ({
    type: 'object',
    properties: { type: { const: type }, ...more },
    required: ['type', ...Object.keys(more)],
  });
  return {
    oneOf: [
      line('item', { item: schemaRef(contract.item) }),
      line('heartbeat'),
      contract.result === undefined ? line('end') : line('result', { result: schemaRef(contract.result) }),
      line('error', { error: ref('Problem') }),
    ],
  };
}

/** The codes that any function can answer with. */
const ALWAYS: readonly ErrorCode[] = [
  'invalid_json',
  'invalid_params',
  'permission_denied',
  'forbidden_origin',
  'not_acceptable',
  'payload_too_large',
  'unsupported_media_type',
  'too_many_requests',
  'internal',
  'bad_gateway',
  'cluster_unavailable',
  'overloaded',
  'deadline_exceeded',
];
const BY_EFFECT: Readonly<Record<Contract['effect'], readonly ErrorCode[]>> = {
  read: [],
  create: ['not_found', 'already_exists', 'rejected_by_cluster'],
  update: ['not_found', 'conflict', 'rejected_by_cluster'],
  delete: ['not_found', 'conflict'],
  execute: ['not_found', 'conflict'],
};

/** The codes that a function can answer with. */
export function codesOf(contract: Contract): ErrorCode[] {
  const codes = new Set<ErrorCode>([...ALWAYS, ...BY_EFFECT[contract.effect]]);
  if (contract.permissions.some(({ object }) => object !== undefined)) codes.add('not_found');
  if ('continue' in contract.params.properties) codes.add('gone');
  return (Object.keys(ERRORS) as ErrorCode[]).filter((code) => codes.has(code));
}

function problems(codes: readonly ErrorCode[]): Json {
  const byStatus = new Map<number, ErrorCode[]>();
  for (const code of codes) {
    const [status] = ERRORS[code];
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  return Object.fromEntries(
    [...byStatus].map(([status, same]) => [
      String(status),
      {
        description: same.map((code) => `\`${code}\`: ${ERRORS[code][2]}`).join('\n\n'),
        headers: {
          'X-Request-Id': { $ref: '#/components/headers/RequestId' },
          ...(status === 429 || status === 503
            ? { 'Retry-After': { $ref: '#/components/headers/RetryAfter' } }
            : {}),
        },
        content: { 'application/problem+json': { schema: ref('Problem') } },
      },
    ]),
  );
}

function operation(contract: Contract): Json {
  const { name, mode, params } = contract;
  const streamed = {
    'application/x-ndjson': { schema: lineSchema(contract) },
    'text/event-stream': { schema: { type: 'string', description: "Each event's data is such a line." } },
  };
  const content = {
    ...(mode === 'stream' ? {} : { 'application/json': { schema: schemaRef(contract.result) } }),
    ...(mode === 'unary' ? {} : streamed),
  };
  const parameters = [
    ...(contract.effect === 'read' ? [] : [{ $ref: '#/components/parameters/DryRun' }]),
    { $ref: '#/components/parameters/TimeoutSeconds' },
    { $ref: '#/components/parameters/RequestId' },
  ];
  return {
    operationId: name,
    summary: contract.summary,
    description: contract.description,
    tags: [contract.effect === 'read' ? 'reads' : 'changes'],
    parameters,
    requestBody: {
      description: 'The params. An empty body is `{}`.',
      required: (params.required ?? []).length > 0,
      content: {
        'application/json': {
          schema: referring(plainSchema(params)),
          examples: Object.fromEntries(
            contract.examples.map(({ title, params: value }, index) => [
              `example_${index + 1}`,
              { summary: title, value },
            ]),
          ),
        },
      },
    },
    responses: {
      '200': {
        description: mode === 'stream' ? 'Items, and one last line.' : 'The result.',
        headers: { 'X-Request-Id': { $ref: '#/components/headers/RequestId' } },
        content,
      },
      ...problems(codesOf(contract)),
    },
  };
}

/** What is there beside the functions. */
function otherPaths(): Json {
  const get = (operationId: string, summary: string, type: string, schema: Json): Json => ({
    get: {
      operationId,
      summary,
      tags: ['about'],
      responses: { '200': { description: 'It.', content: { [type]: { schema } } } },
    },
  });
  return {
    '/v1/functions': get('list_functions', 'List the contracts of all functions', 'application/json', {
      type: 'object',
      properties: {
        items: {
          type: 'array',
          items: {
            type: 'object',
            properties: {
              name: { type: 'string' },
              summary: { type: 'string' },
              description: { type: 'string' },
              effect: { type: 'string', enum: Object.keys(BY_EFFECT) },
              mode: { type: 'string', enum: ['unary', 'stream', 'progress'] },
              params: { type: 'object', description: 'JSON Schema of the params.' },
              result: { type: 'object', description: 'JSON Schema of the result.' },
              item: { type: 'object', description: "JSON Schema of a stream's items." },
              permissions: { type: 'array', items: { type: 'object' } },
              aplite: { type: 'array', items: { type: 'string' } },
              examples: { type: 'array', items: { type: 'object' } },
            },
            required: ['name', 'summary', 'description', 'effect', 'mode', 'params'],
          },
        },
      },
      required: ['items'],
    }),
    '/': {
      post: {
        operationId: 'aplite_protocol',
        summary: "Aplite's protocol: ids, values, applications and actions",
        tags: ['about'],
        requestBody: { required: true, content: { 'application/json': { schema: { type: 'object' } } } },
        responses: {
          '200': {
            description: 'An id, a value or a type.',
            content: { 'text/plain': { schema: { type: 'string' } } },
          },
          ...problems(['invalid_json', 'invalid_params', 'not_found', 'bad_gateway']),
        },
      },
    },
    '/docs': get('docs', 'Show the reference', 'text/html', { type: 'string' }),
    '/openapi.json': get('openapi', 'Show this document', 'application/json', { type: 'object' }),
    '/v1/aplite': get('aplite', 'Print the remote block of an Aplite program', 'text/plain', {
      type: 'string',
    }),
  };
}

/** Makes the OpenAPI 3.1 document: one literal path a function, named types as components. */
export function openApiDocument(
  contracts: readonly Contract[],
  { version, serverUrl = '/' }: OpenApiOptions,
): Json {
  const types = namedTypes([...schemasOf(contracts), Problem]);
  return {
    openapi: '3.1.0',
    info: {
      title: 'xi-k8s',
      version,
      summary: 'A remote function library for Kubernetes',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: serverUrl }],
    tags: [
      { name: 'reads', description: 'Functions that only read.' },
      { name: 'changes', description: 'Functions that change something. Each has a dry run.' },
      { name: 'about', description: 'What the server says of itself.' },
    ],
    paths: {
      ...Object.fromEntries(
        contracts.map((contract) => [`/v1/functions/${contract.name}`, { post: operation(contract) }]),
      ),
      ...otherPaths(),
    },
    components: {
      schemas: Object.fromEntries([...types].map(([name, schema]) => [name, referring(schema)])),
      parameters: {
        DryRun: {
          name: 'dry_run',
          in: 'query',
          description:
            'Everything but the storing: the API server checks the change and the result is the normal one.',
          schema: { type: 'boolean', default: false },
        },
        TimeoutSeconds: {
          name: 'X-Timeout-Seconds',
          in: 'header',
          description: 'The deadline of the call, in seconds.',
          schema: { type: 'number', exclusiveMinimum: 0 },
        },
        RequestId: {
          name: 'X-Request-Id',
          in: 'header',
          description: "Names the call in the server's log; made by the server when absent.",
          schema: { type: 'string' },
        },
      },
      headers: {
        RequestId: { description: 'The name of the call in the log.', schema: { type: 'string' } },
        RetryAfter: { description: 'When to try again, in seconds.', schema: { type: 'integer' } },
      },
    },
    // The one listener there is takes local callers only, and asks them nothing.
    security: [],
  };
}
