/** What a request asks for: its path, its options and its bodies, checked. */
import type { IncomingMessage } from 'node:http';
import { badRequest, invalid, malformedVersion, tooLarge, unsupportedMediaType } from './errors.js';
import { forbiddenField, invalidValue, notSupported } from './field-errors.js';
import type { FieldError } from './field-errors.js';
import { isObject } from './json.js';
import type { JsonObject } from './json.js';
import { unrecognized } from './body-text.js';
import { decodeProtobuf, PROTOBUF_TYPE } from './protobuf.js';
import type { Schema } from './schema.js';
import { parseYaml } from './yaml.js';

const BODY_LIMIT = 3 * 1024 * 1024;
const OPTIONS = { group: 'meta.k8s.io' } as const;

/** Path of a resource: `/apis/apps/v1/namespaces/default/deployments/web/status` in its parts. */
export interface ResourcePath {
  readonly group: string;
  readonly version: string;
  readonly namespace: string | undefined;
  readonly plural: string;
  readonly name: string | undefined;
  readonly subresource: string | undefined;
}

/** The parts of a resource's path; undefined when the path is no such path. */
export function parseResourcePath(path: string): ResourcePath | undefined {
  const segments = path.split('/').slice(1);
  if (segments.at(-1) === '') segments.pop();
  const core = segments[0] === 'api';
  if (!core && segments[0] !== 'apis') return undefined;
  const [group, version] = core ? ['', segments[1]] : [segments[1], segments[2]];
  let rest: string[];
  try {
    rest = segments.slice(core ? 2 : 3).map(decodeURIComponent);
  } catch {
    return undefined;
  }
  // An escaped slash is one all the same.
  const isSplit = rest.some((part) => part.includes('/'));
  if (group === undefined || version === undefined || rest.length === 0 || rest.includes('') || isSplit)
    return undefined;
  const isNamespace =
    rest[0] === 'namespaces' && (rest.length < 3 || rest[2] === 'status' || rest[2] === 'finalize');
  const namespace = rest[0] === 'namespaces' && !isNamespace ? rest[1] : undefined;
  const [plural = '', name, subresource, ...more] = namespace === undefined ? rest : rest.slice(2);
  if (more.length > 0) return undefined;
  return { group, version, namespace, plural, name, subresource };
}

export type FieldValidation = 'Strict' | 'Warn' | 'Ignore';

export interface WriteQuery {
  readonly dryRun: boolean;
  readonly fieldManager: string;
  readonly fieldValidation: FieldValidation;
  readonly force: boolean;
}

const VALIDATIONS: readonly string[] = ['Ignore', 'Strict', 'Warn'];

/** Options of a write. `kind` names them in the 422 of a bad one. */
export function parseWriteQuery(
  query: URLSearchParams,
  kind: 'CreateOptions' | 'UpdateOptions' | 'PatchOptions',
  userAgent: string,
  isApply = false,
): WriteQuery {
  const errors: FieldError[] = [];
  const dryRun = query.getAll('dryRun').filter((item) => item !== '');
  for (const item of dryRun) if (item !== 'All') errors.push(notSupported('dryRun', dryRun, ['All']));
  const fieldValidation = query.get('fieldValidation') ?? '';
  if (fieldValidation !== '' && !VALIDATIONS.includes(fieldValidation))
    errors.push(notSupported('fieldValidation', fieldValidation, ['', ...VALIDATIONS]));
  const manager = query.get('fieldManager') ?? '';
  if (manager.length > 128)
    errors.push({
      reason: 'FieldValueTooLong',
      field: 'fieldManager',
      message: 'Too long: may not be more than 128 bytes',
    });
  for (const [index, character] of [...manager].entries())
    if (!/[\p{L}\p{M}\p{N}\p{P}\p{S} ]/u.test(character))
      errors.push(
        invalidValue(
          'fieldManager',
          manager,
          `invalid character U+${character.codePointAt(0)?.toString(16).toUpperCase().padStart(4, '0')} (at position ${index})`,
        ),
      );
  if (kind === 'PatchOptions' && !isApply && query.has('force'))
    errors.push(forbiddenField('force', 'may not be specified for non-apply patch'));
  if (errors.length > 0) throw invalid({ ...OPTIONS, kind }, '', errors);
  return {
    dryRun: dryRun.length > 0,
    fieldManager: manager || (userAgent.split('/')[0] ?? '') || 'unknown',
    fieldValidation: (fieldValidation || 'Warn') as FieldValidation,
    force: query.get('force') === 'true',
  };
}

