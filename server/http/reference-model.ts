/** What the reference says, before it is Markdown or HTML. */
import { ERRORS, Problem } from '../../schemas/errors.js';
import type { Contract, Permission } from '../../schemas/index.js';
import { formsOf, surface } from './aplite/types.js';
import { namedTypes, plainSchema, schemasOf } from './named-types.js';
import type { Schema } from './named-types.js';

/** A type in words, in parts: those with `named` are the name of a type of the reference. */
export type TypeText = readonly { readonly text: string; readonly named?: true }[];

export interface Field {
  /** With a dot inside an object and `[]` inside a list: `http_get.path`. */
  readonly name: string;
  readonly type: TypeText;
  readonly required: boolean;
  /** As JSON. */
  readonly default?: string;
  /** `1 to 5000`, `at least 1 character`. */
  readonly bounds: string;
  /** Markdown. */
  readonly description: string;
}

export interface NamedType {
  readonly name: string;
  readonly description: string;
  readonly fields: readonly Field[];
}

export interface FunctionPage {
  readonly contract: Contract;
  readonly params: readonly Field[];
  readonly result?: TypeText;
  readonly item?: TypeText;
  readonly permissions: readonly { readonly rule: string; readonly when: string }[];
  /** `name : type`, for each form. */
  readonly aplite: readonly string[];
  readonly examples: readonly {
    readonly title: string;
    readonly curl: string;
    readonly typescript: string;
  }[];
}

export interface Reference {
  readonly functions: readonly FunctionPage[];
  readonly types: readonly NamedType[];
  readonly errors: readonly { readonly code: string; readonly status: number; readonly meaning: string }[];
}

/** What a caller should know of an effect. */
export const effectText = (effect: Contract['effect']): string =>
  effect === 'read' ? 'may be repeated' : 'a change; it has a dry run';

/** How a function answers. */
export const MODES: Readonly<Record<Contract['mode'], string>> = {
  unary: 'its result',
  stream: 'a stream of items, and one last line',
  progress: 'its result, or, asked for a stream, items on the way to it',
};

function typeText(schema: Schema): TypeText {
  if (schema.title !== undefined) return [{ text: schema.title, named: true }];
  if (schema.const !== undefined) return [{ text: JSON.stringify(schema.const) }];
  if (schema.enum !== undefined)
    return [{ text: schema.enum.map((value) => JSON.stringify(value)).join(' | ') }];
  if (schema.anyOf !== undefined)
    return schema.anyOf.flatMap((one, index) => [
      ...(index === 0 ? [] : [{ text: ' | ' }]),
      ...typeText(one),
    ]);
  if (schema.type === 'array') return [{ text: 'list of ' }, ...typeText(schema.items ?? {})];
  const values = Object.values(schema.patternProperties ?? {});
  if (values.length > 0) return [{ text: 'map of ' }, ...values.flatMap(typeText)];
  return [{ text: schema.type ?? 'any' }];
}

const count = (n: unknown, thing: string): string => `${String(n)} ${thing}${n === 1 ? '' : 's'}`;

/** What values are allowed, beside the type. */
function bounds(schema: Schema): string {
  const { minimum, maximum, minLength, maxLength, minItems, maxItems, 'x-rule': rule } = schema;
  const said: string[] = [];
  const range = (least: unknown, most: unknown, words: (n: unknown) => string): void => {
    if (least !== undefined && most !== undefined) said.push(`${String(least)} to ${words(most)}`);
    else if (least !== undefined) said.push(`at least ${words(least)}`);
    else if (most !== undefined) said.push(`at most ${words(most)}`);
  };
  range(minimum, maximum, String);
  if (rule === undefined) range(minLength, maxLength, (n) => count(n, 'character'));
  else said.push(String(rule));
  range(minItems, maxItems, (n) => count(n, 'item'));
  return said.join('; ');
}

/** What a list or a map is made of. */
const insideOf = (schema: Schema): Schema | undefined =>
  schema.items ?? Object.values(schema.patternProperties ?? {})[0];

