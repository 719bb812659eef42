/** Lists, selectors, pages, Tables and watches. */
import { once } from 'node:events';
import { connect } from 'node:net';
import t from 'tap';
import { CONFIG_MAPS, configMap, deployment, DEPLOYMENTS, dig, pod, PODS, startApi } from './server.js';
import type { Body } from './server.js';

const api = await startApi(t, { bookmarkMs: 20 });
const names = (list: Body): unknown[] => (list.items as Body[]).map((item) => dig(item, 'metadata', 'name'));
const q = (parameters: Record<string, string>): string => `?${new URLSearchParams(parameters).toString()}`;

t.test('label selectors', async (t) => {
  await api.ok('POST', CONFIG_MAPS, configMap('a', {}, { labels: { app: 'x', tier: 'web' } }));
  await api.ok('POST', CONFIG_MAPS, configMap('b', {}, { labels: { app: 'y' } }));
  await api.ok('POST', CONFIG_MAPS, configMap('c'));
  const cases: [string, string[]][] = [
    ['app=x', ['a']],
    ['app==x', ['a']],
    ['app!=x', ['b', 'c']],
    ['app', ['a', 'b']],
    ['!app', ['c']],
    ['app in (x,y)', ['a', 'b']],
    ['app in (x, z), tier', ['a']],
    ['app notin (x)', ['b', 'c']],
    ['app=x,tier=db', []],
    ['', ['a', 'b', 'c']],
  ];
  for (const [labelSelector, expected] of cases)
    t.strictSame(names(await api.ok('GET', CONFIG_MAPS + q({ labelSelector }))), expected, labelSelector);
  for (const labelSelector of ['app in x', 'a b', 'app in (x'])
    t.match(
      await api.call('GET', CONFIG_MAPS + q({ labelSelector })),
      { code: 400, body: { reason: 'BadRequest', message: /^unable to parse requirement: / } },
      labelSelector,
    );
  t.match(await api.call('GET', CONFIG_MAPS + q({ labelSelector: 'app=(' })), {
    code: 400,
    body: { message: "found '(', expected: ',' or 'end of string'" },
  });
  t.match(await api.call('GET', CONFIG_MAPS + q({ labelSelector: '=x' })), {
    code: 400,
    body: { message: "found '=', expected: !, identifier, or 'end of string'" },
  });
  t.match(await api.call('GET', CONFIG_MAPS + q({ labelSelector: 'app=x,' })), { code: 400 });
});

t.test('field selectors', async (t) => {
  await api.ok('POST', PODS, pod('p1', { nodeName: 'n1' }));
  await api.ok('POST', PODS, pod('p2', { restartPolicy: 'Never' }));
  const cases: [string, string[]][] = [
    ['metadata.name=p1', ['p1']],
    ['metadata.name!=p1', ['p2']],
    ['spec.nodeName=n1', ['p1']],
    ['spec.nodeName=', ['p2']],
    ['spec.nodeName!=,metadata.namespace=default', ['p1']],
    ['status.phase=Pending', ['p1', 'p2']],
    ['spec.restartPolicy=Never', ['p2']],
    ['spec.serviceAccountName=default,status.phase=Running', []],
  ];
  for (const [fieldSelector, expected] of cases)
    t.strictSame(names(await api.ok('GET', '/api/v1/pods' + q({ fieldSelector }))), expected, fieldSelector);
  const refused: [string, string, string][] = [
    [PODS, 'spec.foo=a', 'field label not supported: spec.foo'],
    [
      DEPLOYMENTS,
      'spec.replicas=1',
      '"spec.replicas" is not a known field selector: only "metadata.name", "metadata.namespace"',
    ],
    [PODS, 'abc', "invalid selector: 'abc'; can't understand 'abc'"],
  ];
  for (const [path, fieldSelector, message] of refused)
    t.match(
      await api.call('GET', path + q({ fieldSelector })),
      { code: 400, body: { message } },
      fieldSelector,
    );
});

