/** What is to be done for a network: as tables, and for whatever may happen to its pods. */
import fc from 'fast-check';
import t from 'tap';
import type { PeerPod } from '../../../server/networks/peer-pod.js';
import { joining } from '../../../server/networks/halves.js';
import { plan } from '../../../server/networks/plan.js';
import type { Report, Situation } from '../../../server/networks/plan.js';
import { World } from './world.js';
import type { Kind } from './world.js';

const address = (name: string): string => `10.0.0.${name.charCodeAt(0)}:9081`;

/** Pods in the order of their names' age: `a` is the oldest. */
const pod = (name: string, more: Partial<PeerPod> = {}): PeerPod => ({
  uid: name,
  namespace: 'default',
  name,
  id: 'n',
  createdAt: name.charCodeAt(0),
  phase: 'running',
  address: address(name),
  incarnation: `${address(name)} 1`,
  ...more,
});
const knows = (self: string, members: string, blocks = 0): Report => ({
  kind: 'status',
  self: address(self),
  members: [...members].map(address),
  head: 'h',
  height: blocks,
  blocks,
  version: '1',
});
const MUTE: Report = { kind: 'mute' };
const [JOINED, ALIKE, APART] = (['joined', 'alike', 'apart'] as const).map((found): Report => ({
  kind: 'mute',
  found,
})) as [Report, Report, Report];
const SILENT: Report = { kind: 'silent', why: 'it is away', lost: false };
const LOST: Report = { kind: 'silent', why: 'it is away', lost: true };

interface Case {
  title: string;
  /** Pods and what their peers say: a list of members, or a report. */
  pods: Record<string, string | Report | PeerPod>;
  /** What the peers of pods say that `pods` has as such. */
  reports?: Record<string, Report>;
  done?: string;
  stale?: string;
  /** Those that were told to join, and of whom it is not known whether they did. */
  open?: string;
  elsewhere?: string;
  moved?: string;
  settled?: string;
  /** Of those elsewhere, the ones that have still to leave. */
  leaving?: string;
  departed?: string;
  /** `join b via a`, in order. */
  steps: string[];
  /** By pod: the first letters of the state. */
  states: string;
  contacts?: string;
  doneAfter?: string;
  openAfter?: string;
}

