/** The `log` subresource of pods. */
import { once } from 'node:events';
import type { LogQuery } from '../../kube/kube.js';
import { badRequest, methodNotAllowed, unavailable } from './errors.js';
import { namedObject } from './resource-call.js';
import type { ResourceHandler } from './resource-call.js';
import type { SubresourceDeps } from './subresources.js';

/** How long a log that follows may wait for its first line before the answer begins. */
const ANSWER_MS = 50;

const number = (query: URLSearchParams, key: string): number | undefined => {
  const text = query.get(key);
  if (text === null || text === '') return undefined;
  if (!/^-?\d+$/.test(text))
    throw badRequest(`strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`);
  return Number(text);
};

function parseLogQuery(query: URLSearchParams): LogQuery {
  const is = (key: string): boolean => query.get(key) === 'true' || query.get(key) === '1';
  const text = (key: string): string | undefined => query.get(key) || undefined;
  return {
    container: text('container'),
    follow: is('follow'),
    previous: is('previous'),
    timestamps: is('timestamps'),
    tailLines: number(query, 'tailLines'),
    sinceSeconds: number(query, 'sinceSeconds'),
    sinceTime: text('sinceTime'),
    limitBytes: number(query, 'limitBytes'),
  };
}

export const createLogHandler =
  ({ registry, runtime }: SubresourceDeps): ResourceHandler =>
  async (call) => {
    if (call.request.method !== 'GET') throw methodNotAllowed();
    const at = namedObject(call);
    const query = parseLogQuery(call.query);
    registry.get(at);
    const pods = runtime();
    if (pods === undefined)
      throw unavailable('the kubelet of the embedded cluster has not started yet: try again');
    const gone = new AbortController();
    const { response } = call;
    response.once('close', () => gone.abort());
    const chunks = pods.logs(at.namespace, at.name, query, gone.signal)[Symbol.asyncIterator]();
    const start = (): void => {
      if (!response.headersSent) response.writeHead(200, { 'content-type': 'text/plain' }).flushHeaders();
    };
    // A log that follows answers soon, whether or not there is a line yet; what is refused is refused before.
    const soon = setTimeout(start, ANSWER_MS);
    try {
      let next = await chunks.next();
      start();
      for (; next.done !== true && !gone.signal.aborted; next = await chunks.next())
        if (!response.write(next.value))
          await once(response, 'drain', { signal: gone.signal }).catch(() => undefined);
      response.end();
    } finally {
      clearTimeout(soon);
      gone.abort();
    }
  };
