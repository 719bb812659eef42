import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import t from 'tap';
import type { Test } from 'tap';
import { XiError, createClient } from '@xi-k8s/client';
import type { ClientOptions } from '@xi-k8s/client';
import { until } from '../../helpers/eventually.js';

interface Seen {
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: unknown;
}
type Answer = (response: ServerResponse, request: IncomingMessage) => void;

/** A server that gives the answers in order, the last one again and again, and remembers what it was asked. */
async function serve(t: Test, ...answers: Answer[]) {
  const seen: Seen[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const answer = answers[Math.min(seen.length, answers.length - 1)]!;
      seen.push({
        path: request.url!,
        headers: request.headers,
        body: JSON.parse(Buffer.concat(chunks).toString()),
      });
      answer(response, request);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  const baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const client = (options: Partial<ClientOptions> = {}) => createClient({ baseUrl, ...options });
  return { seen, baseUrl, client };
}

const json =
  (value: unknown, status = 200, headers: Record<string, string> = {}): Answer =>
  (response) =>
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(value));

const problem = (
  code: string,
  status: number,
  more: object = {},
  headers: Record<string, string> = {},
): Answer =>
  json(
    { type: `urn:xi-k8s:error:${code}`, title: code, status, code, detail: `it is ${code}`, ...more },
    status,
    headers,
  );

const reset: Answer = (response) => response.socket?.destroy();

/** Sends chunks in turns of their own; then ends, or cuts the connection. */
const chunks =
  (parts: readonly (string | Buffer)[], cut = false): Answer =>
  (response) => {
    response.writeHead(200, { 'content-type': 'application/x-ndjson' });
    const next = (index: number): void => {
      if (index === parts.length) return void (cut ? response.socket?.destroy() : response.end());
      response.write(parts[index]!, () => setTimeout(next, 2, index + 1));
    };
    next(0);
  };

const lines = (...values: object[]): string => values.map((value) => `${JSON.stringify(value)}\n`).join('');
const item = (line: string) => ({ type: 'item', item: { pod: 'p', container: 'c', line } });

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const one of items) all.push(one);
  return all;
}

async function failure(promise: Promise<unknown>): Promise<XiError> {
  const error: unknown = await promise.then(
    (value) => new Error(`it answered ${JSON.stringify(value)}`),
    (reason: unknown) => reason,
  );
  if (!(error instanceof XiError)) throw error;
  return error;
}

t.test('a call carries its params, options and headers, and answers the result', async (t) => {
  const { client, seen, baseUrl } = await serve(t, json({ name: 'web' }));
  const asked = createClient({
    baseUrl: `${baseUrl}/`,
    token: () => Promise.resolve('secret'),
    headers: { 'x-team': 'blue' },
  });
  const result = await asked.create_deployment(
    { name: 'web', replicas: 2 },
    { dryRun: true, timeoutSeconds: 7, requestId: 'r-1' },
  );
  t.match(result, { name: 'web' });
  t.match(seen[0], {
    path: '/v1/functions/create_deployment?dry_run=true',
    body: { name: 'web', replicas: 2 },
    headers: {
      accept: 'application/json',
      'content-type': 'application/json',
      authorization: 'Bearer secret',
      'x-timeout-seconds': '7',
      'x-request-id': 'r-1',
      'x-team': 'blue',
    },
  });
  await client({ token: 'plain' }).server_info();
  t.match(seen[1], {
    path: '/v1/functions/server_info',
    body: {},
    headers: { authorization: 'Bearer plain' },
  });
  t.notOk(seen[1]!.headers['x-timeout-seconds']);
});

