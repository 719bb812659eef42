/** Questions of many networks to their peers at once. */
import t from 'tap';
import { createShares } from '../../../server/networks/ask.js';

const turn = () => new Promise((resolve) => setImmediate(resolve));

function asked(most: number) {
  const share = createShares(most);
  const open: { what: string; answer: () => void }[] = [];
  const all: string[] = [];
  return {
    all,
    ask(namespace: string, round: string, count: number) {
      for (let i = 0; i < count; i++)
        void share(
          namespace,
          round,
          () =>
            new Promise<void>((resolve) => {
              const what = `${namespace}/${round}`;
              all.push(what);
              open.push({ what, answer: resolve });
            }),
        );
    },
    /** So many of those under way are answered, oldest first. */
    async answer(count: number) {
      for (const { answer } of open.splice(0, count)) answer();
      await turn();
    },
    under: (what: string) => open.filter((one) => one.what === what).length,
  };
}

t.test('one network never has all questions', async (t) => {
  const { ask, under } = asked(8);
  ask('a', 'hung', 100);
  await turn();
  t.equal(under('a/hung'), 4);
  ask('a', 'good', 3);
  await turn();
  t.equal(under('a/good'), 3);
});

t.test('who has the fewest under way is next: of namespaces, and then of networks', async (t) => {
  const { ask, answer, all, under } = asked(4);
  ask('a', '1', 9);
  ask('a', '2', 9);
  await turn();
  t.same([under('a/1'), under('a/2')], [2, 2]);
  ask('a', '3', 2);
  ask('b', '1', 4);
  for (const next of ['b/1', 'b/1', 'a/1', 'a/2', 'b/1']) {
    await answer(1);
    t.equal(all.at(-1), next);
  }
  while (under('a/1') + under('a/2') + under('a/3') + under('b/1') > 0) await answer(4);
  t.equal(all.length, 24, 'all are asked in the end');
});
