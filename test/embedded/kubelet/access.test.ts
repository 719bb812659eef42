/** What the API lets one do with pods that run: logs, commands, copies, ports. And folders that change under them. */
import { once } from 'node:events';
import { PassThrough, Readable, Writable } from 'node:stream';
import t from 'tap';
import { CONFIG_MAPS, PODS, SECRETS } from '../../../kube/index.js';
import { NAMESPACE, specOf, startPods } from './cluster.js';

const cluster = await startPods(t);
const { kube } = cluster;

const say = async (name: string, text: string): Promise<void> => {
  await cluster.ask(await cluster.pod(name), `/say?text=${encodeURIComponent(text)}`);
};

t.test('logs', async (t) => {
  await cluster.create('logs', specOf());
  const pod = await cluster.ready('logs');
  await say('logs', 'one\ntwo\nthree\n');
  const first = `listens on ${pod.status?.podIP}:8080\n`;
  const whole = `${first}one\ntwo\nthree\n`;
  await cluster.eventually(
    () => cluster.log('logs'),
    (text) => text === whole,
    'all is there',
  );
  t.equal(await cluster.log('logs', { tailLines: 2 }), 'two\nthree\n');
  t.equal(await cluster.log('logs', { limitBytes: 5 }), whole.slice(0, 5));
  t.equal(await cluster.log('logs', { sinceSeconds: 600 }), whole);
  t.equal(await cluster.log('logs', { sinceTime: new Date(Date.now() + 60_000).toISOString() }), '');
  t.match(
    await cluster.log('logs', { tailLines: 1, timestamps: true }),
    /^\d{4}-\d\d-\d\dT[\d:.]+Z three\n$/,
  );
  await t.rejects(cluster.log('logs', { previous: true }), {
    message: /previous terminated container "main" in pod "logs" not found/,
  });

  let followed = '';
  const leaving = new AbortController();
  const following = (async () => {
    const at = { namespace: NAMESPACE, name: 'logs' };
    for await (const part of kube.logs(at, { follow: true, tailLines: 1 }, { signal: leaving.signal }))
      followed += Buffer.from(part).toString();
  })().catch(() => undefined);
  await cluster.eventually(
    () => Promise.resolve(followed),
    (text) => text === 'three\n',
    'begins with the last line',
  );
  await say('logs', 'half');
  await say('logs', ' a line\n');
  await cluster.eventually(
    () => Promise.resolve(followed),
    (text) => text === 'three\nhalf a line\n',
    'goes on',
  );
  leaving.abort();
  await following;

  await say('logs', 'no newline');
  await cluster.ask(pod, '/exit?code=6');
  await cluster.until(
    'logs',
    'restarted',
    ({ status }) => status?.containerStatuses?.[0]?.restartCount === 1,
  );
  t.equal(await cluster.log('logs', { previous: true, tailLines: 2 }), 'half a line\nno newline');
});

t.test('a follower that does not read stops nobody', async (t) => {
  await cluster.create('loud', specOf());
  const pod = await cluster.ready('loud');
  const stuck = new AbortController();
  const reader = kube.logs(
    { namespace: NAMESPACE, name: 'loud' },
    { follow: true },
    { signal: stuck.signal },
  );
  await reader.next();
  const line = `${'x'.repeat(999)}\n`;
  const most = 12 << 20;
  const chunk = encodeURIComponent(line.repeat(14));
  for (let sent = 0; sent < most; sent += 14_000) await cluster.ask(pod, `/say?text=${chunk}`);
  await say('loud', 'the end\n');
  await cluster.eventually(
    () => cluster.log('loud', { tailLines: 1 }),
    (text) => text === 'the end\n',
    'all was taken',
  );
  const kept = (await cluster.log('loud')).length;
  t.ok(kept > 8 << 20 && kept <= 10 << 20, `what is kept is bounded: ${kept} bytes`);
  stuck.abort();
  await kube.delete(PODS, { namespace: NAMESPACE, name: 'loud' });
  await cluster.gone('loud');
});

