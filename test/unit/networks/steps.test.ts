/** What a pass over a network does of its plan, and in which order, when peers do not answer. */
import t from 'tap';
import type { PeerPod } from '../../../server/networks/peer-pod.js';
import type { Plan, Step } from '../../../server/networks/plan.js';
import type { Sight } from '../../../server/networks/sightings.js';
import { createSteps } from '../../../server/networks/steps.js';
import { PeerError } from '../../../server/peer-error.js';

const pod = (name: string): PeerPod => ({
  uid: name,
  namespace: 'default',
  name,
  id: 'n',
  createdAt: 0,
  phase: 'running',
  address: name,
  incarnation: name,
});
const join = (name: string): Step => ({ do: 'join', pod: pod(name), contacts: [pod('a')] });
const leave = (name: string): Step => ({ do: 'leave', pod: pod(name), why: '', contacts: [] });

/** Runs passes over the same steps; answers what each told whom. */
function world(hung: Set<string>, sights = new Map<string, Sight>()) {
  const told: string[] = [];
  const seenOff: string[] = [];
  const tell = (what: string, { pod: name }: { pod: string }): Promise<void> => {
    told.push(`${what} ${name}`);
    return hung.has(name) ? Promise.reject(new PeerError('deadline', 'not in time')) : Promise.resolve();
  };
  const { run } = createSteps({
    peers: { join: (at: never) => tell('join', at), leave: (at: never) => tell('leave', at) } as never,
    leadership: { signal: new AbortController().signal, holds: () => true },
    events: { tell() {}, recovered() {}, forget() {} },
    metrics: { step() {}, joined() {} } as never,
    look: ({ uid }) => Promise.resolve(sights.get(uid) ?? 'as known'),
  });
  return {
    seenOff,
    async pass(...steps: Step[]) {
      told.length = 0;
      const standings = steps.flatMap(({ pod: of }) =>
        of.uid.startsWith('gone') ? [] : [{ pod: of, state: 'apart' as const }],
      );
      const plan: Plan = { steps, standings, contacts: [], done: new Map() };
      const outcome = await run('n', plan, {
        isJoined: () => false,
        begin: () => Promise.resolve(),
        undo: () => Promise.resolve(),
        keep: () => Promise.resolve(),
        left() {},
        seenOff: ({ uid }) => void seenOff.push(uid),
      });
      return { told: told.join(', '), failures: outcome.failures.length };
    },
  };
}

t.test('a pass ends with the first that does not answer in time, who comes last in the next', async (t) => {
  const hung = new Set(['b', 'c']);
  const { pass } = world(hung);
  const steps = [join('b'), join('c'), join('d')];
  t.same(await pass(...steps), { told: 'join b', failures: 1 });
  t.same(await pass(...steps), { told: 'join c', failures: 1 });
  t.same(await pass(...steps), { told: 'join d, join b', failures: 1 });
  t.same(await pass(join('b'), join('c')), { told: 'join c', failures: 1 });
  hung.clear();
  t.same(await pass(join('b'), join('c')), { told: 'join b, join c', failures: 0 });
  t.same(await pass(join('c'), join('b')), { told: 'join c, join b', failures: 0 }, 'it is forgotten');
});

t.test('one that has not left is not joined, and nobody joins it', async (t) => {
  const { pass } = world(new Set(['a']));
  const steps = [leave('a'), join('a'), join('b')];
  t.same(await pass(...steps), { told: 'leave a', failures: 1 });
  t.same(await pass(...steps), { told: 'leave a', failures: 2 });
});

t.test('pods that are not what is known of them are told nothing', async (t) => {
  const sights = new Map<string, Sight>([
    ['a', 'gone'],
    ['b', 'changed'],
    ['gone-1', 'gone'],
    ['gone-2', 'changed'],
  ]);
  const { pass, seenOff } = world(new Set(), sights);
  t.same(
    await pass(leave('gone-1'), leave('gone-2'), leave('gone-3'), join('b'), join('c')),
    { told: 'leave gone-3', failures: 3 },
    'c has nobody whom it could join',
  );
  t.same(seenOff, ['gone-1', 'gone-3'], 'of one with another label the change is still to come');
  sights.delete('a');
  t.same(await pass(join('b'), join('c')), { told: 'join c', failures: 1 });
});
