/** The `log` subresource of pods. */
import { once } from 'node:events';
import type { LogQuery } from '../../kube/kube.js';
import { badRequest, invalid, methodNotAllowed } from './errors.js';
import { forbiddenField, invalidValue } from './field-errors.js';
import type { FieldError } from './field-errors.js';
import { objectAt, stringAt } from './json.js';
import { namedObject } from './resource-call.js';
import type { ResourceHandler } from './resource-call.js';
import { checkContainer, isOn, runtimeOf } from './streams/pod.js';
import type { SubresourceDeps } from './subresources.js';

/** How long a log that follows may wait for its first line before the answer begins. */
const ANSWER_MS = 50;

const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/;
const OPTIONS = { group: '', kind: 'PodLogOptions' };

const number = (query: URLSearchParams, key: string): number | undefined => {
  const text = query.get(key);
  if (text === null || text === '') return undefined;
  if (!/^[+-]?\d+$/.test(text))
    throw badRequest(`strconv.ParseInt: parsing ${JSON.stringify(text)}: invalid syntax`);
  return Number(text);
};

function parseLogQuery(query: URLSearchParams, pod: string): LogQuery {
  const text = (key: string): string | undefined => query.get(key) || undefined;
  const parsed = {
    container: text('container'),
    follow: isOn(query, 'follow'),
    previous: isOn(query, 'previous'),
    timestamps: isOn(query, 'timestamps'),
    tailLines: number(query, 'tailLines'),
    sinceSeconds: number(query, 'sinceSeconds'),
    sinceTime: text('sinceTime'),
    limitBytes: number(query, 'limitBytes'),
  };
  const { tailLines, limitBytes, sinceSeconds, sinceTime } = parsed;
  if (sinceTime !== undefined && (!TIME.test(sinceTime) || Number.isNaN(Date.parse(sinceTime))))
    throw badRequest(
      `parsing time ${JSON.stringify(sinceTime)} as "2006-01-02T15:04:05Z07:00": cannot parse ${JSON.stringify(sinceTime)} as "2006"`,
    );
  const errors: FieldError[] = [];
  if (tailLines !== undefined && tailLines < 0)
    errors.push(invalidValue('tailLines', tailLines, 'must be greater than or equal to 0'));
  if (limitBytes !== undefined && limitBytes < 1)
    errors.push(invalidValue('limitBytes', limitBytes, 'must be greater than 0'));
  if (sinceSeconds !== undefined && sinceTime !== undefined)
    errors.push(forbiddenField('[]', 'at most one of `sinceTime` or `sinceSeconds` may be specified'));
  else if (sinceSeconds !== undefined && sinceSeconds < 1)
    errors.push(invalidValue('sinceSeconds', sinceSeconds, 'must be greater than 0'));
  if (text('stream') !== undefined) errors.push(forbiddenField('stream', 'may not be specified'));
  if (errors.length > 0) throw invalid(OPTIONS, pod, errors);
  return parsed;
}

export const createLogHandler =
  (deps: SubresourceDeps): ResourceHandler =>
  async (call) => {
    if (call.request.method !== 'GET') throw methodNotAllowed();
    const at = namedObject(call);
    const query = parseLogQuery(call.query, at.name);
    const spec = objectAt(deps.registry.read(at), 'spec');
    checkContainer(at.name, spec, query.container);
    const { response } = call;
    if (!stringAt(spec, 'nodeName')) return void response.writeHead(204).end();
    const pods = runtimeOf(deps);
    const gone = new AbortController();
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