export interface DeleteQuery {
  readonly propagationPolicy: string | undefined;
  readonly gracePeriodSeconds: number | undefined;
  readonly preconditions: { uid?: string | undefined; resourceVersion?: string | undefined };
  readonly dryRun: boolean;
}

const POLICIES = ['Background', 'Foreground', 'Orphan'];

/** Options of a deletion, from its body or its query. */
export function parseDeleteOptions(query: URLSearchParams, body: JsonObject): DeleteQuery {
  const preconditions = isObject(body.preconditions) ? body.preconditions : {};
  const errors: FieldError[] = [];
  const orphan = body.orphanDependents ?? query.get('orphanDependents') ?? undefined;
  const legacy = orphan === undefined ? undefined : String(orphan) === 'true' ? 'Orphan' : 'Background';
  const policy = body.propagationPolicy ?? query.get('propagationPolicy') ?? legacy;
  if (policy !== undefined && (typeof policy !== 'string' || !POLICIES.includes(policy)))
    errors.push(
      notSupported('propagationPolicy', String(policy), ['Foreground', 'Background', 'Orphan', 'nil']),
    );
  if (orphan !== undefined && (body.propagationPolicy ?? query.get('propagationPolicy')))
    errors.push(
      invalidValue(
        'propagationPolicy',
        String(policy),
        'orphanDependents and deletionPropagation cannot be both set',
      ),
    );
  const dryRun = [
    ...(Array.isArray(body.dryRun) ? body.dryRun : []),
    ...query.getAll('dryRun').filter((item) => item !== ''),
  ];
  if (dryRun.some((item) => item !== 'All')) errors.push(notSupported('dryRun', dryRun, ['All']));
  if (errors.length > 0) throw invalid({ ...OPTIONS, kind: 'DeleteOptions' }, '', errors);
  const grace = body.gracePeriodSeconds ?? query.get('gracePeriodSeconds') ?? undefined;
  const seconds = grace === undefined ? undefined : Number(grace);
  if (seconds !== undefined && !Number.isInteger(seconds))
    throw badRequest(`strconv.ParseInt: parsing ${JSON.stringify(String(grace))}: invalid syntax`);
  return {
    propagationPolicy: policy as string | undefined,
    gracePeriodSeconds: seconds === undefined || seconds >= 0 ? seconds : 1,
    preconditions: {
      uid: typeof preconditions.uid === 'string' ? preconditions.uid : undefined,
      resourceVersion:
        typeof preconditions.resourceVersion === 'string' ? preconditions.resourceVersion : undefined,
    },
    dryRun: dryRun.length > 0,
  };
}

export interface ListQuery {
  readonly labelSelector: string;
  readonly fieldSelector: string;
  readonly limit: number;
  readonly continue: string;
  readonly resourceVersion: string;
  readonly resourceVersionMatch: string;
  readonly watch: boolean;
  readonly allowWatchBookmarks: boolean;
  /** Undefined when it was not said. */
  readonly sendInitialEvents: boolean | undefined;
  readonly timeoutSeconds: number | undefined;
}

const integer = (query: URLSearchParams, key: string): number | undefined => {
  const text = query.get(key);
  if (text === null || text === '') return undefined;
  if (!/^-?\d+$/.test(text))
    throw badRequest(`strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`);
  return Number(text);
};
const flag = (query: URLSearchParams, key: string): boolean =>
  query.has(key) && !['false', '0'].includes((query.get(key) ?? '').toLowerCase());