t.test('pages show one state', async (t) => {
  const first = await api.ok('GET', CONFIG_MAPS + q({ limit: '2' }));
  t.match(first, {
    kind: 'ConfigMapList',
    apiVersion: 'v1',
    metadata: { remainingItemCount: 1, continue: String },
  });
  t.strictSame(names(first), ['a', 'b']);
  t.notOk('kind' in (dig(first, 'items', 0) as Body), 'the items of a list have no kind');
  await api.ok('DELETE', `${CONFIG_MAPS}/c`);
  await api.ok('POST', CONFIG_MAPS, configMap('d'));
  const token = String(dig(first, 'metadata', 'continue'));
  const second = await api.ok('GET', CONFIG_MAPS + q({ limit: '2', continue: token }));
  t.strictSame(names(second), ['c'], 'the second page knows nothing of later changes');
  t.equal(dig(second, 'metadata', 'resourceVersion'), dig(first, 'metadata', 'resourceVersion'));
  t.notOk('continue' in (second.metadata as Body));
  t.notOk(
    'remainingItemCount' in
      ((await api.ok('GET', CONFIG_MAPS + q({ limit: '1', labelSelector: 'app' }))).metadata as Body),
  );
  t.match(await api.call('GET', CONFIG_MAPS + q({ limit: '2', continue: 'x' })), {
    code: 400,
    body: { message: /^invalid continue token: continue key is not valid/ },
  });
  const old = Buffer.from(JSON.stringify({ v: 'meta.k8s.io/v1', rv: 1, start: 'default/b' })).toString(
    'base64url',
  );
  const gone = await api.call('GET', CONFIG_MAPS + q({ limit: '2', continue: old }));
  t.match(gone, {
    code: 410,
    body: { reason: 'Expired', message: /^The provided continue parameter is too old/ },
  });
  const fresh = String(dig(gone.body, 'metadata', 'continue'));
  t.strictSame(names(await api.ok('GET', CONFIG_MAPS + q({ continue: fresh }))), ['b', 'd']);
  t.match(await api.call('GET', CONFIG_MAPS + q({ resourceVersion: '99999999999999' })), {
    code: 504,
    body: {
      reason: 'Timeout',
      message: /^Timeout: Too large resource version: 99999999999999, current: \d+$/,
    },
  });
  t.match(await api.call('GET', CONFIG_MAPS + q({ resourceVersion: 'x' })), { code: 400 });
  t.match(await api.call('GET', CONFIG_MAPS + q({ limit: 'x' })), { code: 400 });
});

t.test('Tables and metadata alone', async (t) => {
  const as = (kind: string): Record<string, string> => ({
    accept: `application/json;as=${kind};v=v1;g=meta.k8s.io,application/json`,
  });
  await api.ok('POST', DEPLOYMENTS, deployment('web', { replicas: 2 }));
  const columns: [string, string[], unknown[]][] = [
    [
      `${PODS}/p1`,
      ['Name', 'Ready', 'Status', 'Restarts', 'Age', 'IP', 'Node', 'Nominated Node', 'Readiness Gates'],
      ['p1', '0/1', 'Pending', '0', /^\d+s$/, '<none>', 'n1'],
    ],
    [
      `${DEPLOYMENTS}/web`,
      ['Name', 'Ready', 'Up-to-date', 'Available', 'Age', 'Containers', 'Images', 'Selector'],
      ['web', '0/2', 0, 0, /^\d+s$/, 'main', 'nginx:1.15.4', 'app=web'],
    ],
    ['/api/v1/namespaces/default', ['Name', 'Status', 'Age'], ['default', 'Active', /^\d+s$/]],
    [`${CONFIG_MAPS}/a`, ['Name', 'Data', 'Age'], ['a', 0, /^\d+s$/]],
  ];
  for (const [path, expected, cells] of columns) {
    const table = await api.ok('GET', path, undefined, as('Table'));
    t.match(table, { kind: 'Table', apiVersion: 'meta.k8s.io/v1' });
    t.strictSame(
      (table.columnDefinitions as Body[]).map(({ name }) => name),
      expected,
      path,
    );
    t.match(dig(table, 'rows', 0, 'cells'), cells, path);
    t.match(dig(table, 'rows', 0, 'object'), { kind: 'PartialObjectMetadata', metadata: { name: cells[0] } });
  }
  const none = await api.ok('GET', `${CONFIG_MAPS}?includeObject=None`, undefined, as('Table'));
  t.equal(dig(none, 'rows', 0, 'object'), null);
  const list = await api.ok('GET', PODS, undefined, as('PartialObjectMetadataList'));
  t.match(list, { kind: 'PartialObjectMetadataList', items: [{ metadata: { name: 'p1' } }, {}] });
  t.notOk('spec' in (dig(list, 'items', 0) as Body));
  t.match(await api.call('GET', PODS, undefined, { accept: 'text/html' }), {
    code: 406,
    body: { reason: 'NotAcceptable' },
  });
});