t.test('commands and copies', async (t) => {
  await cluster.create('shell', {
    ...specOf({
      env: [{ name: 'GREETING', value: 'hello' }],
      volumeMounts: [
        { name: 'scratch', mountPath: '/scratch' },
        { name: 'temporary', mountPath: '/tmp' },
      ],
    }),
    volumes: [
      { name: 'scratch', emptyDir: {} },
      { name: 'temporary', emptyDir: {} },
    ],
  });
  const pod = await cluster.ready('shell');
  t.same(await cluster.exec('shell', ['printenv', 'GREETING']), { code: 0, out: 'hello\n', err: '' });
  t.same(await cluster.exec('shell', ['pwd']), { code: 0, out: '/app\n', err: '' });
  t.same(await cluster.exec('shell', ['false']), { code: 1, out: '', err: '' });
  t.match(await cluster.exec('shell', ['cat', '/none']), {
    code: 1,
    err: 'cat: /none: No such file or directory\n',
  });
  t.equal((await cluster.exec('shell', ['cat'], 'typed')).out, 'typed');

  await cluster.create('source', specOf({ args: ['serve'] }));
  await cluster.ready('source');
  const at = { namespace: NAMESPACE, name: 'shell' };
  const chunks: Buffer[] = [];
  const sink = new Writable({
    write: (part: Buffer, _encoding, done) => {
      chunks.push(part);
      done();
    },
  });
  t.equal(
    await kube.exec({ ...at, name: 'source' }, { command: ['tar', 'cf', '-', '/dev'] }, { stdout: sink }),
    0,
  );
  const stdin = Readable.from(chunks);
  t.equal(
    await kube.exec(at, { command: ['tar', 'xmf', '-', '-C', '/scratch'] }, { stdin, stdout: sink }),
    0,
  );
  t.equal((await cluster.exec('shell', ['ls', '/scratch/dev'])).out, 'termination-log\n');
  t.equal(
    (await cluster.ask(pod, '/file?path=/scratch/dev/termination-log')).status,
    200,
    'its program sees it',
  );

  const sleeping = cluster.exec('shell', ['sleep', '1000']);
  await kube.delete(PODS, at);
  t.equal((await sleeping).code, 137, 'a command ends with its container');
  await cluster.gone('shell');
  await t.rejects(cluster.exec('shell', ['true']), { message: /not found/ });
});

t.test('a container that pretends has a folder too', async (t) => {
  await cluster.create('nginx', { containers: [{ name: 'main', image: 'nginx:1' }] });
  await cluster.ready('nginx');
  t.same(await cluster.exec('nginx', ['ls', '-a', '/']), { code: 0, out: '.\n..\ntmp\n', err: '' });
  t.same(await cluster.exec('nginx', ['hostname']), { code: 0, out: 'nginx\n', err: '' });
  await t.rejects(cluster.exec('nginx', ['nginx', '-v']), {
    message: /exec: "nginx": executable file not found/,
  });
  const socket = await kube.portForward({ namespace: NAMESPACE, name: 'nginx' }, 80);
  const [error] = (await once(socket.resume(), 'error').catch((cause: unknown) => [cause])) as [Error];
  t.match(error.message, /failed to connect to localhost:80 inside namespace .*connection refused/);
});

