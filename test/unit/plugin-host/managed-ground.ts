/** Plugins as the managed model meets them, and a manager of them: what its tests share. */
import type { Test } from 'tap';
import { createHandler, listenBoth, unary } from '../../../connect/index.js';
import type { HealthState } from '../../../proto/gen/connectplugin/v1/plugin_pb.js';
import { PluginControl, PluginIdentity } from '../../../proto/gen/connectplugin/v1/plugin_pb.js';
import { startManager } from '../../../server/plugin-host/manager.js';
import type { Manager, ManagerOptions } from '../../../server/plugin-host/manager.js';
import { freePort } from '../../helpers/free-port.js';
import { startHost } from './router-ground.js';
import type { Host } from './router-ground.js';

interface Need {
  readonly type: string;
  readonly minVersion?: string;
}

interface PluginOptions {
  readonly selfId: string;
  readonly provides?: readonly string[];
  readonly version?: string;
  readonly requires?: readonly Need[];
  readonly metadata?: Record<string, string>;
  readonly port?: number;
  /** How it is; it does not serve that when absent. */
  readonly health?: HealthState;
  /** How often it does not take its identity. */
  readonly refuses?: number;
  /** Milliseconds in which a connection must send its first bytes. */
  readonly headersTimeoutMs?: number;
}

export interface Given {
  readonly runtimeId: string;
  readonly token: string;
  readonly hostUrl: string;
}

/** A managed plugin as one is written: it serves its identity, its control, and its services, here one that waits. */
export async function plugin(t: Test, options: PluginOptions) {
  const { selfId, provides = [], version = '1.0.0', metadata = {} } = options;
  const port = options.port ?? (await freePort());
  const said = {
    version,
    health: options.health,
    requires: options.requires ?? [],
    refuses: options.refuses ?? 0,
  };
  const given: Given[] = [];
  const shutdowns: { grace: number; reason: string; open: number }[] = [];
  let asked = 0;
  let open = 0;
  let served = 0;
  let late = 0;
  const held: (() => void)[] = [];
  const connect = createHandler([
    unary(PluginIdentity.method.getPluginInfo, () => {
      asked += 1;
      return {
        ...{ selfId, selfVersion: said.version, metadata },
        provides: provides.map((type) => ({ type, version: said.version, path: `/${type}.v1.S/` })),
        requires: said.requires.map((need) => ({ minVersion: '', ...need, requiredForStartup: true })),
      };
    }),
    unary(PluginIdentity.method.setRuntimeIdentity, ({ runtimeId, runtimeToken, hostUrl }) => {
      if ((said.refuses -= 1) >= 0) return { acknowledged: false };
      given.push({ runtimeId, token: runtimeToken, hostUrl });
      return { acknowledged: true };
    }),
    ...(said.health === undefined
      ? []
      : [unary(PluginControl.method.getHealth, () => ({ state: said.health!, reason: 'no disk' }))]),
    unary(PluginControl.method.shutdown, ({ gracePeriodSeconds, reason }) => {
      shutdowns.push({ grace: gracePeriodSeconds, reason, open });
      return { acknowledged: true };
    }),
  ]);
  const listener = await listenBoth({
    ...{ host: '127.0.0.1', port, headersTimeoutMs: options.headersTimeoutMs },
    onRequest: (request, response) => {
      if (connect(request, response)) return;
      open += 1;
      served += 1;
      if (shutdowns.length > 0) late += 1;
      request.resume();
      const { searchParams } = new URL(request.url ?? '', 'http://x');
      const answer = () => {
        open -= 1;
        response.end(`${selfId} ${version}`);
      };
      if (searchParams.has('held')) held.push(answer);
      else setTimeout(answer, Number(searchParams.get('ms') ?? 0));
    },
  });
  const stop = () => listener.close(0);
  t.teardown(stop);
  return {
    url: `http://127.0.0.1:${listener.port}`,
    port: listener.port,
    given,
    /** How often it was asked who it is. */
    asked: () => asked,
    /** What it says of itself from now on. */
    said,
    shutdowns,
    served: () => served,
    /** Answers the calls that it was asked to hold. */
    release: () => held.splice(0).forEach((answer) => answer()),
    /** Calls that came after it was told to stop. */
    late: () => late,
    stop,
  };
}

export async function manage(
  t: Test,
  plugins: ManagerOptions['plugins'],
  options: Partial<ManagerOptions> = {},
): Promise<{ host: Host; manager: Manager }> {
  const host = await startHost(t);
  const { registry, router } = host;
  const log = {
    info: (fields: object, text: string) =>
      void host.lines.push({ level: 'info', fields: { ...fields }, text }),
    warn: (fields: object, text: string) =>
      void host.lines.push({ level: 'warn', fields: { ...fields }, text }),
  };
  const manager = startManager({
    ...{ registry, plugins, log, hostUrl: 'http://127.0.0.1:8080', drained: router.drained, retryMs: 20 },
    ...options,
  });
  t.teardown(() => manager.close());
  return { host, manager };
}

export const states = (manager: Manager) =>
  Object.fromEntries(manager.plugins().map(({ name, state }) => [name, state]));
