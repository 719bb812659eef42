/** Logs' options, exec, attach and port-forward on the wire, with the project's client and with stock kubectl. */
import { execFile, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { PassThrough, Readable, Writable } from 'node:stream';
import type { Duplex } from 'node:stream';
import { promisify } from 'node:util';
import t from 'tap';
import { WebSocket } from 'ws';
import { createKube, KubeError, plainConnection } from '../../../kube/index.js';
import type { ExecRequest } from '../../../kube/index.js';
import { createSpdySession } from '../../../kube/streams/spdy-session.js';
import { roundTrip } from '../../helpers/round-trip.js';
import { until } from '../../helpers/eventually.js';
import { PODS, configMap, deployment, pod, startApi } from './server.js';
import { createStreamPods, makePod, serve } from './stream-pods.js';

t.setTimeout(180_000);
const MB = 1_000_000;
const api = await startApi(t);
const pods = createStreamPods();
await api.ok('POST', PODS, pod('unscheduled'));
await makePod(api, 'web', ['main'], { app: 'web' });
await makePod(api, 'two', ['a', 'ended']);
const echo = await serve(t, (socket) => socket.pipe(socket));
const kube = createKube(plainConnection({ url: api.server.url, how: 'embedded' }));
t.teardown(() => kube.close());
const WEB = { namespace: 'default', name: 'web' };

interface Raw {
  code: number;
  headers: IncomingMessage['headers'];
  text: string;
}

/** A request that asks for another protocol. An answer that switches is what has come within a moment, or up to its end. */
const upgrade = (method: string, path: string, headers: Record<string, string>): Promise<Raw> =>
  new Promise((resolve, reject) => {
    const request = httpRequest(api.server.url + path, {
      method,
      headers: { connection: 'Upgrade', ...headers },
    });
    const collect = (
      { statusCode: code = 0, headers }: IncomingMessage,
      from: Duplex | IncomingMessage,
    ): void => {
      let text = '';
      from.on('error', () => undefined).on('data', (part: Buffer) => (text += part.toString('latin1')));
      from.once('close', () => resolve({ code, headers, text }));
    };
    request
      .on('response', (answer) => collect(answer, answer))
      .on('upgrade', (answer, socket, head) => {
        socket.unshift(head);
        collect(answer, socket);
        socket.setTimeout(500, () => socket.destroy());
      })
      .on('error', reject)
      .end();
  });

const webSocket = (protocol: string): Record<string, string> => ({
  upgrade: 'websocket',
  'sec-websocket-version': '13',
  'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
  'sec-websocket-protocol': protocol,
});
const spdy = (protocol: string): Record<string, string> => ({
  upgrade: 'SPDY/3.1',
  ...(protocol !== '' && { 'x-stream-protocol-version': protocol }),
});
const V5 = webSocket('v5.channel.k8s.io');
const V4 = webSocket('v4.channel.k8s.io');
const TUNNEL = webSocket('SPDY/3.1+portforward.k8s.io');

t.test('what is refused, and how', async (t) => {
  const before = await upgrade('GET', `${PODS}/web/portforward`, TUNNEL);
  t.match(before, { code: 503, text: /kubelet of the embedded cluster has not started/ });
  api.server.setPodRuntime(pods);
  const EXEC = '/exec?command=true&stdout=true';
  const cases: [string, string, Record<string, string>, number, string | RegExp][] = [
    ['GET', `web${EXEC}`, {}, 400, /"message":"Upgrade request required","reason":"BadRequest"/],
    ['POST', `web${EXEC}`, {}, 400, /Upgrade request required/],
    ['GET', 'web/portforward', {}, 400, /Upgrade request required/],
    ['PUT', `web${EXEC}`, {}, 405, /MethodNotAllowed/],
    ['DELETE', 'web/portforward', V5, 405, /MethodNotAllowed/],
    ['GET', `none${EXEC}`, {}, 404, /pods \\"none\\" not found/],
    ['GET', `none${EXEC}`, V5, 404, /pods \\"none\\" not found/],
    ['GET', 'none/portforward', TUNNEL, 404, /pods \\"none\\" not found/],
    ['GET', `unscheduled${EXEC}`, V5, 400, /pod unscheduled does not have a host assigned/],
    ['GET', 'unscheduled/portforward', TUNNEL, 400, /pod unscheduled does not have a host assigned/],
    ['GET', `web${EXEC}&container=x`, V5, 400, /container x is not valid for pod web/],
    [
      'GET',
      `two${EXEC}`,
      V5,
      400,
      /a container name must be specified for pod two, choose one of: \[a ended\]/,
    ],
    ['GET', `two${EXEC}&container=ended`, V4, 500, 'container not found ("ended")'],
    ['POST', `two${EXEC}&container=ended`, spdy('v4.channel.k8s.io'), 500, 'container not found ("ended")'],
    [
      'GET',
      `two${EXEC}&container=ended`,
      V5,
      101,
      /"message":"Internal error occurred: unable to upgrade connection: container not found \(\\"ended\\"\)"/,
    ],
    ['GET', 'web/exec?command=true', V4, 400, 'you must specify at least 1 of stdin, stdout, stderr'],
    ['GET', 'web/exec?command=true', V5, 101, /unable to upgrade connection: you must specify at least 1/],
    ['GET', 'web/exec?command=true&stdout=0&stderr=False', V4, 400, /you must specify at least 1/],
    ['GET', `web${EXEC}`, webSocket('nonsense'), 403, /\[nonsense\] is not served: offer v5.channel.k8s.io/],
    [
      'POST',
      `web${EXEC}`,
      spdy('nope'),
      403,
      /client supports \[nope\], server accepts \[v4.channel.k8s.io\]/,
    ],
    ['POST', `web${EXEC}`, spdy(''), 400, 'unable to upgrade: X-Stream-Protocol-Version is required\n'],
    [
      'GET',
      'web/portforward',
      webSocket('SPDY/3.1+nope.k8s.io'),
      403,
      'unable to upgrade: unable to negotiate protocol: client supports [nope.k8s.io], server accepts [portforward.k8s.io]\n',
    ],
    ['GET', 'web/portforward', webSocket('v4.channel.k8s.io'), 400, /offer SPDY\/3.1\+portforward.k8s.io/],
    ['GET', `web${EXEC}`, { ...V5, 'sec-websocket-key': 'short' }, 400, /Sec-WebSocket-Key/],
    ['GET', `web${EXEC}`, { ...V5, host: 'evil.example' }, 403, /Host header/],
    ['GET', `web${EXEC}`, { ...V5, origin: 'http://evil.example' }, 403, /Origin/],
    [
      'POST',
      'web/portforward',
      { ...spdy('portforward.k8s.io'), 'sec-fetch-site': 'cross-site' },
      403,
      /browser/,
    ],
  ];
  for (const [method, path, headers, code, text] of cases)
    t.match(
      await upgrade(method, `${PODS}/${path}`, headers),
      { code, text },
      `${method} ${path} ${headers['sec-websocket-protocol'] ?? headers.upgrade ?? 'without an upgrade'}`,
    );
  const accepted = await upgrade('POST', `${PODS}/web/portforward`, spdy('portforward.k8s.io'));
  t.match(accepted, {
    code: 101,
    headers: { upgrade: 'SPDY/3.1', 'x-stream-protocol-version': 'portforward.k8s.io' },
  });
  const tunnel = await upgrade('GET', `${PODS}/web/portforward`, TUNNEL);
  t.match(tunnel, { code: 101, headers: { 'sec-websocket-protocol': 'SPDY/3.1+portforward.k8s.io' } });
});

t.test('upgrades that are not ours are no matter', async (t) => {
  const h2c = { connection: 'Upgrade, HTTP2-Settings', upgrade: 'h2c', 'http2-settings': 'AAMAAABk' };
  t.match(await api.call('GET', PODS, undefined, h2c), { code: 200, body: { kind: 'PodList' } });
  const made = await api.call('POST', '/api/v1/namespaces/default/configmaps', configMap('h2c'), h2c);
  t.match(made, { code: 201, body: { metadata: { name: 'h2c' } } }, 'a body is read as ever');
  t.match(await upgrade('GET', PODS, V5), { code: 200, text: /"PodList"/ });
});

t.test("a log's options", async (t) => {
  const invalid = (field: string, message: string, causes: object[]): object => ({
    code: 422,
    body: {
      message: `PodLogOptions "web" is invalid: ${field}: ${message}`,
      reason: 'Invalid',
      details: { causes },
    },
  });
  const cases: [string, object][] = [
    [
      'tailLines=-1',
      invalid('tailLines', 'Invalid value: -1: must be greater than or equal to 0', [
        { reason: 'FieldValueInvalid', field: 'tailLines' },
      ]),
    ],
    [
      'limitBytes=0',
      invalid('limitBytes', 'Invalid value: 0: must be greater than 0', [{ field: 'limitBytes' }]),
    ],
    [
      'sinceSeconds=0',
      invalid('sinceSeconds', 'Invalid value: 0: must be greater than 0', [{ field: 'sinceSeconds' }]),
    ],
    [
      'sinceSeconds=1&sinceTime=2020-01-01T00:00:00Z',
      invalid('[]', 'Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified', [
        { reason: 'FieldValueForbidden', field: '[]' },
      ]),
    ],
    ['stream=Stdout', invalid('stream', 'Forbidden: may not be specified', [{ field: 'stream' }])],
    [
      'tailLines=-2&limitBytes=-3',
      { code: 422, body: { message: /is invalid: \[tailLines: .*, limitBytes: .*\]/ } },
    ],
    ['tailLines=x', { code: 400, body: { message: 'strconv.ParseInt: parsing "x": invalid syntax' } }],
    ['sinceTime=yesterday', { code: 400, body: { message: /^parsing time "yesterday" as "2006-01-02T/ } }],
    ['container=x', { code: 400, body: { message: 'container x is not valid for pod web' } }],
    ['tailLines=0', { code: 200, text: 'first\n' }],
    ['follow', { code: 200, text: 'first\nsecond\n' }],
    ['follow=0', { code: 200, text: 'first\n' }],
  ];
  for (const [query, answer] of cases)
    t.match(await api.call('GET', `${PODS}/web/log?${query}`), answer, query);
  t.match(await api.call('GET', `${PODS}/none/log?tailLines=-1`), { code: 422 }, 'the options come first');
  t.match(await api.call('GET', `${PODS}/unscheduled/log`), { code: 204, text: '' }, 'no node, no log');
});

interface Ran {
  code: number;
  stdout: string;
  stderr: string;
}

const run = async (command: string[], more: Partial<ExecRequest> = {}, stdin?: Readable): Promise<Ran> => {
  const said = { stdout: '', stderr: '' };
  const into = (name: 'stdout' | 'stderr'): Writable =>
    new PassThrough().on('data', (part: Buffer) => (said[name] += part.toString()));
  const streams = { stdin, stdout: into('stdout'), stderr: into('stderr') };
  const code = await kube.exec(WEB, { command, ...more }, streams);
  return { code, ...said };
};

t.test('exec', async (t) => {
  t.same(await run(['node', '-e', 'console.log(1); console.error(2)']), {
    code: 0,
    stdout: '1\n',
    stderr: '2\n',
  });
  t.match(await run(['node', '-e', 'process.exit(7)']), { code: 7 });
  t.match(await run(['cat'], {}, Readable.from(['a b\n', 'ä'])), { code: 0, stdout: 'a b\nä' });
  t.match(
    await run(['node', '-e', 'console.log(1); console.error(2)'], { tty: true }),
    { stdout: '1\n', stderr: '' },
    'a terminal has one output',
  );
  const endless = new Readable({ read: () => undefined });
  t.match(await run(['true'], {}, endless), { code: 0 }, 'input that has no end keeps nobody');
  t.notOk(endless.destroyed);

  const refused: [() => Promise<unknown>, object][] = [
    [
      () => run(['no-such-program']),
      { reason: 'status', code: 500, outcome: 'unknown', message: /executable file not found in \$PATH/ },
    ],
    [() => run(['true'], { container: 'x' }), { reason: 'status', code: 400, outcome: 'refused' }],
    [
      () => kube.exec({ ...WEB, name: 'none' }, { command: ['true'] }, { stdout: new PassThrough() }),
      { reason: 'status', code: 404, status: { reason: 'NotFound', details: { name: 'none' } } },
    ],
    [
      () =>
        kube.exec(
          { ...WEB, name: 'two' },
          { container: 'ended', command: ['true'] },
          { stdout: new PassThrough() },
        ),
      { reason: 'status', message: /container not found \("ended"\)/ },
    ],
    [
      () => kube.exec({ ...WEB, name: 'a/b' }, { command: [] }, {}),
      { reason: 'invalid_name', outcome: 'not_sent' },
    ],
    [() => kube.exec(WEB, { command: ['true'] }, {}), { reason: 'status', message: /at least 1 of stdin/ }],
  ];
  for (const [call, error] of refused) await t.rejects(call(), { name: 'KubeError', ...error });

  let told = '';
  const output = new PassThrough().on('data', (part: Buffer) => (told += part.toString()));
  await kube.attach(WEB, {}, { stdout: output, stderr: output });
  t.match(told, /out of it\n(.|\n)*end of it\n/);
});

t.test('exec carries much, at the pace of the slowest', async (t) => {
  const input = randomBytes(20 * MB);
  const hash = createHash('sha256');
  let size = 0;
  const slow = new Writable({
    write(part: Buffer, _, done) {
      size += part.length;
      hash.update(part);
      if (size % 7 === 0) setTimeout(done, 1);
      else done();
    },
  });
  const chunks = Readable.from(
    (function* () {
      for (let at = 0; at < input.length; at += 100_000) yield input.subarray(at, at + 100_000);
    })(),
  );
  t.equal(await kube.exec(WEB, { command: ['cat'] }, { stdin: chunks, stdout: slow }), 0);
  t.equal(size, input.length);
  t.equal(hash.digest('hex'), createHash('sha256').update(input).digest('hex'));
});

const rejection = (call: Promise<unknown>): Promise<unknown> =>
  call.then(
    () => 'it succeeded',
    (error: unknown) => error,
  );

const SLEEP = ['node', '-e', 'console.log("on"); setInterval(() => 0, 1000)'];

t.test('an exec that is given up', async (t) => {
  const abort = new AbortController();
  const started = new PassThrough().once('data', () => abort.abort(new Error('enough')));
  const given = kube.exec(WEB, { command: SLEEP }, { stdout: started }, { signal: abort.signal });
  t.match(await rejection(given), {
    name: 'KubeError',
    reason: 'cancelled',
    outcome: 'unknown',
    cause: { message: 'enough' },
  });
  await until(() => pods.running.commands === 0);
  t.pass('the command has ended with its caller');
  const full = new Writable({ write: (_part, _encoding, done) => done(new Error('no space')) });
  full.on('error', () => undefined);
  await t.rejects(kube.exec(WEB, { command: SLEEP }, { stdout: full }), {
    reason: 'cancelled',
    message: /output cannot be written: no space/,
  });
  const broken = new Readable({ read: () => broken.destroy(new Error('no more')) });
  await t.rejects(kube.exec(WEB, { command: ['cat'] }, { stdin: broken, stdout: new PassThrough() }), {
    reason: 'cancelled',
    message: /input failed: no more/,
  });
  await until(() => pods.running.commands === 0);
  const late = AbortSignal.abort();
  t.match(await rejection(kube.exec(WEB, { command: SLEEP }, { stdout: full }, { signal: late })), {
    reason: 'cancelled',
    outcome: 'not_sent',
  });
});

t.test('exec in other protocols', async (t) => {
  const url = `${api.server.url.replace('http', 'ws')}${PODS}/web/exec?stdin=1&stdout=1&command=cat`;
  const socket = new WebSocket(url, ['v4.channel.k8s.io']);
  const messages: Buffer[] = [];
  socket.on('message', (data: Buffer) => messages.push(data));
  await once(socket, 'open');
  t.equal(socket.protocol, 'v4.channel.k8s.io');
  socket.send(Buffer.from('\0hello'));
  await until(() => messages.some((message) => message.toString() === '\x01hello'));
  t.equal(messages[0]?.toString(), '\x01', 'an empty message comes first');
  socket.close();
  await until(() => pods.running.commands === 0);
  t.pass('the end of the connection is that of the command');

  const request = httpRequest(
    `${api.server.url}${PODS}/web/exec?stdout=1&stderr=1&command=node&command=-e&command=process.exit(3)`,
    {
      method: 'POST',
      headers: { connection: 'Upgrade', ...spdy('v4.channel.k8s.io') },
    },
  ).end();
  const [, raw] = (await once(request, 'upgrade')) as [IncomingMessage, Duplex];
  const session = createSpdySession(raw, { role: 'client' });
  const [errors] = await Promise.all(
    ['error', 'stdout', 'stderr'].map((streamtype) => session.open({ streamtype })),
  );
  let status = '';
  for await (const part of errors as AsyncIterable<Buffer>) status += part.toString();
  t.match(JSON.parse(status), {
    status: 'Failure',
    reason: 'NonZeroExitCode',
    message:
      'command terminated with non-zero exit code: error executing command [node -e process.exit(3)], exit code 3',
    details: { causes: [{ reason: 'ExitCode', message: '3' }] },
  });
  session.destroy(new Error('done'));
});

t.test('port-forward carries much, both ways', async (t) => {
  t.ok(await roundTrip(await kube.portForward(WEB, echo), 50 * MB));
  t.ok(await roundTrip(await kube.portForward(WEB, echo), 50 * MB, 1), 'a slow reader gets all');
  const many = await Promise.all(Array.from({ length: 10 }, () => kube.portForward(WEB, echo)));
  t.same(await Promise.all(many.map((stream) => roundTrip(stream, MB))), Array(10).fill(true));
  await until(() => pods.running.connections === 0);
});

const text = async (stream: Readable): Promise<string> => {
  let all = '';
  for await (const part of stream as AsyncIterable<Buffer>) all += part.toString();
  return all;
};

t.test("a connection's ends", async (t) => {
  const answers = await serve(t, (socket) => {
    socket.resume().on('end', () => socket.end('all read'));
  });
  const question = await kube.portForward(WEB, answers);
  question.end('question');
  t.equal(await text(question), 'all read', 'our end reaches the pod, and what it says then reaches us');

  const closes = await serve(t, (socket) => socket.end('bye'));
  const ended = await kube.portForward(WEB, closes);
  t.equal(await text(ended), 'bye');
  await until(() => ended.destroyed);
  t.ok(ended.writableFinished, "the far side's end is ours");

  const failure = async (stream: Duplex): Promise<Error> => {
    const [error] = (await once(stream.resume(), 'error')) as [Error];
    return error;
  };
  const nobody = await serve(t, () => undefined);
  const free = await kube.portForward(WEB, 1);
  t.match(await failure(free), {
    name: 'KubeError',
    reason: 'unreachable',
    message: /port 1: error forwarding port 1 to pod [-0-9a-f]+, uid : connect ECONNREFUSED/,
  });
  const resets = await serve(t, (socket) => socket.once('data', () => socket.resetAndDestroy()));
  const reset = await kube.portForward(WEB, resets);
  reset.write('x');
  t.match(await failure(reset), { name: 'KubeError', reason: 'unreachable', message: /ECONNRESET/ });

  const abort = new AbortController();
  const aborted = await kube.portForward(WEB, nobody, { signal: abort.signal });
  abort.abort();
  t.match(await failure(aborted), { name: 'KubeError', reason: 'cancelled' });
  const destroyed = await kube.portForward(WEB, nobody);
  destroyed.destroy();
  await until(() => pods.running.connections === 0);
  t.pass('the pod sees all of them go');

  await t.rejects(kube.portForward({ ...WEB, name: 'none' }, 80), { reason: 'status', code: 404 });
  await t.rejects(kube.portForward({ ...WEB, name: 'unscheduled' }, 80), { reason: 'status', code: 400 });
  for (const port of [0, 65_536, 1.5, Number.NaN])
    await t.rejects(kube.portForward(WEB, port), { reason: 'invalid_name', message: /cannot be a port/ });
});

t.test('the server closes, and so do we', async (t) => {
  const other = await startApi(t);
  other.server.setPodRuntime(pods);
  await makePod(other, 'web', ['main']);
  const client = createKube(plainConnection({ url: other.server.url, how: 'embedded' }));
  t.teardown(() => client.close());
  const [forward, gone] = await Promise.all([client.portForward(WEB, echo), client.portForward(WEB, echo)]);
  const started = new PassThrough();
  const command = client.exec(WEB, { command: SLEEP }, { stdout: started });
  await once(started, 'data');
  const lost = [once(forward, 'error'), once(gone, 'error')];
  const [closing] = await Promise.all([
    other.server.close(),
    t.rejects(command, { name: 'KubeError', reason: 'unreachable', outcome: 'unknown' }),
  ]);
  t.equal(closing, undefined);
  for (const [error] of await Promise.all(lost)) t.type(error, KubeError);
  await client.close();
  await t.rejects(client.portForward(WEB, echo), { reason: 'cancelled', message: /client is closed/ });

  const mine = createKube(plainConnection({ url: api.server.url, how: 'embedded' }));
  const open = await mine.portForward(WEB, echo);
  const error = once(open, 'error');
  await mine.close();
  const [cause] = (await error) as [KubeError];
  t.equal(cause.reason, 'cancelled');
  await until(() => pods.running.connections === 0 && pods.running.commands === 0);
});

const execFileAsync = promisify(execFile);
const isThere = await execFileAsync('kubectl', ['version', '--client']).then(
  () => true,
  () => false,
);
const why = 'there is no kubectl on the PATH';
if (!isThere) process.stderr.write(`streams.test: kubectl's part is skipped, ${why}\n`);

void t.test('stock kubectl', { skip: !isThere && why }, async (t) => {
  const home = await mkdtemp(join(tmpdir(), 'kubectl-'));
  t.teardown(() => rm(home, { recursive: true }));
  await api.ok('POST', '/apis/apps/v1/namespaces/default/deployments', deployment('web'));
  await api.ok('POST', '/api/v1/namespaces/default/services', {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'web' },
    spec: { selector: { app: 'web' }, ports: [{ port: 7, targetPort: echo }] },
  });
  const flags = ['--server', api.server.url, '--cache-dir', join(home, 'cache')];
  const base = { PATH: process.env.PATH ?? '', HOME: home, KUBECONFIG: join(home, 'none') };
  const kubectl = (
    line: string[],
    input: Buffer | string = '',
    more = {},
  ): Promise<Ran & { bytes: Buffer }> =>
    new Promise((resolve) => {
      const child = spawn('kubectl', [...flags, ...line], { env: { ...base, ...more } });
      const out: Buffer[] = [];
      let stderr = '';
      child.stdout.on('data', (part: Buffer) => out.push(part));
      child.stderr.on('data', (part: Buffer) => (stderr += part.toString()));
      child.stdin.on('error', () => undefined).end(input);
      child.once('close', (code) => {
        const bytes = Buffer.concat(out);
        resolve({ code: code ?? 255, stdout: bytes.toString(), stderr, bytes });
      });
    });
  const file = randomBytes(3 * MB);
  const from = join(home, 'file');
  await writeFile(from, file);
  const sum = createHash('sha256').update(file).digest('hex');

  for (const [protocol, env] of [
    ['WebSocket', {}],
    ['SPDY', { KUBECTL_REMOTE_COMMAND_WEBSOCKETS: 'false', KUBECTL_PORT_FORWARD_WEBSOCKETS: 'false' }],
  ] as const) {
    const both = [
      'exec',
      'web',
      '--',
      'node',
      '-e',
      'console.log(1); console.error(2); process.exitCode = 7',
    ];
    t.match(
      await kubectl(both, '', env),
      { code: 7, stdout: '1\n', stderr: /^2\n(.|\n)*command terminated with exit code 7/ },
      `${protocol}: output and exit code`,
    );
    t.match(await kubectl(['exec', '-i', 'deployment/web', '--', 'cat'], 'input', env), {
      code: 0,
      stdout: 'input',
    });
    t.match(await kubectl(['exec', 'web', '--', 'no-such-program'], '', env), {
      code: 1,
      stderr: /error executing command in container: exec: "no-such-program"/,
    });
    t.match(await kubectl(['exec', 'two', '-c', 'ended', '--', 'true'], '', env), {
      code: 1,
      stderr: /unable to upgrade connection: container not found \("ended"\)/,
    });
    t.match(await kubectl(['exec', '-it', 'web', '--', 'echo', 'on a terminal'], '', env), {
      code: 0,
      stdout: /on a terminal/,
    });
    const big = await kubectl(['exec', '-i', 'web', '--', 'cat'], file, env);
    t.ok(big.bytes.equals(file), `${protocol}: ${file.length} bytes there and back`);
    t.match(await kubectl(['attach', 'web'], '', env), { code: 0, stdout: /out of it\nend of it\n/ });

    const [there, back] = [join(home, `there-${protocol}`), join(home, `back-${protocol}`)];
    t.match(await kubectl(['cp', from, `web:${there}`], '', env), { code: 0 });
    t.match(await kubectl(['cp', `web:${there}`, back], '', env), { code: 0 });
    t.equal(
      createHash('sha256')
        .update(await readFile(back))
        .digest('hex'),
      sum,
      `${protocol}: cp`,
    );

    const closes = await serve(t, (socket) => socket.end('bye'));
    for (const [target, ports] of [
      ['pod/web', [`:${echo}`, `:${closes}`, ':1']],
      ['deployment/web', [`:${echo}`]],
      ['service/web', [':7']],
    ] as const) {
      const child = spawn('kubectl', [...flags, 'port-forward', target, ...ports], {
        env: { ...base, ...env },
      });
      let said = '';
      child.stderr.on('data', (part: Buffer) => (said += part.toString()));
      const local: number[] = [];
      createInterface(child.stdout).on('line', (line) => {
        const found = /^Forwarding from 127\.0\.0\.1:(\d+)/.exec(line)?.[1];
        if (found !== undefined) local.push(Number(found));
      });
      await until(() => local.length === ports.length || child.exitCode !== null);
      const [first = 0, second = 0, third = 0] = local;
      const two = [connect(first, '127.0.0.1'), connect(first, '127.0.0.1')];
      t.same(
        await Promise.all(two.map((socket) => roundTrip(socket, 2 * MB))),
        [true, true],
        `${protocol}: two connections at once to ${target} ${said}`,
      );
      if (ports.length > 1) {
        t.equal(await text(connect(second, '127.0.0.1')), 'bye', 'the far side closes');
        const nothing = await text(connect(third, '127.0.0.1')).catch(() => '');
        t.equal(nothing, '');
        // kubectl gives up when a port answers with an error.
        await once(child, 'close');
        t.match(said, /an error occurred forwarding \d+ -> 1: error forwarding port 1 to pod .*ECONNREFUSED/);
      } else {
        child.kill();
        await once(child, 'close');
      }
    }
    await until(() => pods.running.connections === 0);
  }
  t.match(await kubectl(['logs', '-f', 'web']), { code: 0, stdout: 'first\nsecond\n' });
  t.match(await kubectl(['logs', 'web', '--tail=-5']), { code: 1, stderr: /tail/i });
});