t.test('a watch from a version tells what came after it', async (t) => {
  const list = await api.ok('GET', CONFIG_MAPS);
  const version = String(dig(list, 'metadata', 'resourceVersion'));
  await api.ok('POST', CONFIG_MAPS, configMap('w', { n: '1' }, { labels: { app: 'w' } }));
  const all = await api.watch(CONFIG_MAPS + q({ watch: 'true', resourceVersion: version }));
  const some = await api.watch(
    CONFIG_MAPS + q({ watch: 'true', resourceVersion: version, labelSelector: 'app=w' }),
  );
  const other = await api.watch(
    '/api/v1/namespaces/kube-system/configmaps' + q({ watch: '1', resourceVersion: version }),
  );
  const made = await all.next();
  t.match(made, {
    type: 'ADDED',
    object: { kind: 'ConfigMap', apiVersion: 'v1', metadata: { name: 'w' }, data: { n: '1' } },
  });
  t.strictSame(await some.next(), made);
  const changed = await api.ok('PUT', `${CONFIG_MAPS}/w`, configMap('w', { n: '2' }));
  t.match(await all.next(), {
    type: 'MODIFIED',
    object: { metadata: { resourceVersion: dig(changed, 'metadata', 'resourceVersion') } },
  });
  t.match(
    await some.next(),
    {
      type: 'DELETED',
      object: {
        data: { n: '1' },
        metadata: { labels: { app: 'w' }, resourceVersion: dig(changed, 'metadata', 'resourceVersion') },
      },
    },
    'an object that leaves the selector is deleted for the watcher',
  );
  await api.ok('PUT', `${CONFIG_MAPS}/w`, configMap('w', { n: '2' }, { labels: { app: 'w' } }));
  t.match(await some.next(), { type: 'ADDED' });
  await all.next();
  await api.ok('DELETE', `${CONFIG_MAPS}/w`);
  const last = await all.next();
  t.match(last, { type: 'DELETED', object: { metadata: { name: 'w' } } });
  t.ok(
    Number(dig(last?.object, 'metadata', 'resourceVersion')) >
      Number(dig(changed, 'metadata', 'resourceVersion')),
  );
  await api.ok('POST', '/api/v1/namespaces/kube-system/configmaps', configMap('far'));
  t.match(
    await other.next(),
    { type: 'ADDED', object: { metadata: { name: 'far' } } },
    'nothing of other namespaces',
  );
});

t.test('a watch without a version begins with what is there', async (t) => {
  const watch = await api.watch(PODS + q({ watch: '1' }));
  t.match(await watch.next(), { type: 'ADDED', object: { metadata: { name: 'p1' } } });
  t.match(await watch.next(), { type: 'ADDED', object: { metadata: { name: 'p2' } } });
  await api.ok('POST', PODS, pod('p3'));
  t.match(await watch.next(), { type: 'ADDED', object: { metadata: { name: 'p3' } } });
  t.match(
    await api.ok('GET', `${PODS}/p2` + q({ watch: '1' })),
    { kind: 'Pod', metadata: { name: 'p2' } },
    'one object is watched by a field selector alone',
  );
});

t.test('bookmarks, time-outs, versions too old and too new', async (t) => {
  const watch = await api.watch(
    PODS +
      q({
        watch: '1',
        allowWatchBookmarks: 'true',
        sendInitialEvents: 'true',
        resourceVersionMatch: 'NotOlderThan',
      }),
  );
  for (const name of ['p1', 'p2', 'p3'])
    t.match(await watch.next(), { type: 'ADDED', object: { metadata: { name } } });
  t.match(await watch.next(), {
    type: 'BOOKMARK',
    object: {
      kind: 'Pod',
      metadata: { resourceVersion: String, annotations: { 'k8s.io/initial-events-end': 'true' } },
    },
  });
  const version = (object: unknown): number => Number(dig(object as Body, 'metadata', 'resourceVersion'));
  const elsewhere = version(await api.ok('POST', CONFIG_MAPS, configMap('elsewhere')));
  // Those that were sent before it come first.
  let bookmark = await watch.next();
  while (bookmark?.type === 'BOOKMARK' && version(bookmark.object) < elsewhere) bookmark = await watch.next();
  t.match(bookmark, {
    type: 'BOOKMARK',
    object: { apiVersion: 'v1', metadata: { resourceVersion: /^\d+$/ } },
  });
  const short = await api.watch(
    CONFIG_MAPS +
      q({
        watch: '1',
        resourceVersion: String(version(bookmark?.object)),
        timeoutSeconds: '1',
      }),
  );
  t.equal(await short.next(), undefined, 'the watch ends at its time');
  const old = await api.watch(PODS + q({ watch: '1', resourceVersion: '1' }));
  t.match(await old.next(), {
    type: 'ERROR',
    object: {
      kind: 'Status',
      code: 410,
      reason: 'Expired',
      message: /^too old resource version: 1 \(\d+\)$/,
    },
  });
  t.equal(await old.next(), undefined);
  t.match(await api.call('GET', PODS + q({ watch: '1', resourceVersion: '99999999999999' })), { code: 504 });
  t.match(await api.call('GET', PODS + q({ watch: '1', labelSelector: '=' })), { code: 400 });
  t.match(await api.call('GET', PODS + q({ watch: '1', sendInitialEvents: 'true' })), { code: 422 });
});