t.test('a problem becomes a typed error', async (t) => {
  const { client } = await serve(
    t,
    problem('invalid_params', 400, {
      errors: [{ field: 'replica', message: 'is not known', suggestion: 'replicas' }],
      request_id: 'r-2',
      new_field: 1,
    }),
    problem('rejected_by_cluster', 422, { causes: [{ field: 'spec' }] }),
    problem('bad_gateway', 502, { outcome: 'unknown' }),
    problem('already_exists', 409, { object: { resource: 'deployments.apps', name: 'web' } }),
    problem('permission_denied', 403, {
      permission: { group: 'apps', resource: 'deployments', verb: 'create' },
    }),
    (response) => response.writeHead(502, { 'content-type': 'text/html' }).end('<h1>Bad gateway</h1>'),
    (response) => response.end('not json'),
    (response) => response.writeHead(404).end('nothing here'),
  );
  const call = () => failure(client().create_deployment());
  t.match(await call(), {
    name: 'XiError',
    code: 'invalid_params',
    status: 400,
    message: 'it is invalid_params',
    detail: 'it is invalid_params',
    errors: [{ field: 'replica', suggestion: 'replicas' }],
    causes: [],
    requestId: 'r-2',
    outcome: undefined,
    problem: { new_field: 1 },
  });
  t.match(await call(), { code: 'rejected_by_cluster', causes: [{ field: 'spec' }] });
  t.match(await call(), { code: 'bad_gateway', outcome: 'unknown' });
  t.match(await call(), {
    code: 'already_exists',
    object: { resource: 'deployments.apps', name: 'web' },
    permission: undefined,
  });
  t.match(await call(), { code: 'permission_denied', permission: { verb: 'create' } });
  // Whoever answers without a problem document may have passed the call on.
  t.match(await call(), {
    code: 'bad_gateway',
    status: 502,
    message: /v1\/functions\/create_deployment answered 502 Bad Gateway and "<h1>Bad gateway<\/h1>"/,
    outcome: 'unknown',
  });
  t.match(await call(), {
    code: 'bad_gateway',
    status: 200,
    message: /answered 200 OK and "not json"/,
    outcome: 'unknown',
  });
  t.match(await call(), { code: 'bad_gateway', status: 404, outcome: undefined });
});

t.test('reads are tried again', async (t) => {
  const again = { 'retry-after': '0' };
  const table: [string, Answer[], number][] = [
    ['a reset connection', [reset, json({ ok: 1 })], 2],
    ['429', [problem('too_many_requests', 429, { retry_after_seconds: 0 }), json({ ok: 1 })], 2],
    [
      '503, twice',
      [problem('overloaded', 503, {}, again), problem('overloaded', 503, {}, again), json({ ok: 1 })],
      3,
    ],
    [
      'half an answer',
      [
        (response) => {
          response.writeHead(200, { 'content-length': '100' });
          response.write('{', () => response.socket?.destroy());
        },
        json({ ok: 1 }),
      ],
      2,
    ],
  ];
  for (const [name, answers, requests] of table) {
    const { client, seen } = await serve(t, ...answers);
    t.match(await client().list_pods(), { ok: 1 }, name);
    t.equal(seen.length, requests, name);
  }
});

t.test('but not for ever, not for what does not pass, and not for too long', async (t) => {
  const table: [string, Answer, Partial<ClientOptions>, number, string][] = [
    ['always 503', problem('overloaded', 503, { retry_after_seconds: 0 }), {}, 3, 'overloaded'],
    ['always reset', reset, { retries: 1 }, 2, 'unreachable'],
    ['switched off', reset, { retries: 0 }, 1, 'unreachable'],
    ['404', problem('not_found', 404), {}, 1, 'not_found'],
    ['500', problem('internal', 500), {}, 1, 'internal'],
    [
      'in an hour',
      problem('cluster_unavailable', 503, {}, { 'retry-after': '3600' }),
      {},
      1,
      'cluster_unavailable',
    ],
  ];
  for (const [name, answer, options, requests, code] of table) {
    const { client, seen } = await serve(t, answer);
    t.equal((await failure(client(options).get_pod({ name: 'p' }))).code, code, name);
    t.equal(seen.length, requests, name);
  }
});