/** The fields of an object, those of unnamed objects inside it too. */
function fieldsOf(schema: Schema, prefix = ''): Field[] {
  const required = new Set(schema.required);
  return Object.entries(schema.properties ?? {}).flatMap(([key, field]) => {
    const name = `${prefix}${key}`;
    const inside = field.title === undefined ? insideOf(field) : undefined;
    const each = inside === undefined || inside.title !== undefined ? '' : bounds(inside);
    const nested = field.title === undefined ? (inside ?? field) : field;
    const row: Field = {
      name,
      type: typeText(field),
      required: required.has(key),
      ...(field.default === undefined ? {} : { default: JSON.stringify(field.default) }),
      bounds: [bounds(field), each === '' ? '' : `each: ${each}`].filter((said) => said !== '').join('; '),
      description: field.description ?? '',
    };
    const path = `${name}${inside === undefined ? '' : '[]'}.`;
    return [row, ...(nested.title === undefined ? fieldsOf(nested, path) : [])];
  });
}

const ruleText = ({ group, resource, verbs }: Permission): string =>
  `${verbs.join(', ')} ${resource}${group === '' ? '' : `.${group}`}`;

/** JSON as a line for a shell. */
const quoted = (json: string): string => `'${json.replaceAll("'", "'\\''")}'`;

function curl({ name, mode }: Contract, params: object): string {
  const url = `localhost:8080/v1/functions/${name}`;
  const flags = mode === 'stream' ? '-sN' : '-s';
  return Object.keys(params).length === 0
    ? `curl ${flags} -X POST ${url}`
    : `curl ${flags} ${url} -H 'content-type: application/json' \\\n  -d ${quoted(JSON.stringify(params))}`;
}

/** A value as it is written in TypeScript, on one line where it fits. */
function source(value: unknown, indent = ''): string {
  if (typeof value === 'string')
    return value.includes("'") ? JSON.stringify(value) : `'${value.replaceAll('\\', '\\\\')}'`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const parts = (deeper: string): string[] =>
    Array.isArray(value)
      ? value.map((one) => source(one, deeper))
      : Object.entries(value).map(
          ([key, one]) => `${/^[a-z_]\w*$/i.test(key) ? key : `'${key}'`}: ${source(one, deeper)}`,
        );
  const [open, close] = Array.isArray(value) ? ['[', ']'] : ['{ ', ' }'];
  const flat = `${open}${parts('').join(', ')}${close}`;
  if (parts('').length === 0) return Array.isArray(value) ? '[]' : '{}';
  if (flat.length + indent.length <= 80 && !flat.includes('\n')) return flat;
  const deeper = `${indent}  `;
  return `${open.trim()}\n${parts(deeper)
    .map((part) => `${deeper}${part},\n`)
    .join('')}${indent}${close.trim()}`;
}

function typescript({ name, mode }: Contract, params: object): string {
  const call = `client.${name}(${Object.keys(params).length === 0 ? '' : source(params)})`;
  return mode === 'stream' ? `for await (const item of ${call}) console.log(item);` : `await ${call};`;
}

function page(contract: Contract): FunctionPage {
  return {
    contract,
    params: fieldsOf(plainSchema(contract.params)),
    ...(contract.result === undefined ? {} : { result: typeText(plainSchema(contract.result)) }),
    ...(contract.item === undefined ? {} : { item: typeText(plainSchema(contract.item)) }),
    permissions: contract.permissions.map((permission) => ({
      rule: ruleText(permission),
      when: permission.when === undefined ? '' : `with ${permission.when}`,
    })),
    aplite: formsOf(contract).map(({ name, type }) => `${name}: ${surface(type)}`),
    examples: contract.examples.map(({ title, params }) => ({
      title,
      curl: curl(contract, params),
      typescript: typescript(contract, params),
    })),
  };
}

export function referenceOf(contracts: readonly Contract[]): Reference {
  return {
    functions: contracts.map(page),
    types: [...namedTypes([...schemasOf(contracts), Problem])].map(([name, schema]) => ({
      name,
      description: schema.description ?? '',
      fields: fieldsOf(schema),
    })),
    errors: Object.entries(ERRORS).map(([code, [status, , meaning]]) => ({ code, status, meaning })),
  };
}
