/** The HTTP face: every bad input's answer, the headers, streams, and how the server stops. */
import { connect } from 'node:net';
import { once } from 'node:events';
import http from 'node:http';
import t from 'tap';
import { contractList } from '../../schemas/index.js';
import { until } from '../helpers/eventually.js';
import { allLines, call, lines } from '../helpers/http.js';
import { startOperator } from '../helpers/operator.js';

const operator = await startOperator('embedded', { XI_HEARTBEAT_SECONDS: '0.2', XI_SHUTDOWN_SECONDS: '2' });
t.teardown(() => operator.stop());
const { url } = operator;
const { hostname, port } = new URL(url);

interface Raw {
  status: number;
  headers: http.IncomingHttpHeaders;
  body: Record<string, unknown>;
}

/** A request with exactly these headers, which fetch would not send. */
const request = (method: string, path: string, headers: Record<string, string>, body = ''): Promise<Raw> =>
  new Promise((resolve, reject) => {
    const sent = http.request({ hostname, port, method, path, headers }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      response.on('end', () => {
        const type = response.headers['content-type'] ?? '';
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: type.includes('json') ? (JSON.parse(text) as Record<string, unknown>) : { text },
        });
      });
    });
    sent.on('error', reject);
    sent.end(body);
  });

const JSON_TYPE = { 'content-type': 'application/json' };
const post = (name: string, body: string, headers: Record<string, string> = JSON_TYPE): Promise<Raw> =>
  request('POST', `/v1/functions/${name}`, headers, body);

await t.test('every bad request has its code', async (t) => {
  const cases: [string, Promise<Raw>, number, string, RegExp][] = [
    ['malformed JSON', post('list_pods', '{"limit": 1'), 400, 'invalid_json', /not JSON/],
    ['null', post('create_deployment', 'null'), 400, 'invalid_params', /must be an object, and is null/],
    [
      'a name as long as the body',
      post('list_pods', JSON.stringify({ ['x'.repeat(1 << 20)]: 1 })),
      400,
      'invalid_params',
      /^.{1,600}$/,
    ],
    ['a bad path', request('GET', '/%zz', {}), 400, 'invalid_params', /%zz/],
    [
      'not an object',
      post('list_pods', '[1]'),
      400,
      'invalid_params',
      /the params must be an object, and is a list/,
    ],
    [
      'media type',
      post('list_pods', 'limit=1', { 'content-type': 'text/plain' }),
      415,
      'unsupported_media_type',
      /application\/json/,
    ],
    [
      'form',
      post('list_pods', 'limit=1', { 'content-type': 'application/x-www-form-urlencoded' }),
      415,
      'unsupported_media_type',
      /application\/json/,
    ],
    [
      'too large',
      post('list_pods', JSON.stringify({ label_selector: 'x'.repeat(4 << 20) })),
      413,
      'payload_too_large',
      /3145728 bytes/,
    ],
    [
      'unknown function',
      post('create_deploymnet', '{}'),
      404,
      'unknown_function',
      /did you mean create_deployment\?/,
    ],
    ['unknown path', request('GET', '/v2', {}), 404, 'unknown_function', /GET \/docs/],
    ['method', request('GET', '/v1/functions/list_pods', {}), 405, 'method_not_allowed', /POST/],
    [
      'accept',
      post('list_pods', '{}', { ...JSON_TYPE, accept: 'text/event-stream' }),
      406,
      'not_acceptable',
      /application\/json/,
    ],
    [
      'accept of a stream',
      post('pod_logs', '{}', { ...JSON_TYPE, accept: 'image/png' }),
      406,
      'not_acceptable',
      /text\/event-stream/,
    ],
    [
      'query option',
      request('POST', '/v1/functions/list_pods?dryrun=true', JSON_TYPE),
      400,
      'invalid_params',
      /dry_run/,
    ],
    [
      'dry_run value',
      request('POST', '/v1/functions/delete_pod?dry_run=yes', JSON_TYPE),
      400,
      'invalid_params',
      /true or false/,
    ],
    [
      'timeout',
      post('list_pods', '{}', { ...JSON_TYPE, 'x-timeout-seconds': 'soon' }),
      400,
      'invalid_params',
      /X-Timeout-Seconds/,
    ],
    [
      'host',
      post('list_pods', '{}', { ...JSON_TYPE, host: 'evil.example:8080' }),
      403,
      'forbidden_origin',
      /evil\.example/,
    ],
    [
      'null origin',
      post('list_pods', '{}', { ...JSON_TYPE, origin: 'null' }),
      403,
      'forbidden_origin',
      /Origin/,
    ],
    [
      'other origin',
      post('list_pods', '{}', { ...JSON_TYPE, origin: 'http://evil.example' }),
      403,
      'forbidden_origin',
      /evil/,
    ],
    [
      'cross site',
      post('list_pods', '{}', { ...JSON_TYPE, 'sec-fetch-site': 'cross-site' }),
      403,
      'forbidden_origin',
      /another site/,
    ],
    [
      'same site is another origin',
      post('list_pods', '{}', { ...JSON_TYPE, 'sec-fetch-site': 'same-site' }),
      403,
      'forbidden_origin',
      /another site/,
    ],
  ];
  for (const [what, running, status, code, detail] of cases) {
    const { status: got, body, headers } = await running;
    t.match({ got, code: body['code'], status: body['status'] }, { got: status, code, status }, what);
    t.match(body['detail'], detail, what);
    t.match(headers['content-type'], /^application\/problem\+json/, what);
    t.equal(body['request_id'], headers['x-request-id'], what);
  }
});

