/**
 * Replaces what differs from run to run by placeholders. The same uid, version or generated name gets the same placeholder
 * throughout a case, so that ownership and equality stay visible.
 */
import type { Json } from './case.js';

const UID = /\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/g;
const TIME = /\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z/g;
const AGE = /^(\d+[smhdy]){1,2}$/;
const TOKEN_SUFFIX = /\b(kube-api-access-)[a-z0-9]{5}\b/g;
const VERSIONS_IN_TEXT = /(resource version: )(\d+)(, current: | \()(\d+)/;
const VERSION_FIELD = /(resourceVersion[\\": ]+|ResourceVersion in record \()(\d+)/g;
/** What the server ends generated names with. */
const SUFFIX = 'bcdfghjklmnpqrstvwxz2456789';
/** Addresses of Services in cells. */
const SERVICE_IP = /^10\.\d+\.\d+\.\d+$/;
/** An object that is quoted in a message: the order of its fields does not count either. */
const QUOTED_OBJECT = /(Invalid value: )("\{(?:[^"\\]|\\.)*")/g;
/** How the server's own structs differ, printed after a message. */
const DIFF = /\n@@ [^]*$/;
/** In a cell. */
const NODE_PORT = /:(3\d{4})\//g;
const DAY = 24 * 60 * 60 * 1_000;

export interface Normaliser {
  /** Names that begin so may be the server's. */
  expect(prefix: string): void;
  /** The value with placeholders. */
  json(value: Json): Json;
  text(value: string): string;
}

type Numbered = (value: string) => string;

const numbered = (kind: string): { of: Numbered; known: ReadonlyMap<string, string> } => {
  const known = new Map<string, string>();
  return {
    known,
    of: (value) => {
      let found = known.get(value);
      if (found === undefined) known.set(value, (found = `<${kind} ${known.size + 1}>`));
      return found;
    },
  };
};

const isObject = (value: Json | undefined): value is Record<string, Json> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export function createNormaliser(namespace: string): Normaliser {
  const uids = numbered('uid');
  const versions = numbered('rv');
  const generated = numbered('generated');
  const addresses = numbered('ip');
  const ports = numbered('node port');
  const prefixes = new Set<string>();
  const now = Date.now();

  const text = (given: string): string => {
    const value = given.replace(QUOTED_OBJECT, (_, head: string, quotedText: string) => {
      const object = readObject(quotedText);
      return head + (object === undefined ? quotedText : JSON.stringify(JSON.stringify(json(object))));
    });
    // First: a version may stand within a uid.
    let result = value.replace(UID, (uid) => uids.of(uid)).replaceAll(namespace, '<ns>');
    for (const prefix of prefixes)
      result = result.replace(new RegExp(`${prefix}[${SUFFIX}]{5}\\b`, 'g'), (name) => generated.of(name));
    // Before the versions: one of a real cluster may be the number of the year, or of an RFC, or the digits of a suffix.
    result = result
      .replace(TIME, (time, fraction?: string) =>
        Math.abs(Date.parse(time) - now) > DAY ? time : fraction === undefined ? '<time>' : '<microtime>',
      )
      .replace(TOKEN_SUFFIX, '$1<suffix>');
    for (const [version, placeholder] of versions.known)
      if (result.includes(version))
        result = result.replace(new RegExp(`(?<![\\d.]|RFC |DNS-)${version}(?![\\d.])`, 'g'), placeholder);
    return result
      .replace(VERSION_FIELD, (_, head: string, version: string) => head + versions.of(version))
      .replace(DIFF, '')
      .replace(VERSIONS_IN_TEXT, '$1<version>$3<version>');
  };

  const field = (key: string, value: Json, parent: Record<string, Json>): Json => {
    if (typeof value === 'string' && value !== '') {
      if (key === 'resourceVersion' && /^\d+$/.test(value))
        return isCollection(parent) || value === '0' ? (value === '0' ? value : '<rv>') : versions.of(value);
      if (key === 'continue') return '<continue>';
      if (key === 'serverAddress') return '<address>';
      if (key === 'clusterIP' && value !== 'None') return addresses.of(value);
    }
    if (key === 'clusterIPs' && Array.isArray(value))
      return value.map((item) => (item === 'None' ? item : addresses.of(String(item))));
    if (/^(healthCheckN|n)odePort$/.test(key) && typeof value === 'number') return ports.of(String(value));
    if (key === 'managedFields' && Array.isArray(value))
      return value.map((item) => json(managed(item))).sort(byText);
    // Conflicts come in the order of a hash.
    if (key === 'causes' && Array.isArray(value) && value.every(isConflict))
      return value.map(json).sort(byText);
    // Rules come in the order of a hash.
    if (/^(nonR|r)esourceRules$/.test(key) && Array.isArray(value)) return value.map(json).sort(byText);
    if (key === 'columnDefinitions' && Array.isArray(value))
      return value.map((item) => json(undescribed(item)));
    if (key === 'cells' && Array.isArray(value)) return value.map(cellOf);
    return json(value);
  };

  const cellOf = (cell: Json): Json =>
    typeof cell !== 'string'
      ? json(cell)
      : AGE.test(cell)
        ? '<age>'
        : SERVICE_IP.test(cell)
          ? addresses.of(cell)
          : text(cell).replace(NODE_PORT, (_, port: string) => `:${ports.of(port)}/`);

  /** The metadata of lists and bookmarks: their version is that of the moment. */
  const ofMoment = new WeakSet<object>();
  const isCollection = (metadata: object): boolean => ofMoment.has(metadata);

  const json = (value: Json): Json => {
    if (typeof value === 'string') return text(value);
    if (Array.isArray(value)) return value.map(json);
    if (!isObject(value)) return value;
    if (isObject(value.metadata)) {
      const isList = String(value.kind).endsWith('List') || value.kind === 'Table';
      if (isList || isBookmark(value)) ofMoment.add(value.metadata);
    }
    // In the order of the keys, so that the numbers of placeholders do not depend on the order of an answer.
    return Object.fromEntries(
      Object.entries(value)
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([key, item]) => [text(key), field(key, item, value)]),
    );
  };
  return { json, text, expect: (prefix) => void prefixes.add(prefix) };
}

/** Objects of bookmarks have a version and nothing else. */
const isBookmark = ({ metadata }: Record<string, Json>): boolean =>
  isObject(metadata) && metadata.uid === undefined && metadata.name === undefined;

/** The prose of a Table's columns is not compared: the embedded cluster has none of Kubernetes' own texts. */
const undescribed = (column: Json): Json =>
  isObject(column)
    ? Object.fromEntries(Object.entries(column).filter(([key]) => key !== 'description'))
    : column;

/** An entry of managedFields in one readable line: `MANAGER OPERATION VERSION TIME: metadata(labels(. a)) spec(…)`. */
function managed(entry: Json): Json {
  if (!isObject(entry) || !isObject(entry.fieldsV1)) return entry;
  const { manager, operation, apiVersion, time, fieldsType, fieldsV1, subresource, ...rest } = entry;
  if (Object.keys(rest).length > 0) return entry;
  const words = [
    manager,
    operation,
    apiVersion,
    subresource,
    fieldsType === 'FieldsV1' ? undefined : fieldsType,
    time,
  ];
  return `${words.filter((word) => word !== undefined).join(' ')}: ${fieldSet(fieldsV1)}`;
}

const fieldSet = (fields: Record<string, Json>): string =>
  Object.entries(fields)
    .map(([key, inner]) => {
      const name = key.replace(/^f:/, '');
      return isObject(inner) && Object.keys(inner).length > 0 ? `${name}(${fieldSet(inner)})` : name;
    })
    .sort()
    .join(' ');

const byText = (a: Json, b: Json): number => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1);
const isConflict = (cause: Json): boolean => isObject(cause) && cause.reason === 'FieldManagerConflict';

function readObject(quotedText: string): Json | undefined {
  try {
    return JSON.parse(JSON.parse(quotedText) as string) as Json;
  } catch {
    return undefined;
  }
}