const cases: Case[] = [
  { title: 'nobody', pods: {}, steps: [], states: '' },
  { title: 'one alone is a network of itself', pods: { a: 'a' }, steps: [], states: 'm', contacts: 'a' },
  {
    title: 'the younger join the oldest, oldest first',
    pods: { c: 'c', b: 'b', a: 'a' },
    steps: ['join b via a', 'join c via a'],
    states: 'aam',
  },
  {
    title: 'contacts are the members, newest first',
    pods: { a: 'ab', b: 'ab', c: 'c' },
    steps: ['join c via ba'],
    states: 'mma',
    contacts: 'ba',
  },
  {
    title: 'contacts: one in trouble is the last, and one that lags comes after the others',
    pods: {
      a: knows('a', 'abc', 5),
      b: knows('b', 'abc', 3),
      c: { ...knows('c', 'abc', 5), trouble: 'disk' } as Report,
    },
    steps: [],
    states: 'mmm',
    contacts: 'abc',
  },
  {
    title: 'those who stand aside are joined by nobody, however many and however much they have',
    pods: {
      a: { ...knows('a', 'ab', 5), trouble: 'disk' } as Report,
      b: { ...knows('b', 'ab', 5), trouble: 'disk' } as Report,
      c: 'c',
    },
    steps: ['merge a via c'],
    states: 'aam',
    contacts: 'c',
  },
  {
    title: 'where one of them takes somebody, the larger half is joined',
    pods: { a: { ...knows('a', 'ab', 5), trouble: 'disk' } as Report, b: 'ab', c: 'c' },
    steps: ['join c via ba'],
    states: 'mma',
    contacts: 'ba',
  },
  { title: 'all know each other', pods: { a: 'abc', b: 'abc', c: 'abc' }, steps: [], states: 'mmm' },
  {
    title: 'one that was dropped and does not know it joins again',
    pods: { a: 'ab', b: 'ab', c: 'abc' },
    steps: ['join c via ba'],
    states: 'mma',
  },
  {
    title: 'one that forgot the others joins again',
    pods: { a: 'abc', b: 'abc', c: 'c' },
    steps: ['join c via ba'],
    states: 'mma',
  },
  {
    title: 'knowing somebody who knows one is enough',
    pods: { a: 'ab', b: 'abc', c: 'bc' },
    steps: [],
    states: 'mmm',
  },
  {
    title: 'two halves: the smaller is merged, by its oldest',
    pods: { a: 'ab', b: 'ab', c: 'cde', d: 'cde', e: 'cde' },
    steps: ['merge a via edc'],
    states: 'aammm',
  },
  {
    title: 'equal halves: the one with more blocks stays',
    pods: { a: knows('a', 'ab', 2), b: knows('b', 'ab', 2), c: knows('c', 'cd', 5), d: knows('d', 'cd', 5) },
    steps: ['merge a via dc'],
    states: 'aamm',
  },
  {
    title: 'equal halves, equal blocks: the older stays',
    pods: { a: 'ad', b: 'bc', c: 'bc', d: 'ad' },
    steps: ['merge b via da'],
    states: 'maam',
  },
  {
    title: 'pods that wait, ended, or are silent are left alone, and say why',
    pods: {
      a: 'a',
      b: pod('b', { phase: 'waiting', why: 'the pod is Pending' }),
      c: pod('c', { phase: 'over', why: 'the pod has ended (Failed)' }),
      d: SILENT,
    },
    steps: [],
    states: 'mwou',
  },
  {
    title: 'a peer that gives itself another address is joined to nobody',
    pods: { a: 'a', b: { ...knows('z', 'z'), kind: 'status' } as Report },
    steps: [],
    states: 'ma',
  },
  {
    title: 'the reference: the first is the network, the second joins it',
    pods: { a: MUTE, b: MUTE },
    steps: ['join b via a'],
    states: 'ma',
    doneAfter: 'a',
  },
  {
    title:
      'the reference: the first, when an older one comes before anybody joined it, is joined and was not before',
    pods: { a: MUTE, b: MUTE, c: MUTE },
    done: 'b',
    steps: ['join b via a', 'join c via a'],
    states: 'maa',
    doneAfter: 'a',
  },
  {
    title: 'the reference: what was done is not done again',
    pods: { a: MUTE, b: MUTE, c: MUTE },
    done: 'ab',
    steps: ['join c via ba'],
    states: 'mma',
    doneAfter: 'ab',
  },
  {
    title: 'the reference: started anew, it has forgotten',
    pods: { a: MUTE, b: MUTE, c: MUTE },
    done: 'ab',
    stale: 'c',
    steps: ['join c via ba'],
    states: 'mma',
    doneAfter: 'abc',
  },
  {
    title: 'the reference: silent for a moment is not forgotten',
    pods: { a: MUTE, b: SILENT },
    done: 'ab',
    steps: [],
    states: 'mu',
    doneAfter: 'ab',
  },
  {
    title:
      'the reference: a new one does not become the network because the one who is it is silent for a moment',
    pods: { a: SILENT, b: MUTE },
    done: 'a',
    steps: [],
    states: 'ua',
    doneAfter: 'a',
  },
  {
    title: 'the reference: silent for long was dropped',
    pods: { a: MUTE, b: LOST },
    done: 'ab',
    steps: [],
    states: 'mu',
    doneAfter: 'a',
  },
  {
    title:
      'the reference: it may have joined, and nothing tells: it is not joined again, and nobody joins it',
    pods: { a: MUTE, b: MUTE, c: MUTE },
    done: 'a',
    open: 'b',
    steps: ['join c via a'],
    states: 'maa',
    contacts: 'a',
    doneAfter: 'a',
    openAfter: 'b',
  },
  {
    title: 'the reference: whom another may have joined stays, though an older one comes',
    pods: { a: MUTE, b: MUTE, c: MUTE },
    done: 'b',
    open: 'c',
    steps: ['join a via b'],
    states: 'ama',
    contacts: 'b',
    doneAfter: 'b',
    openAfter: 'c',
  },
  {
    title: 'the reference: so does the first of those who may have joined somebody who is gone',
    pods: { a: MUTE, b: MUTE, c: MUTE },
    open: 'bc',
    steps: ['join a via b'],
    states: 'ama',
    doneAfter: 'b',
    openAfter: 'c',
  },
  {
    title: 'the reference: it looks as if it had joined',
    pods: { a: MUTE, b: ALIKE },
    done: 'a',
    open: 'b',
    steps: [],
    states: 'mm',
    contacts: 'a',
    doneAfter: 'a',
    openAfter: 'b',
  },
  {
    title: 'the reference: it had joined',
    pods: { a: MUTE, b: JOINED },
    done: 'a',
    open: 'b',
    steps: [],
    states: 'mm',
    contacts: 'ba',
    doneAfter: 'ab',
  },
  {
    title: 'the reference: it had not joined',
    pods: { a: MUTE, b: APART },
    done: 'a',
    open: 'b',
    steps: ['join b via a'],
    states: 'ma',
    doneAfter: 'a',
    openAfter: 'b',
  },
  {
    title: 'the reference: whom it may have joined is silent for a moment: all wait',
    pods: { a: SILENT, b: MUTE, c: MUTE },
    done: 'a',
    open: 'b',
    steps: [],
    states: 'uaa',
    contacts: '',
    doneAfter: 'a',
    openAfter: 'b',
  },
  {
    title: 'the reference: whom they may have joined is gone: the first is the network',
    pods: { a: LOST, b: MUTE, c: MUTE },
    done: 'a',
    open: 'bc',
    steps: [],
    states: 'uma',
    contacts: 'b',
    doneAfter: 'b',
    openAfter: 'c',
  },
  {
    title: 'the reference: it may have joined, and is silent for a moment',
    pods: { a: MUTE, b: SILENT },
    done: 'a',
    open: 'b',
    steps: [],
    states: 'mu',
    doneAfter: 'a',
    openAfter: 'b',
  },
  {
    title: 'the reference: it may have joined, and was dropped since',
    pods: { a: MUTE, b: LOST },
    done: 'a',
    open: 'b',
    steps: [],
    states: 'mu',
    doneAfter: 'a',
  },
  {
    title: 'the reference: it may have joined, and was started anew since',
    pods: { a: MUTE, b: pod('b', { incarnation: 'new' }), c: MUTE },
    reports: { b: MUTE },
    done: 'a',
    open: 'b',
    steps: ['join b via a', 'join c via a'],
    states: 'maa',
    doneAfter: 'a',
    openAfter: 'b',
  },
  {
    title: 'both kinds: it may have joined, and is listed',
    pods: { a: 'ab', b: MUTE },
    open: 'b',
    steps: [],
    states: 'mm',
    doneAfter: 'b',
  },
  {
    title: 'both kinds: it may have joined, and those who list others of its kind do not list it',
    pods: { a: 'ab', b: MUTE, c: MUTE },
    done: 'b',
    open: 'c',
    steps: ['join c via ab'],
    states: 'mma',
    doneAfter: 'b',
    openAfter: 'c',
  },
  {
    title: 'both kinds: it may have joined; one of ours that is new is no witness',
    pods: { a: MUTE, b: MUTE, c: 'c' },
    done: 'a',
    open: 'b',
    steps: ['join c via a'],
    states: 'maa',
    doneAfter: 'a',
    openAfter: 'b',
  },
  {
    title: 'both kinds: listed by one that can be asked is a member, and noted',
    pods: { a: 'ab', b: MUTE },
    steps: [],
    states: 'mm',
    contacts: 'ab',
    doneAfter: 'b',
  },
  {
    title: 'both kinds: listed, but started anew since',
    pods: { a: 'ab', b: MUTE },
    stale: 'b',
    steps: ['join a via b'],
    states: 'am',
    doneAfter: 'b',
  },
  {
    title: 'both kinds: one that can be asked joins those of the reference, which would lose what they have',
    pods: { a: 'a', b: MUTE },
    steps: ['join a via b'],
    states: 'am',
    doneAfter: 'b',
  },
  {
    title: 'both kinds: dropped by those who know',
    pods: { a: 'abc', b: 'abc', c: MUTE, d: MUTE },
    done: 'cd',
    steps: ['join d via bac'],
    states: 'mmma',
    contacts: 'bac',
    doneAfter: 'c',
  },
  {
    title: 'both kinds: a new one of ours is no witness',
    pods: { a: MUTE, b: MUTE, c: 'c' },
    done: 'ab',
    steps: ['join c via ba'],
    states: 'mma',
    doneAfter: 'ab',
  },
  {
    title: 'a moved pod leaves before it joins',
    pods: { a: 'a', b: 'xyb' },
    elsewhere: 'xy',
    moved: 'b',
    steps: ['leave b', 'join b via a'],
    states: 'ma',
  },
  {
    title: 'a moved pod that is the first of its network leaves too',
    pods: { b: 'xyb' },
    elsewhere: 'xy',
    moved: 'b',
    steps: ['leave b'],
    states: 'a',
  },
  {
    title:
      'moved pods with nobody left behind: what they have does not overwrite the state of the new network',
    pods: {
      a: knows('a', 'a', 3),
      b: knows('b', 'bc', 2),
      c: knows('c', 'bc', 2),
    },
    moved: 'bc',
    steps: ['leave b', 'leave c', 'join b via a', 'join c via a'],
    states: 'maa',
  },
  {
    title: 'a moved pod that has joined stays, whatever it was before',
    pods: { a: knows('a', 'ab', 3), b: knows('b', 'ab', 3) },
    moved: 'b',
    steps: [],
    states: 'mm',
  },
  {
    title: 'moved pods with nobody left behind bring what they have into a network without blocks',
    pods: { a: 'a', b: knows('b', 'bc', 2), c: knows('c', 'bc', 2) },
    moved: 'bc',
    steps: ['join a via cb'],
    states: 'amm',
  },
  {
    title: 'moved pods that are the first of their new network bring what they have',
    pods: { b: knows('b', 'bc', 2), c: knows('c', 'bc', 2) },
    moved: 'bc',
    steps: [],
    states: 'mm',
  },
  {
    title: 'the older pod moves: who stays is not told to leave, and drops nobody who has still to leave',
    pods: { b: 'ab' },
    elsewhere: 'a',
    leaving: 'a',
    steps: [],
    states: 'm',
  },
  {
    title: 'most pods move: who stays is not told to leave',
    pods: { c: 'abc' },
    elsewhere: 'ab',
    leaving: 'ab',
    steps: [],
    states: 'm',
  },
  {
    title: 'who is known to be here rightly stays, and drops those who have left and are still listed',
    pods: { c: 'abc' },
    elsewhere: 'ab',
    settled: 'c',
    steps: ['drop c a', 'drop c b'],
    states: 'm',
  },
  {
    title: 'nobody saw it move: the minority leaves',
    pods: { b: 'xyb' },
    elsewhere: 'xy',
    steps: ['leave b'],
    states: 'a',
  },
  {
    title: 'nobody saw it move: the majority stays, and drops it',
    pods: { a: 'abx', b: 'abx' },
    elsewhere: 'x',
    steps: ['drop a x'],
    states: 'mm',
  },
  {
    title: 'nobody saw it move, one and one: the younger leaves',
    pods: { b: 'ab' },
    elsewhere: 'a',
    steps: ['leave b'],
    states: 'a',
  },
  {
    title: 'nobody saw it move, one and one: the older stays',
    pods: { a: 'ab' },
    elsewhere: 'b',
    steps: ['drop a b'],
    states: 'm',
  },
  {
    title: 'a member whose label is gone is seen off',
    pods: { a: 'abz', b: 'abz' },
    departed: 'z',
    steps: ['leave z'],
    states: 'mm',
  },
  {
    title: 'a member whose label is gone, and whose address is that of a pod of another network, is let be',
    pods: { a: 'abz', b: 'abz' },
    departed: 'z',
    elsewhere: 'z',
    steps: ['drop a z'],
    states: 'mm',
  },
  {
    title: 'of a network without a pod that answers nobody is seen off',
    pods: { a: LOST },
    departed: 'z',
    steps: [],
    states: 'u',
  },
  { title: 'nor of one without pods', pods: {}, departed: 'z', steps: [], states: '' },
  {
    title: 'the reference: a member whose label is gone may be listed',
    pods: { a: MUTE },
    departed: 'z',
    steps: ['leave z'],
    states: 'm',
  },
  {
    title: 'a pod whose address a younger one of another network has is not joined, nor joined by others',
    pods: { a: 'a', b: pod('b', { address: address('y') }) },
    reports: { b: knows('y', 'y', 3) },
    elsewhere: 'y',
    steps: [],
    states: 'mu',
  },
  {
    title: 'the address of an older one of another network is its own',
    pods: { a: 'a', c: pod('c', { address: address('b') }) },
    reports: { c: knows('b', 'b') },
    elsewhere: 'b',
    steps: ['join c via a'],
    states: 'ma',
  },
  { title: 'one that left by itself is not', pods: { a: 'a' }, departed: 'z', steps: [], states: 'm' },
  {
    title: 'members that no pod is behind are none of our business',
    pods: { a: 'aq' },
    steps: [],
    states: 'm',
  },
];

