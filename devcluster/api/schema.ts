/**
 * The types of the served kinds, read from the generated data when first asked for.
 *
 * Codes of the data: s string, y base64 bytes, i int32, l int64, d number, b boolean, q quantity, x int or string, t time,
 * u time with microseconds, o anything; [T list of T, {T map to T, @N the struct N. Before a field's code: * a pointer,
 * absent or any value; ! shown even as the zero value; neither: the zero value is absent.
 */
import { schemaJson } from '../data/schema.gen.js';

export type Scalar = 's' | 'y' | 'i' | 'l' | 'd' | 'b' | 'q' | 'x' | 't' | 'u' | 'o';
export type Type =
  | { readonly code: Scalar }
  | { readonly code: '[' | '{'; readonly item: Type }
  | { readonly code: '@'; readonly name: string };

export interface Field {
  readonly name: string;
  readonly type: Type;
  /** What becomes of a zero value. */
  readonly zero: 'kept' | 'shown' | 'dropped';
  /** Strategic merge patch: `merge`, `replace`, `retainKeys`. */
  readonly patchStrategy: readonly string[];
  readonly mergeKey: string | undefined;
  readonly listType: string | undefined;
  readonly listKeys: readonly string[];
  /** `atomic` maps and structs have one owner as a whole. */
  readonly mapType: string | undefined;
}

export interface Struct {
  readonly name: string;
  /** The last segment of the name, as Go calls it. */
  readonly goName: string;
  readonly fields: ReadonlyMap<string, Field>;
  /** The fields that every object shows. */
  readonly shown: readonly Field[];
  /** The numbers of the protobuf fields; an embedded message is a map of its own. */
  readonly proto: ProtoFields;
  readonly required: readonly string[];
  readonly mapType: string | undefined;
}

export interface ProtoFields {
  readonly [number: string]: string | ProtoFields;
}

export interface Schema {
  /** The struct of this name; throws for a name that the data does not hold. */
  struct(name: string): Struct;
  /** The name of a kind's struct. */
  structOf(group: string, version: string, kind: string): string;
  hasKind(group: string, version: string, kind: string): boolean;
}

interface FieldMore {
  s?: string;
  m?: string;
  t?: string;
  k?: string[];
  a?: string;
}
interface Data {
  types: Record<
    string,
    { f: Record<string, string | [string, FieldMore]>; p: ProtoFields; r?: string[]; a?: string }
  >;
  kinds: Record<string, string>;
}

function parseType(code: string): Type {
  const head = code[0];
  if (head === '@') return { code: head, name: code.slice(1) };
  if (head === '[' || head === '{') return { code: head, item: parseType(code.slice(1)) };
  return { code: code as Scalar };
}

function parseField(name: string, value: string | [string, FieldMore]): Field {
  const [flagged, more] = typeof value === 'string' ? [value, {} as FieldMore] : value;
  const flag = flagged[0];
  const code = flag === '*' || flag === '!' ? flagged.slice(1) : flagged;
  return {
    name,
    type: parseType(code),
    zero: flag === '*' || code === 'o' ? 'kept' : flag === '!' ? 'shown' : 'dropped',
    patchStrategy: more.s?.split(',') ?? [],
    mergeKey: more.m,
    listType: more.t,
    listKeys: more.k ?? [],
    mapType: more.a,
  };
}

/** The schema of the generated data, or of other data of its form. */
export function createSchema(json: string = schemaJson): Schema {
  let data: Data | undefined;
  const structs = new Map<string, Struct>();
  const load = (): Data => (data ??= JSON.parse(json) as Data);
  return {
    struct(name) {
      let struct = structs.get(name);
      if (struct === undefined) {
        const raw = load().types[name];
        if (raw === undefined) throw new Error(`the schema data holds no type ${name}`);
        const fields = new Map(
          Object.entries(raw.f).map(([field, value]) => [field, parseField(field, value)]),
        );
        struct = {
          name,
          goName: name.slice(name.lastIndexOf('.') + 1),
          fields,
          shown: [...fields.values()].filter(({ zero }) => zero === 'shown'),
          proto: raw.p,
          required: raw.r ?? [],
          mapType: raw.a,
        };
        structs.set(name, struct);
      }
      return struct;
    },
    hasKind: (group, version, kind) => Object.hasOwn(load().kinds, `${group}/${version}/${kind}`),
    structOf(group, version, kind) {
      const name = load().kinds[`${group}/${version}/${kind}`];
      if (name === undefined) throw new Error(`the schema data holds no kind ${kind} of ${group}/${version}`);
      return name;
    },
  };
}