t.test('a change is sent once', async (t) => {
  const busy = problem('overloaded', 503, { retry_after_seconds: 0 });
  const table: [string, Answer, object][] = [
    ['a reset connection', reset, { code: 'unreachable', status: 0, outcome: 'unknown' }],
    ['503', busy, { code: 'overloaded', outcome: undefined, retryAfterSeconds: 0 }],
    ['429', problem('too_many_requests', 429), { code: 'too_many_requests' }],
  ];
  for (const [name, answer, expected] of table) {
    const { client, seen } = await serve(t, answer);
    t.match(await failure(client().scale_deployment({ name: 'web', replicas: 1 })), expected, name);
    t.equal(seen.length, 1, name);
    const dry = await failure(client().scale_deployment({ name: 'web', replicas: 1 }, { dryRun: true }));
    t.equal(dry.outcome, undefined, `${name}: a dry run changes nothing`);
    t.equal(seen.length, 2, name);
    await failure(collect(client().scale_deployment.progress({ name: 'web', replicas: 1 })));
    t.equal(seen.length, 3, `${name}, streamed`);
  }
});

t.test('a redirect is not followed', async (t) => {
  const { client, seen } = await serve(t, (response) =>
    response.writeHead(307, { location: '/elsewhere' }).end(),
  );
  const moved = await failure(client().delete_deployment({ name: 'web' }));
  t.match(moved, { code: 'bad_gateway', status: 307, outcome: undefined });
  t.equal(seen.length, 1);
  await failure(client().list_pods());
  t.equal(seen.length, 2, 'and no read is tried again');
});

t.test('a stream yields its items wherever its chunks are cut', async (t) => {
  const text = lines(item('grüße 🚀'), { type: 'heartbeat' }, item('two'), { type: 'end' });
  const bytes = Buffer.from(text);
  const table: [string, (string | Buffer)[]][] = [
    ['one chunk', [text]],
    ['byte by byte', [...bytes].map((byte) => Buffer.from([byte]))],
    ['no newline at the end', [text.trimEnd()]],
    ['empty lines and CRLF', [`\n\n${text.replaceAll('\n', '\r\n')}\n`]],
  ];
  for (const [name, parts] of table) {
    const { client, seen } = await serve(t, chunks(parts));
    const stream = client().pod_logs({ pod: 'p' });
    t.same(await collect(stream), [item('grüße 🚀').item, item('two').item], name);
    t.equal(await stream.result, undefined, name);
    t.equal(seen[0]!.headers.accept, 'application/x-ndjson');
    t.equal(seen.length, 1, 'asking for the result sends nothing again');
  }
});

t.test('a result comes after the items, with a loop and without', async (t) => {
  const done = { type: 'result', result: { name: 'web' } };
  const { client, seen } = await serve(t, chunks([lines({ type: 'item', item: { message: 'half' } }, done)]));
  const stream = client().create_deployment.progress({ name: 'web' });
  t.equal(seen.length, 0, 'nothing is sent before the loop');
  const { result } = stream;
  t.match(await collect(stream), [{ message: 'half' }]);
  t.match(await result, { name: 'web' });
  t.match(seen[0], { body: { name: 'web', wait: true } });
  t.match(await client().create_deployment({ name: 'web', wait: true }), { name: 'web' });
  t.match(
    seen[1],
    { body: { wait: true }, headers: { accept: 'application/x-ndjson' } },
    'a wait is kept alive by heartbeats',
  );
  t.match(await client().wait_for_deployment({ name: 'web' }).result, { name: 'web' });
  t.throws(() => stream[Symbol.asyncIterator](), /once/);
});

t.test('a stream that fails throws', async (t) => {
  const first = lines(item('one'));
  const gone = {
    type: 'error',
    error: { code: 'not_found', status: 404, detail: 'no such pod', title: '', type: '' },
  };
  const table: [string, Answer, object][] = [
    [
      'an error line',
      chunks([first + lines(gone)]),
      { code: 'not_found', status: 404, message: 'no such pod' },
    ],
    [
      'cut cleanly',
      chunks([first]),
      { code: 'unreachable', message: /cut the stream before its last line: the connection ended/ },
    ],
    ['cut by a reset', chunks([first], true), { code: 'unreachable', message: /the connection broke/ }],
    ['cut amid a line', chunks([first, '{"type":"it']), { code: 'unreachable', message: /amid a line/ }],
    ['not a line', chunks([first, 'null\n']), { code: 'unreachable', message: /cut/ }],
    ['refused at once', problem('not_found', 404), { code: 'not_found' }],
  ];
  for (const [name, answer, expected] of table) {
    const { client } = await serve(t, answer);
    const stream = client().pod_logs({ pod: 'p' });
    const seen: unknown[] = [];
    const error = await failure(
      (async () => {
        for await (const one of stream) seen.push(one);
      })(),
    );
    t.match(error, expected, name);
    t.equal(seen.length, name === 'refused at once' ? 0 : 1, name);
    t.equal(await failure(stream.result), error, `${name}: the result rejects with the same`);
  }
  const { client } = await serve(t, chunks([first]));
  const change = await failure(client().delete_pod.progress({ name: 'p' }).result);
  t.equal(change.outcome, 'unknown', 'a change that is cut may have happened');
});

