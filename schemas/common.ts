/** Schemas that many functions share. A schema with a `title` is a named type in OpenAPI, the client and the reference. */
import { Type } from '@sinclair/typebox';
import type { SchemaOptions, Static, TOptional, TSchema, TUnsafe } from '@sinclair/typebox';

/** An optional param with a value of its own when it is absent; implementations always get it. */
export const withDefault = <T extends TSchema>(schema: T, value: Static<T>) =>
  Type.Optional({ ...schema, default: value }) as TOptional<T> & { default: Static<T> };

const LABEL = '[a-z0-9]([-a-z0-9]*[a-z0-9])?';

/** A DNS label (RFC 1123), the rule for namespaces, containers and volumes. */
export const dnsLabel = (description: string, options: SchemaOptions = {}) =>
  Type.String({
    description,
    minLength: 1,
    maxLength: 63,
    pattern: `^${LABEL}$`,
    'x-rule':
      "lower case letters, digits and '-', starting and ending with a letter or digit, at most 63 characters",
    ...options,
  });

/** A DNS subdomain (RFC 1123), the rule for most objects' names. */
export const dnsSubdomain = (description: string, options: SchemaOptions & { maxLength?: number } = {}) =>
  Type.String({
    description,
    minLength: 1,
    maxLength: 253,
    pattern: `^${LABEL}(\\.${LABEL})*$`,
    'x-rule': `lower case letters, digits, '-' and '.', starting and ending with a letter or digit, at most ${options.maxLength ?? 253} characters`,
    ...options,
  });

/**
 * One of some words. An `enum` serialises faster than a union of literals; the pattern is what TypeBox's compiler checks.
 */
export const oneOf = <const T extends readonly string[]>(values: T, options: SchemaOptions = {}) =>
  Type.String({ enum: values, pattern: `^(${values.join('|')})$`, ...options }) as unknown as TUnsafe<
    T[number]
  >;

export const stringMap = (description: string) =>
  Type.Record(Type.String(), Type.String(), { description, maxProperties: 1000 });

export const timestamp = (description: string) => Type.String({ description: `${description} RFC 3339.` });

export const namespace = Type.Optional(
  dnsLabel("The namespace. The server's default namespace when absent.", { examples: ['default'] }),
);

export const allNamespaces = withDefault(
  Type.Boolean({ description: 'All namespaces instead of one; `namespace` must then be absent.' }),
  false,
);

export const labelSelector = Type.Optional(
  Type.String({
    description: 'Only objects whose labels match: `app=web,tier!=cache`, `env in (a, b)`, `!canary`.',
    minLength: 1,
    examples: ['app=nginx'],
  }),
);

export const fieldSelector = Type.Optional(
  Type.String({
    description:
      'Only objects whose fields match, as the API server supports it for the kind: `metadata.name=web`.',
    minLength: 1,
    examples: ['metadata.name=web'],
  }),
);

export const limit = withDefault(
  Type.Integer({ description: 'At most so many items in this answer.', minimum: 1, maximum: 5000 }),
  500,
);

export const continueToken = Type.Optional(
  Type.String({
    description:
      'The `continue` of the answer before, for the next page. Answers 410 when it is too old: start again.',
    minLength: 1,
  }),
);

export const wait = (until: string) =>
  withDefault(Type.Boolean({ description: `Answer only when ${until}.` }), false);

export const timeoutSeconds = withDefault(
  Type.Integer({
    description: 'How long to wait, in seconds, before the call fails with `deadline_exceeded`.',
    minimum: 1,
    maximum: 86400,
  }),
  300,
);

/** A list's answer. `title` is the name of the items' type. */
export const listOf = <T extends TSchema>(item: T, title: string) =>
  Type.Object(
    {
      items: Type.Array(item, {
        description: 'The objects, in the order of the API server: by namespace and name.',
      }),
      continue: Type.Optional(
        Type.String({ description: 'Set while there are more: pass it as `continue` for the next page.' }),
      ),
    },
    { title },
  );

export const Condition = Type.Object(
  {
    type: Type.String({ description: 'What it is about: `Available`, `Ready`, …' }),
    status: oneOf(['True', 'False', 'Unknown'], { description: 'Whether it holds.' }),
    reason: Type.Optional(Type.String({ description: 'Why, in one word for programs.' })),
    message: Type.Optional(Type.String({ description: 'Why, in words for people.' })),
    changed_at: Type.Optional(timestamp('When the status last changed.')),
  },
  { title: 'Condition' },
);
