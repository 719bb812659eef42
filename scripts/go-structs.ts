/** Reads what Go's struct tags say of the API's types: which zero values are shown, and the numbers of protobuf fields. */
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