await t.test('headers that are fine', async (t) => {
  for (const headers of [
    { host: `localhost:${port}` },
    { host: '[::1]:1' },
    { origin: url },
    { 'sec-fetch-site': 'same-origin' },
    { 'sec-fetch-site': 'none' },
  ])
    t.equal((await post('list_pods', '', { ...JSON_TYPE, ...headers })).status, 200, JSON.stringify(headers));
  t.equal((await request('POST', '/v1/functions/list_pods', {})).status, 200, 'no body and no type is {}');
  const own = await post('list_pods', '{}', { ...JSON_TYPE, 'x-request-id': 'my-own-id.1' });
  t.equal(own.headers['x-request-id'], 'my-own-id.1');
  t.ok(
    operator.logged.some((line) => line['reqId'] === 'my-own-id.1'),
    'the log names it',
  );
  t.not(
    (await post('list_pods', '{}', { ...JSON_TYPE, 'x-request-id': 'bad id\t' })).headers['x-request-id'],
    'bad id\t',
  );
});

await t.test('every function names each bad field', async (t) => {
  const required: Record<string, string[]> = {};
  for (const { name, params } of contractList) required[name] = params.required ?? [];
  for (const { name, params } of contractList) {
    const unknown = await call(url, name, { namespacee: 'x' });
    t.match(unknown, { status: 400, body: { code: 'invalid_params' } }, name);
    t.ok(
      unknown.body['errors'].some(({ field }: { field: string }) => field === 'namespacee'),
      name,
    );
    if ('namespace' in params.properties) {
      t.match(unknown.body['detail'], /did you mean namespace\?/, name);
      const bad = await call(url, name, { namespace: 'Not A Label' });
      t.match(
        bad.body['errors'].find(({ field }: { field: string }) => field === 'namespace').message,
        /lower case letters/,
        name,
      );
    }
    if (required[name]!.length > 0) {
      const none = await call(url, name, {});
      t.same(
        none.body['errors'].map(({ field }: { field: string }) => field),
        required[name],
        `${name} needs ${required[name]!.join()}`,
      );
    }
    for (const [key, schema] of Object.entries(params.properties)) {
      const anything = ['type', 'anyOf', 'enum', 'const'].every((rule) => !(rule in schema));
      if (anything) continue;
      const wrong = schema['type'] === 'object' ? [] : {};
      const answer = await call(url, name, { [key]: wrong });
      t.equal(answer.status, 400, `${name}.${key}`);
      t.ok(
        answer.body['errors'].some(
          (error: { field: string; message: string }) =>
            error.field === key && /^must be /.test(error.message),
        ),
        `${name}.${key}`,
      );
    }
  }
});

