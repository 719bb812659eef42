/** What the blocks of peers that cannot be asked tell of a join of which nobody knows how it ended. */
import t from 'tap';
import { MOMENT_MS, createDoubts, overlap } from '../../../server/networks/doubts.js';
import type { Excerpt } from '../../../server/networks/doubts.js';
import { joining } from '../../../server/networks/halves.js';
import type { PeerPod } from '../../../server/networks/peer-pod.js';
import type { Report } from '../../../server/networks/plan.js';
import { PeerError } from '../../../server/peer-error.js';

/** A letter a block, newest first; `…` when there are more. */
const excerpt = (text: string): Excerpt => ({
  digests: [...text.replace('…', '')],
  whole: !text.endsWith('…'),
});

for (const [sample, other, expected] of [
  ['ab', 'ab', 'all'],
  ['ab', 'xyab', 'all'],
  ['ab', 'xyabc', 'some'],
  ['ab…', 'xyabc', 'all'],
  ['ab', 'xyab…', 'all'],
  ['ab', 'xaby…', 'all'],
  ['xab', 'ab', 'some'],
  ['ab', 'ayb', 'some'],
  ['bb', 'abb', 'all'],
  ['ab', '', 'none'],
  ['ab', 'xy', 'none'],
  ['ab…', 'xy', 'none'],
  ['ab', 'xy…', 'some'],
] as const)
  t.equal(overlap(excerpt(sample), excerpt(other)), expected, `${sample} in ${other || 'nothing'}`);

const pod = (uid: string): PeerPod => ({
  uid,
  namespace: 'default',
  name: uid,
  id: 'n',
  createdAt: uid.charCodeAt(0),
  phase: 'running',
  address: `${uid}:9081`,
  incarnation: `${uid} 1`,
});
const OURS = (members: string[]): Report => ({
  kind: 'status',
  self: 'o:9081',
  members,
  head: '',
  height: 0,
  blocks: 0,
  version: '',
});

/** `a` is a member, `b` may be. */
function setting() {
  const texts: Record<string, string> = { a: '', b: '', z: '' };
  const read: string[] = [];
  let clock = 0;
  let silent = '';
  const done = new Map([
    ['a', 'a 1'],
    ['b', joining('b 1')],
  ]);
  const pods = [pod('a'), pod('b')];
  const doubts = createDoubts(
    {
      async *payloads({ pod: name }) {
        read.push(name);
        if (name === silent) throw new PeerError('deadline', 'it does not answer');
        for (const letter of texts[name] ?? '') yield Buffer.from(letter);
      },
    },
    () => clock,
  );
  return {
    texts,
    read,
    pods,
    done,
    doubts,
    pass: (ms: number) => void (clock += ms),
    hush: (name: string) => void (silent = name),
    async look(more: Record<string, Report> = {}): Promise<string> {
      const reports = new Map<string, Report>([
        ...pods.map(({ uid }) => [uid, { kind: 'mute' }] as const),
        ...Object.entries(more),
      ]);
      await doubts.look({ pods, done, reports }, new AbortController().signal);
      const report = reports.get('b');
      return (report?.kind === 'mute' && report.found) || 'nothing';
    },
  };
}

t.test('both have no blocks: nothing is known, until the first comes', async (t) => {
  const { look, texts, pass } = setting();
  t.equal(await look(), 'nothing');
  pass(10 * MOMENT_MS);
  t.equal(await look(), 'nothing');
  texts['a'] = 'x';
  t.equal(await look(), 'nothing', 'the block may be under way');
  texts['b'] = 'x';
  t.equal(await look(), 'joined');
});

t.test('a block that the one has and the other has not, for longer than a moment', async (t) => {
  for (const [who, other] of [
    ['a', 'b'],
    ['b', 'a'],
  ] as const) {
    const { look, texts, pass } = setting();
    texts[who] = 'x';
    t.equal(await look(), 'nothing');
    pass(MOMENT_MS - 1);
    t.equal(await look(), 'nothing');
    texts[who] = 'yx';
    pass(1);
    t.equal(await look(), 'apart', `${who} has it`);
    t.equal(await look(), 'apart', 'as long as it is so');
    texts[other] = 'yx';
    t.equal(await look(), 'joined', 'until it is not');
  }
});

t.test('blocks that both have may be so by chance; one that came since is not', async (t) => {
  const { look, texts, pass } = setting();
  texts['a'] = texts['b'] = 'x';
  t.equal(await look(), 'alike');
  pass(10 * MOMENT_MS);
  t.equal(await look(), 'alike');
  texts['a'] = texts['b'] = 'yx';
  t.equal(await look(), 'joined');
});

t.test('chains that parted are no reason to join again', async (t) => {
  const { look, texts, pass } = setting();
  texts['a'] = 'yx';
  texts['b'] = 'zx';
  for (let i = 0; i < 3; i++) {
    t.equal(await look(), 'nothing');
    pass(MOMENT_MS);
  }
});

t.test('a peer with more blocks than are read', async (t) => {
  const { look, texts, pass } = setting();
  texts['a'] = 'yz';
  texts['b'] = 'x'.repeat(5_000);
  await look();
  pass(MOMENT_MS);
  t.equal(await look(), 'nothing', 'what was not seen may be there');
  texts['b'] = `${'x'.repeat(1_000)}yz`;
  t.equal(await look(), 'alike', 'it need not be the newest');
});

t.test('told to join again, it is looked at afresh', async (t) => {
  const { look, texts, pass, doubts } = setting();
  texts['a'] = 'x';
  await look();
  pass(MOMENT_MS);
  t.equal(await look(), 'apart');
  doubts.forget('b');
  t.equal(await look(), 'nothing');
});

t.test(
  'another member is asked when one does not show its blocks; without any nothing is known',
  async (t) => {
    const { look, texts, pass, hush, pods, done, read } = setting();
    pods.push(pod('z'));
    texts['a'] = texts['z'] = 'x';
    hush('z');
    done.set('z', 'z 1');
    await look();
    pass(MOMENT_MS);
    t.equal(await look(), 'apart');
    hush('b');
    t.equal(await look(), 'nothing');
    t.ok(read.indexOf('z') < read.indexOf('a'), 'the newest first');
    done.clear();
    done.set('b', joining('b 1'));
    read.length = 0;
    hush('');
    t.equal(await look(), 'nothing');
    t.same(read, []);
  },
);

t.test('nobody is asked for blocks without need', async (t) => {
  const { look, read, pods, done } = setting();
  pods.push(pod('o'));
  await look({ o: OURS(['o:9081', 'a:9081']) });
  t.same(read, [], 'one of ours lists the member');
  await look({ b: { kind: 'silent', why: 'it is away', lost: false } });
  t.same(read, [], 'it is away');
  done.set('b', 'b 1');
  await look();
  t.same(read, [], 'it has joined');
  done.set('b', joining('b 0'));
  await look();
  t.same(read, [], 'it was started anew');
});

t.test('the signal ends it', async (t) => {
  const ended = new AbortController();
  const doubts = createDoubts({
    async *payloads() {
      ended.abort(new Error('over'));
      yield* [];
      await Promise.reject(new PeerError('cancelled', 'over'));
    },
  });
  const reports = new Map<string, Report>([
    ['a', { kind: 'mute' }],
    ['b', { kind: 'mute' }],
  ]);
  const { pods, done } = setting();
  await t.rejects(doubts.look({ pods, done, reports }, ended.signal), { message: 'over' });
});
