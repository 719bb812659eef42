/** What managed plugins wait for before they get their identities: providers of what they need at start-up. */
import type { PluginInfo } from '../introduce.js';
import { dependencyGraph } from '../registry/graph.js';
import type { Registry } from '../registry/registry.js';

/** Service type → minimum version of what a plugin needs at start-up and nobody provides. */
export const missingFor = (
  registry: Pick<Registry, 'isProvided'>,
  { startup }: Pick<PluginInfo, 'startup'>,
): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(startup).filter(([type, minVersion]) => !registry.isProvided(type, minVersion)),
  );

/** Plugins, of those that wait for what is `missing`, that wait for one another: their names. */
export const startupCircles = (
  waiting: readonly {
    readonly name: string;
    readonly provides: PluginInfo['provides'];
    readonly missing: Readonly<Record<string, string>>;
  }[],
): readonly (readonly string[])[] =>
  dependencyGraph(waiting.map(({ name, provides, missing }) => ({ id: name, provides, requires: missing })))
    .cycles;

/** Resolves at the registry's next change, or after so many milliseconds. @throws the signal's reason when it fires */
export function nextChange(
  registry: Pick<Registry, 'watch'>,
  signal: AbortSignal,
  ms: number,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = (): void => {
      clearTimeout(timer);
      stop();
      signal.removeEventListener('abort', left);
    };
    const left = (): void => {
      end();
      reject(signal.reason as Error);
    };
    const goOn = (): void => {
      end();
      resolve();
    };
    const timer = setTimeout(goOn, ms);
    const stop = registry.watch(goOn);
    if (signal.aborted) left();
    else signal.addEventListener('abort', left, { once: true });
  });
}
