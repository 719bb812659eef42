import t from 'tap';
import type { Test } from 'tap';
import type { Socket } from 'node:net';
import type { ServerResponse } from 'node:http';
import {
  DEPLOYMENTS,
  KubeError,
  NAMESPACES,
  PODS,
  createKube,
  plainConnection,
} from '../../../kube/index.js';
import type { Deployment, Kube, KubeErrorReason, Outcome } from '../../../kube/index.js';
import { freePort } from '../../helpers/free-port.js';
import { json, kubeFor, startHttp, startTcp, status } from './fixtures/servers.js';
import { until } from '../../helpers/eventually.js';

const AT = { namespace: 'shop', name: 'web' };
const WEB: Deployment = { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'web' } };
const create = (kube: Kube, options = {}) => kube.create(DEPLOYMENTS, 'shop', WEB, options);

const failure = async (call: Promise<unknown>): Promise<KubeError> => {
  try {
    await call;
  } catch (error) {
    if (error instanceof KubeError) return error;
    throw error;
  }
  throw new Error('the call succeeded');
};

const expectFailure = async (
  t: Test,
  call: Promise<unknown>,
  expected: { reason: KubeErrorReason; outcome: Outcome; code?: number },
) => {
  const error = await failure(call);
  const { reason, outcome, code } = error;
  t.strictSame({ reason, outcome, ...('code' in expected && { code }) }, expected, error.message);
  return error;
};

t.test('what each method sends', async (t) => {
  const server = await startHttp(t, ({ method, body }, answer) =>
    json(
      answer,
      method === 'POST' ? 201 : 200,
      body ? (JSON.parse(body) as unknown) : { items: null, metadata: {} },
    ),
  );
  const kube = kubeFor(t, server.url, { fieldManager: 'tester' });
  const base = '/apis/apps/v1/namespaces/shop/deployments';
  const cases: {
    call: () => Promise<unknown>;
    sent: [method: string, path: string, query?: Record<string, string>];
    type?: string;
    body?: unknown;
  }[] = [
    { call: () => kube.version(), sent: ['GET', '/version'] },
    { call: () => kube.get(DEPLOYMENTS, AT), sent: ['GET', `${base}/web`] },
    { call: () => kube.get(NAMESPACES, { name: 'shop' }), sent: ['GET', '/api/v1/namespaces/shop'] },
    { call: () => kube.list(PODS, undefined), sent: ['GET', '/api/v1/pods'] },
    {
      call: () => kube.list(PODS, 'shop', { labelSelector: 'a in (b,c)', limit: 5, continue: 'x=&y' }),
      sent: [
        'GET',
        '/api/v1/namespaces/shop/pods',
        { labelSelector: 'a in (b,c)', limit: '5', continue: 'x=&y' },
      ],
    },
    {
      call: () => create(kube),
      sent: ['POST', base, { fieldManager: 'tester' }],
      type: 'application/json',
      body: WEB,
    },
    {
      call: () => create(kube, { dryRun: true, fieldManager: 'other' }),
      sent: ['POST', base, { fieldManager: 'other', dryRun: 'All' }],
      body: WEB,
    },
    {
      call: () => kube.replace(DEPLOYMENTS, AT, WEB, { subresource: 'status' }),
      sent: ['PUT', `${base}/web/status`, { fieldManager: 'tester' }],
      body: WEB,
    },
    {
      call: () => kube.patch(DEPLOYMENTS, AT, { type: 'json', body: [{ op: 'remove', path: '/x' }] }),
      sent: ['PATCH', `${base}/web`, { fieldManager: 'tester' }],
      type: 'application/json-patch+json',
      body: [{ op: 'remove', path: '/x' }],
    },
    {
      call: () => kube.patch(DEPLOYMENTS, AT, { type: 'merge', body: { a: null } }, { subresource: 'scale' }),
      sent: ['PATCH', `${base}/web/scale`, { fieldManager: 'tester' }],
      type: 'application/merge-patch+json',
      body: { a: null },
    },
    {
      call: () => kube.patch(DEPLOYMENTS, AT, { type: 'strategic', body: {} }),
      sent: ['PATCH', `${base}/web`, { fieldManager: 'tester' }],
      type: 'application/strategic-merge-patch+json',
      body: {},
    },
    {
      call: () => kube.patch(DEPLOYMENTS, AT, { type: 'apply', body: WEB, force: true }),
      sent: ['PATCH', `${base}/web`, { fieldManager: 'tester', force: 'true' }],
      type: 'application/apply-patch+yaml',
      body: WEB,
    },
    {
      call: () =>
        kube.delete(DEPLOYMENTS, AT, {
          dryRun: true,
          propagationPolicy: 'Foreground',
          gracePeriodSeconds: 0,
          preconditions: { uid: 'u' },
        }),
      sent: ['DELETE', `${base}/web`, { dryRun: 'All' }],
      body: {
        apiVersion: 'v1',
        kind: 'DeleteOptions',
        propagationPolicy: 'Foreground',
        gracePeriodSeconds: 0,
        preconditions: { uid: 'u' },
        dryRun: ['All'],
      },
    },
  ];
  for (const { call, sent, type, body } of cases) {
    await call();
    const one = server.seen.at(-1)!;
    const [method, path, query = {}] = sent;
    t.strictSame([one.method, one.path, one.query], [method, path, query], `${method} ${path}`);
    t.equal(one.headers.accept, 'application/json');
    if (type !== undefined) t.equal(one.headers['content-type'], type);
    t.strictSame(one.body === '' ? undefined : JSON.parse(one.body), body);
  }
  t.strictSame((await kube.list(PODS, undefined)).items, [], 'null items are an empty list');
  const sockets = new Set(server.seen.map(({ request }) => request.socket));
  t.ok(sockets.size <= 2, `connections are kept (${sockets.size} for ${server.seen.length} calls)`);
});

