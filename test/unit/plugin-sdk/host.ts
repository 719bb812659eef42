/** A plugin host on a port of its own, made of the registry and the router: what plugins meet in the tests. */
import { ConnectError, answerError, createHandler, listenBoth } from '../../../connect/index.js';
import type { Code } from '../../../connect/index.js';
import { createRegistry } from '../../../server/plugin-host/registry/registry.js';
import type { Registry, RegistryOptions } from '../../../server/plugin-host/registry/registry.js';
import { createRouter } from '../../../server/plugin-host/router/router.js';
import { freePort } from '../../helpers/free-port.js';

export interface TestHost {
  readonly url: string;
  readonly port: number;
  readonly registry: Registry;
  /** Every line that it logged. */
  readonly lines: readonly string[];
  /** The next call that would be routed is answered with this error, as one that no plugin got to see. */
  holdBack(code: Code): void;
  /** Calls of this path are answered no more. */
  hold(path: string): void;
  close(): Promise<void>;
}

export async function startTestHost(
  options: Partial<RegistryOptions> & { port?: number; load?: boolean } = {},
): Promise<TestHost> {
  const lines: string[] = [];
  const log = {
    info: (_: object, text: string) => void lines.push(text),
    warn: (_: object, text: string) => void lines.push(text),
  };
  const metrics = { routed: () => undefined, registered: () => undefined };
  const registry = createRegistry({ log, allowBaseUrl: () => undefined, ...options });
  if (options.load === true) await registry.load();
  const router = createRouter({ routes: registry, log, metrics });
  const stopping = new AbortController();
  let heldBack: Code | undefined;
  const held = new Set<string | undefined>();
  const connect = createHandler(registry.handlers, { stopping: stopping.signal });
  const { port, close } = await listenBoth({
    host: '127.0.0.1',
    port: options.port ?? (await freePort()),
    onRequest: (request, response) => {
      if (heldBack !== undefined && request.url?.startsWith('/services/') === true) {
        const error = new ConnectError(heldBack, 'held back');
        heldBack = undefined;
        request.resume();
        return answerError(response, error, { headers: ['x-plugin-not-sent', '1'] });
      }
      if (held.has(request.url)) return void request.resume();
      if (router(request, response) || connect(request, response)) return;
      request.resume();
      response.writeHead(404).end();
    },
  });
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    registry,
    lines,
    holdBack: (code) => void (heldBack = code),
    hold: (path) => void held.add(path),
    async close() {
      stopping.abort();
      await close(0);
      router.close();
      await registry.close();
    },
  };
}