await t.test('bad fields, one by one', async (t) => {
  const cases: [string, object, string, RegExp][] = [
    ['create_deployment', { replicas: -1 }, 'replicas', /at least 0/],
    ['create_deployment', { replicas: 1.5 }, 'replicas', /whole number/],
    ['create_deployment', { replicas: '3' }, 'replicas', /must be a whole number, and is text/],
    ['create_deployment', { replicas: 2 ** 31 }, 'replicas', /at most 2147483647/],
    ['create_deployment', { name: 'Web' }, 'name', /lower case/],
    ['create_deployment', { name: 'a'.repeat(64) }, 'name', /at most 63/],
    ['create_deployment', { name: '' }, 'name', /must/],
    ['create_deployment', { image: '' }, 'image', /not be empty/],
    ['create_deployment', { imagee: 'x' }, 'imagee', /did you mean image\?/],
    ['create_deployment', { ports: [{ container_port: 0 }] }, 'ports[0].container_port', /at least 1/],
    [
      'create_deployment',
      { ports: [{ containerPort: 80 }] },
      'ports[0].containerPort',
      /did you mean container_port/,
    ],
    [
      'create_deployment',
      { ports: [{ container_port: 80, protocol: 'tcp' }] },
      'ports[0].protocol',
      /one of TCP, UDP, SCTP/,
    ],
    [
      'create_deployment',
      { ports: [{ container_port: 80, name: '123' }] },
      'ports[0].name',
      /at least one letter/,
    ],
    [
      'create_deployment',
      { env: [{ name: 'A' }] },
      'env[0]',
      /exactly one of value, config_map, secret, and has none/,
    ],
    [
      'create_deployment',
      { env: [{ name: 'A', value: '', secret: { name: 's', key: 'k' } }] },
      'env[0]',
      /value and secret/,
    ],
    ['create_deployment', { env: [{ name: 'A=B', value: '' }] }, 'env[0].name', /'='/],
    ['create_deployment', { env: [{ name: 'A', secret: { name: 's' } }] }, 'env[0].secret.key', /required/],
    ['create_deployment', { requests: { cpu: 'lots' } }, 'requests.cpu', /quantity/],
    ['create_deployment', { limits: { memory: 1 } }, 'limits.memory', /must be text/],
    ['create_deployment', { labels: { app: 'other' } }, 'labels.app', /fixed to nginx/],
    ['create_deployment', { name: 'web', labels: { app: 'nginx' } }, 'labels.app', /fixed to web/],
    ['create_deployment', { labels: { a: 1 } }, 'labels.a', /must be text/],
    ['create_deployment', { liveness_probe: {} }, 'liveness_probe', /exactly one of/],
    [
      'create_deployment',
      { readiness_probe: { http_get: { port: 80 }, tcp_port: 80 } },
      'readiness_probe',
      /http_get and tcp_port/,
    ],
    [
      'create_deployment',
      { volumes: [{ name: 'v', mount_path: 'relative', empty_dir: {} }] },
      'volumes[0].mount_path',
      /absolute/,
    ],
    [
      'create_deployment',
      {
        env: [
          { name: 'A', value: '1' },
          { name: 'A', value: '2' },
        ],
      },
      'env[1].name',
      /repeats the name A/,
    ],
    ['create_deployment', { volumes: [{ name: 'v', mount_path: '/v' }] }, 'volumes[0]', /has none/],
    [
      'create_deployment',
      {
        volumes: [
          { name: 'v', mount_path: '/v', claim: 'c' },
          { name: 'v', mount_path: '/w', claim: 'd' },
        ],
      },
      'volumes[1].name',
      /repeats/,
    ],
    ['create_deployment', { command: [] }, 'command', /not be an empty list/],
    ['create_deployment', { wait: 'yes' }, 'wait', /true or false/],
    ['create_deployment', { timeout_seconds: 0 }, 'timeout_seconds', /at least 1/],
    [
      'delete_deployment',
      { name: 'x', propagation_policy: 'Background' },
      'propagation_policy',
      /one of background, foreground, orphan/,
    ],
    ['scale_deployment', { name: '../x', replicas: 1 }, 'name', /lower case/],
    ['list_deployments', { limit: 0 }, 'limit', /at least 1/],
    ['list_deployments', { limit: 5001 }, 'limit', /at most 5000/],
    [
      'list_deployments',
      { namespace: 'default', all_namespaces: true },
      'namespace',
      /absent with all_namespaces/,
    ],
    ['list_pods', { deployment: 'web', label_selector: 'a=b' }, 'label_selector', /absent with deployment/],
    ['list_pods', { deployment: 'web', all_namespaces: true }, 'all_namespaces', /absent with deployment/],
    ['delete_pod', { name: 'x', grace_period_seconds: -1 }, 'grace_period_seconds', /at least 0/],
    ['pod_logs', {}, '', /exactly one of pod, deployment, label_selector, and have none/],
    ['pod_logs', { pod: 'a', deployment: 'b' }, '', /pod and deployment/],
    [
      'pod_logs',
      { pod: 'a', container: 'c', all_containers: true },
      'container',
      /absent with all_containers/,
    ],
    [
      'pod_logs',
      { pod: 'a', since_seconds: 1, since_time: '2026-01-01T00:00:00Z' },
      'since_time',
      /absent with since_seconds/,
    ],
    ['pod_logs', { pod: 'a', since_time: 'yesterday' }, 'since_time', /RFC 3339/],
    ['pod_logs', { pod: 'a', follow: true, previous: true }, 'follow', /previous/],
    ['server_info', { verbose: true }, 'verbose', /takes no params/],
  ];
  for (const [name, params, field, message] of cases) {
    const { status, body } = await call(url, name, params);
    t.match(
      { status, code: body['code'] },
      { status: 400, code: 'invalid_params' },
      `${name} ${JSON.stringify(params)}`,
    );
    const error = body['errors']?.find((one: { field: string }) => one.field === field);
    t.match(error?.message, message, `${name} ${JSON.stringify(params)}: ${JSON.stringify(body['errors'])}`);
    t.match(body['detail'], new RegExp(`^${name}: `));
  }
});

