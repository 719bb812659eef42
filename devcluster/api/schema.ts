/**
 * The types of the served kinds, read from the generated data when first asked for.
 *
 * Codes of the data: s string, y base64 bytes, i int32, l int64, d number, b boolean, q quantity, x int or string, t time,
 * u time with microseconds, o anything; [T list of T, {T map to T, @N the struct N. Before a field's code: * a pointer,
 * absent or any value; ! shown even as the zero value; neither: the zero value is absent.
 *
 * Custom kinds become structs of the same model when they are defined (custom/structs.ts).
 */
import type { Json, JsonObject } from './json.js';
import { schemaJson } from '../data/schema.gen.js';

/** `v`, of custom kinds alone, is anything too, and its parts are owned one by one. */
export type Scalar = 's' | 'y' | 'i' | 'l' | 'd' | 'b' | 'q' | 'x' | 't' | 'u' | 'o' | 'v';
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
  /** As the OpenAPI document has it; null where the one that follows from the type is not there. */
  readonly default: Json | undefined;
  readonly enum: readonly string[] | undefined;
  /** The struct that stands for anything, of a field of code `o`. */
  readonly opaque: string | undefined;
  /** A null is a value of its own. */
  readonly nullable?: boolean;
}

/** What a custom kind's struct says beyond the others. */
export interface CustomStruct {
  /** Fields that it does not declare are kept. */
  readonly open: boolean;
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
  /** The type in the OpenAPI document of a struct that may hold anything: `object` or ``. */
  readonly opaque: string | undefined;
  /** Values of a custom struct are kept as they are; another type is a matter of validation, and defaults are its own. */
  readonly custom?: CustomStruct;
  /** The OpenAPI v3 schema of a custom kind. */
  readonly document?: JsonObject;
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
  /** The kinds of this struct. */
  kindsOf(struct: string): readonly GroupVersionKind[];
  /** Adds a kind, or gives it another struct; `structs` are that one and those it refers to. */
  define(kind: GroupVersionKind, struct: string, structs: Iterable<Struct>): void;
  /** Drops kinds that were defined, with all their structs. */
  forget(kind: GroupVersionKind): void;
}

export interface GroupVersionKind {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
}

interface FieldMore {
  d?: Json;
  e?: string[];
  n?: string;
  s?: string;
  m?: string;
  t?: string;
  k?: string[];
  a?: string;
}
interface Data {
  types: Record<
    string,
    { f: Record<string, string | [string, FieldMore]>; p: ProtoFields; r?: string[]; a?: string; o?: string }
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
    default: more.d,
    enum: more.e,
    opaque: more.n,
  };
}

/** The schema of the generated data, or of other data of its form. */
export function createSchema(json: string = schemaJson): Schema {
  let data: Data | undefined;
  const structs = new Map<string, Struct>();
  const custom = new Map<string, { struct: string; structs: string[] }>();
  const idOf = ({ group, version, kind }: GroupVersionKind): string => `${group}/${version}/${kind}`;
  const ofId = (id: string): GroupVersionKind => {
    const [group = '', version = '', kind = ''] = id.split('/');
    return { group, version, kind };
  };
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
          opaque: raw.o,
        };
        structs.set(name, struct);
      }
      return struct;
    },
    hasKind: (group, version, kind) => {
      const id = idOf({ group, version, kind });
      return custom.has(id) || Object.hasOwn(load().kinds, id);
    },
    structOf(group, version, kind) {
      const id = idOf({ group, version, kind });
      const name = custom.get(id)?.struct ?? load().kinds[id];
      if (name === undefined) throw new Error(`the schema data holds no kind ${kind} of ${group}/${version}`);
      return name;
    },
    kindsOf(struct) {
      const own = [...custom].filter(([, found]) => found.struct === struct).map(([id]) => ofId(id));
      if (own.length > 0) return own;
      return Object.entries(load().kinds)
        .filter(([, name]) => name === struct)
        .map(([id]) => ofId(id));
    },
    define(kind, struct, added) {
      this.forget(kind);
      const names: string[] = [];
      for (const item of added) {
        structs.set(item.name, item);
        names.push(item.name);
      }
      custom.set(idOf(kind), { struct, structs: names });
    },
    forget(kind) {
      for (const name of custom.get(idOf(kind))?.structs ?? []) structs.delete(name);
      custom.delete(idOf(kind));
    },
  };
}
