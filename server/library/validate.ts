/** Params against their contract: the one place where input is checked, for all faces. */
import { TypeCompiler, ValueErrorType } from '@sinclair/typebox/compiler';
import type { ValueError } from '@sinclair/typebox/compiler';
import type { TSchema } from '@sinclair/typebox';
import type { Contract } from '../../schemas/index.js';
import { invalidParams } from '../errors.js';
import type { FieldError } from '../errors.js';
import { nearest } from './nearest.js';

type Fields = Record<string, unknown>;

/** How many bad fields one answer names. */
const MAX_ERRORS = 20;

const typeName = (value: unknown): string =>
  value === null
    ? 'null'
    : Array.isArray(value)
      ? 'a list'
      : typeof value === 'object'
        ? 'an object'
        : typeof value === 'string'
          ? 'text'
          : typeof value === 'number'
            ? String(value)
            : `a ${typeof value}`;

const WANTED: Record<string, string> = {
  string: 'text',
  integer: 'a whole number',
  number: 'a number',
  boolean: 'true or false',
  array: 'a list',
  object: 'an object',
};

/** `/ports/0/container_port` as `ports[0].container_port`. */
const fieldPath = (pointer: string): string =>
  pointer
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
    .reduce(
      (path, part) => (/^\d+$/.test(part) ? `${path}[${part}]` : path === '' ? part : `${path}.${part}`),
      '',
    );

function wrongType(error: ValueError): string {
  const enumeration: unknown = error.schema['enum'];
  if (Array.isArray(enumeration)) return `must be one of ${enumeration.join(', ')}`;
  const wanted = WANTED[String(error.schema['type'])] ?? 'another type';
  return `must be ${wanted}, and is ${typeName(error.value)}`;
}

/** Names come from callers and may be as long as a body. */
const shortened = (name: string): string => (name.length > 100 ? `${name.slice(0, 100)}…` : name);

function describe(error: ValueError, parent: (pointer: string) => TSchema | undefined): FieldError {
  const field = shortened(fieldPath(error.path));
  const name = field.replace(/^.*[.\]]/, '');
  const rule: unknown = error.schema['x-rule'];
  switch (error.type) {
    case ValueErrorType.ObjectRequiredProperty:
      return { field, message: 'is required' };
    case ValueErrorType.ObjectAdditionalProperties: {
      const known = Object.keys((parent(error.path)?.['properties'] as Fields | undefined) ?? {});
      const near = nearest(name, known);
      return {
        field,
        message:
          near === undefined
            ? `is not known here; known: ${known.length === 0 ? 'nothing, it takes no params' : known.join(', ')}`
            : `is not known here; did you mean ${near}?`,
        ...(near === undefined ? {} : { suggestion: near }),
      };
    }
    case ValueErrorType.StringPattern:
      if (Array.isArray(error.schema['enum'])) return { field, message: wrongType(error) };
      return {
        field,
        message: `must be ${typeof rule === 'string' ? rule : `like ${String(error.schema['pattern'])}`}`,
      };
    case ValueErrorType.StringMinLength:
      return { field, message: 'must not be empty' };
    case ValueErrorType.StringMaxLength:
      return { field, message: `must have at most ${String(error.schema['maxLength'])} characters` };
    case ValueErrorType.IntegerMinimum:
    case ValueErrorType.NumberMinimum:
      return { field, message: `must be at least ${String(error.schema['minimum'])}` };
    case ValueErrorType.IntegerMaximum:
    case ValueErrorType.NumberMaximum:
      return { field, message: `must be at most ${String(error.schema['maximum'])}` };
    case ValueErrorType.ArrayMaxItems:
      return { field, message: `must have at most ${String(error.schema['maxItems'])} entries` };
    case ValueErrorType.ObjectMaxProperties:
      return { field, message: `must have at most ${String(error.schema['maxProperties'])} entries` };
    case ValueErrorType.ArrayMinItems:
      return { field, message: 'must not be an empty list' };
    default:
      return { field, message: wrongType(error) };
  }
}

/** The schema of the object that holds the field at a JSON pointer. */
function parentSchema(root: TSchema, pointer: string): TSchema | undefined {
  let schema: TSchema | undefined = root;
  for (const part of pointer.split('/').slice(1, -1))
    schema =
      (schema?.['properties'] as Record<string, TSchema> | undefined)?.[part] ??
      (schema?.['items'] as TSchema | undefined);
  return schema;
}

export interface Checked {
  /** As the caller gave them. */
  readonly given: Fields;
  /** With defaults filled in. */
  readonly filled: Fields;
}

/**
 * Compiles the check of a contract's params.
 * @returns a function that answers the params with defaults, or throws `invalid_params` with every bad field.
 */
export function compileParams(contract: Contract, defaultNamespace: string): (value: unknown) => Checked {
  const compiled = TypeCompiler.Compile(contract.params);
  const defaults: Fields = {};
  for (const [key, schema] of Object.entries(contract.params.properties))
    if (schema['default'] !== undefined) defaults[key] = schema['default'];
  if ('namespace' in contract.params.properties) defaults['namespace'] = defaultNamespace;

  return (value) => {
    const given = value === undefined ? {} : value;
    if (!compiled.Check(given)) {
      const seen = new Set<string>();
      const errors: FieldError[] = [];
      for (const error of compiled.Errors(given)) {
        if (seen.has(error.path)) continue;
        seen.add(error.path);
        errors.push(describe(error, (pointer) => parentSchema(contract.params, pointer)));
        if (errors.length === MAX_ERRORS) break;
      }
      throw invalidParams(contract.name, errors);
    }
    return { given: given, filled: { ...defaults, ...given } };
  };
}

/** Compiles the check that a result is what the contract promises. Answers undefined, or what is wrong with it. */
export function compileResult(schema: TSchema | undefined): (value: unknown) => string | undefined {
  if (schema === undefined) return () => undefined;
  const compiled = TypeCompiler.Compile(schema);
  return (value) => {
    if (compiled.Check(value)) return undefined;
    const first = compiled.Errors(value).First();
    return `${fieldPath(first?.path ?? '')} ${first?.message ?? 'is wrong'}`;
  };
}
