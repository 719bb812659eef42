/** A plugin host in the tests' own process, as `xi-k8s plugin-host` starts it, on a loopback port. */
import { createMetrics } from '../../server/ops/metrics.js';
import { onlyLoopback, startHost } from '../../server/plugin-host/host.js';
import type { PluginHost } from '../../server/plugin-host/host.js';
import { freePort } from '../helpers/free-port.js';

export interface TestHost extends PluginHost {
  /** What it logged, a text a line. */
  readonly lines: readonly string[];
}

export interface TestHostOptions {
  /** A free one by default. */
  readonly port?: number;
  /** What it keeps its plugins in; nothing by default. */
  readonly stateFile?: string;
  /** Those that it manages. */
  readonly plugins?: readonly { readonly name: string; readonly url: string }[];
}

/** Starts one. */
export async function startTestHost({ port, stateFile, plugins }: TestHostOptions = {}): Promise<TestHost> {
  const lines: string[] = [];
  const note = (_fields: object, text: string): void => void lines.push(text);
  const host = await startHost({
    showStatus: true,
    address: { host: '127.0.0.1', port: port ?? (await freePort()) },
    log: { info: note, warn: note },
    metrics: createMetrics(),
    registry: { allowBaseUrl: onlyLoopback, stateFile },
    plugins,
    admit: () => undefined,
  });
  return { ...host, lines };
}
