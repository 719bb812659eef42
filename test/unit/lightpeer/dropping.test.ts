/** What compaction drops: the bounds hold, and the file is not written again for a few blocks. */
import fc from 'fast-check';
import t from 'tap';
import { dropTo } from '../../../lightpeer/replica/dropping.js';
import type { Extent } from '../../../lightpeer/replica/dropping.js';

const limits = { compactBytes: 1000, compactBlocks: 100, keepBlocks: 40 };

/** Blocks of these sizes after what was kept, which are `kept` blocks of ten bytes. */
function chain(sizes: readonly number[], { kept = 0, base = 0, behind = 0 } = {}): Extent {
  const sum = (some: readonly number[]): number => some.reduce((all, size) => all + size, 0);
  const head = base + sizes.length;
  return {
    base,
    head,
    committed: Math.max(base, head - behind),
    bytes: kept * 10 + sum(sizes),
    blocks: kept + sizes.length,
    bytesAfter: (height) => sum(sizes.slice(height - base)),
  };
}
const same = (count: number, size: number): number[] => Array.from({ length: count }, () => size);

t.test(
  'bytes decide above the limit of bytes, blocks above that of blocks and when the first is too old',
  async (t) => {
    t.equal(dropTo(chain(same(20, 50)), limits, false), undefined, 'at the limit');
    t.equal(dropTo(chain(same(21, 50)), limits, false), 11, 'half of the limit stays');
    t.equal(dropTo(chain(same(3, 5000)), limits, false), 2, 'the newest block, however large');
    t.equal(dropTo(chain(same(99, 11)), limits, false), 59, 'never more than so many blocks');
    t.equal(dropTo(chain(same(99, 1)), limits, false), undefined);
    t.equal(dropTo(chain(same(100, 1)), limits, false), 60);
    t.equal(dropTo(chain(same(60, 1)), limits, true), 20, 'too old');
    t.equal(dropTo(chain(same(53, 1)), limits, true), undefined, 'too old, and too few to go');
    t.equal(dropTo(chain(same(40, 1)), limits, true), undefined, 'too old, and all of them are to stay');
    t.equal(dropTo(chain(same(100, 1), { behind: 70 }), limits, false), 30, 'what all have');
    t.equal(dropTo(chain(same(100, 1), { behind: 90 }), limits, false), undefined);
    t.equal(dropTo(chain([]), limits, true), undefined);
  },
);

t.test('whatever comes, the size is bounded, and what is rewritten is a few times what came', async (t) => {
  const size = fc.oneof(fc.integer({ min: 1, max: 30 }), fc.integer({ min: 1, max: 600 }));
  fc.assert(
    fc.property(
      fc.array(size, { minLength: 100, maxLength: 400 }),
      fc.nat(200),
      fc.boolean(),
      (all, kept, tooOld) => {
        let sizes: number[] = [];
        let base = 0;
        let came = 0;
        let rewritten = 0;
        for (const bytes of all) {
          sizes.push(bytes);
          came += bytes;
          const now = chain(sizes, { kept, base });
          const to = dropTo(now, limits, tooOld && now.bytes <= limits.compactBytes);
          if (to !== undefined) {
            t.ok(to > base && to < now.head);
            if (now.bytes > limits.compactBytes) rewritten += now.bytes;
            sizes = sizes.slice(to - base);
            base = to;
          }
          const after = chain(sizes, { kept, base });
          const most = ((kept * 10 + Math.max(limits.compactBytes / 2, bytes)) * 4) / 3;
          if (after.bytes > Math.max(limits.compactBytes, most)) return false;
          if (sizes.length > limits.compactBlocks + (kept * 4) / 3) return false;
        }
        return rewritten <= came * 4 + limits.compactBytes * 2;
      },
    ),
  );
});
