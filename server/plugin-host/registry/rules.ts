/** What plugins may say of themselves and their services: forms and bounds. Each check throws `invalid_argument`. */
import type { AllowBaseUrl } from '../port.js';
import { invalid } from './refusal.js';
import { versionOf } from './versions.js';

/** Bounds, in characters where not said otherwise. */
export const BOUNDS = {
  name: 128,
  path: 256,
  metadataEntries: 64,
  metadataKey: 256,
  /** Bytes of one value. */
  metadataValue: 4096,
  /** Bytes of all keys and values together. */
  metadataTotal: 16_384,
  baseUrl: 1024,
  reason: 1024,
  dependencies: 64,
  /** Types that a plugin declares by its GetPluginInfo. */
  declared: 256,
} as const;

const NAME = /^[a-zA-Z][\w.-]*$/;
const KEY = NAME;
// What a path may hold unencoded (RFC 3986), without the percent sign: an encoded slash or dot is none of its business.
const PATH = /^\/[\w.~!$&'()*+,;=:@/-]*$/;

/** The text in quotes, cut, so that an error's message does not carry 4 KiB of what is wrong. */
export const quoted = (text: string): string =>
  JSON.stringify(text.length > 64 ? `${text.slice(0, 64)}…` : text);

function checkName(text: string, what: string): void {
  if (text === '') throw invalid(`${what} is missing.`);
  if (text.length > BOUNDS.name || !NAME.test(text) || text.includes('..'))
    throw invalid(
      `${what} ${quoted(text)} must begin with a letter and hold letters, digits, "_", "-" and "." (never two in a row), at most ${BOUNDS.name}.`,
    );
}

export const checkType = (type: string): void => checkName(type, 'service_type');

/** A plugin may call itself as it likes, with something in it that its runtime id can be made of. */
export function checkSelfId(selfId: string): void {
  if (selfId.length > BOUNDS.name || !/[a-z0-9]/i.test(selfId) || /\p{C}/u.test(selfId))
    throw invalid(
      `self_id ${quoted(selfId)} must hold a letter or digit and no control characters, at most ${BOUNDS.name} characters.`,
    );
}

export const checkCapabilityType = (type: string): void => checkName(type, 'capability_type');

export function checkVersion(version: string, field = 'version'): void {
  if (versionOf(version) === undefined)
    throw invalid(`${field} ${quoted(version)} is no semantic version, such as 1.4.0 or 2.0.0-rc.1.`);
}

/** Empty means any version. */
export function checkMinVersion(version: string): void {
  if (version !== '') checkVersion(version, 'min_version');
}

/** The path with a slash at its end. */
export function checkPath(path: string): string {
  const slashed = path.endsWith('/') ? path : `${path}/`;
  const bad =
    path.length > BOUNDS.path ||
    !PATH.test(path) ||
    path.startsWith('//') ||
    path.split('/').some((part) => part === '..' || part === '.');
  if (bad)
    throw invalid(
      `endpoint_path ${quoted(path)} must be an absolute path such as /storage.v1.Storage/, without "..", query or percent signs, at most ${BOUNDS.path} characters.`,
    );
  return slashed;
}

export function checkMetadata(metadata: Readonly<Record<string, string>>, field = 'metadata'): void {
  const entries = Object.entries(metadata);
  if (entries.length > BOUNDS.metadataEntries)
    throw invalid(`${field} has ${entries.length} entries; at most ${BOUNDS.metadataEntries} are kept.`);
  for (const [key, value] of entries) {
    if (key.length > BOUNDS.metadataKey || !KEY.test(key))
      throw invalid(
        `${field}: the key ${quoted(key)} must begin with a letter and hold letters, digits, "_", "-" and ".", at most ${BOUNDS.metadataKey}.`,
      );
    if (Buffer.byteLength(value) > BOUNDS.metadataValue)
      throw invalid(`${field}: the value of ${quoted(key)} is longer than ${BOUNDS.metadataValue} bytes.`);
    if (value.includes('\0')) throw invalid(`${field}: the value of ${quoted(key)} holds a null byte.`);
  }
  const total = entries.reduce((sum, [key, value]) => sum + key.length + Buffer.byteLength(value), 0);
  if (total > BOUNDS.metadataTotal)
    throw invalid(`${field} has ${total} bytes in all; at most ${BOUNDS.metadataTotal} are kept.`);
}

/** An http URL without user, query and fragment; undefined for anything else. */
export function plainUrl(text: string): URL | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const plain =
    url !== undefined &&
    url.protocol === 'http:' &&
    url.username + url.password + url.search + url.hash === '' &&
    !/[?#\s\\]/.test(text);
  return plain ? url : undefined;
}

/** The base URL without a slash at its end. */
export function checkBaseUrl(text: string, allow: AllowBaseUrl): string {
  const url = text.length > BOUNDS.baseUrl ? undefined : plainUrl(text);
  if (url === undefined)
    throw invalid(
      `base_url ${quoted(text)} must be an http URL such as http://localhost:8082, without user, query and fragment, at most ${BOUNDS.baseUrl} characters.`,
    );
  try {
    allow(url);
  } catch (error) {
    throw invalid(`base_url ${quoted(text)}: ${(error as Error).message}`);
  }
  return url.href.replace(/\/+$/, '');
}

export function checkReport(reason: string, dependencies: readonly string[]): void {
  if (reason.length > BOUNDS.reason)
    throw invalid(`reason is longer than ${BOUNDS.reason} characters; say it shorter.`);
  if (dependencies.length > BOUNDS.dependencies)
    throw invalid(`unavailable_dependencies has more than ${BOUNDS.dependencies} entries.`);
  for (const dependency of dependencies)
    if (dependency.length > BOUNDS.name)
      throw invalid(
        `unavailable_dependencies: ${quoted(dependency)} is longer than ${BOUNDS.name} characters.`,
      );
}