const isPod = (value: string | Report | PeerPod): value is PeerPod =>
  typeof value !== 'string' && 'uid' in value;

function situationOf({
  pods,
  reports: more = {},
  done = '',
  stale = '',
  open = '',
  elsewhere = '',
  moved = '',
  settled = '',
  leaving = '',
  departed = '',
}: Case): Situation {
  const reports = new Map(Object.entries(more));
  for (const [name, says] of Object.entries(pods))
    if (!isPod(says)) reports.set(name, typeof says === 'string' ? knows(name, says) : says);
  return {
    pods: Object.entries(pods).map(([name, says]) => (isPod(says) ? says : pod(name))),
    reports,
    done: new Map([
      ...[...done].map((name) => [name, pod(name).incarnation] as const),
      ...[...stale].map((name) => [name, 'of another time'] as const),
      ...[...open].map((name) => [name, joining(pod(name).incarnation)] as const),
    ]),
    elsewhere: new Map(
      [...elsewhere].map((name) => [
        address(name),
        { createdAt: name.charCodeAt(0), moved: leaving.includes(name) },
      ]),
    ),
    moved: new Set(moved),
    settled: new Set(settled),
    departed: [...departed].map((name) => pod(name)),
  };
}

for (const one of cases)
  t.test(one.title, (t) => {
    const decided = plan(situationOf(one));
    const said = decided.steps.map((step) =>
      step.do === 'join' || step.do === 'merge'
        ? `${step.do} ${step.pod.uid} via ${step.contacts.map(({ uid }) => uid).join('')}`
        : step.do === 'drop'
          ? `drop ${step.pod.uid} ${String.fromCharCode(Number(/\.(\d+):/.exec(step.address)?.[1]))}`
          : `leave ${step.pod.uid}`,
    );
    t.same(said, one.steps);
    t.equal(decided.standings.map(({ state }) => state[0]).join(''), one.states);
    if (one.contacts !== undefined) t.equal(decided.contacts.map(({ uid }) => uid).join(''), one.contacts);
    const openAfter = [...decided.done]
      .flatMap(([uid, text]) => (text === joining(pod(uid).incarnation) ? [uid] : []))
      .sort()
      .join('');
    if (one.doneAfter !== undefined)
      t.equal(
        [...decided.done.keys()]
          .filter((uid) => !openAfter.includes(uid))
          .sort()
          .join(''),
        one.doneAfter,
      );
    t.equal(openAfter, one.openAfter ?? '', 'of whom it is not known');
    for (const { state, why } of decided.standings)
      t.equal(why === undefined, state === 'member', 'who is no member has a reason');
    t.end();
  });

