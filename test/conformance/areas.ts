/** The conformance suite as tests: a subtest an area, which fails with what differs. */
import type { Test } from 'tap';
import { CASES } from './cases/index.js';
import { check } from './suite.js';
import type { Target } from './target.js';

/** Adds the subtests; closes the target after them. */
export function areaTests(t: Test, target: Target): void {
  t.teardown(() => target.close());
  for (const area of new Set(CASES.map((one) => one.area)))
    t.test(area, async (t) => {
      const verdicts = await check(
        target,
        CASES.filter((one) => one.area === area),
      );
      for (const { one, lines } of verdicts) t.equal(lines.join('\n'), '', one.name);
    });
}