t.test('keys of a terminal', async (t) => {
  await cluster.create('typed', { containers: [{ name: 'main', image: 'nginx:1' }] });
  await cluster.ready('typed');
  const at = { namespace: NAMESPACE, name: 'typed' };
  const press = async (command: string[], ...keys: [string, string][]) => {
    const stdin = new PassThrough();
    let shown = '';
    const stdout = new Writable({
      write: (part: Buffer, _encoding, done) => {
        shown += part.toString();
        done();
      },
    });
    const code = kube.exec(at, { command, tty: true }, { stdin, stdout });
    for (const [key, then] of keys) {
      stdin.write(key);
      await cluster.eventually(
        () => Promise.resolve(shown),
        (text) => text.endsWith(then),
        `${JSON.stringify(key)} shows ${JSON.stringify(then)}`,
      );
    }
    return { code: await code, shown };
  };
  t.same(await press(['cat'], ['abc', 'abc'], ['\r', 'abc\r\nabc\r\n'], ['\x04', '\n']), {
    code: 0,
    shown: 'abc\r\nabc\r\n',
  });
  t.same(await press(['cat'], ['ab', 'ab'], ['\x04', 'abab'], ['\x04', 'abab']), { code: 0, shown: 'abab' });
  t.same(await press(['cat'], ['aö\x7f\x7fb\r', 'b\r\nb\r\n'], ['x\x15\x04', '\b \b']), {
    code: 0,
    shown: 'aö\b \b\b \bb\r\nb\r\nx\b \b',
  });
  t.same(await press(['cat'], ['abc\x03', 'abc^C']), { code: 130, shown: 'abc^C' });
  t.same(await press(['sleep', '1000'], ['\x03', '^C']), { code: 130, shown: '^C' });
  t.same(await press(['sleep', '1000'], ['\x04', ''], ['\x1c', '^\\']), { code: 131, shown: '^\\' });
  t.same(await press(['echo', 'a']), { code: 0, shown: 'a\r\n' });
  const waiting = press(['cat']);
  await kube.delete(PODS, at);
  t.match(await waiting, { code: 137 }, 'one that waits for keys ends with its container');
});

t.test('attaching shows what comes', async (t) => {
  await cluster.create('attached', specOf());
  await cluster.ready('attached');
  await say('attached', 'before\n');
  await cluster.eventually(
    () => cluster.log('attached'),
    (text) => text.endsWith('before\n'),
    'it is said',
  );
  let seen = '';
  const stdout = new Writable({
    write: (part: Buffer, _encoding, done) => {
      seen += part.toString();
      done();
    },
  });
  const attached = kube.attach({ namespace: NAMESPACE, name: 'attached' }, {}, { stdout });
  await cluster.eventually(
    async () => {
      await say('attached', 'after\n');
      return seen;
    },
    (text) => text.startsWith('after\n'),
    'what comes is seen',
  );
  await kube.delete(PODS, { namespace: NAMESPACE, name: 'attached' });
  await attached;
  t.match(seen, /^(after\n)+stops\n$/);
});

t.test('ports', async (t) => {
  await cluster.create('ports', specOf());
  const pod = await cluster.ready('ports');
  await cluster.ask(pod, '/');
  const at = { namespace: NAMESPACE, name: 'ports' };
  const socket = await kube.portForward(at, 8080);
  socket.end('GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n');
  let answer = '';
  for await (const part of socket) answer += String(part);
  t.match(answer, /^HTTP\/1.1 200 OK/);
  const closed = await kube.portForward(at, 1);
  const [error] = (await once(closed.resume(), 'error').catch((cause: unknown) => [cause])) as [Error];
  t.match(error.message, /failed to connect to localhost:1 inside namespace .*connect: connection refused/);
});

