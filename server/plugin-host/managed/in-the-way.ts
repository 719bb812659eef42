/** Which plugin has to leave a place before another one may come there. Pure. */
import type { ManagedPlugin } from './plugin.js';

/**
 * The plugin that has yet to leave the url at which this one is wanted. Those who change places among themselves are in nobody's way:
 * none of them could begin.
 * @param wanted name → url
 * @param leaving plugins that go elsewhere, and the urls at which they still are
 */
export function inTheWay(
  name: string,
  wanted: ReadonlyMap<string, string>,
  leaving: readonly ManagedPlugin[],
): string | undefined {
  const before = (one: string): string | undefined =>
    leaving.find((other) => other.name !== one && other.url === wanted.get(one))?.name;
  const first = before(name);
  const seen = new Set<string>();
  for (let one = first; one !== undefined && !seen.has(one); one = before(one)) {
    if (one === name) return undefined;
    seen.add(one);
  }
  return first;
}
