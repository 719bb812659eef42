/** The Go programs of test/interop/plugin as processes: plugins, hosts, a client, a load generator. */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { eventually } from '../helpers/eventually.js';

/** What a message of the protocol said, with its own field names. */
export interface Said {
  readonly runtime_id?: string;
  readonly runtime_token?: string;
  readonly state?: string;
  readonly service_type?: string;
  readonly single_provider?: boolean;
  readonly endpoint?: {
    readonly provider_id: string;
    readonly version: string;
    readonly endpoint_url: string;
    readonly metadata?: Readonly<Record<string, string>>;
  };
  readonly grant?: {
    readonly grant_id: string;
    readonly endpoint_url: string;
    readonly bearer_token: string;
  };
  readonly text?: string;
  readonly by?: string;
}

/** A line that a program printed. */
export interface Line {
  readonly event?: string;
  readonly said?: Said;
  /** Of an `error`: the Connect code, '' when it is none. */
  readonly code?: string;
  readonly message?: string;
  readonly url?: string;
  readonly runtime_id?: string;
  readonly runtime_token?: string;
  readonly registration_id?: string;
  readonly number?: number;
  readonly reason?: string;
  readonly host_url?: string;
  /** Of the load generator. */
  readonly calls?: number;
  readonly calls_per_second?: number;
  readonly p50_ms?: number;
  readonly p99_ms?: number;
  readonly mib_per_second?: number;
  readonly seconds?: number;
  readonly sent?: number;
  readonly received?: number;
}

export interface Running {
  readonly pid: number;
  readonly lines: readonly Line[];
  /** The first line of this event after the first `past` of them. Rejects when the program ends without one. */
  heard(event: string, past?: number): Promise<Line>;
  /** Ends it and waits. Default: SIGKILL. */
  end(signal?: NodeJS.Signals): Promise<void>;
  signal(signal: NodeJS.Signals): void;
}

export interface GoPlugin extends Running {
  readonly url: string;
  readonly port: number;
  readonly runtimeId: string;
  readonly token: string;
}

export interface GoPrograms {
  /** Starts a command that stays, with its standard error thrown away. */
  start(args: readonly string[], environment?: Readonly<Record<string, string>>): Running;
  /** Starts an unmanaged plugin; resolves when it has registered, is healthy and listens. */
  plugin(hostUrl: string, environment?: Readonly<Record<string, string>>): Promise<GoPlugin>;
  /** Starts a plugin that waits to be managed; resolves when it listens. */
  managed(environment?: Readonly<Record<string, string>>): Promise<Running & { readonly url: string }>;
  /** Runs a command to its end; answers all lines, a failure's too. */
  run(...args: readonly string[]): Promise<readonly Line[]>;
  /** Ends all that still run. */
  end(): Promise<void>;
}

function running(child: ChildProcess, name: string): Running {
  const lines: Line[] = [];
  let over = false;
  createInterface(child.stdout!)
    .on('line', (line) => lines.push(JSON.parse(line) as Line))
    .on('close', () => (over = true));
  const ended = once(child, 'exit');
  return {
    pid: child.pid!,
    lines,
    async heard(event, past = 0) {
      const find = (): Line | undefined => lines.filter((line) => line.event === event)[past];
      const found = await eventually(find, (line) => line !== undefined || over, {
        what: `${name} says ${event}`,
        everyMs: 5,
      });
      if (found === undefined) throw new Error(`${name} ended; it said ${JSON.stringify(lines)}`);
      return found;
    },
    async end(signal = 'SIGKILL') {
      child.kill(signal);
      await ended;
    },
    signal: (signal) => void child.kill(signal),
  };
}

/** @param program as `buildGo` made it. */
export function goPrograms(program: string): GoPrograms {
  const all = new Set<Running>();
  const start: GoPrograms['start'] = (args, environment = {}) => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'ignore'], env: environment });
    const started = running(child, args[0] ?? program);
    all.add(started);
    return started;
  };
  return {
    start,
    async plugin(hostUrl, environment = {}) {
      const plugin = start(['plugin'], { HOST_URL: hostUrl, HOSTNAME: '127.0.0.1', ...environment });
      const { url = '' } = await plugin.heard('listening');
      const { runtime_id: runtimeId = '', runtime_token: token = '' } = await plugin.heard('identity');
      return { ...plugin, url, runtimeId, token, port: Number(new URL(url).port) };
    },
    async managed(environment = {}) {
      const plugin = start(['plugin'], { MANAGED: 'yes', HOSTNAME: '127.0.0.1', ...environment });
      const { url = '' } = await plugin.heard('listening');
      return { ...plugin, url };
    },
    async run(...args) {
      const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'], env: {} });
      let printed = '';
      child.stdout.setEncoding('utf8').on('data', (text: string) => (printed += text));
      await once(child, 'close');
      return printed
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line) as Line);
    },
    async end() {
      await Promise.all([...all].map((each) => each.end()));
      all.clear();
    },
  };
}