t.test('folders follow their objects', async (t) => {
  const put = (data: Record<string, string>) =>
    kube.patch(CONFIG_MAPS, { namespace: NAMESPACE, name: 'config' }, { type: 'merge', body: { data } });
  await kube.create(CONFIG_MAPS, NAMESPACE, {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'config' },
    data: { colour: 'red', gone: 'x' },
  });
  await cluster.create('late', {
    ...specOf({ volumeMounts: [{ name: 'v', mountPath: '/etc/late' }] }),
    volumes: [{ name: 'v', secret: { secretName: 'late' } }],
  });
  await cluster.create(
    'reader',
    {
      ...specOf({
        volumeMounts: [
          { name: 'config', mountPath: '/etc/config' },
          { name: 'config', mountPath: '/etc/colour', subPath: 'colour' },
          { name: 'labels', mountPath: '/etc/pod' },
        ],
      }),
      volumes: [
        { name: 'config', configMap: { name: 'config' } },
        {
          name: 'labels',
          downwardAPI: { items: [{ path: 'labels', fieldRef: { fieldPath: 'metadata.labels' } }] },
        },
      ],
    },
    { labels: { stage: 'first' } },
  );
  const pod = await cluster.ready('reader');
  const read = (path: string) => cluster.ask(pod, `/file?path=${path}`);
  t.equal((await read('/etc/config/colour')).text, 'red');
  t.equal((await read('/etc/pod/labels')).text, 'stage="first"');
  await put({ colour: 'green', fresh: 'y', gone: null as never });
  await cluster.eventually(
    () => read('/etc/config/fresh'),
    ({ text }) => text === 'y',
    'a new key appears',
  );
  t.equal((await read('/etc/config/colour')).text, 'green');
  t.equal((await read('/etc/config/gone')).status, 404);
  t.equal((await read('/etc/colour')).text, 'red', 'what is mounted alone does not change');
  const labels = { metadata: { labels: { stage: 'second' } } };
  await kube.patch(PODS, { namespace: NAMESPACE, name: 'reader' }, { type: 'merge', body: labels });
  await cluster.eventually(
    () => read('/etc/pod/labels'),
    ({ text }) => text === 'stage="second"',
    'labels too',
  );

  t.ok(
    (await cluster.events('late')).includes(
      'FailedMount: MountVolume.SetUp failed for volume "v" : secret "late" not found',
    ),
  );
  const data = { key: Buffer.from('hidden').toString('base64') };
  await kube.create(SECRETS, NAMESPACE, {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'late' },
    data,
  });
  const late = await cluster.ready('late');
  t.equal(
    (await cluster.ask(late, '/file?path=/etc/late/key')).text,
    'hidden',
    'what was missing is waited for',
  );
});

t.test("a pod's token is its ServiceAccount's", async (t) => {
  const folder = '/var/run/secrets/kubernetes.io/serviceaccount';
  const sources = [
    { serviceAccountToken: { path: 'token', expirationSeconds: 3607 } },
    { serviceAccountToken: { path: 'other', audience: 'vault' } },
    { downwardAPI: { items: [{ path: 'namespace', fieldRef: { fieldPath: 'metadata.namespace' } }] } },
    { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
  ];
  await cluster.create('tokens', {
    ...specOf({ volumeMounts: [{ name: 'access', mountPath: folder }] }),
    volumes: [{ name: 'access', projected: { sources } }],
  });
  const pod = await cluster.ready('tokens');
  const read = async (name: string): Promise<string> =>
    (await cluster.ask(pod, `/file?path=${folder}/${name}`)).text;
  t.equal(await read('namespace'), NAMESPACE);
  t.equal((await cluster.ask(pod, `/file?path=${folder}/ca.crt`)).status, 200);
  const review = async (token: string, audiences?: string[]): Promise<unknown> => {
    const response = await fetch(`${cluster.url}/apis/authentication.k8s.io/v1/tokenreviews`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        apiVersion: 'authentication.k8s.io/v1',
        kind: 'TokenReview',
        spec: { token, ...(audiences && { audiences }) },
      }),
    });
    return ((await response.json()) as { status: unknown }).status;
  };
  const known = {
    authenticated: true,
    user: {
      username: `system:serviceaccount:${NAMESPACE}:default`,
      extra: { 'authentication.kubernetes.io/pod-name': ['tokens'] },
    },
  };
  t.match(await review(await read('token')), known);
  t.match(await review(await read('other'), ['vault']), { ...known, audiences: ['vault'] });
});
