import t from 'tap';
import type { ServerResponse } from 'node:http';
import type { Test } from 'tap';
import { NAMESPACES, PODS, keyOf, startReflector } from '../../../kube/index.js';
import type { Change, Pod, ReflectorOptions } from '../../../kube/index.js';
import { createLineSplitter } from '../../../kube/lines.js';
import { freePort } from '../../helpers/free-port.js';
import { json, kubeFor, startHttp, status } from './fixtures/servers.js';
import { until } from '../../helpers/eventually.js';
import type { Seen } from './fixtures/servers.js';

const pod = (name: string, version: number, uid = `uid-${name}`): Pod => ({
  metadata: { namespace: 'shop', name, uid, resourceVersion: String(version) },
});

interface Scene {
  /** Objects that a list answers, and its version. */
  items: Pod[];
  version: number;
  /** Open watches, oldest first. */
  watches: ServerResponse[];
  lists: Seen[];
  watched: Seen[];
  changes: string[];
  warnings: object[];
  send(type: string, object: object): void;
  onList?: ((seen: Seen, answer: ServerResponse) => boolean) | undefined;
  onWatch?: ((seen: Seen, answer: ServerResponse) => boolean) | undefined;
}

const QUICK = { baseMs: 10, maxMs: 100 };

async function scene(t: Test, items: Pod[], options: Partial<ReflectorOptions<Pod>> = {}, port = 0) {
  const it: Scene = {
    items,
    version: 10,
    watches: [],
    lists: [],
    watched: [],
    changes: [],
    warnings: [],
    send: (type, object) => it.watches.at(-1)?.write(`${JSON.stringify({ type, object })}\n`),
  };
  const server = await startHttp(
    t,
    (seen, answer) => {
      if (seen.query['watch']) {
        it.watched.push(seen);
        if (it.onWatch?.(seen, answer)) return;
        it.watches.push(answer);
        answer.on('close', () => it.watches.splice(it.watches.indexOf(answer), 1));
        return answer.flushHeaders();
      }
      it.lists.push(seen);
      if (it.onList?.(seen, answer)) return;
      const from = Number(seen.query['continue'] ?? 0);
      const to = from + Number(seen.query['limit']);
      json(answer, 200, {
        metadata: {
          resourceVersion: String(it.version),
          ...(to < it.items.length && { continue: String(to) }),
        },
        items: it.items.slice(from, to),
      });
    },
    { port },
  );
  const kube = kubeFor(t, server.url, { retries: 0 });
  const start = (more: Partial<ReflectorOptions<Pod>> = {}) => {
    const reflector = startReflector<Pod>({
      kube,
      resource: PODS,
      namespace: 'shop',
      backoff: QUICK,
      onChange: (change: Change<Pod>) => it.changes.push(`${change.type} ${change.object.metadata?.name}`),
      log: { debug: () => {}, warn: (fields) => void it.warnings.push(fields) },
      ...options,
      ...more,
    });
    t.teardown(() => reflector.stop());
    return reflector;
  };
  const changesNow = () => it.changes.splice(0);
  return { it, start, changesNow };
}