await t.test('clients that break off or flood are dropped without harm', async (t) => {
  const half = connect(Number(port), hostname);
  await once(half, 'connect');
  half.write(
    'POST /v1/functions/create_deployment HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n\r\n{"name":',
  );
  half.destroy();

  const flood = connect(Number(port), hostname);
  await once(flood, 'connect');
  let answer = '';
  flood.setEncoding('utf8').on('data', (chunk: string) => (answer += chunk));
  flood.on('error', () => undefined);
  flood.write(
    'POST /v1/functions/list_pods HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n',
  );
  const megabyte = `100000\r\n${' '.repeat(1 << 20)}\r\n`;
  const closed = new Promise((resolve) => flood.once('close', resolve));
  const before = process.memoryUsage().rss;
  for (let sent = 0; sent < 100 && !flood.destroyed && flood.writable; sent++)
    if (!flood.write(megabyte))
      await Promise.race([new Promise((resolve) => flood.once('drain', resolve)), closed]);
  flood.end();
  await closed;
  t.match(answer === '' ? 'dropped' : answer, /^(dropped|HTTP\/1\.1 413)/, 'answered 413, or dropped');
  t.ok(process.memoryUsage().rss - before < 100 << 20, 'the flood is not kept');
  t.equal((await call(url, 'server_info')).status, 200, 'the server goes on');
  t.same((await call(url, 'list_deployments')).body['items'], [], 'the half request did nothing');
});

await t.test('what is no request gets a problem document all the same', async (t) => {
  for (const [what, text, detail] of [
    ['no HTTP', 'HELLO\r\n\r\n', /no HTTP request/],
    [
      'headers too large',
      `GET / HTTP/1.1\r\nhost: localhost\r\nx: ${'x'.repeat(20_000)}\r\n\r\n`,
      /headers are too large/,
    ],
  ] as const) {
    const socket = connect(Number(port), hostname);
    let answer = '';
    socket.setEncoding('utf8').on('data', (chunk: string) => (answer += chunk));
    socket.on('error', () => undefined);
    socket.write(text);
    await once(socket, 'close');
    const [head = '', body = ''] = answer.split('\r\n\r\n');
    t.match(head, /^HTTP\/1\.1 400 .*application\/problem\+json/s, what);
    t.match(JSON.parse(body), { code: 'invalid_params', status: 400, detail }, what);
  }
});