t.test('a base URL with a path keeps it', async (t) => {
  const server = await startHttp(t, (_, answer) => json(answer, 200, {}));
  await kubeFor(t, `${server.url}/k8s/clusters/c-1/`).get(DEPLOYMENTS, AT);
  t.equal(server.seen[0]?.path, '/k8s/clusters/c-1/apis/apps/v1/namespaces/shop/deployments/web');
});

t.test('no name leaves its place in the path', async (t) => {
  const server = await startHttp(t, (_, answer) => json(answer, 200, { items: [], metadata: {} }));
  const kube = kubeFor(t, server.url);
  for (const bad of ['', '.', '..', 'a/b', '../secrets', '%2e%2e', 'a%2Fb', '\ud800']) {
    const expected = { reason: 'invalid_name', outcome: 'not_sent' } as const;
    await expectFailure(t, kube.get(DEPLOYMENTS, { namespace: 'shop', name: bad }), expected);
    await expectFailure(t, kube.get(DEPLOYMENTS, { namespace: bad, name: 'web' }), expected);
    await expectFailure(t, kube.list(PODS, bad), expected);
    await expectFailure(t, kube.create(PODS, bad, {}), expected);
    await expectFailure(t, kube.delete(NAMESPACES, { name: bad }), expected);
    await expectFailure(t, kube.logs({ namespace: 'shop', name: bad }).next(), expected);
    await expectFailure(t, kube.watch(PODS, bad).next(), expected);
  }
  await expectFailure(t, kube.get(DEPLOYMENTS, { name: 'web' }), {
    reason: 'invalid_name',
    outcome: 'not_sent',
  });
  await expectFailure(t, kube.list(PODS, 'shop', { labelSelector: '\ud800' }), {
    reason: 'invalid_name',
    outcome: 'not_sent',
  });
  t.equal(server.seen.length, 0);
  await kube.get(DEPLOYMENTS, { namespace: 'shop', name: 'a?b#c d' });
  t.equal(server.seen[0]?.request.url, '/apis/apps/v1/namespaces/shop/deployments/a%3Fb%23c%20d');
});

