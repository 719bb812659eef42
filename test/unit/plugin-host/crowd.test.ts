import fc from 'fast-check';
import { test } from 'tap';
import { createCrowd } from '../../../server/plugin-host/router/crowd.js';

test('a crowd has who came and did not go, whatever the order', (t) => {
  const story = fc.array(fc.tuple(fc.boolean(), fc.nat(7)), { maxLength: 60 });
  fc.assert(
    fc.property(story, (steps) => {
      const people = Array.from({ length: 8 }, (_, id) => ({ id, place: -1 }));
      const crowd = createCrowd<(typeof people)[number]>();
      const expected = new Set<number>();
      for (const [comes, id] of steps) {
        if (comes && !expected.has(id)) {
          crowd.add(people[id]!);
          expected.add(id);
        } else if (!comes) {
          // Also who is not in it.
          crowd.delete(people[id]!);
          expected.delete(id);
        }
        const there = crowd.all().map((one) => one.id);
        if (crowd.size !== expected.size || there.length !== expected.size) return false;
        if (!there.every((one) => expected.has(one))) return false;
      }
      return people.every(({ id, place }) => place >= 0 === expected.has(id));
    }),
  );
  t.end();
});

test('the list of a crowd stays while its members leave', (t) => {
  const crowd = createCrowd<{ place: number }>();
  for (let i = 0; i < 3; i++) crowd.add({ place: -1 });
  let seen = 0;
  for (const one of crowd.all()) {
    crowd.delete(one);
    seen++;
  }
  t.equal(seen, 3);
  t.equal(crowd.size, 0);
  t.end();
});
