/** The plugins that the host's file names, followed while the host runs: what is new is added, what has gone removed, what moved replaced. */
import { inTheWay } from './managed/in-the-way.js';
import type { Manager, ManagedPlugin, ManagedView } from './manager.js';
import type { HostLog } from './port.js';

export interface FollowOptions {
  readonly manager: Pick<Manager, 'plugins' | 'add' | 'remove' | 'replace'>;
  /** Those that the file names now. Rejects when it cannot be read; then all stays as it is. */
  readonly read: () => Promise<readonly ManagedPlugin[]>;
  readonly log: HostLog;
  /** Milliseconds between two looks at the file; 1,000 by default. A mounted ConfigMap tells of its changes in no other way. */
  readonly everyMs?: number | undefined;
}

export interface Following {
  /** Looks no more, and calls replacements off that have not taken place; resolves when no look is under way. */
  close(): Promise<void>;
}

export function followFile({ manager, read, log, everyMs = 1_000 }: FollowOptions): Following {
  /** Name → where the file has it. */
  let wanted: ReadonlyMap<string, string> = new Map();
  /** Replacements that the manager works on, and that have not been called off. */
  const moves = new Map<string, { readonly url: string; readonly stop: AbortController }>();
  /** What plugins leave, until what was there has been told to stop. */
  const leaving = new Set<ManagedPlugin>();
  /** Name → what was said last about it, since what fails is tried with each look. */
  const faults = new Map<string, string>();
  let trouble = '';

  const told = (what: string, name: string, url: string | undefined, work: Promise<void>): void =>
    void work.then(
      () => {
        faults.delete(name);
        log.info({ plugin: name }, `Plugin ${name} is ${what}, as the file says`);
      },
      (err: Error) => {
        const fault = `${url}: ${err.message}`;
        // What the file does not want any more has not failed.
        if (wanted.get(name) !== url || faults.get(name) === fault) return;
        faults.set(name, fault);
        log.warn({ plugin: name, err }, `Plugin ${name} is not ${what}, and is tried again`);
      },
    );

  /** Whether nobody has to leave the url first; what runs there until then is another plugin. */
  const isFree = (name: string, url: string, known: ReadonlyMap<string, ManagedView>): boolean => {
    const elsewhere = [...known.values()].filter(
      (other) => (wanted.get(other.name) ?? other.url) !== other.url,
    );
    const other = inTheWay(name, wanted, [...leaving, ...elsewhere]);
    const fault = `${url}: ${other} is there`;
    if (other !== undefined && faults.get(name) !== fault) {
      faults.set(name, fault);
      log.info({ plugin: name, other }, `Plugin ${name} waits until ${other} has left ${url}`);
    }
    return other === undefined;
  };

  const move = async ({ name, state, url: from }: ManagedView, url: string): Promise<void> => {
    // One that does not run yet has no calls to lose.
    if (state !== 'running')
      return void (await Promise.all([manager.remove(name), manager.add({ name, url })]));
    const moving = { url, stop: new AbortController() };
    const place = { name, url: from };
    moves.set(name, moving);
    leaving.add(place);
    try {
      await manager.replace(name, url, moving.stop.signal);
    } finally {
      if (moves.get(name) === moving) moves.delete(name);
      leaving.delete(place);
    }
  };

  const callOff = (name: string): void => {
    moves.get(name)?.stop.abort(new Error('the file wants it no more'));
    moves.delete(name);
  };

  /** Compares with how the managed plugins are now, and not with the file before: what was begun may be wrong by now. */
  const look = async (): Promise<void> => {
    const plugins = await read();
    trouble = '';
    wanted = new Map(plugins.map(({ name, url }) => [name, url]));
    for (const [name, { url }] of moves) if (wanted.get(name) !== url) callOff(name);
    const known = new Map(manager.plugins().map((plugin) => [plugin.name, plugin]));
    for (const name of known.keys())
      if (!wanted.has(name)) told('removed', name, undefined, manager.remove(name));
    for (const [name, url] of wanted) {
      const plugin = known.get(name);
      if (plugin?.url === url || moves.has(name) || !isFree(name, url, known)) continue;
      if (plugin === undefined) told('added', name, url, manager.add({ name, url }));
      else told('moved', name, url, move(plugin, url));
    }
  };

  let looking: Promise<void> = Promise.resolve();
  let idle = true;
  const timer = setInterval(() => {
    if (!idle) return;
    idle = false;
    looking = look()
      .catch((error: Error) => {
        // Said once for each fault.
        if (error.message !== trouble) log.warn({}, `${(trouble = error.message)} All stays as it is.`);
      })
      .finally(() => (idle = true));
  }, everyMs).unref();
  return {
    async close() {
      clearInterval(timer);
      await looking;
      wanted = new Map();
      for (const name of moves.keys()) callOff(name);
    },
  };
}