type Blow = 'remove' | 'readdress' | 'restart' | 'unlabel';
type Event =
  | { do: 'add'; network: number; kind: Kind; early: boolean }
  | { do: Blow; which: number }
  | { do: 'relabel'; which: number; network: number }
  | { do: 'split'; sides: boolean[] }
  | { do: 'restart controller' }
  | { do: 'kill leader'; at: 'told' | 'joined' }
  | { do: 'write'; which: number }
  | { do: 'repeat' };

const NETWORKS = ['m', 'n'];
const which = fc.nat(20);
const network = fc.nat(NETWORKS.length - 1);

const eventOf = (kinds: readonly Kind[]): fc.Arbitrary<Event> =>
  fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({
        do: fc.constant('add' as const),
        network,
        kind: fc.constantFrom(...kinds),
        early: fc.boolean(),
      }),
    },
    {
      weight: 4,
      arbitrary: fc.record({
        do: fc.constantFrom<Blow[]>('remove', 'readdress', 'restart', 'unlabel'),
        which,
      }),
    },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('relabel' as const), which, network }) },
    {
      weight: 2,
      arbitrary: fc.record({
        do: fc.constant('split' as const),
        sides: fc.array(fc.boolean(), { minLength: 10, maxLength: 10 }),
      }),
    },
    fc.constant({ do: 'restart controller' } as const),
    fc.record({
      do: fc.constant('kill leader' as const),
      at: fc.constantFrom('told' as const, 'joined' as const),
    }),
    fc.record({ do: fc.constant('write' as const), which }),
    fc.constant({ do: 'repeat' } as const),
  );

