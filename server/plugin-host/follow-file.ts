/** The plugins that the host's file names, followed while the host runs: what is new is added, what has gone removed, what moved replaced. */
import type { Manager, ManagedPlugin } from './manager.js';
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
  /** Looks no more; resolves when no look is under way. */
  close(): Promise<void>;
}

export function followFile({ manager, read, log, everyMs = 1_000 }: FollowOptions): Following {
  let before = JSON.stringify(manager.plugins().map(({ name, url }) => ({ name, url })));
  let trouble = '';

  const told = (what: string, name: string, work: Promise<void>): void =>
    void work.then(
      () => log.info({ plugin: name }, `Plugin ${name} is ${what}, as the file says`),
      (err: unknown) => {
        log.warn({ plugin: name, err }, `Plugin ${name} is not ${what}, and is tried again`);
        before = '';
      },
    );
  /** One that does not run yet has no calls to lose. */
  const moved = async (name: string, url: string, runs: boolean): Promise<void> => {
    if (runs) return manager.replace(name, url);
    await manager.remove(name);
    return manager.add({ name, url });
  };

  const look = async (): Promise<void> => {
    const wanted = (await read()).map(({ name, url }) => ({ name, url }));
    trouble = '';
    const now = JSON.stringify(wanted);
    if (now === before) return;
    before = now;
    const known = new Map(manager.plugins().map((plugin) => [plugin.name, plugin]));
    for (const name of known.keys())
      if (!wanted.some((plugin) => plugin.name === name)) told('removed', name, manager.remove(name));
    for (const { name, url } of wanted) {
      const plugin = known.get(name);
      if (plugin === undefined) told('added', name, manager.add({ name, url }));
      else if (plugin.url !== url) told('moved', name, moved(name, url, plugin.state === 'running'));
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
    close() {
      clearInterval(timer);
      return looking;
    },
  };
}
