/** The plugin's port: its services, what its host asks, and probes. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  ConnectError,
  answerError,
  answerJson,
  createHandler,
  discard,
  listenBoth,
  pathOnly,
} from '../../connect/index.js';
import type { CallSettings, Handler } from '../../connect/index.js';
import type { HealthBook } from './health.js';
import { answer } from './method.js';
import type { ProvidedService, Settings } from './options.js';

export interface ServerOptions {
  readonly settings: Settings;
  readonly health: HealthBook;
  /** PluginControl, PluginIdentity, HealthService. */
  readonly answers: readonly Handler[];
  /** Registered with a host, with all that it requires. */
  readonly ready: () => boolean;
}

export interface PluginServer {
  readonly port: number;
  /** Stops listening; calls have so many milliseconds to end. */
  close(graceMs: number): Promise<void>;
}

/** Who answers a path that is none of Connect's. */
type Found = (request: IncomingMessage, response: ServerResponse) => void;

/** Rejects when the address is taken, or is none of this machine. */
export async function startServer(options: ServerOptions): Promise<PluginServer> {
  const { settings } = options;
  const { id, log, provides, bodyTimeoutMs } = settings;
  const calls: CallSettings = {
    maxBytes: settings.bodyLimitBytes,
    bodyTimeoutMs,
    onError: (error, path) =>
      log.warn(
        `${id}: ${path} failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
      ),
  };
  const stopping = new AbortController();
  const find = finder(provides, calls);
  const connect = createHandler([...options.answers, ...provides.flatMap(({ handlers = [] }) => handlers)], {
    ...calls,
    stopping: stopping.signal,
  });
  const probes = probesOf(options);
  const { port, close } = await listenBoth({
    host: settings.host,
    port: settings.port,
    onRequest: (request, response) => {
      const path = pathOnly(request.url);
      const found = probes.get(path) ?? find(path);
      if (found !== undefined) return found(request, response);
      if (connect(request, response)) return;
      discard(request, bodyTimeoutMs);
      const message = `${id} has no method ${path}`;
      answerError(response, new ConnectError('unimplemented', message), { status: 404 });
    },
  });
  return {
    port,
    close(graceMs) {
      stopping.abort();
      return close(graceMs);
    },
  };
}

function finder(
  provides: readonly ProvidedService[],
  calls: CallSettings,
): (path: string) => Found | undefined {
  const exact = new Map<string, Found>();
  const handled = new Set(provides.flatMap(({ handlers = [] }) => handlers.map(({ path }) => path)));
  for (const { path, methods = {} } of provides)
    for (const [name, method] of Object.entries(methods)) {
      const served = { name, method, settings: calls };
      exact.set(`${path}${name}`, (request, response) => answer(served, request, response));
    }
  const listeners = provides.flatMap(({ path, listener }) =>
    listener === undefined ? [] : [{ path, listener }],
  );
  return (path) => {
    const method = exact.get(path);
    if (method !== undefined || handled.has(path)) return method;
    return listeners.find(({ path: prefix }) => path.startsWith(prefix))?.listener;
  };
}

/** `/health`: it runs, and does not call itself unhealthy. `/ready`: it is registered, and lacks nothing. */
function probesOf({ settings, health, ready }: ServerOptions): ReadonlyMap<string, Found> {
  const probe =
    (passes: () => boolean): Found =>
    (request, response) => {
      discard(request, settings.bodyTimeoutMs);
      const { state, reason, unavailableDependencies } = health.now();
      const body = {
        status: state === 'unhealthy' ? 'unhealthy' : passes() ? 'ok' : 'not ready',
        plugin: settings.id,
        health: state,
        reason,
        unavailable_dependencies: unavailableDependencies,
      };
      answerJson(response, body.status === 'ok' ? 200 : 503, { value: body });
    };
  return new Map([
    ['/health', probe(() => true)],
    ['/ready', probe(ready)],
  ]);
}
