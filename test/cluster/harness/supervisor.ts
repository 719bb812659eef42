/** Starts, watches, kills and starts again the components of the cluster. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Component, ComponentName } from './components.js';
import { Failure, say, tail } from './steps.js';

const READY_MS = 60_000;

export interface Supervisor {
  /** Starts a component and waits until it is ready. Throws Failure with the end of its log. */
  start(name: ComponentName): Promise<void>;
  /** Sends a signal; with one that ends the component, waits for its end. */
  signal(name: ComponentName, signal: 'SIGKILL' | 'SIGTERM' | 'SIGSTOP' | 'SIGCONT'): Promise<void>;
  /** The process id in the cluster's own process namespace; undefined while it does not run. */
  pid(name: ComponentName): number | undefined;
}

export interface SupervisorOptions {
  components: readonly Component[];
  logs: string;
  env: NodeJS.ProcessEnv;
}

export const createSupervisor = ({ components, logs, env }: SupervisorOptions): Supervisor => {
  const running = new Map<ComponentName, ChildProcess>();
  const ending = new Set<ComponentName>();
  const logOf = (name: string): string => join(logs, `${name}.log`);
  const withLog = async (name: string, what: string): Promise<string> =>
    `${what}. The end of its log:\n${await tail(logOf(name))}`;
  const find = (name: ComponentName): Component => {
    const component = components.find((one) => one.name === name);
    if (component === undefined) throw new Failure(`no component is called ${name}`);
    return component;
  };
  const how = (child: ChildProcess): string => child.signalCode ?? `exit code ${child.exitCode}`;
  const ended = (child: ChildProcess): boolean => child.exitCode !== null || child.signalCode !== null;

  const untilReady = async (component: Component, child: ChildProcess): Promise<void> => {
    const { name } = component;
    let why = '';
    for (const start = performance.now(); performance.now() - start < READY_MS; await sleep(50)) {
      if (ended(child))
        throw new Failure(await withLog(name, `${name} ended with ${how(child)} before it was ready`));
      try {
        await component.ready();
        return;
      } catch (error) {
        why = error instanceof Error ? error.message : String(error);
      }
    }
    child.kill('SIGKILL');
    throw new Failure(await withLog(name, `${name} is not ready after ${READY_MS / 1000} s (${why})`));
  };

  return {
    async start(name) {
      const component = find(name);
      if (running.has(name)) throw new Failure(`${name} runs already`);
      const log = await open(logOf(name), 'a');
      // A session of its own: Ctrl-C in the terminal is for COMMAND, not for the components.
      const stdio = ['ignore', log.fd, log.fd] as const;
      const child = spawn(component.file, component.args, {
        argv0: name,
        env,
        stdio: [...stdio],
        detached: true,
      });
      running.set(name, child);
      let usable = false;
      child.on('exit', () => {
        running.delete(name);
        const asked = ending.delete(name);
        if (usable && !asked) void withLog(name, `${name} ended by itself with ${how(child)}`).then(say);
      });
      const spawned = once(child, 'spawn').catch((error: unknown) => {
        running.delete(name);
        throw new Failure(`cannot run ${component.file}: ${String(error)}`);
      });
      await spawned.finally(() => log.close());
      await untilReady(component, child);
      usable = true;
    },
    async signal(name, signal) {
      const child = running.get(find(name).name);
      if (child === undefined) throw new Failure(`${name} does not run`);
      if (signal === 'SIGSTOP' || signal === 'SIGCONT') {
        child.kill(signal);
        return;
      }
      ending.add(name);
      const exit = once(child, 'exit');
      child.kill(signal);
      await exit;
    },
    pid: (name) => running.get(name)?.pid,
  };
};