/** Options of a list or watch, with the combinations that the API refuses. */
export function parseListQuery(query: URLSearchParams): ListQuery {
  const options: ListQuery = {
    labelSelector: query.get('labelSelector') ?? '',
    fieldSelector: query.get('fieldSelector') ?? '',
    limit: integer(query, 'limit') ?? 0,
    continue: query.get('continue') ?? '',
    resourceVersion: query.get('resourceVersion') ?? '',
    resourceVersionMatch: query.get('resourceVersionMatch') ?? '',
    watch: flag(query, 'watch'),
    allowWatchBookmarks: flag(query, 'allowWatchBookmarks'),
    sendInitialEvents: query.has('sendInitialEvents') ? flag(query, 'sendInitialEvents') : undefined,
    timeoutSeconds: integer(query, 'timeoutSeconds'),
  };
  const errors: FieldError[] = [];
  const match = options.resourceVersionMatch;
  if (query.has('sendInitialEvents')) {
    if (!options.watch)
      errors.push({
        reason: 'FieldValueForbidden',
        field: 'sendInitialEvents',
        message: 'Forbidden: sendInitialEvents is forbidden for list',
      });
    else if (match !== 'NotOlderThan')
      errors.push({
        reason: 'FieldValueForbidden',
        field: 'resourceVersionMatch',
        message: 'Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan',
      });
    if (options.watch && match !== '' && match !== 'NotOlderThan')
      errors.push(notSupported('resourceVersionMatch', match, ['NotOlderThan']));
  } else if (match !== '') {
    const refuse = (message: string): void => {
      errors.push({
        reason: 'FieldValueForbidden',
        field: 'resourceVersionMatch',
        message: `Forbidden: ${message}`,
      });
    };
    if (options.watch)
      refuse('resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided');
    else if (options.resourceVersion === '')
      refuse('resourceVersionMatch is forbidden unless resourceVersion is provided');
    else if (options.continue !== '') refuse('resourceVersionMatch is forbidden when continue is provided');
    else if (match !== 'Exact' && match !== 'NotOlderThan')
      errors.push(notSupported('resourceVersionMatch', match, ['Exact', 'NotOlderThan', '']));
    else if (match === 'Exact' && options.resourceVersion === '0')
      refuse('resourceVersionMatch "exact" is forbidden for resourceVersion "0"');
  }
  if (errors.length > 0) throw invalid({ ...OPTIONS, kind: 'ListOptions' }, '', errors);
  const version = options.resourceVersion;
  if (options.watch && version !== '' && !/^\d+$/.test(version)) throw malformedVersion(version);
  if (version !== '' && !/^\d+$/.test(version))
    throw badRequest(
      `invalid resource version: resourceVersion: Invalid value: "${version}": strconv.ParseUint: parsing ${JSON.stringify(version)}: invalid syntax`,
    );
  return options;
}

/** The body, at most 3 MiB; throws 413 beyond. */
async function readBytes(request: IncomingMessage): Promise<Buffer> {
  const declared = Number(request.headers['content-length'] ?? 0);
  if (declared > BODY_LIMIT) throw tooLarge(`limit is ${BODY_LIMIT}`);
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    // Not by iteration: that would close the connection before a refusal is sent.
    const take = (chunk: Buffer): void => {
      size += chunk.length;
      if (size <= BODY_LIMIT) chunks.push(chunk);
      else {
        request.off('data', take);
        chunks.length = 0;
        reject(tooLarge(`limit is ${BODY_LIMIT}`));
      }
    };
    request.on('data', take);
    request.once('end', () => resolve(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks)));
    request.once('error', reject);
    request.once('close', () => reject(badRequest('the request ended before its body')));
  });
}

/** The body as text, whatever its media type. */
export const readText = async (request: IncomingMessage): Promise<string> =>
  (await readBytes(request)).toString('utf8');

const JSON_TYPE = 'application/json';
const YAML_TYPE = 'application/yaml';

/** The media type of a body without its parameters; JSON when absent. */
export const mediaType = (request: IncomingMessage): string =>
  (request.headers['content-type'] ?? JSON_TYPE).split(';')[0]?.trim().toLowerCase() ?? JSON_TYPE;

/** What bodies of objects are read in. */
const MEDIA_TYPES = [JSON_TYPE, YAML_TYPE, PROTOBUF_TYPE];

/**
 * An object's body as JSON text; one in protobuf is read as this struct, which names the kind too. What YAML has twice goes
 * to `duplicates`. Throws 415 for other media types.
 */
export async function readBody(
  request: IncomingMessage,
  schema: Schema,
  struct: string,
  duplicates: string[] = [],
): Promise<string> {
  const type = mediaType(request);
  if (!MEDIA_TYPES.includes(type)) throw unsupportedMediaType(MEDIA_TYPES);
  const bytes = await readBytes(request);
  if (type === YAML_TYPE) return fromYaml(bytes.toString('utf8'), struct, duplicates);
  if (type === JSON_TYPE || bytes.length === 0) return bytes.toString('utf8');
  return JSON.stringify(decodeProtobuf(schema, struct, bytes));
}

function fromYaml(text: string, struct: string, duplicates: string[]): string {
  try {
    const read = parseYaml(text);
    duplicates.push(...read.duplicates);
    return JSON.stringify(read.value ?? {});
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw unrecognized(struct.split('.').at(-1) ?? '', error.message, text);
  }
}