t.test('leaving the loop ends the request', async (t) => {
  let closed: Promise<unknown[]> | undefined;
  const { client } = await serve(t, (response) => {
    closed = once(response, 'close');
    response.writeHead(200).write(lines(item('one'), item('two')));
  });
  const stream = client().pod_logs({ pod: 'p', follow: true });
  for await (const one of stream) {
    t.match(one, { line: 'one' });
    break;
  }
  await closed;
  await t.rejects(stream.result, { name: 'AbortError' });

  // By hand: while an item is awaited, and before any was.
  const items = client().pod_logs({ pod: 'p', follow: true })[Symbol.asyncIterator]();
  await items.next();
  await items.next();
  const pending = items.next();
  t.match(await items.return?.(), { done: true }, 'leaving waits for no item');
  await t.rejects(pending, { name: 'AbortError' });
  await closed;
  const early = client().pod_logs({ pod: 'p' });
  await early[Symbol.asyncIterator]().return?.();
  await t.rejects(early.result, { name: 'AbortError' });
});

t.test("the program's own mistakes are no failures of the network", async (t) => {
  const { client, seen } = await serve(t, json({}));
  for (const baseUrl of ['localhost:8080', '', 'http://', 'ftp://localhost'])
    t.throws(
      () => createClient({ baseUrl }),
      { name: 'TypeError', message: /http:\/\/localhost:8080/ },
      baseUrl,
    );
  const refusal = new Error('no token today');
  const token = () => Promise.reject(refusal);
  await t.rejects(client({ token }).list_pods(), refusal);
  await t.rejects(collect(client({ token }).pod_logs({ pod: 'p' })), refusal);
  await t.rejects(client().list_pods({}, { requestId: 'two\nlines' }), { name: 'TypeError' });
  await t.rejects(client().list_pods({ limit: 1n as unknown as number }), { name: 'TypeError' });
  t.equal(seen.length, 0, 'nothing was sent');
});

t.test("the caller's signal ends a call, a stream and a wait between tries, with its reason", async (t) => {
  const reason = new Error('enough');
  const silent = await serve(t, () => undefined);
  const controller = new AbortController();
  const call = silent.client().list_pods({}, { signal: controller.signal });
  await until(() => silent.seen.length === 1);
  controller.abort(reason);
  await t.rejects(call, reason);
  await t.rejects(silent.client().list_pods({}, { signal: AbortSignal.abort(reason) }), reason);
  t.equal(silent.seen.length, 1, 'a signal that has fired sends nothing');

  const open = await serve(t, (response) => response.writeHead(200).write(lines(item('one'))));
  const leaving = new AbortController();
  const stream = open.client().pod_logs({ pod: 'p', follow: true }, { signal: leaving.signal });
  await t.rejects(async () => {
    for await (const _one of stream) leaving.abort(reason);
  }, reason);
  await t.rejects(stream.result, reason);
  await t.rejects(collect(open.client().pod_logs({}, { signal: AbortSignal.abort(reason) })), reason);

  const busy = await serve(t, problem('overloaded', 503, { retry_after_seconds: 10 }));
  const waiting = new AbortController();
  const tried = busy.client().list_pods({}, { signal: waiting.signal });
  await until(() => busy.seen.length === 1);
  setTimeout(() => waiting.abort(reason), 50);
  await t.rejects(tried, reason);
  t.equal(busy.seen.length, 1);
});
