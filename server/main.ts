/** The operator as a process: environment → config → start → signals. The only file of the server that touches `process`. */
import closeWithGrace from 'close-with-grace';
import pino from 'pino';
import type { PodProgram } from '../devcluster/devcluster.js';
import { KubeError } from '../kube/index.js';
import { readConfig } from './config.js';
import { start } from './lifecycle.js';
import type { Running } from './lifecycle.js';
import { ConfigError } from './settings.js';

/** Standard error, many lines in one go and the last of them soon: a write for each would cost more than its line. */
const LOG = { dest: 2, sync: false, minLength: 16_000, periodicFlush: 100 } as const;

const HOW = {
  embedded: (url: string) =>
    `the embedded cluster at ${url}\n             It is for trying out and for tests: it keeps everything in memory, and pods of other images than ours only pretend to run.\n             kubectl --server ${url} get pods`,
  kubeconfig: (url: string, context?: string) => `${url}, by the kubeconfig's context ${context ?? '(none)'}`,
  'in-cluster': (url: string) => `${url}, the cluster of this pod, as its ServiceAccount`,
};

/** What a person reads at the start. */
function banner({ url, opsUrl, cluster }: Running, version: string): string {
  const call = (name: string, params: object) =>
    `  curl -sN ${url}/v1/functions/${name} -H 'content-type: application/json' -d '${JSON.stringify(params)}'`;
  return `xi-k8s ${version}
  listens on ${url} (reference: ${url}/docs), health on ${opsUrl}/healthz
  acts on    ${HOW[cluster.how](cluster.url, cluster.context)}

Create a Deployment, follow its pods until they are ready, follow their logs:
${call('create_deployment', {})}
${call('wait_for_deployment', { name: 'nginx-deployment' })}
${call('pod_logs', { deployment: 'nginx-deployment', follow: true })}
`;
}

/**
 * Runs the operator until a signal; resolves when it listens. Exits with 1 when it cannot start.
 * @param program what pods of our own image run in the embedded cluster.
 * @param version of this package.
 */
export async function serve(program: PodProgram, version: string): Promise<void> {
  try {
    const config = readConfig(process.env);
    const log = pino({ level: config.XI_LOG_LEVEL }, pino.destination(LOG));
    const running = await start({ config, log, version, environment: process.env, program });
    process.stdout.write(`${banner(running, version)}\n`);
    closeWithGrace(
      { delay: (config.XI_SHUTDOWN_SECONDS + 5) * 1000, logger: { error: (message) => log.error(message) } },
      async ({ err, signal }) => {
        if (err !== undefined) log.fatal({ err }, 'an error that nothing caught');
        else log.info({ signal }, 'stopping');
        await running.stop();
        log.flush();
      },
    );
  } catch (error) {
    const known = error instanceof ConfigError || error instanceof KubeError;
    process.stderr.write(`xi-k8s cannot start: ${known ? error.message : String((error as Error).stack)}\n`);
    process.exit(1);
  }
}
