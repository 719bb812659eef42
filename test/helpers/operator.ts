/** The operator as production starts it, for tests: on free ports, on the embedded cluster or on the one of a kubeconfig. */
import { pino } from 'pino';
import { Writable } from 'node:stream';
import { readConfig } from '../../server/config.js';
import { start } from '../../server/lifecycle.js';

export type TargetCluster = 'embedded' | 'kubeconfig';

export interface Operator {
  /** Base URL of the functions. */
  readonly url: string;
  readonly opsUrl: string;
  /** Base URL of the API server. */
  readonly clusterUrl: string;
  /** The log so far, a parsed line an entry. */
  readonly logged: Record<string, unknown>[];
  stop(): Promise<void>;
}

/** Starts an operator. `settings` are `XI_…` variables beside those that free the ports. */
export async function startOperator(
  cluster: TargetCluster = 'embedded',
  settings: Record<string, string> = {},
): Promise<Operator> {
  const logged: Record<string, unknown>[] = [];
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done) {
      for (const line of chunk.toString().split('\n'))
        if (line !== '') logged.push(JSON.parse(line) as Record<string, unknown>);
      done();
    },
  });
  const config = readConfig({
    XI_CLUSTER: cluster,
    XI_PORT: '0',
    XI_OPS_PORT: '0',
    XI_EMBEDDED_PORT: '0',
    ...(cluster === 'kubeconfig' ? { KUBECONFIG: process.env['KUBECONFIG'] } : {}),
    ...settings,
  });
  const log = pino({ level: config.XI_LOG_LEVEL }, sink);
  const running = await start({ config, log, version: '0.0.0-test', environment: process.env });
  return {
    url: running.url,
    opsUrl: running.opsUrl,
    clusterUrl: running.cluster.url,
    logged,
    stop: () => running.stop(),
  };
}
