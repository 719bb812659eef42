/** The named types of the contracts: every schema with a `title`, wherever it stands. */
import type { TSchema } from '@sinclair/typebox';
import type { Contract } from '../../schemas/index.js';

/** A JSON schema as it is walked: what TypeBox makes, without its types. */
export interface Schema {
  readonly title?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly type?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly Schema[];
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly patternProperties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly [keyword: string]: unknown;
}

/** A schema as plain data: TypeBox's symbols fall away. */
export const plainSchema = (schema: TSchema): Schema => JSON.parse(JSON.stringify(schema)) as Schema;

/** The schemas directly inside a schema. */
export function subschemas(schema: Schema): Schema[] {
  return [
    ...(schema.anyOf ?? []),
    ...(schema.items === undefined ? [] : [schema.items]),
    ...Object.values(schema.properties ?? {}),
    ...Object.values(schema.patternProperties ?? {}),
  ];
}

/** What a schema says beside where it is used: a use may have a description and a default of its own. */
function shape(schema: Schema): string {
  const { description: _description, default: _default, ...rest } = schema;
  return JSON.stringify(rest, (_key, value: unknown) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  );
}

/**
 * Collects the named types of schemas, sorted by name.
 * @throws TypeError when two different schemas have the same title.
 */
export function namedTypes(schemas: Iterable<TSchema | undefined>): Map<string, Schema> {
  const found = new Map<string, Schema>();
  const visit = (schema: Schema): void => {
    if (schema.title !== undefined) {
      const known = found.get(schema.title);
      if (known !== undefined && shape(known) !== shape(schema))
        throw new TypeError(`two different schemas have the title ${schema.title}`);
      if (known !== undefined) return;
      const { default: _default, ...type } = schema;
      found.set(schema.title, type);
    }
    subschemas(schema).forEach(visit);
  };
  for (const schema of schemas) if (schema !== undefined) visit(plainSchema(schema));
  return new Map([...found].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** All schemas of contracts. */
export function* schemasOf(contracts: readonly Contract[]): Generator<TSchema | undefined> {
  for (const contract of contracts) yield* [contract.params, contract.item, contract.result];
}