t.test('a watch of Tables defines its columns once', async (t) => {
  const watch = await api.watch(PODS + q({ watch: '1' }), {
    accept: 'application/json;as=Table;v=v1;g=meta.k8s.io',
  });
  const first = await watch.next();
  t.match(first, { type: 'ADDED', object: { kind: 'Table', rows: [{ cells: ['p1'] }] } });
  t.equal((dig(first?.object, 'columnDefinitions') as unknown[]).length, 9);
  t.equal(dig((await watch.next())?.object, 'columnDefinitions'), null);
});

t.test('a reader that does not keep up is cut', async (t) => {
  const socket = connect(api.server.port, '127.0.0.1');
  socket.write(
    `GET ${CONFIG_MAPS}?watch=1&fieldSelector=metadata.name%3Dbig HTTP/1.1\r\nhost: localhost\r\n\r\n`,
  );
  await once(socket, 'readable');
  const data = { a: 'x'.repeat(1_000_000) };
  await api.ok('POST', CONFIG_MAPS, configMap('big', data));
  for (let n = 0; n < 40; n += 1)
    await api.ok('PUT', `${CONFIG_MAPS}/big`, configMap('big', { ...data, n: String(n) }));
  let bytes = 0;
  socket.on('error', () => undefined);
  socket.on('data', (chunk) => (bytes += chunk.length));
  await once(socket, 'close');
  t.ok(bytes < 40_000_000, 'not all of it was kept for the reader');
});

t.test('a closing server ends its watches', async (t) => {
  const own = await startApi(t);
  const watch = await own.watch('/api/v1/pods?watch=1');
  await own.server.close();
  t.equal(await watch.next(), undefined);
});

t.test('a watch that begins far back gets all that it missed, however much it is', async (t) => {
  const data = { text: 'x'.repeat(400 << 10) };
  const first = await api.ok('POST', CONFIG_MAPS, configMap('large-0', data));
  const version = String(dig(first, 'metadata', 'resourceVersion'));
  const expected = Array.from({ length: 30 }, (_, i) => `large-${i + 1}`);
  for (const name of expected) await api.ok('POST', CONFIG_MAPS, configMap(name, data));
  const watch = await api.watch(CONFIG_MAPS + q({ watch: 'true', resourceVersion: version }));
  for (const name of expected) t.equal(dig((await watch.next())?.object, 'metadata', 'name'), name);
  watch.close();
});

t.test('text of every script comes back as it was sent', async (t) => {
  const data = { greeting: 'grüße, 世界 🚀', lone: '\ud83d' };
  const one = q({ fieldSelector: 'metadata.name=scripts' });
  await api.ok('POST', CONFIG_MAPS, configMap('scripts', data));
  t.same((await api.ok('GET', `${CONFIG_MAPS}/scripts`)).data, data);
  const list = await api.ok('GET', CONFIG_MAPS + one);
  t.same(
    (list.items as Body[]).map((item) => item.data),
    [data],
  );
  const watch = await api.watch(`${CONFIG_MAPS}${one}&watch=true`);
  t.same((await watch.next())?.object.data, data);
  await api.ok('DELETE', `${CONFIG_MAPS}/scripts`);
  t.match(await watch.next(), { type: 'DELETED', object: { data } });
  watch.close();
});