/** Lets it happen. What the reference's peers cannot mend is not done to them: they know no leaving. */
function happen(world: World, event: Event): void {
  const uids = [...world.pods.keys()];
  if (event.do === 'add') return void world.add(NETWORKS[event.network]!, event.kind, event.early);
  if (event.do === 'restart controller') return world.restartController();
  if (event.do === 'kill leader') return world.killLeader(event.at);
  if (event.do === 'repeat') return;
  if (event.do === 'split')
    return world.split(
      new Set(uids.filter((uid, i) => event.sides[i % 10] === true && world.peer(uid).kind === 'ours')),
    );
  const uid = uids[event.which % Math.max(1, uids.length)];
  if (uid === undefined) return;
  if (event.do === 'write') return world.write(uid);
  const canLeave = world.peer(uid).kind === 'ours';
  if (event.do !== 'relabel' && event.do !== 'unlabel') world[event.do](uid);
  else if (canLeave) world.relabel(uid, event.do === 'relabel' ? NETWORKS[event.network] : undefined);
}

/** What must hold when all is settled, and of what was done until then. */
function check(world: World): void {
  const say = (what: string): never => {
    throw new Error(
      `${what}; done: ${world.log.join(', ')}; ${JSON.stringify([...world.pods.values()].map((pod) => [pod.uid, pod.network, pod.address, world.peer(pod.uid)]))}`,
    );
  };
  const networkAt = new Map([...world.pods.values()].map((pod) => [pod.address, pod.network]));
  for (const name of NETWORKS) {
    const pods = [...world.pods.values()].filter((pod) => pod.network === name);
    const ours = pods.filter(({ uid }) => world.peer(uid).kind === 'ours');
    for (const { uid } of pods) {
      const { members } = world.peer(uid);
      if (new Set(members).size !== members.length) say(`${uid} has one twice`);
      if (ours.length === 0) continue;
      for (const member of members)
        if (networkAt.has(member) && networkAt.get(member) !== name)
          say(`${uid} of ${name} is with ${member}`);
    }
    for (const { uid } of ours)
      for (const { address } of pods)
        if (!world.peer(uid).members.includes(address)) say(`${uid} does not know ${address}`);
  }
  if (world.settle() > 0) say('it is not at rest');
  if (world.knows)
    for (const step of world.log)
      if (step.startsWith('leave ') && !world.relabelled.has(step.slice('leave '.length)))
        say(`${step}, whose label never changed`);
}