t.test('lists in pages, then watches from there', async (t) => {
  const { it, start, changesNow } = await scene(t, [pod('a', 1), pod('b', 2), pod('c', 3)], {
    pageSize: 2,
    labelSelector: 'app=web',
    fieldSelector: 'x=y',
  });
  const reflector = start();
  t.equal(reflector.isSynced(), false);
  await reflector.synced;
  t.equal(reflector.isSynced(), true);
  t.strictSame([...reflector.store.keys()], ['shop/a', 'shop/b', 'shop/c']);
  t.strictSame(changesNow(), ['added a', 'added b', 'added c']);
  t.strictSame(
    it.lists.map(({ query }) => query),
    [
      { labelSelector: 'app=web', fieldSelector: 'x=y', limit: '2' },
      { labelSelector: 'app=web', fieldSelector: 'x=y', limit: '2', continue: '2' },
    ],
  );
  await until(() => it.watches.length === 1);
  const { timeoutSeconds, ...query } = it.watched[0]!.query;
  t.strictSame(query, {
    watch: 'true',
    allowWatchBookmarks: 'true',
    labelSelector: 'app=web',
    fieldSelector: 'x=y',
    resourceVersion: '10',
  });
  t.ok(Number(timeoutSeconds) >= 240 && Number(timeoutSeconds) <= 300);

  it.send('ADDED', pod('d', 11));
  it.send('MODIFIED', pod('a', 12));
  it.send('DELETED', pod('b', 13));
  it.send('MODIFIED', pod('c', 14, 'another uid'));
  it.send('BOOKMARK', { metadata: { resourceVersion: '20' } });
  await until(() => it.changes.length === 5);
  t.strictSame(changesNow(), ['added d', 'modified a', 'deleted b', 'deleted c', 'added c']);
  t.equal(reflector.store.get('shop/a')?.metadata?.resourceVersion, '12');
  t.strictSame([...reflector.store.keys()].sort(), ['shop/a', 'shop/c', 'shop/d']);

  it.watches[0]!.end();
  await until(() => it.watched.length === 2);
  t.equal(it.watched[1]!.query['resourceVersion'], '20', 'a watch that ends goes on from its bookmark');
  t.equal(it.lists.length, 2, 'without another list');
  t.equal(reflector.lastError, undefined);
});

t.test('modified tells what was before', async (t) => {
  const { it, start } = await scene(t, [pod('a', 1)]);
  const seen: Change<Pod>[] = [];
  const reflector = start({ onChange: (change) => void seen.push(change) });
  await reflector.synced;
  await until(() => it.watches.length === 1);
  it.send('MODIFIED', pod('a', 11));
  await until(() => seen.length === 2);
  t.match(seen[1], { type: 'modified', previous: pod('a', 1), object: pod('a', 11) });
});

for (const how of ['status', 'event'] as const) {
  t.test(`410 as ${how}: lists again and tells the difference`, async (t) => {
    const { it, start, changesNow } = await scene(t, [
      pod('same', 1),
      pod('new-uid', 2),
      pod('gone', 3),
      pod('old', 4),
    ]);
    const reflector = start();
    await until(() => it.watches.length === 1);
    changesNow();

    it.items = [pod('same', 1), pod('new-uid', 12, 'second'), pod('old', 14), pod('fresh', 15)];
    it.version = 30;
    const expired = status(410, 'Expired', 'too old resource version');
    if (how === 'event') it.send('ERROR', expired);
    else {
      it.onWatch = (_, answer) => {
        it.onWatch = undefined;
        json(answer, 410, expired);
        return true;
      };
      it.watches[0]!.end();
    }
    await until(() => it.lists.length === 2 && it.watches.length === 1);
    t.strictSame(changesNow(), [
      'deleted gone',
      'deleted new-uid',
      'added new-uid',
      'modified old',
      'added fresh',
    ]);
    t.strictSame([...reflector.store.keys()].sort(), ['shop/fresh', 'shop/new-uid', 'shop/old', 'shop/same']);
    t.equal(it.watched.at(-1)!.query['resourceVersion'], '30');
    t.strictSame(it.warnings, [], 'that is no error');
    t.equal(reflector.lastError, undefined);
  });
}

t.test('410 between two pages starts the list again', async (t) => {
  const { it, start, changesNow } = await scene(t, [pod('a', 1), pod('b', 2)], { pageSize: 1 });
  it.onList = (seen, answer) => {
    if (seen.query['continue'] === undefined) return false;
    it.onList = undefined;
    json(answer, 410, status(410, 'Expired', 'the continue token is too old'));
    return true;
  };
  await start().synced;
  t.strictSame(
    it.lists.map(({ query }) => query['continue']),
    [undefined, '1', undefined, '1'],
  );
  t.strictSame(changesNow(), ['added a', 'added b'], 'nothing is told of the half list');
});

