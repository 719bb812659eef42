/**
 * Writes devcluster/data/schema.gen.ts: fields, types, list types and merge keys of the kinds that the embedded cluster
 * serves, taken from the OpenAPI documents of Kubernetes; from the source that they are made of the values of enums; and
 * from the tags of its Go types which zero values are shown and the numbers of protobuf fields. Facts only, no prose.
 *
 * Needs Go, which fetches the modules that hold them: `npx tsx scripts/generate-schema-data.ts`.
 */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { KINDS, UNSTORED_KINDS } from '../devcluster/data/kinds.js';
import { PREFIXES } from '../devcluster/api/openapi/names.js';
import { readGoEnums, readGoStructs } from './go-structs.js';
import type { GoField, GoStructs } from './go-structs.js';

const MODULE = 'k8s.io/kubernetes@v1.35.4';
const API_MODULE = 'k8s.io/api@v0.35.4';
const META_MODULE = 'k8s.io/apimachinery@v0.35.4';
const EXTENSIONS_MODULE = 'k8s.io/apiextensions-apiserver@v0.35.4';

interface Property {
  type?: string;
  format?: string;
  $ref?: string;
  default?: unknown;
  items?: Property;
  additionalProperties?: Property;
  'x-kubernetes-patch-strategy'?: string;
  'x-kubernetes-patch-merge-key'?: string;
  'x-kubernetes-list-type'?: string;
  'x-kubernetes-list-map-keys'?: string[];
  'x-kubernetes-map-type'?: string;
}
interface Definition extends Property {
  properties?: Record<string, Property>;
  required?: string[];
  'x-kubernetes-group-version-kind'?: { group: string; version: string; kind: string }[];
}
interface Document {
  definitions: Record<string, Definition>;
}

/** Definitions whose JSON is not the struct that their name suggests. */
const SCALARS: Record<string, string> = {
  'io.k8s.apimachinery.pkg.api.resource.Quantity': 'q',
  'io.k8s.apimachinery.pkg.util.intstr.IntOrString': 'x',
  'io.k8s.apimachinery.pkg.apis.meta.v1.Time': 't',
  'io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime': 'u',
};
const PRIMITIVES: Record<string, string> = {
  string: 's',
  'string/byte': 'y',
  'integer/int32': 'i',
  'integer/int64': 'l',
  integer: 'l',
  boolean: 'b',
  number: 'd',
  'number/double': 'd',
};
/** Types that travel beside the served kinds. */
const EXTRA = [
  'io.k8s.api.core.v1.Binding',
  'io.k8s.api.policy.v1.Eviction',
  'io.k8s.api.autoscaling.v1.Scale',
  'io.k8s.api.authentication.v1.TokenRequest',
  'io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions',
  'io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta',
  'io.k8s.apimachinery.pkg.apis.meta.v1.Patch',
  'io.k8s.apimachinery.pkg.apis.meta.v1.Status',
];

const shortName = (id: string): string =>
  PREFIXES.reduce((name, [prefix, short]) => name.replace(prefix, short), id);

/** Field numbers to names; an embedded message is a map of its own. */
interface ProtoFields {
  [number: string]: string | ProtoFields;
}

const STRUCT_SCALARS = new Set(['q', 'x', 't', 'u']);

/**
 * `*`: a pointer, absent or any value. `!`: shown even as the zero value. Neither: the zero value is absent.
 */
function flag(field: GoField | undefined, code: string): string {
  if (field === undefined || code === 'o') return '';
  if (field.pointer) return '*';
  const isStruct = code.startsWith('@') || STRUCT_SCALARS.has(code);
  return !field.omitZero && (isStruct || !field.omitEmpty) ? '!' : '';
}

function protoFields(structs: GoStructs, name: string): ProtoFields {
  const fields: ProtoFields = {};
  for (const { name: json, type, number } of structs.get(name) ?? [])
    if (number !== undefined) fields[String(number)] = json ?? protoFields(structs, type);
  return fields;
}