t.test('error answers', async (t) => {
  let answerWith: (answer: ServerResponse) => void = (answer) => answer.end();
  const server = await startHttp(t, (_, answer) => answerWith(answer));
  const kube = kubeFor(t, server.url, { retries: 0 });

  const invalid = status(422, 'Invalid', 'Deployment.apps "web" is invalid', {
    causes: [{ reason: 'FieldValueRequired', message: 'Required value', field: 'spec.selector' }],
  });
  answerWith = (answer) => json(answer, 422, invalid);
  const error = await expectFailure(t, create(kube), { reason: 'status', outcome: 'refused', code: 422 });
  t.strictSame(error.status, invalid);
  t.match(error.message, 'Deployment.apps "web" is invalid');
  t.match(error.message, 'POST');
  t.ok(error.is(422));

  answerWith = (answer) => json(answer, 503, status(503, 'x', 'later', { retryAfterSeconds: 7 }));
  t.equal((await failure(kube.get(DEPLOYMENTS, AT))).retryAfterSeconds, 7, 'Retry-After of the Status');
  answerWith = (answer) =>
    json(answer, 503, status(503, 'x', 'later', { retryAfterSeconds: 7 }), { 'retry-after': '9' });
  t.equal((await failure(kube.get(DEPLOYMENTS, AT))).retryAfterSeconds, 9, 'the header goes before it');

  answerWith = (answer) => void answer.writeHead(502).end(`<html>${'x'.repeat(2000)}`);
  const page = await expectFailure(t, create(kube), { reason: 'status', outcome: 'unknown', code: 502 });
  t.match(page.message, '<html>xxx');
  t.ok(page.message.length < 700, 'the page is cut');
  t.equal(page.status, undefined);
  await expectFailure(t, kube.get(DEPLOYMENTS, AT), { reason: 'status', outcome: 'refused', code: 502 });

  for (const text of ['', 'no json', '17']) {
    answerWith = (answer) => void answer.writeHead(200).end(text);
    await expectFailure(t, kube.get(DEPLOYMENTS, AT), { reason: 'bad_answer', outcome: 'not_sent' });
    await expectFailure(t, create(kube), { reason: 'bad_answer', outcome: 'unknown' });
  }
  answerWith = (answer) => json(answer, 404, status(404, 'NotFound', 'pods "web" not found'));
  await expectFailure(t, kube.watch(PODS, 'shop').next(), {
    reason: 'status',
    outcome: 'refused',
    code: 404,
  });
  await expectFailure(t, kube.logs(AT).next(), { reason: 'status', outcome: 'refused', code: 404 });
});

t.test('(a) refused connections', async (t) => {
  const port = await freePort();
  const retried: object[] = [];
  const log = { debug: (fields: object) => void retried.push(fields), warn: () => {} };
  const kube = kubeFor(t, `http://127.0.0.1:${port}`, { retries: 2, log });
  const error = await expectFailure(t, create(kube), { reason: 'unreachable', outcome: 'not_sent' });
  t.match(error.message, 'ECONNREFUSED');
  t.match(error.message, String(port));
  t.equal(retried.length, 2, 'a change that surely was not sent is tried again, within the bound');
  await expectFailure(t, kube.get(DEPLOYMENTS, AT), { reason: 'unreachable', outcome: 'not_sent' });
  t.equal(retried.length, 4);

  const [late] = await Promise.all([
    kube.get(DEPLOYMENTS, AT),
    startHttp(t, (_, answer) => json(answer, 200, WEB), { port }),
  ]);
  t.strictSame(late, WEB, 'a server that comes up while a read is retried answers it');
});

