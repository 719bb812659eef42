/** A plugin host, put together: the registry, the router, the prober and the manager behind one port. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { ConnectError, answerError, createHandler, listenBoth } from '../../connect/index.js';
import { isLoopback } from '../origin.js';
import type { Metrics } from '../ports.js';
import { createCallCounts } from './counts.js';
import { createHostMetrics } from './metrics.js';
import type { ListenAddress } from './options.js';
import { startManager } from './manager.js';
import type { Manager } from './manager.js';
import type { AllowBaseUrl, HostLog } from './port.js';
import { startProber } from './prober.js';
import { withoutGrant } from './registry/capability-path.js';
import { APP_PROTOCOL } from './registry/handshake.js';
import { createRegistry } from './registry/registry.js';
import type { Registry, RegistryOptions } from './registry/registry.js';
import { createRouter } from './router/router.js';
import type { Router } from './router/router.js';
import { STATUS_PATH, hostStatus } from './status.js';
import type { HostStatus } from './status.js';

export interface HostOptions {
  readonly address: ListenAddress;
  /** The URL that plugins reach this host at; by default that of its address. */
  readonly hostUrl?: string | undefined;
  readonly log: HostLog;
  /** Where the host's numbers are shown. */
  readonly metrics: Metrics;
  readonly registry: Omit<RegistryOptions, 'log' | 'metrics' | 'hostUrl'>;
  /** Plugins that the host manages from the start. */
  readonly plugins?: readonly { readonly name: string; readonly url: string }[] | undefined;
  /** Whether GET /status is answered, which asks for no identity. */
  readonly showStatus: boolean;
  /** Throws for a request that is nobody's here, such as a browser's of another site; the error's text is answered. */
  readonly admit: (request: IncomingMessage) => void;
}

export interface PluginHost {
  readonly url: string;
  readonly port: number;
  readonly registry: Registry;
  readonly router: Router;
  readonly manager: Manager;
  status(): HostStatus;
  /** What the port answers requests with, for those who come another way. */
  handle(request: IncomingMessage, response: ServerResponse): void;
  /** Takes no more calls, lets those under way finish, and keeps the registry in its file. */
  close(): Promise<void>;
}

/** How long calls under way may take when the host stops, in milliseconds. */
const FINISH_MS = 8_000;

/** The rule of a pod's host: plugins share its loopback. */
export const onlyLoopback: AllowBaseUrl = ({ hostname }) => {
  if (isLoopback(hostname.replace(/^\[|\]$/g, ''))) return;
  throw new Error(
    `base_url must be on the pod's own loopback, as in http://localhost:8081, and is at ${hostname}`,
  );
};

function sendJson(response: ServerResponse, status: number, body: object): void {
  const text = JSON.stringify(body);
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
  });
  response.end(text);
}

/** @throws Error as Node's `listen` does, such as EADDRINUSE. */
export async function startHost(options: HostOptions): Promise<PluginHost> {
  const { address, log, admit } = options;
  const counts = createCallCounts();
  const metrics = createHostMetrics(options.metrics, counts, (runtimeId) => registry.knows(runtimeId));
  const host = address.host.includes(':') ? `[${address.host}]` : address.host;
  const stopping = new AbortController();
  const registry = createRegistry({ ...options.registry, log, metrics, hostUrl: options.hostUrl });
  await registry.load();
  const router = createRouter({ routes: registry, log, metrics });
  const connect = createHandler(registry.handlers, {
    stopping: stopping.signal,
    onError: (err, path) => log.warn({ err, path }, `${path} failed in a way that the host does not know`),
  });
  const status = (): HostStatus =>
    hostStatus(registry.plugins(), counts, options.registry.appProtocolVersion ?? APP_PROTOCOL);

  const handle = (request: IncomingMessage, response: ServerResponse): void => {
    try {
      admit(request);
    } catch (error) {
      request.resume();
      return answerError(response, new ConnectError('permission_denied', (error as Error).message));
    }
    if (router(request, response)) return;
    request.url = withoutGrant(request.url ?? '');
    if (connect(request, response)) return;
    request.resume();
    const path = request.url?.replace(/\?.*/s, '');
    const reads = request.method === 'GET' || request.method === 'HEAD';
    if (path === '/health' && reads) return sendJson(response, 200, { status: 'ok' });
    if (options.showStatus && path === STATUS_PATH && reads) return sendJson(response, 200, status());
    const none = new ConnectError(
      'unimplemented',
      `the host has no ${request.method} ${path}: there are the services of connectplugin.v1, /services/{type}/{provider}/{method}, /health and ${STATUS_PATH}`,
    );
    answerError(response, none, { status: 404 });
  };

  const listener = await listenBoth({ ...address, onRequest: handle }).catch(async (error: unknown) => {
    router.close();
    await registry.close();
    throw error;
  });
  const url = `http://${host}:${listener.port}`;
  const prober = startProber({ probed: registry });
  const manager = startManager({
    registry,
    log,
    drained: router.drained,
    hostUrl: options.hostUrl ?? url,
    plugins: options.plugins ?? [],
  });
  const show = (name: string, help: string, read: () => number): void =>
    options.metrics.observed(name, help, () => [[read()]]);
  show('xi_plugin_calls_in_flight', 'Calls that are under way.', () => router.inFlight());
  show('xi_plugin_connections', 'Open connections to plugins.', () => router.connections());
  show('xi_plugins', 'Plugins that the host knows.', () => registry.size);

  return {
    ...{ url, port: listener.port, registry, router, manager, status, handle },
    async close() {
      stopping.abort();
      await Promise.all([prober.close(), manager.close()]);
      await listener.close(FINISH_MS);
      router.close();
      await registry.close();
    },
  };
}
