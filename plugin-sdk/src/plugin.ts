/** A running plugin: its port, its way to the host, and the services that it needs. */
import { ConnectError } from '../../connect/index.js';
import { answersToHost } from './answers.js';
import { createDependency } from './dependency.js';
import type { Dependency } from './dependency.js';
import { createHealthBook } from './health.js';
import type { Health, HealthReport } from './health.js';
import { createLink } from './link.js';
import { settingsOf } from './options.js';
import type { PluginOptions } from './options.js';
import { startServer } from './server.js';
import { createService } from './service.js';
import type { ServiceClient } from './service.js';
import { createTrust } from './trust.js';
import { createWait } from './wait.js';

export interface Plugin {
  /** The port that it listens on. */
  readonly port: number;
  /** Who it is to its host; undefined as long as no host knows it. */
  readonly runtimeId: string | undefined;
  /** Resolves when it has stopped: by `close`, or because its host asked it to. */
  readonly closed: Promise<void>;
  /** A service of another plugin. One that is not among `requires` may be missing without making this plugin degraded. */
  service(type: string): ServiceClient;
  /** How it is, as its host is told. */
  health(): HealthReport;
  /** Says how it is. With missing dependencies a healthy plugin is degraded all the same. */
  setHealth(state: Health, reason?: string): void;
  /** Registered with a host, with everything there that it requires. */
  ready(): boolean;
  /** Waits until it is. Rejects with the signal's reason. */
  whenReady(signal?: AbortSignal): Promise<void>;
  /** Unregisters, lets calls end, and stops. */
  close(): Promise<void>;
}

/**
 * Starts a plugin. Resolves when it listens; the way to the host is sought from then on, for as long as it takes.
 * Rejects with ConnectError `invalid_argument`, which names the option, or when the address is taken.
 */
export async function startPlugin(options: PluginOptions): Promise<Plugin> {
  const settings = settingsOf(options);
  const { id, log, requires } = settings;
  const health = createHealthBook();
  health.onChange(({ state, reason }) => log.info(`${id} is ${state}${reason === '' ? '' : `: ${reason}`}`));
  const dependencies = new Map<string, Dependency>();
  const services = new Map<string, ServiceClient>();
  let ended: () => void = () => undefined;
  const closed = new Promise<void>((resolve) => (ended = resolve));
  let stopping: Promise<void> | undefined;
  let port = settings.port;

  const link = createLink({ settings, health, baseUrl: () => settings.baseUrl(port) });
  const trust = createTrust(settings, link);

  const missing = (): string[] =>
    requires.map(({ type }) => type).filter((type) => dependencies.get(type)?.provider() === undefined);
  const ready = (): boolean => stopping === undefined && link.registered() && missing().length === 0;
  const readiness = createWait(() => ready() || undefined);
  const look = (): void => {
    health.lacks(missing());
    readiness.look();
  };

  const depend = (type: string, minVersion: string): Dependency => {
    let dependency = dependencies.get(type);
    if (dependency === undefined) {
      dependency = createDependency({ link, type, minVersion, onChange: look });
      dependencies.set(type, dependency);
    }
    return dependency;
  };

  const stop = async (graceMs: number): Promise<void> => {
    health.say('unhealthy', 'it stops');
    for (const dependency of dependencies.values()) dependency.unwatch();
    // Who still calls was routed before; the way out stays open for what they need.
    await link.unregister();
    await server.close(graceMs);
    link.close();
    ended();
  };
  const close = (graceMs: number): Promise<void> => (stopping ??= stop(graceMs));

  const server = await startServer({
    settings,
    health,
    ready,
    answers: answersToHost({
      settings,
      health,
      adopt: (identity, { remoteAddress }) => {
        if (stopping !== undefined) throw new ConnectError('unavailable', `${id} stops`);
        link.adopt(trust.identity(identity, remoteAddress));
      },
      shutDown: async (graceMs, reason, { remoteAddress }) => {
        await trust.maySayStop(remoteAddress);
        log.info(`${id} stops, as its host asks${reason === '' ? '' : `: ${reason}`}`);
        void close(graceMs);
      },
    }),
  });
  port = server.port;
  for (const { type, minVersion } of requires) depend(type, minVersion).watch();
  look();
  link.onBeat(() => {
    if (link.inTouch()) for (const dependency of dependencies.values()) dependency.hostAnswers();
    look();
  });
  link.start();

  return {
    port,
    get runtimeId() {
      return link.host()?.identity.runtimeId;
    },
    closed,
    service(type) {
      let service = services.get(type);
      if (service === undefined) {
        const dependency = depend(type, '');
        if (stopping === undefined) dependency.watch();
        service = createService(link, dependency);
        services.set(type, service);
      }
      return service;
    },
    health: health.now,
    setHealth: (state, reason = '') => {
      if (stopping === undefined) health.say(state, reason);
    },
    ready,
    whenReady: async (signal) => void (await readiness.value(signal)),
    close: () => close(settings.graceMs),
  };
}
