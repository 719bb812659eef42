/**
 * The OpenAPI documents of what is served now: one of all in version 2, one a group version in version 3. Each is made
 * when it is first asked for and kept as text until the resources change.
 */
import { createHash } from 'node:crypto';
import { UNSTORED_KINDS } from '../../data/kinds.js';
import type { JsonObject } from '../json.js';
import type { ApiResource, Resources } from '../resources.js';
import type { Schema } from '../schema.js';
import { definitions } from './definitions.js';
import type { OpenApiVersion } from './definitions.js';
import { OPERATION_STRUCTS, resourcePaths, subresourceStruct } from './paths.js';
import { documentV2Protobuf } from './protobuf.js';

export interface Document {
  /** Another one for another content. */
  readonly hash: string;
  /** Made when it is first read. */
  body(): Buffer;
}

export interface Documents {
  /** The list of the version 3 documents. */
  index(): Document;
  /** The version 3 document of this name, such as `api/v1` or `apis/apps/v1`. */
  v3(name: string): Document | undefined;
  v2(format: 'json' | 'protobuf'): Document;
}

const INFO = { title: 'Kubernetes', version: '1.35' } as const;

const nameOf = ({ group, version }: { group: string; version: string }): string =>
  group === '' ? `api/${version}` : `apis/${group}/${version}`;

const digest = (text: string): string => createHash('sha256').update(text).digest('hex').toUpperCase();

export function createDocuments(resources: Resources, schema: Schema): Documents {
  let kept = new Map<string, Document>();
  resources.subscribe(() => {
    kept = new Map();
  });
  /** `facts` are all that the content is made of: to know the hash, the content need not be made. */
  const once = (name: string, facts: () => unknown, make: () => Buffer): Document => {
    let found = kept.get(name);
    if (found === undefined) {
      let body: Buffer | undefined;
      found = { hash: digest(JSON.stringify([name, INFO, facts()])), body: () => (body ??= make()) };
      kept.set(name, found);
    }
    return found;
  };
  const structOf = ({ group, version, kind }: { group: string; version: string; kind: string }): string =>
    schema.structOf(group, version, kind);

  const content = (version: OpenApiVersion, name?: string): { paths: JsonObject; schemas: JsonObject } => {
    const isHere = (row: { group: string; version: string }): boolean =>
      name === undefined || nameOf(row) === name;
    const stored = resources.all.filter(isHere);
    const structs = (resource: ApiResource): string[] =>
      (resource.subresources ?? []).flatMap(
        (sub) => subresourceStruct({ struct: structOf(resource) }, sub) ?? [],
      );
    return {
      paths: Object.assign(
        {},
        ...stored.map((resource) => resourcePaths(resource, structOf(resource), version)),
      ) as JsonObject,
      schemas: definitions(
        schema,
        version,
        [
          ...OPERATION_STRUCTS,
          ...stored.map(structOf),
          ...stored.flatMap(structs),
          ...UNSTORED_KINDS.filter(isHere).map(structOf),
        ],
        stored.map(structOf),
      ),
    };
  };

  const facts = (name?: string): unknown =>
    resources.all
      .filter((row) => name === undefined || nameOf(row) === name)
      .map(({ custom: _custom, ...row }) => [row, schema.struct(structOf(row)).document]);
  const names = (): string[] => [...new Set([...resources.all, ...UNSTORED_KINDS].map(nameOf))].sort();
  const v2 = (): JsonObject => {
    const { paths, schemas } = content(2);
    return { swagger: '2.0', info: INFO, paths, definitions: schemas };
  };
  const v3 = (name: string): Document | undefined =>
    names().includes(name)
      ? once(
          name,
          () => facts(name),
          () => {
            const { paths, schemas } = content(3, name);
            return Buffer.from(
              JSON.stringify({ openapi: '3.0.0', info: INFO, paths, components: { schemas } }),
            );
          },
        )
      : undefined;
  return {
    v3,
    index: () =>
      once('index', facts, () => {
        const paths = names().map((name) => [
          name,
          { serverRelativeURL: `/openapi/v3/${name}?hash=${v3(name)?.hash ?? ''}` },
        ]);
        return Buffer.from(JSON.stringify({ paths: Object.fromEntries(paths) as unknown }));
      }),
    v2: (format) =>
      once(`v2/${format}`, facts, () =>
        format === 'json' ? Buffer.from(JSON.stringify(v2())) : documentV2Protobuf(v2()),
      ),
  };
}