t.test('faults on the wire: a read is retried, a change is sent once', async (t) => {
  const ok = JSON.stringify(WEB);
  const good = `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${ok.length}\r\n\r\n${ok}`;
  const faults: Record<string, { reason: KubeErrorReason; fault: (socket: Socket) => void }> = {
    '(c) reads the request, then resets': {
      reason: 'unreachable',
      fault: (socket) => socket.resetAndDestroy(),
    },
    'reads the request, then closes': { reason: 'unreachable', fault: (socket) => socket.end() },
    '(d) half a head': {
      reason: 'unreachable',
      fault: (socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-le'),
    },
    '(d) half a body, then closes': {
      reason: 'bad_answer',
      fault: (socket) => socket.end(good.slice(0, -10)),
    },
    '(d) half a body, then resets': {
      reason: 'bad_answer',
      fault: (socket) =>
        socket.write(good.slice(0, -10), () => setTimeout(() => socket.resetAndDestroy(), 20)),
    },
    'not HTTP': { reason: 'unreachable', fault: (socket) => socket.end('SSH-2.0-OpenSSH\r\n\r\n') },
  };
  for (const [name, { reason, fault }] of Object.entries(faults)) {
    let faulty = true;
    const server = await startTcp(t, {
      request: (socket) => {
        if (faulty) fault(socket);
        else socket.write(good);
        faulty = false;
      },
    });
    const kube = kubeFor(t, server.url);
    await expectFailure(t, create(kube), { reason, outcome: 'unknown' });
    t.equal(server.requests.length, 1, `${name}: one POST`);
    faulty = true;
    t.strictSame(await kube.get(DEPLOYMENTS, AT), WEB, `${name}: the read is repeated`);
    t.equal(server.requests.length, 3);
  }

  await t.test('(b) accepts, then resets without reading', async (t) => {
    // Nobody reads the socket: a paused one keeps the request in the kernel.
    const server = await startTcp(t, {
      connect: (socket) => void setTimeout(() => socket.resetAndDestroy(), 50),
    });
    await expectFailure(t, create(kubeFor(t, server.url)), { reason: 'unreachable', outcome: 'unknown' });
    t.equal(server.connections, 1);
  });

  await t.test('a kept connection that the server closes under the request', async (t) => {
    let requests = 0;
    const server = await startTcp(t, {
      request: (socket) => {
        if (++requests === 1) socket.write(good);
        else socket.destroy();
      },
    });
    const kube = kubeFor(t, server.url, { connections: 1 });
    await kube.get(DEPLOYMENTS, AT);
    await expectFailure(t, create(kube), { reason: 'unreachable', outcome: 'unknown' });
    t.equal(server.requests.length, 2, 'undici did not send it again');
    t.equal(server.connections, 1);
  });

  await t.test('many changes on one connection that dies: none is sent twice', async (t) => {
    let requests = 0;
    const server = await startTcp(t, {
      request: (socket) => {
        if (++requests % 3 === 0) socket.destroy();
        else socket.write(good);
      },
    });
    const kube = kubeFor(t, server.url, { connections: 1 });
    const results = await Promise.allSettled(
      Array.from({ length: 9 }, (_, i) => kube.create(DEPLOYMENTS, 'shop', { metadata: { name: `d-${i}` } })),
    );
    const bodies = server.requests.map((text) => /d-\d/.exec(text)?.[0]);
    t.equal(new Set(bodies).size, bodies.length, 'each body came once');
    t.equal(results.filter(({ status }) => status === 'rejected').length, 3);
  });
});

t.test('(e) deadlines and cancellation reach the socket', async (t) => {
  let closed = 0;
  const server = await startTcp(t, {
    connect: (socket) => socket.on('close', () => closed++),
    request: () => {},
  });
  const kube = kubeFor(t, server.url);
  await expectFailure(t, create(kube, { timeoutMs: 400 }), { reason: 'deadline', outcome: 'unknown' });
  await until(() => closed === 1);
  await expectFailure(t, kube.get(DEPLOYMENTS, AT, { timeoutMs: 400 }), {
    reason: 'deadline',
    outcome: 'not_sent',
  });
  await until(() => closed === 2);
  t.equal(server.requests.length, 2, 'a deadline is not followed by a retry');

  const cancelling = new AbortController();
  const call = create(kube, { signal: cancelling.signal });
  await until(() => server.requests.length === 3);
  cancelling.abort(new Error('the user left'));
  const error = await expectFailure(t, call, { reason: 'cancelled', outcome: 'unknown' });
  t.match(error.cause, { message: 'the user left' });
  await until(() => closed === 3);

  const before = await expectFailure(t, create(kube, { signal: AbortSignal.abort() }), {
    reason: 'cancelled',
    outcome: 'not_sent',
  });
  t.match(before.message, 'cancelled');
  t.equal(server.requests.length, 3);

  const short = kubeFor(t, server.url, { defaultTimeoutMs: 400 });
  await expectFailure(t, create(short), { reason: 'deadline', outcome: 'unknown' });
  await expectFailure(t, short.watch(PODS, 'shop').next(), { reason: 'deadline', outcome: 'not_sent' });
  await expectFailure(t, short.logs(AT).next(), { reason: 'deadline', outcome: 'not_sent' });
  const followed = failure(short.logs(AT, { follow: true }).next());
  await new Promise((resolve) => setTimeout(resolve, 600));
  await short.close();
  t.equal((await followed).reason, 'cancelled', 'a log that is followed may begin late');
});

t.test('a call that waits for a connection can be cancelled without being sent', async (t) => {
  const server = await startTcp(t, { request: () => {} });
  const kube = kubeFor(t, server.url, { connections: 1 });
  const first = failure(kube.get(DEPLOYMENTS, AT));
  await until(() => server.requests.length === 1);
  await expectFailure(t, create(kube, { timeoutMs: 100 }), { reason: 'deadline', outcome: 'not_sent' });
  await kube.close();
  t.match(await first, { reason: 'cancelled' });
  t.equal(server.requests.length, 1);
});

t.test('answers that ask for another try', async (t) => {
  const answers: [code: number, headers?: Record<string, string>][] = [];
  const server = await startHttp(t, (_, answer) => {
    const [code, headers] = answers.shift() ?? [200];
    json(answer, code, code < 300 ? WEB : status(code, 'x', 'no'), headers);
  });
  const waits: number[] = [];
  const log = { debug: (fields: { waitMs?: number }) => void waits.push(fields.waitMs ?? 0), warn: () => {} };
  const kube = kubeFor(t, server.url, { retries: 3, log });
  const sentFor = async (call: () => Promise<unknown>) => {
    const before = server.seen.length;
    await call();
    return server.seen.length - before;
  };

  answers.push([429, { 'retry-after': '1' }], [201]);
  t.equal(await sentFor(() => create(kube)), 2, '(f) 429 on a change');
  t.strictSame(waits, [1000], 'Retry-After was waited for');

  answers.push([503], [429], [504], [200]);
  t.equal(await sentFor(() => kube.get(DEPLOYMENTS, AT)), 4, '(g) 503, 429 and 504 on a read');

  for (const code of [500, 502, 503, 504]) {
    answers.push([code]);
    const expected = { reason: 'status', outcome: 'unknown', code } as const;
    t.equal(await sentFor(() => expectFailure(t, create(kube), expected)), 1, `(h) ${code} on a change`);
  }
  for (const code of [400, 403, 404, 409, 410, 422]) {
    answers.push([code]);
    const expected = { reason: 'status', outcome: 'refused', code } as const;
    t.equal(
      await sentFor(() => expectFailure(t, kube.get(DEPLOYMENTS, AT), expected)),
      1,
      `${code} is final`,
    );
  }
  answers.push([503], [503], [503], [503], [503]);
  t.equal(await sentFor(() => failure(kube.get(DEPLOYMENTS, AT))), 4, 'retries are bounded');
  answers.length = 0;

  answers.push([429, { 'retry-after': '60' }]);
  const expected = { reason: 'status', outcome: 'refused', code: 429 } as const;
  const late = () => expectFailure(t, create(kube, { timeoutMs: 5000 }), expected);
  t.equal(await sentFor(late), 1, 'a Retry-After past the deadline is answered at once');

  answers.push([429, { 'retry-after': '20' }]);
  const cancelling = new AbortController();
  const waiting = create(kube, { signal: cancelling.signal });
  const before = server.seen.length;
  await until(() => server.seen.length > before);
  setTimeout(() => cancelling.abort(), 200);
  await expectFailure(t, waiting, { reason: 'cancelled', outcome: 'not_sent' });
});

t.test('watch', async (t) => {
  let serve: (answer: ServerResponse) => void | Promise<void> = () => {};
  let closed = 0;
  const server = await startHttp(t, (_, answer) => {
    answer.on('close', () => closed++);
    void serve(answer);
  });
  const kube = kubeFor(t, server.url);
  const line = (type: string, object: unknown) => `${JSON.stringify({ type, object })}\n`;
  const names = async (query = {}) => {
    const got: string[] = [];
    for await (const { type, object } of kube.watch(PODS, 'shop', query)) {
      got.push(`${type} ${object.metadata?.name ?? object.metadata?.resourceVersion}`);
    }
    return got;
  };

  const text = Buffer.from(
    line('ADDED', { metadata: { name: 'größe-😀' } }) +
      '\n' +
      line('MODIFIED', { metadata: { name: 'b' } }) +
      line('BOOKMARK', { metadata: { resourceVersion: '9' } }) +
      line('DELETED', { metadata: { name: 'b' } }),
  );
  for (const size of [1, 3, 7, 64, 10_000]) {
    serve = async (answer) => {
      for (let i = 0; i < text.length; i += size) {
        answer.write(text.subarray(i, i + size));
        if (size < 10 || i % 128 === 0) await new Promise((resolve) => setImmediate(resolve));
      }
      answer.end();
    };
    const expected = ['ADDED größe-😀', 'MODIFIED b', 'BOOKMARK 9', 'DELETED b'];
    t.strictSame(await names({ resourceVersion: '5', timeoutSeconds: 9 }), expected, `chunks of ${size}`);
  }
  t.strictSame(server.seen.at(-1)?.query, {
    watch: 'true',
    allowWatchBookmarks: 'true',
    resourceVersion: '5',
    timeoutSeconds: '9',
  });

  serve = (answer) =>
    void answer.end(
      line('ADDED', { metadata: { name: 'a' } }) + line('ERROR', status(410, 'Expired', 'too old')),
    );
  const gone = await expectFailure(t, names(), { reason: 'status', outcome: 'refused', code: 410 });
  t.match(gone.message, 'too old');
  serve = (answer) => json(answer, 410, status(410, 'Expired', 'too old resource version'));
  await expectFailure(t, names(), { reason: 'status', outcome: 'refused', code: 410 });
  serve = (answer) => void answer.end('{"type":"ADDED","obj');
  await expectFailure(t, names(), { reason: 'unreachable', outcome: 'not_sent' });
  serve = (answer) => void answer.write('{"type":"ADDED","obj', () => setTimeout(() => answer.destroy(), 20));
  await expectFailure(t, names(), { reason: 'unreachable', outcome: 'not_sent' });
  serve = (answer) => void answer.end('what?\n');
  await expectFailure(t, names(), { reason: 'bad_answer', outcome: 'not_sent' });

  serve = (answer) => void answer.write(line('ADDED', { metadata: { name: 'a' } }));
  closed = 0;
  for await (const event of kube.watch(PODS, 'shop')) {
    t.equal(event.type, 'ADDED');
    break;
  }
  await until(() => closed === 1);
  const cancelling = new AbortController();
  const events = kube.watch(PODS, 'shop', {}, { signal: cancelling.signal });
  await events.next();
  const next = events.next();
  cancelling.abort();
  await expectFailure(t, next, { reason: 'cancelled', outcome: 'not_sent' });
  await until(() => closed === 2);

  const open = kube.watch(PODS, 'shop', {}, { timeoutMs: 1_000 });
  await open.next();
  const pending = open.next();
  const winner = await Promise.race([
    pending,
    new Promise((resolve) => setTimeout(resolve, 1_500, 'still open')),
  ]);
  t.equal(winner, 'still open', 'the time limit of a stream is that of its opening');
  const refused = failure(pending);
  await kube.close();
  t.match(await refused, { reason: 'cancelled' });
});

t.test('logs', async (t) => {
  let written = 0;
  let closed = false;
  const server = await startHttp(t, ({ query }, answer) => {
    if (query['follow'] !== 'true') return void answer.end('one\ntwo\n');
    answer.on('close', () => (closed = true));
    const chunk = Buffer.alloc(64 * 1024, 'x');
    const more = () => {
      while (!closed && written < 64 * 1024 * 1024) {
        written += chunk.length;
        if (!answer.write(chunk)) return void answer.once('drain', more);
      }
    };
    more();
  });
  const kube = kubeFor(t, server.url);
  const chunks: Uint8Array[] = [];
  for await (const chunk of kube.logs(AT, { container: 'c', tailLines: 2, timestamps: true }))
    chunks.push(chunk);
  t.equal(Buffer.concat(chunks).toString(), 'one\ntwo\n');
  t.equal(server.seen[0]?.path, '/api/v1/namespaces/shop/pods/web/log');
  t.strictSame(server.seen[0]?.query, { container: 'c', tailLines: '2', timestamps: 'true' });

  const log = kube.logs(AT, { follow: true });
  await log.next();
  let before = -1;
  while (before !== written) {
    before = written;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  t.ok(written < 32 * 1024 * 1024, `a slow reader holds the server back (${written} bytes went)`);
  let read = 0;
  for await (const chunk of log) {
    read += chunk.length;
    if (read > before) break;
  }
  t.ok(read > before, 'and reading goes on where it stopped');
  await until(() => closed);
});

t.test('close', async (t) => {
  const server = await startTcp(t, { request: () => {} });
  const kube = createKube(plainConnection({ url: server.url, how: 'embedded' }));
  const running = failure(create(kube));
  const watching = failure(kube.watch(PODS, undefined).next());
  await until(() => server.requests.length === 2);
  await kube.close();
  t.match(await running, { reason: 'cancelled', outcome: 'unknown' });
  t.match(await watching, { reason: 'cancelled' });
  await expectFailure(t, create(kube), { reason: 'cancelled', outcome: 'not_sent' });
  await expectFailure(t, kube.logs(AT).next(), { reason: 'cancelled', outcome: 'not_sent' });
  await kube.close();
});
