/** Plugin hosts and plugins as processes of their own: ours, started as production does, and those of test/interop/plugin. */
import { spawn } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from '../test/helpers/free-port.js';
import type { GoPlugin, GoPrograms, Line } from '../test/interop/plugin-programs.js';
import { asProgram, built } from './program.js';
import type { Program } from './program.js';

const POLL_MS = 5;
const CLI = '../cli/xi-k8s.js';

/** Something of ours that answers at a URL. */
export interface Serving extends Program {
  readonly url: string;
}

/** A host with one Go plugin, and one who may call it. */
export interface Side {
  readonly url: string;
  readonly plugin: GoPlugin;
  /** The plugin's service at the host, without a slash at its end. */
  readonly service: string;
  /** The caller's identity, as arguments of the Go programs. */
  readonly identity: readonly string[];
}

/** Each of our hosts has an address of its own, as pods have. */
let taken = 0;

async function serving(
  args: readonly string[],
  environment: Readonly<Record<string, string>>,
  url: string,
): Promise<Serving> {
  const child = spawn(process.execPath, [built(CLI), ...args], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { PATH: process.env['PATH'], ...environment },
  });
  const answers = (): Promise<boolean> =>
    fetch(`${url}/health`).then(
      async (answer) => (await answer.text(), answer.ok),
      () => false,
    );
  while (!(await answers())) {
    if (child.exitCode !== null) throw new Error(`xi-k8s ${args.join(' ')} ended with ${child.exitCode}`);
    await delay(POLL_MS);
  }
  return { ...asProgram(child), url };
}

/** Starts `xi-k8s plugin-host`; resolves when it answers. */
export function startOurHost(): Promise<Serving> {
  const address = `127.15.0.${++taken}`;
  return serving(
    ['plugin-host'],
    { XI_PLUGIN_HOST_ADDRESS: `${address}:8080`, XI_PLUGIN_HOST_OPS: `${address}:9090` },
    `http://${address}:8080`,
  );
}

/** Starts one of our example plugins; resolves when it answers. */
export async function startExample(name: string, hostUrl: string): Promise<Serving> {
  const port = await freePort();
  const environment = { HOST_URL: hostUrl, HOSTNAME: '127.0.0.1', PORT: String(port) };
  return serving(['example', name], environment, `http://127.0.0.1:${port}`);
}

/** Registers a Go plugin at a host, and one who calls it. */
export async function sideOf(go: GoPrograms, url: string): Promise<Side> {
  const plugin = await go.plugin(url);
  const [hello] = await go.run('client', '-host', url, '-self-id', 'bench', 'handshake');
  const { runtime_id: id, runtime_token: token } = hello?.said ?? {};
  if (id === undefined || token === undefined)
    throw new Error(`${url}: no handshake: ${JSON.stringify(hello)}`);
  return {
    url,
    plugin,
    service: `${url}/services/echo/${plugin.runtimeId}`,
    identity: ['-header', `X-Plugin-Runtime-ID: ${id}`, '-header', `Authorization: Bearer ${token}`],
  };
}

/** Runs a Go program that prints its figures in one line. Rejects with what it says otherwise. */
export async function figuresOf(go: GoPrograms, ...args: readonly string[]): Promise<Line> {
  const [line] = await go.run(...args);
  if (line === undefined || line.event === 'error')
    throw new Error(`${args.join(' ')}: ${line?.message ?? 'it said nothing'}`);
  return line;
}
