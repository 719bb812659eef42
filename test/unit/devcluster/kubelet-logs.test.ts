import t from 'tap';
import type { Run } from '../../../devcluster/kubelet/container-state.js';
import { logLines } from '../../../devcluster/kubelet/log-lines.js';
import { createLogStore } from '../../../devcluster/kubelet/log-store.js';
import { streamLog } from '../../../devcluster/kubelet/log-stream.js';
import type { Container, LogQuery } from '../../../kube/index.js';

const START = Date.parse('2026-01-01T00:00:00Z');
const run: Run = { id: 'r', startedAt: START, image: 'nginx:1', exit: undefined };
const plain: Container = { name: 'web', image: 'nginx:1' };
const bulky = (bytes: string): Container => ({
  ...plain,
  env: [{ name: 'XI_PRETEND_LOG_BYTES', value: bytes }],
});

const OPENING = [
  'xi-k8s embedded cluster: container web (image nginx:1) only pretends to run; nothing of the image is executed',
  'container web started at 2026-01-01T00:00:00.000Z',
];
const beat = (seconds: number): string => `still pretending after ${seconds} s`;

/** All of a log at some time after the start; where it follows, time goes on at each wait, until the run's end. */
const read = async (
  query: LogQuery,
  {
    after = 12_000,
    container = plain,
    endsAfter = Infinity,
    abortAfter = Infinity,
  }: {
    after?: number;
    container?: Container;
    endsAfter?: number;
    abortAfter?: number;
  } = {},
): Promise<string> => {
  let now = START + after;
  const leaving = new AbortController();
  const chunks: Uint8Array[] = [];
  for await (const chunk of streamLog({
    query,
    signal: leaving.signal,
    clock: () => now,
    lines: () =>
      logLines(
        now < START + endsAfter ? run : { ...run, endedAt: START + endsAfter, exitCode: 3 },
        container,
      ),
    changed: async (until) => {
      now = Math.min(until, START + endsAfter);
      if (now >= START + abortAfter) leaving.abort();
    },
  })) {
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
};

const lines = (text: string): string[] => text.split('\n').slice(0, -1);

t.test('what is shown', async (t) => {
  const rows: [string, LogQuery, string[]][] = [
    ['all', {}, [...OPENING, beat(5), beat(10)]],
    ['the last', { tailLines: 1 }, [beat(10)]],
    ['none', { tailLines: 0 }, []],
    ['more than there are', { tailLines: 99 }, [...OPENING, beat(5), beat(10)]],
    ['of the last seconds', { sinceSeconds: 7 }, [beat(5), beat(10)]],
    ['of the last second', { sinceSeconds: 1 }, []],
    ['since a time', { sinceTime: '2026-01-01T00:00:06Z' }, [beat(10)]],
    ['the last of those', { sinceSeconds: 7, tailLines: 1 }, [beat(10)]],
    ['with times', { tailLines: 1, timestamps: true }, [`2026-01-01T00:00:10.000Z ${beat(10)}`]],
  ];
  for (const [what, query, expected] of rows) t.same(lines(await read(query)), expected, what);
  t.equal(await read({ limitBytes: 10 }), OPENING[0]?.slice(0, 10));
  t.equal(await read({ limitBytes: 0 }), '');
});

t.test('a run that ended', async (t) => {
  const ended = 'container web ended with exit code 3';
  t.same(lines(await read({}, { endsAfter: 5000 })), [...OPENING, beat(5), ended]);
  t.same(lines(await read({ tailLines: 1, timestamps: true }, { endsAfter: 5100 })), [
    `2026-01-01T00:00:05.100Z ${ended}`,
  ]);
  t.same(
    lines(await read({ follow: true }, { endsAfter: 4000 })),
    [...OPENING, ended],
    'following ends at once',
  );
});

t.test('following', async (t) => {
  const ended = 'container web ended with exit code 3';
  t.same(
    lines(await read({ follow: true, tailLines: 0 }, { endsAfter: 21_000 })),
    [beat(15), beat(20), ended],
    'goes on until the run ends',
  );
  t.same(lines(await read({ follow: true, tailLines: 0 }, { abortAfter: 15_000 })), [], 'ends at the signal');
  t.equal(await read({ follow: true, limitBytes: 5 }), 'xi-k8', 'ends at the limit');
});

t.test('a log of a given size is made as it is read', async (t) => {
  for (const bytes of [1, 99, 100, 101, 250_000]) {
    const text = await read({}, { container: bulky(String(bytes)), after: 0 });
    t.equal(text.length - OPENING.join('\n').length - 1, bytes, `${bytes} bytes`);
  }
  const endless = bulky('900000000000');
  t.match(lines(await read({ tailLines: 2 }, { container: endless, after: 0 })), [
    /^pretended line 8999999999\.|^pretended line 8999999999 /,
    /^pretended line 9000000000 /,
  ]);
  t.equal((await read({ limitBytes: 1_000_000 }, { container: endless })).length, 1_000_000);
  for (const value of ['', '-1', '1e3', 'many'])
    t.same(lines(await read({}, { container: bulky(value), after: 0 })), OPENING);
});

t.test('what a process writes is kept as lines', async (t) => {
  let now = START;
  const log = createLogStore(() => now);
  const all = async (query: LogQuery = {}): Promise<string> => {
    const chunks: Uint8Array[] = [];
    const signal = new AbortController().signal;
    const changed = (): Promise<never> => Promise.reject(new Error('nothing comes'));
    for await (const chunk of streamLog({ query, signal, clock: () => now, lines: () => log, changed }))
      chunks.push(chunk);
    return Buffer.concat(chunks).toString('latin1');
  };
  log.write('stdout', Buffer.from('one\ntw'));
  now += 1000;
  log.write('stderr', Buffer.from('error\n'));
  log.write('stdout', Buffer.from('o\n\nrest'));
  t.equal(await all(), 'one\nerror\ntwo\n\n', 'what is not a whole line waits');
  t.equal(
    await all({ timestamps: true, tailLines: 3 }),
    ['error', 'two', ''].map((text) => `2026-01-01T00:00:01.000Z ${text}\n`).join(''),
  );
  t.equal(await all({ sinceTime: '2026-01-01T00:00:01Z' }), 'error\ntwo\n\n');
  t.same(
    [0, 1, 2].map((nth) => log.streamOf(nth)),
    ['stdout', 'stderr', 'stdout'],
  );
  t.equal(log.nextAt(now), Infinity);
  log.end();
  t.equal(await all({ tailLines: 1 }), 'rest');
  t.equal(log.nextAt(now), undefined);
  t.equal(log.tail(2, 100), '\nrest');
  t.equal(log.tail(80, 6), '\n\nrest');
});

t.test('long lines come in parts, and bytes as they are', async (t) => {
  const log = createLogStore(() => START);
  const bytes = Buffer.from([0xff, 0x00, 0xfe, 10]);
  log.write('stdout', bytes);
  for (let sent = 0; sent < 40; sent++) log.write('stdout', Buffer.alloc(1000, 'x'));
  log.write('stdout', Buffer.from('\n'));
  t.same(Buffer.from(log.line(0) as Uint8Array), bytes);
  t.same(
    [1, 2, 3].map((nth) => log.line(nth).length),
    [16_384, 16_384, 40_001 - 2 * 16_384],
  );
  const chunks: Uint8Array[] = [];
  const options = { signal: new AbortController().signal, clock: () => START, lines: () => log };
  for await (const chunk of streamLog({
    ...options,
    query: { timestamps: true, tailLines: 3 },
    changed: () => Promise.resolve(),
  }))
    chunks.push(chunk);
  t.equal(
    Buffer.concat(chunks).toString(),
    `2026-01-01T00:00:00.000Z ${'x'.repeat(40_000)}\n`,
    'one line, one time',
  );
});

t.test('a log is bounded', async (t) => {
  const log = createLogStore(() => START);
  const line = Buffer.from(`${'y'.repeat(99)}\n`);
  for (let nth = 0; nth < 100_000; nth++) log.write('stdout', line);
  t.equal(log.count(START), 100_000);
  const kept = log.count(START) - log.first;
  t.ok(kept * 100 <= 10 << 20 && kept > 40_000, `${kept} lines are kept`);
  t.equal(log.line(log.first).length, 100);
  t.equal(log.line(99_999).length, 100);
});
