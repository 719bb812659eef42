/** The client's types: plain TypeScript, without a schema library, from the contracts. */
import type { TSchema } from '@sinclair/typebox';
import { ERRORS, Problem } from '../../schemas/errors.js';
import type { Contract } from '../../schemas/index.js';
import { namedTypes, plainSchema, schemasOf } from '../../server/http/named-types.js';
import type { Schema } from '../../server/http/named-types.js';

const indent = (text: string): string => text.replace(/^(?=.)/gm, '  ');

/** A doc comment; nothing when there is nothing to say. */
function comment(text: string | undefined): string {
  if (text === undefined || text === '') return '';
  const safe = text.replaceAll('*/', '*\\/');
  if (!safe.includes('\n')) return `/** ${safe} */\n`;
  return `/**\n${safe
    .split('\n')
    .map((line) => ` * ${line}`.trimEnd())
    .join('\n')}\n */\n`;
}

/** What is said of a param or field: its description and its default. */
function saying({ description, default: value }: Schema): string | undefined {
  if (value === undefined) return description;
  return `${description ?? ''} Default: \`${JSON.stringify(value)}\`.`.trim();
}

function fields(schema: Schema): string {
  const required = new Set(schema.required);
  const lines = Object.entries(schema.properties ?? {}).map(
    ([name, field]) =>
      `${comment(saying(field))}${name}${required.has(name) ? '' : '?'}: ${typeOf(field)};\n`,
  );
  return lines.length === 0 ? 'Record<string, never>' : `{\n${indent(lines.join(''))}}`;
}

/** The TypeScript type of a schema; a titled one is its name. @throws TypeError for a schema that it does not know. */
export function typeOf(schema: Schema): string {
  return schema.title ?? bodyOf(schema);
}

function bodyOf(schema: Schema): string {
  if (schema.const !== undefined) return literal(schema.const);
  if (schema.enum !== undefined) return schema.enum.map(literal).join(' | ');
  if (schema.anyOf !== undefined) return schema.anyOf.map(typeOf).join(' | ');
  switch (schema.type) {
    case 'string':
    case 'boolean':
    case 'null':
      return schema.type;
    case 'integer':
    case 'number':
      return 'number';
    case 'array': {
      const item = typeOf(schema.items ?? {});
      return /^[\w.]+$/.test(item) ? `${item}[]` : `Array<${item}>`;
    }
    case 'object': {
      const values = Object.values(schema.patternProperties ?? {});
      if (values.length > 0) return `Record<string, ${values.map(typeOf).join(' | ')}>`;
      return fields(schema);
    }
    case undefined:
      return 'unknown';
    default:
      throw new TypeError(`no TypeScript type for ${JSON.stringify(schema)}`);
  }
}

const literal = (value: unknown): string =>
  typeof value === 'string'
    ? `'${value.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
    : JSON.stringify(value);

/** An interface where the type is an object with fields, else an alias. */
function declaration(name: string, schema: Schema): string {
  const body = bodyOf(schema);
  return body.startsWith('{') ? `export interface ${name} ${body}\n` : `export type ${name} = ${body};\n`;
}

export const paramsName = (functionName: string): string =>
  `${functionName.replace(/(^|_)([a-z0-9])/g, (_all, _line, letter: string) => letter.toUpperCase())}Params`;

const optional = (schema: TSchema | undefined): string =>
  schema === undefined ? 'undefined' : typeOf(plainSchema(schema));

/** Renders `client/src/functions.gen.ts`. */
export function clientTypes(contracts: readonly Contract[]): string {
  const types = namedTypes([...schemasOf(contracts), Problem]);
  const sections: string[] = [
    '// Generated from the contracts in schemas/ by `npm run generate`; not to be edited.\n',
    `${comment('The stable codes of failures.')}export type ErrorCode =\n${Object.keys(ERRORS)
      .map((code) => `  | '${code}'`)
      .join('\n')};\n`,
  ];
  for (const [name, schema] of types)
    sections.push(`${comment(schema.description)}${declaration(name, schema)}`);
  for (const contract of contracts) {
    const name = paramsName(contract.name);
    if (types.has(name))
      throw new TypeError(`${name} is the name of a type and of the params of ${contract.name}`);
    sections.push(
      `${comment(`The params of \`${contract.name}\`.`)}${declaration(name, plainSchema(contract.params))}`,
    );
  }
  sections.push(
    `${comment('Every function: its params, what it answers, and how.')}export interface Functions {\n${indent(
      contracts
        .map(
          (contract) =>
            `${comment(`${contract.summary}.\n\n${contract.description}`)}${contract.name}: {\n  effect: '${contract.effect}';\n  mode: '${
              contract.mode
            }';\n  params: ${paramsName(contract.name)};\n  item: ${optional(contract.item)};\n  result: ${optional(
              contract.result,
            )};\n};\n`,
        )
        .join(''),
    )}}\n`,
    `${comment('What the client needs to know of a function while it runs.')}export const functions: {\n  readonly [K in keyof Functions]: Readonly<Pick<Functions[K], 'effect' | 'mode'>>;\n} = {\n${contracts
      .map(({ name, effect, mode }) => `  ${name}: { effect: '${effect}', mode: '${mode}' },\n`)
      .join('')}};\n`,
  );
  return sections.join('\n');
}
