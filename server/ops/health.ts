/** Health, readiness and metrics, on a listener of their own. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { METRICS_CONTENT_TYPE } from './metrics.js';
import type { Registry } from './metrics.js';

export interface Health {
  /** Resolves with the port. Rejects as Node's `listen` does, such as with EADDRINUSE. */
  listen(address: { readonly host: string; readonly port: number }): Promise<number>;
  /** From now on the program is not ready, whatever else holds. */
  stopping(): void;
  close(): Promise<void>;
}

type Answer = readonly [status: number, type: string, body: string];

const JSON_TYPE = 'application/json; charset=utf-8';
const json = (status: number, body: object): Answer => [status, JSON_TYPE, JSON.stringify(body)];

/**
 * `/healthz`: the process runs. `/readyz`: it does its work. `/metrics`: Prometheus' text.
 * @param fault why it cannot do its work; undefined when it can.
 */
export function createHealth(
  fault: () => Promise<string | undefined>,
  metrics: Pick<Registry, 'render'>,
): Health {
  let stopping = false;
  const pages: Readonly<Record<string, () => Answer | Promise<Answer>>> = {
    '/healthz': () => json(200, { status: 'ok' }),
    async '/readyz'() {
      const message = stopping ? 'the program is stopping' : await fault();
      return message === undefined
        ? json(200, { status: 'ok' })
        : json(503, { status: 'not ready', message });
    },
    '/metrics': () => [200, METRICS_CONTENT_TYPE, metrics.render()],
  };
  const answerTo = (method: string, path: string): Answer | Promise<Answer> => {
    const page = Object.hasOwn(pages, path) ? pages[path] : undefined;
    if (page === undefined)
      return json(404, { status: 'not found', message: `there is ${Object.keys(pages).join(', ')}` });
    if (method !== 'GET' && method !== 'HEAD')
      return json(405, { status: 'not allowed', message: `${path} is read with GET` });
    return page();
  };
  const server = createServer((request, response) => {
    request.resume();
    const { method = '', url = '' } = request;
    void (async () => {
      const [status, type, body] = await answerTo(method, url.replace(/\?.*$/s, ''));
      response
        .writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(body) })
        .end(body);
    })().catch((error: Error) => response.destroy(error));
  });
  return {
    async listen({ host, port }) {
      server.listen(port, host);
      await once(server, 'listening');
      return (server.address() as AddressInfo).port;
    },
    stopping() {
      stopping = true;
    },
    async close() {
      if (!server.listening) return;
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