await t.test('streams', async (t) => {
  const made = await call(url, 'create_deployment', {
    name: 'streamed',
    replicas: 1,
    node_selector: { nobody: 'has-this' },
  });
  t.equal(made.status, 200);
  const params = { name: 'streamed', timeout_seconds: 2 };
  const ndjson = await allLines(url, 'wait_for_deployment', params, { headers: { accept: '*/*' } });
  t.equal(ndjson[0]!['type'], 'item');
  t.ok(
    ndjson.some(({ type }) => type === 'heartbeat'),
    'a silent stream says that it lives',
  );
  t.equal(ndjson.at(-1)!['type'], 'error');
  t.equal(
    ndjson.filter(({ type }) => ['error', 'end', 'result'].includes(type as string)).length,
    1,
    'exactly one last line',
  );
  t.match(ndjson.at(-1)!['error'], {
    status: 504,
    code: 'deadline_exceeded',
    title: String,
    detail: /streamed/,
  });

  const response = await fetch(`${url}/v1/functions/wait_for_deployment`, {
    method: 'POST',
    headers: { ...JSON_TYPE, accept: 'text/event-stream' },
    body: JSON.stringify({ ...params, timeout_seconds: 1 }),
  });
  t.match(response.headers.get('content-type'), /^text\/event-stream/);
  t.ok(response.headers.get('x-request-id'));
  const text = await response.text();
  t.match(text, /^event: item\ndata: \{"type":"item".*\}\n\n/);
  t.match(text, /event: error\ndata: \{"type":"error".*\}\n\n$/);

  const left = new AbortController();
  for await (const line of lines(
    url,
    'wait_for_deployment',
    { name: 'streamed' },
    { signal: left.signal, headers: { 'x-request-id': 'leaver' } },
  )) {
    t.equal(line['type'], 'item');
    break;
  }
  left.abort();
  for (;;) {
    const audit = operator.logged.find((line) => line['reqId'] === 'leaver')?.['audit'];
    if (audit !== undefined) {
      t.match(
        audit,
        { function: 'wait_for_deployment', object: 'default/streamed', outcome: 'cancelled' },
        'the work ends with the client',
      );
      break;
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const timed = await call(url, 'wait_for_deployment', { name: 'absent' });
  t.equal(timed.status, 404, 'what fails at once keeps its status');
  await call(url, 'delete_deployment', { name: 'streamed' });
});

await t.test('an idle stream ends, a slow reader slows the source', async (t) => {
  const short = await startOperator('embedded', {
    XI_HEARTBEAT_SECONDS: '0.1',
    XI_IDLE_TIMEOUT_SECONDS: '0.5',
  });
  t.teardown(() => short.stop());
  await call(short.url, 'create_deployment', {
    name: 'idle',
    replicas: 1,
    node_selector: { nobody: 'has-this' },
  });
  const ended = await allLines(short.url, 'wait_for_deployment', { name: 'idle' });
  t.match(ended.at(-1), { type: 'error', error: { code: 'deadline_exceeded', detail: /no item for 0.5 s/ } });

  const bytes = 64 << 20;
  await call(url, 'create_deployment', {
    name: 'chatty',
    image: 'chatty:1',
    replicas: 1,
    env: [{ name: 'XI_PRETEND_LOG_BYTES', value: String(bytes) }],
    wait: true,
  });
  const socket = connect(Number(port), hostname);
  await once(socket, 'connect');
  const body = '{"deployment":"chatty"}';
  socket.write(
    `POST /v1/functions/pod_logs HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
  );
  socket.pause();
  const before = process.memoryUsage().rss;
  await new Promise((resolve) => setTimeout(resolve, 1000));
  t.ok(process.memoryUsage().rss - before < bytes, 'a log that nobody reads is not kept');
  let got = 0;
  socket.on('data', (chunk: Buffer) => (got += chunk.length));
  socket.resume();
  while (got < bytes) await new Promise((resolve) => setTimeout(resolve, 20));
  socket.destroy();
});

await t.test('a deletion that does not end', async (t) => {
  await call(url, 'create_deployment', { name: 'held', replicas: 0 });
  const hold = (finalizers: string[]) =>
    fetch(`${operator.clusterUrl}/apis/apps/v1/namespaces/default/deployments/held`, {
      method: 'PATCH',
      headers: { 'content-type': 'application/merge-patch+json' },
      body: JSON.stringify({ metadata: { finalizers } }),
    });
  t.equal((await hold(['example.com/hold'])).status, 200);
  t.match(await call(url, 'delete_deployment', { name: 'held' }), { status: 200, body: { gone: false } });
  const waited = await call(url, 'delete_deployment', { name: 'held', wait: true, timeout_seconds: 1 });
  t.match(waited, {
    status: 504,
    body: { code: 'deadline_exceeded', outcome: 'done', detail: /held is deleted: the object is going/ },
  });
  const waiting = call(url, 'delete_deployment', { name: 'held', wait: true });
  t.equal((await hold([])).status, 200);
  t.ok([200, 404].includes((await waiting).status), 'the last finalizer lets it go');
  t.equal((await call(url, 'get_deployment', { name: 'held' })).status, 404);
});

await t.test('pages and health', async (t) => {
  const listing = (await (await fetch(`${url}/v1/functions`)).json()) as { items: { name: string }[] };
  t.same(
    listing.items.map(({ name }) => name),
    contractList.map(({ name }) => name),
  );
  const document = (await (await fetch(`${url}/openapi.json`)).json()) as { openapi: string; paths: object };
  t.match(document.openapi, /^3\.1/);
  for (const { name } of contractList) t.ok(`/v1/functions/${name}` in document.paths, name);
  const docs = await fetch(`${url}/docs`);
  t.match(docs.headers.get('content-type'), /html/);
  const html = await docs.text();
  for (const { name } of contractList) t.ok(html.includes(name), name);
  t.equal((await fetch(`${operator.opsUrl}/healthz`)).status, 200);
  t.equal((await fetch(`${operator.opsUrl}/readyz`)).status, 200);
  t.match((await call(url, 'server_info')).body, {
    name: 'xi-k8s',
    cluster: { how: 'embedded', reachable: true, url: operator.clusterUrl },
    functions: contractList.length,
  });
});

await t.test('the audit has every call', async (t) => {
  await call(url, 'get_deployment', { name: 'nobody' }, { headers: { 'x-request-id': 'audited' } });
  const line = operator.logged.find((one) => one['reqId'] === 'audited');
  t.match(line?.['audit'], {
    function: 'get_deployment',
    caller: 'loopback',
    face: 'http',
    object: 'default/nobody',
    params_hash: /^[0-9a-f]{16}$/,
    dry_run: false,
    outcome: 'not_found',
    duration_ms: Number,
  });
});

await t.test('every example of every contract is taken', async (t) => {
  await call(url, 'create_deployment', { wait: true });
  for (const { name, examples } of contractList)
    for (const { title, params } of examples) {
      // A follow has no end of its own.
      const response = await fetch(`${url}/v1/functions/${name}`, {
        method: 'POST',
        headers: { ...JSON_TYPE, 'x-timeout-seconds': '5' },
        body: JSON.stringify(params),
      });
      const text = await response.text();
      t.ok(
        [200, 404, 409].includes(response.status),
        `${name}: ${title}: ${response.status} ${text.slice(0, 300)}`,
      );
    }
});

await t.test('stopping: streams end with their last line, calls finish', async (t) => {
  const second = await startOperator('embedded', { XI_SHUTDOWN_SECONDS: '5' });
  await call(second.url, 'create_deployment', {
    name: 'stuck',
    replicas: 1,
    node_selector: { nobody: 'has-this' },
  });
  const stream = lines(second.url, 'wait_for_deployment', { name: 'stuck' });
  t.match(await stream.next(), { value: { type: 'item' } });
  const running = call(second.url, 'create_deployment', {
    name: 'waiting',
    image: 'nginx:1',
    replicas: 1,
    wait: true,
  });
  const made = `${second.clusterUrl}/apis/apps/v1/namespaces/default/deployments/waiting`;
  await until(async () => (await fetch(made)).ok);
  const stopped = second.stop();
  let last: unknown;
  for await (const line of stream) last = line;
  t.match(last, { type: 'error', error: { code: 'overloaded', retry_after_seconds: 1 } });
  t.match(await running, { status: 200, body: { replicas: { available: 1 } } }, 'a call under way finishes');
  await stopped;
  await t.rejects(fetch(second.url), 'nothing listens any more');
});
