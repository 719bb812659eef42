/** The path of a block: what `persist_to_network` takes is what peers write. */
import fc from 'fast-check';
import t from 'tap';
import { pathProblem } from '../../../lightpeer/state/paths.js';
import { pathFault } from '../../../server/functions/networks-block.js';
import { persist_to_network } from '../../../schemas/networks.js';

const pattern = new RegExp(persist_to_network.params.properties.path.pattern ?? '', 'u');
const isTaken = (path: string): boolean => pattern.test(path) && pathFault(path) === undefined;

t.test('paths that peers refuse are refused, and no others', async (t) => {
  for (const [path, taken] of [
    ['index.html', true],
    ['a/b/c', true],
    ['a.b~c', true],
    ['ä ö/ü', true],
    ['x.tmp.txt', true],
    ['.hid', false],
    ['a/.hid', false],
    ['x.tmp', false],
    ['x.TMP/y', false],
    ['a~', false],
    ['a~/b', false],
    ['a//b', false],
    ['/a', false],
    ['a/', false],
    ['a/../b', false],
    ['./a', false],
    ['C:x', false],
    ['a\\b', false],
    ['a\0b', false],
    ['', false],
    ['é'.repeat(127), true],
    ['é'.repeat(128), false],
    [`a/${'a'.repeat(256)}`, false],
    ['a/'.repeat(512), false],
    ['😀/'.repeat(340) + 'a', true],
    ['😀/'.repeat(342) + 'a', false],
    ['a\uFFFD', false],
  ] as const) {
    t.equal(isTaken(path), taken, JSON.stringify(path));
    t.equal(pathProblem(path) === undefined, taken);
  }
  // It would come to the peers as U+FFFD, which they refuse.
  t.notOk(isTaken('a\uD800'));
  const part = fc.string({ unit: fc.constantFrom(...'aC:.~/\\tmpswxrTM'), maxLength: 12 });
  fc.assert(
    fc.property(part, (path) => isTaken(path) === (pathProblem(path) === undefined)),
    { numRuns: 3_000 },
  );
});
