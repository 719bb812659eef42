/** The `log` subresource of pods. */
import { once } from 'node:events';
import type { LogQuery } from '../../kube/kube.js';
import { ApiError, badRequest, methodNotAllowed, unavailable } from './errors.js';
import { objectsAt, stringAt } from './json.js';
import { namedObject } from './resource-handler.js';
import type { ResourceHandler } from './resource-handler.js';
import type { SubresourceDeps } from './subresources.js';

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
    const pod = registry.read(at);
    const query = parseLogQuery(call.query);
    const containers = [
      ...objectsAt(pod, 'spec', 'initContainers'),
      ...objectsAt(pod, 'spec', 'containers'),
    ].map((container) => stringAt(container, 'name') ?? '');
    const container =
      query.container ?? objectsAt(pod, 'spec', 'containers').map((item) => stringAt(item, 'name') ?? '')[0];
    if (query.container === undefined && containers.length > 1)
      throw badRequest(
        `a container name must be specified for pod ${at.name}, choose one of: [${containers.join(' ')}]`,
      );
    if (container === undefined || !containers.includes(container))
      throw badRequest(`container ${container ?? ''} is not valid for pod ${at.name}`);
    const pods = runtime();
    if (pods === undefined)
      throw unavailable('the kubelet of the embedded cluster has not started yet: try again');
    const gone = new AbortController();
    const { response } = call;
    response.once('close', () => gone.abort());
    const chunks = pods
      .logs(at.namespace, at.name, { ...query, container }, gone.signal)
      [Symbol.asyncIterator]();
    let next: IteratorResult<string | Uint8Array>;
    // A log that follows answers at once, whether or not there is a line yet.
    if (query.follow === true) response.writeHead(200, { 'content-type': 'text/plain' }).flushHeaders();
    try {
      next = await chunks.next();
    } catch (error) {
      if (error instanceof ApiError || response.headersSent) throw error;
      throw badRequest(error instanceof Error ? error.message : String(error));
    }
    if (!response.headersSent) response.writeHead(200, { 'content-type': 'text/plain' });
    for (; next.done !== true && !gone.signal.aborted; next = await chunks.next())
      if (!response.write(next.value)) await Promise.race([once(response, 'drain'), once(response, 'close')]);
    response.end();
  };