t.test('a server that misbehaves does not make it spin', async (t) => {
  const expired = status(410, 'Expired', 'too old');
  const servers: Record<string, (answer: ServerResponse) => void> = {
    'ends each watch at once': (answer) => void answer.end(),
    'ends each after a bookmark': (answer) =>
      void answer.end(
        `${JSON.stringify({ type: 'BOOKMARK', object: { metadata: { resourceVersion: '1' } } })}\n`,
      ),
    'answers 500': (answer) => json(answer, 500, {}),
    'answers 410 to any version': (answer) => json(answer, 410, expired),
    'cuts the connection': (answer) => void answer.destroy(),
  };
  for (const [name, behave] of Object.entries(servers)) {
    const { it, start } = await scene(t, [], { backoff: { baseMs: 50, maxMs: 400 } });
    it.onWatch = (_, answer) => {
      behave(answer);
      return true;
    };
    const reflector = start();
    await until(() => it.watched.length >= 3);
    await new Promise((resolve) => setTimeout(resolve, 400));
    t.ok(it.watched.length + it.lists.length < 20, `${name}: ${it.watched.length} watches`);
    it.onWatch = undefined;
    await until(() => it.watches.length === 1);
    it.send('ADDED', pod('late', 50));
    await until(() => it.changes.includes('added late'));
    t.equal(reflector.lastError, undefined, 'and it goes on when the server is well');
  }
});

t.test('errors are kept, told and survived', async (t) => {
  const port = await freePort();
  const offline = kubeFor(t, `http://127.0.0.1:${port}`, { retries: 0 });
  const warnings: object[] = [];
  const reflector = startReflector<Pod>({
    kube: offline,
    resource: PODS,
    backoff: QUICK,
    log: { debug: () => {}, warn: (fields) => void warnings.push(fields) },
  });
  t.teardown(() => reflector.stop());
  await until(() => warnings.length >= 2);
  t.match(reflector.lastError, { reason: 'unreachable' });
  t.match(warnings[0], { resource: 'pods', err: { reason: 'unreachable' } });
  t.equal(reflector.isSynced(), false);
  await scene(t, [pod('a', 1)], {}, port);
  await reflector.synced;
  t.equal(reflector.lastError, undefined);
  t.strictSame([...reflector.store.keys()], ['shop/a']);
});

t.test('a watch that falls silent is opened anew', async (t) => {
  const { it, start } = await scene(t, [pod('a', 1)], { inactivityMs: 80 });
  const reflector = start();
  await until(() => it.watched.length >= 3);
  t.equal(it.lists.length, 1);
  t.strictSame(it.warnings, []);
  t.equal(reflector.lastError, undefined);
});

t.test('a handler that throws is logged and stops nothing', async (t) => {
  const { it, start } = await scene(t, [pod('a', 1), pod('b', 2)]);
  const told: string[] = [];
  const reflector = start({
    onChange: ({ object }) => {
      told.push(object.metadata?.name ?? '');
      throw new Error('handler');
    },
  });
  await reflector.synced;
  await until(() => it.watches.length === 1);
  it.send('ADDED', pod('c', 11));
  await until(() => told.length === 3);
  t.strictSame(told, ['a', 'b', 'c']);
  t.match(it.warnings, [
    { err: { message: 'handler' }, object: 'shop/a' },
    { object: 'shop/b' },
    { object: 'shop/c' },
  ]);
  t.equal(it.watched.length, 1);
});