/** Once their network has a block that tells, those of the reference are all together, too. */
function checkReference(world: World): void {
  for (const name of NETWORKS) {
    const pods = [...world.pods.values()].filter((pod) => pod.network === name);
    if (pods.some(({ uid }) => world.peer(uid).kind === 'ours')) continue;
    const first = pods.find(({ uid }) => world.isNoted(uid));
    if (first === undefined) continue;
    // Where it has to join an older one, it forgets its block, and only the next one tells.
    do {
      world.write(first.uid);
      world.settle();
    } while (world.peer(first.uid).texts.length === 0);
    check(world);
    const { members } = world.peer(first.uid);
    for (const { uid, address } of pods)
      if (!members.includes(address)) throw new Error(`${uid} is left out: ${world.log.join()}`);
  }
}

const runs = (kinds: readonly Kind[], title: string): void => {
  t.test(`whatever happens: ${title}`, (t) => {
    fc.assert(
      fc.property(fc.array(eventOf(kinds), { maxLength: 25 }), (events) => {
        const world = new World();
        for (const event of events) {
          happen(world, event);
          world.settle();
          check(world);
        }
        checkReference(world);
      }),
      { numRuns: 400 },
    );
    t.end();
  });
  const some = kinds.filter((kind) => kind === 'ours');
  if (some.length === 0) return;
  t.test(`much at once: ${title}`, (t) => {
    fc.assert(
      fc.property(fc.array(eventOf(some), { maxLength: 25 }), (events) => {
        const world = new World();
        for (const event of events) happen(world, event);
        world.settle();
        check(world);
      }),
      { numRuns: 300 },
    );
    t.end();
  });
};
runs(['ours'], 'our peers');
runs(['ours', 'go'], "ours and the reference's");
runs(['go'], "the reference's alone");

t.test('a hundred repeated events and restarts join nobody twice', (t) => {
  const world = new World();
  for (let i = 0; i < 6; i++) world.add('n', i % 2 === 0 ? 'go' : 'ours');
  for (let i = 0; i < 3; i++) world.add('g', 'go');
  world.settle();
  const { length } = world.log;
  for (let i = 0; i < 100; i++) {
    if (i % 3 === 0) world.restartController();
    for (const network of world.networks()) world.pass(network);
  }
  t.equal(world.log.length, length);
  t.equal(
    world.log.filter((step) => step.startsWith('join')).length,
    7,
    'each but the first of a network, once',
  );
  t.end();
});