/** The Go fields of a struct by JSON name, those of embedded structs included. */
function goFields(structs: GoStructs, name: string): Map<string, GoField> {
  const fields = new Map<string, GoField>();
  for (const field of structs.get(name) ?? []) {
    if (field.name !== undefined) fields.set(field.name, field);
    else for (const [inner, value] of goFields(structs, field.type)) fields.set(inner, value);
  }
  return fields;
}

/**
 * The default that a property has because its Go field is no pointer; others are written out. Lists and maps have one
 * for their elements.
 */
function impliedDefault(flagged: string): unknown {
  const code = flagged.replace('!', '');
  if (!flagged.startsWith('!')) return undefined;
  if (code.startsWith('@') || code === 't' || code === 'u' || code === 'q') return {};
  return { s: '', i: 0, l: 0, d: 0, b: false }[code];
}

interface Sources {
  readonly document: Document;
  /** Of OpenAPI v3, which have defaults. */
  readonly defaults: ReadonlyMap<string, Definition>;
  readonly enums: ReadonlyMap<string, readonly string[]>;
  readonly goStructs: (structName: string) => GoStructs;
}

function compact({ document, defaults, enums, goStructs }: Sources): {
  types: Record<string, unknown>;
  kinds: Record<string, string>;
} {
  const types: Record<string, unknown> = {};
  const queue: string[] = [];

  const code = (property: Property): string => {
    if (property.$ref !== undefined) {
      const id = property.$ref.replace('#/definitions/', '');
      const scalar = SCALARS[id];
      if (scalar !== undefined) return scalar;
      const definition = document.definitions[id];
      if (definition === undefined) throw new Error(`${id} is referred to and not defined`);
      const isOpaque = definition.type === 'object' || !definition.type;
      if (definition.properties === undefined && !isOpaque) return code(definition);
      queue.push(id);
      return (definition.properties === undefined ? 'o' : '@') + shortName(id);
    }
    if (property.type === 'array') return '[' + code(property.items ?? {});
    if (property.type === 'object')
      return property.additionalProperties ? '{' + code(property.additionalProperties) : 'o';
    const primitive =
      PRIMITIVES[property.format ? `${property.type}/${property.format}` : (property.type ?? '')];
    if (primitive === undefined) throw new Error(`no code for ${JSON.stringify(property)}`);
    return primitive;
  };
  const field = (id: string, name: string, property: Property, go: GoField | undefined): unknown => {
    const coded = code(property);
    // Opaque definitions are named apart: to the decoder they are all the same.
    const plain = coded.replace(/^([[{]*o).+/, '$1');
    const typed = flag(go, plain) + plain;
    const given = defaults.get(id)?.properties?.[name]?.default;
    const isImplied = JSON.stringify(given) === JSON.stringify(impliedDefault(typed));
    const values = enums.get(`${shortName(id)}.${name}`);
    const more = {
      ...(plain !== coded && { n: coded.slice(plain.length) }),
      ...(!isImplied && { d: given ?? null }),
      ...(values && { e: values }),
      ...(property['x-kubernetes-patch-strategy'] && { s: property['x-kubernetes-patch-strategy'] }),
      ...(property['x-kubernetes-patch-merge-key'] && { m: property['x-kubernetes-patch-merge-key'] }),
      ...(property['x-kubernetes-list-type'] && { t: property['x-kubernetes-list-type'] }),
      ...(property['x-kubernetes-list-map-keys'] && { k: property['x-kubernetes-list-map-keys'] }),
      ...(property['x-kubernetes-map-type'] && { a: property['x-kubernetes-map-type'] }),
    };
    return Object.keys(more).length === 0 ? typed : [typed, more];
  };

  const byKind = new Map<string, string>();
  for (const [id, definition] of Object.entries(document.definitions))
    for (const { group, version, kind } of definition['x-kubernetes-group-version-kind'] ?? [])
      if (id.endsWith('.' + kind)) byKind.set(`${group}/${version}/${kind}`, id);
  const kinds: Record<string, string> = {};
  for (const { group, version, kind } of [...KINDS, ...UNSTORED_KINDS]) {
    const id = byKind.get(`${group}/${version}/${kind}`);
    if (id === undefined) throw new Error(`the document does not define ${kind} of ${group}/${version}`);
    kinds[`${group}/${version}/${kind}`] = shortName(id);
    queue.push(id);
  }
  for (const id of EXTRA) {
    const own = document.definitions[id]?.['x-kubernetes-group-version-kind']?.[0];
    if (own !== undefined) kinds[`${own.group}/${own.version}/${own.kind}`] = shortName(id);
  }
  queue.push(...EXTRA);
  for (let id = queue.pop(); id !== undefined; id = queue.pop()) {
    if (types[shortName(id)] !== undefined) continue;
    const definition = document.definitions[id];
    if (definition === undefined) throw new Error(`${id} is not defined`);
    if (definition.properties === undefined) {
      types[shortName(id)] = { f: {}, p: {}, o: definition.type ?? '' };
      continue;
    }
    const structs = goStructs(shortName(id));
    const goName = id.slice(id.lastIndexOf('.') + 1);
    if (!structs.has(goName)) throw new Error(`no Go struct for ${id}`);
    const go = goFields(structs, goName);
    types[shortName(id)] = {
      f: Object.fromEntries(
        Object.entries(definition.properties ?? {}).map(([name, value]) => [
          name,
          field(id, name, value, go.get(name)),
        ]),
      ),
      p: protoFields(structs, goName),
      ...(definition.required && { r: definition.required }),
      ...(definition['x-kubernetes-map-type'] && { a: definition['x-kubernetes-map-type'] }),
    };
  }
  const sorted = Object.fromEntries(Object.entries(types).sort(([a], [b]) => (a < b ? -1 : 1)));
  return { types: sorted, kinds };
}

const download = (module: string): string =>
  (
    JSON.parse(execFileSync('go', ['mod', 'download', '-json', module], { encoding: 'utf8' })) as {
      Dir: string;
    }
  ).Dir;

const kubernetes = download(MODULE);
const read = (file: string): string => readFileSync(`${kubernetes}/${file}`, 'utf8');
const document = JSON.parse(read('api/openapi-spec/swagger.json')) as Document;
const defaults = new Map(
  readdirSync(`${kubernetes}/api/openapi-spec/v3`).flatMap((file) => {
    const { components } = JSON.parse(read(`api/openapi-spec/v3/${file}`)) as {
      components: { schemas?: Record<string, Definition> };
    };
    return Object.entries(components.schemas ?? {});
  }),
);
const api = download(API_MODULE);
const meta = download(META_MODULE);
const extensions = download(EXTENSIONS_MODULE);
const folderOf = (group: string, version: string): string => {
  if (group === 'meta') return `${meta}/pkg/apis/meta/${version}`;
  if (group === 'apiextensions') return `${extensions}/pkg/apis/apiextensions/${version}`;
  return `${api}/${group}/${version}`;
};
const packages = new Map<string, GoStructs>();
const goStructs = (structName: string): GoStructs => {
  const [group = '', version = ''] = structName.split('.');
  const folder = folderOf(group, version);
  let structs = packages.get(folder);
  if (structs === undefined) packages.set(folder, (structs = readGoStructs(folder)));
  return structs;
};
const enums = readGoEnums(`${kubernetes}/pkg/generated/openapi/zz_generated.openapi.go`);
const json = JSON.stringify(compact({ document, defaults, enums, goStructs }));
const text = `/**
 * Generated by scripts/generate-schema-data.ts from the OpenAPI documents of ${MODULE}; do not edit.
 * devcluster/api/schema.ts explains the codes.
 */
export const schemaJson =
  '${json.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}';
`;
writeFileSync(fileURLToPath(new URL('../devcluster/data/schema.gen.ts', import.meta.url)), text);
process.stdout.write(`devcluster/data/schema.gen.ts: ${text.length} bytes\n`);
