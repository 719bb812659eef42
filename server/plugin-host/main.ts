/** The plugin host as a program: environment → host, health. Signals are the caller's. */
import { explainListen } from '../listen-errors.js';
import { createHealth } from '../ops/health.js';
import { createMetrics } from '../ops/metrics.js';
import { foreign, isLoopback } from '../origin.js';
import { placeFor } from '../settings.js';
import { followFile } from './follow-file.js';
import { onlyLoopback, startHost } from './host.js';
import type { PluginHost } from './host.js';
import { createProgramLog } from './log.js';
import { readHostSettings } from './options.js';
import type { HostFile, ListenAddress } from './options.js';

/** The state file is written beside its former self, on a volume of 16 MiB in our manifests. */
const KEPT_BYTES = 6 << 20;

export interface RunningHost {
  readonly url: string;
  readonly opsPort: number;
  close(): Promise<void>;
}

export interface HostSurroundings {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly version: string;
  /** The file descriptor that the log goes to. */
  readonly output: number;
}

/** Starts the host. @throws ConfigError, whose message is for people. */
export async function runHost(surroundings: HostSurroundings): Promise<RunningHost> {
  const { environment, version, output } = surroundings;
  const place = placeFor(environment);
  const settings = await readHostSettings(environment, place);
  const { address, ops, file } = settings;
  const log = createProgramLog(settings.logFormat, output);
  const metrics = createMetrics();
  const health = createHealth(async () => undefined, metrics);
  const loopback = isLoopback(address.host);
  const nobody: ReadonlySet<string> = new Set();
  const inVain = (error: unknown, { host, port }: ListenAddress, setting: string): unknown =>
    explainListen(error, host, port, { host: setting, port: setting });
  const opsPort = await health.listen(ops).catch((error: unknown) => {
    throw inVain(error, ops, 'XI_PLUGIN_HOST_OPS');
  });
  const placed = ({ plugins }: HostFile) =>
    plugins.map(({ name, url }) => ({ name, url: place.address(url) }));
  let host: PluginHost;
  try {
    host = await startHost({
      address,
      log,
      metrics,
      registry: {
        allowBaseUrl: onlyLoopback,
        appProtocolVersion: file.app_protocol_version,
        allow: file.allow,
        selection: file.selection,
        serverMetadata: { host: 'xi-k8s', version },
        stateFile: settings.stateFile,
        limits: { keptBytes: KEPT_BYTES },
      },
      plugins: placed(file),
      showStatus: loopback,
      // Whoever listens on other addresses is reached by names that are not known here.
      admit: ({ headers }) => {
        const why = loopback ? foreign(headers, nobody) : undefined;
        if (why !== undefined) throw new Error(why);
      },
    });
  } catch (error) {
    await health.close();
    throw inVain(error, address, 'XI_PLUGIN_HOST_ADDRESS');
  }
  const { readFile } = settings;
  const following =
    readFile && followFile({ manager: host.manager, read: async () => placed(await readFile()), log });
  log.info({ url: host.url }, `Plugin host ${version} listens on ${host.url}`);
  return {
    url: host.url,
    opsPort,
    async close() {
      health.stopping();
      await following?.close();
      await host.close();
      await health.close();
      log.flush();
    },
  };
}
