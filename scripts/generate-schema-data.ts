/**
 * Writes devcluster/data/schema.gen.ts: fields, types, list types and merge keys of the kinds that the embedded cluster
 * serves, taken from the OpenAPI document of Kubernetes, and from the tags of its Go types which zero values are shown
 * and the numbers of protobuf fields. Facts only, no prose.
 *
 * Needs Go, which fetches the modules that hold them: `npx tsx scripts/generate-schema-data.ts`.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { KINDS, UNSTORED_KINDS } from '../devcluster/data/kinds.js';
import { readGoStructs } from './go-structs.js';
import type { GoField, GoStructs } from './go-structs.js';

const MODULE = 'k8s.io/kubernetes@v1.35.4';
const API_MODULE = 'k8s.io/api@v0.35.4';
const META_MODULE = 'k8s.io/apimachinery@v0.35.4';

interface Property {
  type?: string;
  format?: string;
  $ref?: string;
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
  'io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1': 'o',
  'io.k8s.apimachinery.pkg.runtime.RawExtension': 'o',
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
  'io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions',
];

const shortName = (id: string): string =>
  id.replace(/^io\.k8s\.api\./, '').replace('io.k8s.apimachinery.pkg.apis.meta.', 'meta.');

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

function compact(
  document: Document,
  goStructs: (structName: string) => GoStructs,
): { types: Record<string, unknown>; kinds: Record<string, string> } {
  const types: Record<string, unknown> = {};
  const queue: string[] = [];

  const code = (property: Property): string => {
    if (property.$ref !== undefined) {
      const id = property.$ref.replace('#/definitions/', '');
      const scalar = SCALARS[id];
      if (scalar !== undefined) return scalar;
      const definition = document.definitions[id];
      if (definition === undefined) throw new Error(`${id} is referred to and not defined`);
      if (definition.properties === undefined)
        return definition.type === 'object' || !definition.type ? 'o' : code(definition);
      queue.push(id);
      return '@' + shortName(id);
    }
    if (property.type === 'array') return '[' + code(property.items ?? {});
    if (property.type === 'object')
      return property.additionalProperties ? '{' + code(property.additionalProperties) : 'o';
    const primitive =
      PRIMITIVES[property.format ? `${property.type}/${property.format}` : (property.type ?? '')];
    if (primitive === undefined) throw new Error(`no code for ${JSON.stringify(property)}`);
    return primitive;
  };
  const field = (property: Property, go: GoField | undefined): unknown => {
    const plain = code(property);
    const typed = flag(go, plain) + plain;
    const more = {
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
  queue.push(...EXTRA);
  for (let id = queue.pop(); id !== undefined; id = queue.pop()) {
    if (types[shortName(id)] !== undefined) continue;
    const definition = document.definitions[id];
    if (definition === undefined) throw new Error(`${id} is not defined`);
    const structs = goStructs(shortName(id));
    const goName = id.slice(id.lastIndexOf('.') + 1);
    if (!structs.has(goName)) throw new Error(`no Go struct for ${id}`);
    const go = goFields(structs, goName);
    types[shortName(id)] = {
      f: Object.fromEntries(
        Object.entries(definition.properties ?? {}).map(([name, value]) => [
          name,
          field(value, go.get(name)),
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

const document = JSON.parse(
  readFileSync(`${download(MODULE)}/api/openapi-spec/swagger.json`, 'utf8'),
) as Document;
const api = download(API_MODULE);
const meta = download(META_MODULE);
const packages = new Map<string, GoStructs>();
const json = JSON.stringify(
  compact(document, (structName) => {
    const [group = '', version = ''] = structName.split('.');
    const folder = group === 'meta' ? `${meta}/pkg/apis/meta/${version}` : `${api}/${group}/${version}`;
    let structs = packages.get(folder);
    if (structs === undefined) packages.set(folder, (structs = readGoStructs(folder)));
    return structs;
  }),
);
const text = `/**
 * Generated by scripts/generate-schema-data.ts from the OpenAPI document of ${MODULE}; do not edit.
 * devcluster/api/schema.ts explains the codes.
 */
export const schemaJson =
  '${json.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}';
`;
writeFileSync(fileURLToPath(new URL('../devcluster/data/schema.gen.ts', import.meta.url)), text);
process.stdout.write(`devcluster/data/schema.gen.ts: ${text.length} bytes\n`);
