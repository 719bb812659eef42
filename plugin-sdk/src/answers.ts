/** What the plugin answers to its host: how it is, what it is, who it is, and that it is to stop. */
import { serverStream, unary } from '../../connect/index.js';
import type { CallContext, Handler } from '../../connect/index.js';
import { HealthService, ServingStatus } from '../../proto/gen/connectplugin/health/v1/health_pb.js';
import { PluginControl, PluginIdentity } from '../../proto/gen/connectplugin/v1/plugin_pb.js';
import { healthMessage } from './health.js';
import type { HealthBook } from './health.js';
import type { Identity } from './link.js';
import type { Settings } from './options.js';

export interface AnswersOptions {
  readonly settings: Settings;
  readonly health: HealthBook;
  /** A host says who the plugin is. Throws ConnectError when it may not. */
  readonly adopt: (identity: Identity, context: CallContext) => void;
  /** A host asks the plugin to stop. Rejects with ConnectError when it may not. */
  readonly shutDown: (graceMs: number, reason: string, context: CallContext) => Promise<void>;
}

const MOST_GRACE_SECONDS = 3_600;

/** PluginControl, PluginIdentity and HealthService. */
export function answersToHost({ settings, health, adopt, shutDown }: AnswersOptions): Handler[] {
  const { id, version, provides, requires, metadata } = settings;
  return [
    unary(PluginControl.method.getHealth, () => healthMessage(health.now())),
    unary(PluginControl.method.shutdown, async ({ gracePeriodSeconds, reason }, context) => {
      const seconds = Math.min(gracePeriodSeconds, MOST_GRACE_SECONDS);
      const graceMs = seconds > 0 ? seconds * 1_000 : settings.graceMs;
      await shutDown(graceMs, reason, context);
      return { acknowledged: true };
    }),
    unary(PluginIdentity.method.getPluginInfo, () => ({
      selfId: id,
      selfVersion: version,
      provides: provides.map(({ type, version: of, path }) => ({ type, version: of, path })),
      requires: requires.map((needed) => ({ ...needed, watchForChanges: true })),
      metadata: { ...metadata },
    })),
    unary(PluginIdentity.method.setRuntimeIdentity, ({ runtimeId, runtimeToken, hostUrl }, context) => {
      adopt({ runtimeId, runtimeToken, hostUrl }, context);
      return { acknowledged: true };
    }),
    unary(HealthService.method.check, ({ service }) => ({ status: statusOf(settings, health, service) })),
    serverStream(HealthService.method.watch, ({ service }, { signal }) =>
      statuses(health, () => statusOf(settings, health, service), signal),
    ),
  ];
}

/** An empty name stands for the whole plugin; else a service's type, or its path without slashes. */
function statusOf({ provides }: Settings, health: HealthBook, service: string): ServingStatus {
  const known =
    service === '' || provides.some(({ type, path }) => type === service || path.slice(1, -1) === service);
  if (!known) return ServingStatus.SERVICE_UNKNOWN;
  return health.now().state === 'unhealthy' ? ServingStatus.NOT_SERVING : ServingStatus.SERVING;
}

/** The present status, then each other one. */
async function* statuses(health: HealthBook, read: () => ServingStatus, signal: AbortSignal) {
  let wake: () => void = () => undefined;
  const stop = health.onChange(() => wake());
  const aborted = (): void => wake();
  signal.addEventListener('abort', aborted, { once: true });
  try {
    let last: ServingStatus | undefined;
    while (!signal.aborted) {
      const changed = new Promise<void>((resolve) => (wake = resolve));
      const status = read();
      if (status !== last) {
        last = status;
        yield { status };
      } else await changed;
    }
  } finally {
    signal.removeEventListener('abort', aborted);
    stop();
  }
}
