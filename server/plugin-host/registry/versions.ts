/** Versions of services and what fits a minimum version, as semver says. */
import type { SemVer } from 'semver';
import { parse } from 'semver';

const LONGEST = 64;
const CACHED = 1024;

/** Services and callers come with a handful of versions, again and again. */
const known = new Map<string, SemVer>();

/** The version, or undefined when the text is no semantic version (`1`, `1.0` and `v1.0.0` are none). */
export function versionOf(text: string): SemVer | undefined {
  const before = known.get(text);
  if (before !== undefined) return before;
  const version = text.length <= LONGEST && /^\d+\.\d+\.\d+[\w.+-]*$/.test(text) ? parse(text) : null;
  if (version === null) return undefined;
  if (known.size >= CACHED) known.clear();
  known.set(text, version);
  return version;
}

/**
 * Whether a version can be used by who needs `minimum`: not lower, and nothing broken since, that is of the same major
 * version, below 1.0.0 of the same minor one. Without a minimum any can.
 */
export function isCompatible(version: string, minimum: string): boolean {
  if (minimum === '') return true;
  const has = versionOf(version);
  const needs = versionOf(minimum);
  if (has === undefined || needs === undefined) return false;
  return has.major === needs.major && (has.major > 0 || has.minor === needs.minor) && has.compare(needs) >= 0;
}

/** Whether a minimum asks for more than another one; an empty one asks for nothing. */
export function isHigher(minimum: string, than: string): boolean {
  if (minimum === than || minimum === '') return false;
  const [asked, before] = [versionOf(minimum), versionOf(than)];
  return asked !== undefined && (before === undefined || asked.compare(before) > 0);
}
