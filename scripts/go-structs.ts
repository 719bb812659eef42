/**
 * Reads what Go's sources say of the API's types: which zero values are shown and the numbers of protobuf fields from the
 * tags of structs, the values of enums from the source of the OpenAPI documents.
 */
import { readdirSync, readFileSync } from 'node:fs';

export interface GoField {
  /** Name in JSON; undefined for an embedded struct whose fields stand in the outer one. */
  readonly name: string | undefined;
  readonly type: string;
  readonly pointer: boolean;
  readonly omitEmpty: boolean;
  readonly omitZero: boolean;
  readonly number: number | undefined;
}

export type GoStructs = ReadonlyMap<string, readonly GoField[]>;

/** The structs of a package's folder, by name. */
export function readGoStructs(folder: string): GoStructs {
  const structs = new Map<string, GoField[]>();
  for (const file of readdirSync(folder)) {
    if (
      !file.endsWith('.go') ||
      file.startsWith('generated.') ||
      file.endsWith('_test.go') ||
      file.startsWith('zz_')
    )
      continue;
    const text = readFileSync(`${folder}/${file}`, 'utf8');
    for (const [, name = '', body = ''] of text.matchAll(/^type (\w+) struct \{\n([\s\S]*?)^\}/gm))
      structs.set(name, body.split('\n').flatMap(readField));
  }
  return structs;
}

function readField(line: string): GoField[] {
  const match = /^\t(?:(\w+)\s+)?(\*?)([\w.[\]*]+)\s+`(.*)`/.exec(line);
  if (match === null) return [];
  const [, , pointer = '', type = '', tags = ''] = match;
  const json = /json:"([^"]*)"/.exec(tags)?.[1]?.split(',');
  if (json === undefined || json[0] === '-') return [];
  const number = /protobuf:"\w+,(\d+),/.exec(tags)?.[1];
  return [
    {
      name: json[0] === '' ? undefined : json[0],
      type,
      pointer: pointer === '*',
      omitEmpty: json.includes('omitempty'),
      omitZero: json.includes('omitzero'),
      number: number === undefined ? undefined : Number(number),
    },
  ];
}

/** The values of string fields that have a fixed set, by `GROUP.VERSION.TYPE.FIELD`. */
export function readGoEnums(file: string): ReadonlyMap<string, readonly string[]> {
  const enums = new Map<string, readonly string[]>();
  let type = '';
  let field = '';
  for (const line of readFileSync(file, 'utf8').split('\n')) {
    const start = /^func schema_\w*?(?:api|apis)_(\w+)_(\w+)_(\w+)\(/.exec(line);
    if (start !== null) type = start.slice(1).join('.');
    field = /^\t{5}"([^"]+)": \{/.exec(line)?.[1] ?? field;
    const values = /^\t+Enum:\s+\[\]interface\{\}\{(.*)\},/.exec(line)?.[1];
    if (values !== undefined) enums.set(`${type}.${field}`, JSON.parse(`[${values}]`) as string[]);
  }
  return enums;
}