t.test('stop, at any time', async (t) => {
  await t.test('before the first answer', async (t) => {
    const { it, start, changesNow } = await scene(t, [pod('a', 1)]);
    let closed = false;
    it.onList = (_, answer) => {
      answer.on('close', () => (closed = true));
      return true;
    };
    const reflector = start();
    await until(() => it.lists.length === 1);
    await reflector.stop();
    await until(() => closed);
    t.equal(reflector.isSynced(), false);
    t.strictSame(changesNow(), []);
  });

  await t.test('at once, and twice', async (t) => {
    const { it, start } = await scene(t, [pod('a', 1)]);
    const reflector = start();
    await Promise.all([reflector.stop(), reflector.stop()]);
    await reflector.stop();
    await new Promise((resolve) => setTimeout(resolve, 50));
    t.equal(it.watched.length, 0);
    t.equal(it.watches.length, 0);
  });

  await t.test('while it watches', async (t) => {
    const { it, start, changesNow } = await scene(t, [pod('a', 1)]);
    const reflector = start();
    await until(() => it.watches.length === 1);
    changesNow();
    it.send('ADDED', pod('b', 11));
    await reflector.stop();
    await until(() => it.watches.length === 0);
    const calls = it.watched.length + it.lists.length;
    await new Promise((resolve) => setTimeout(resolve, 100));
    t.equal(it.watched.length + it.lists.length, calls, 'nothing is asked any more');
    t.strictSame(it.warnings, []);
  });

  await t.test('while it waits after an error, and from a handler', async (t) => {
    const { it, start } = await scene(t, [pod('a', 1), pod('b', 2)], {
      backoff: { baseMs: 60_000, maxMs: 60_000 },
    });
    it.onWatch = (_, answer) => {
      answer.end();
      return true;
    };
    const waiting = start();
    await until(() => it.watched.length === 1);
    await waiting.stop();
    it.changes.length = 0;

    const ended: Promise<void>[] = [];
    const reflector = start({
      onChange: ({ object }) => {
        it.changes.push(object.metadata?.name ?? '');
        ended.push(reflector.stop());
      },
    });
    await until(() => ended.length > 0);
    await Promise.all(ended);
    t.strictSame(it.changes, ['a'], 'nothing is told after stop');
  });
});

t.test('only the projection is kept and told, of lists and of watches', async (t) => {
  const full = (name: string, version: number): Pod => ({
    ...pod(name, version),
    spec: { containers: [{ name: 'main', image: `${name}:${version}` }] },
    status: { phase: 'Running' },
  });
  const seen: Pod[] = [];
  const { it, start } = await scene(t, [full('a', 1), full('b', 2)], {
    project: ({ metadata, status }) => ({ ...(metadata && { metadata }), ...(status && { status }) }),
    onChange: ({ object, previous }) => seen.push(object, ...(previous === undefined ? [] : [previous])),
  });
  const reflector = start({ pageSize: 1 });
  await reflector.synced;
  await until(() => it.watches.length === 1);
  it.send('MODIFIED', full('a', 11));
  it.send('ADDED', full('c', 12));
  it.send('DELETED', full('b', 13));
  await until(() => !reflector.store.has('shop/b'));
  t.strictSame([...reflector.store.keys()].sort(), ['shop/a', 'shop/c']);
  t.strictSame(reflector.store.get('shop/a'), { ...pod('a', 11), status: { phase: 'Running' } });
  t.equal(seen.length, 6, 'two listed; modified and before, added, deleted');
  for (const object of seen) t.strictSame(Object.keys(object), ['metadata', 'status']);
});

t.test('keys', (t) => {
  t.equal(keyOf({ metadata: { namespace: 'shop', name: 'web' } }), 'shop/web');
  t.equal(keyOf({ metadata: { name: NAMESPACES.plural } }), 'namespaces');
  t.end();
});

t.test('lines come whole, however the bytes are cut', (t) => {
  const text = Buffer.from('{"a":"ä😀"}\n\n{}\r\nlast');
  for (let size = 1; size <= text.length; size++) {
    const lines = createLineSplitter();
    const got: string[] = [];
    for (let i = 0; i < text.length; i += size)
      got.push(...lines.push(text.subarray(i, i + size)).map(String));
    t.strictSame(got, ['{"a":"ä😀"}', '{}\r'], `pieces of ${size}`);
    t.ok(lines.unfinished);
    lines.push(Buffer.from('\n'));
    t.notOk(lines.unfinished);
  }
  t.end();
});
