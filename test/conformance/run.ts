/**
 * The conformance suite: `npm run conformance [-- --target kubeconfig] [--area AREA] [--case TEXT]`, and with `--record` the
 * answers of the API server of KUBECONFIG as the new records.
 */
import { parseArgs } from 'node:util';
import { startDevcluster } from '../../devcluster/devcluster.js';
import { kubeconfigConnection, plainConnection } from '../../kube/index.js';
import type { Case } from './case.js';
import { without } from './compare.js';
import { CASES } from './cases/index.js';
import { play } from './play.js';
import type { Outcome } from './play.js';
import { readRecord, writeRecord } from './record.js';
import type { Recorded } from './record.js';
import { check, each } from './suite.js';
import type { Verdict } from './suite.js';
import { createTarget } from './target.js';
import type { Target } from './target.js';

const { values } = parseArgs({
  options: {
    record: { type: 'boolean', default: false },
    target: { type: 'string', default: 'embedded' },
    area: { type: 'string' },
    case: { type: 'string' },
  },
});

const print = (text: string): void => void process.stdout.write(`${text}\n`);

const chosen = CASES.filter(
  ({ area, name }) =>
    (values.area === undefined || area === values.area) &&
    (values.case === undefined || name.includes(values.case)),
);
const areas = [...new Set(chosen.map(({ area }) => area))];

async function open(): Promise<{ target: Target; stop: () => Promise<void> }> {
  if (values.target === 'embedded' && !values.record) {
    const cluster = await startDevcluster();
    const target = createTarget(plainConnection({ url: cluster.url, how: 'embedded' }));
    return {
      target,
      stop: async () => {
        target.close();
        await cluster.close();
      },
    };
  }
  if (values.target !== 'kubeconfig' && !values.record)
    throw new Error(`--target is embedded or kubeconfig, not ${values.target}`);
  const target = createTarget(
    await kubeconfigConnection({ paths: [process.env['KUBECONFIG'] ?? ''], env: process.env }),
  );
  return { target, stop: async () => target.close() };
}

async function record(target: Target): Promise<void> {
  const results = await each(chosen, async (one) => ({ one, outcomes: await attempt(target, one) }));
  for (const area of areas) {
    const old = await readRecord(area);
    const fresh: Recorded = {};
    // In the order of the cases; those that were not chosen keep their record, those that are gone lose it.
    for (const one of CASES.filter((item) => item.area === area)) {
      const result = results.find((item) => item.one === one);
      const outcomes = result === undefined ? old[one.name] : result.outcomes;
      if (outcomes !== undefined) fresh[one.name] = outcomes;
    }
    await writeRecord(area, fresh);
  }
  const made = results.filter(({ outcomes }) => outcomes !== undefined).length;
  print(`${made} of ${chosen.length} cases recorded`);
  if (made < chosen.length) process.exitCode = 1;
}

async function attempt(target: Target, one: Case): Promise<Outcome[] | undefined> {
  try {
    return (await play(target, one)).map((outcome) => without(outcome, one.ignored) as Outcome);
  } catch (error) {
    print(`${one.area} · ${one.name}\n  ${error instanceof Error ? error.message : String(error)}`);
    return undefined;
  }
}

function report(verdicts: readonly Verdict[]): void {
  for (const { one, lines } of verdicts)
    if (lines.length > 0)
      print(`${one.area} · ${one.name}\n${lines.map((line) => `  ${line}`).join('\n')}\n`);
  const ignoring = chosen.filter(({ ignored }) => ignored.length > 0);
  print('Not compared:');
  print('  all cases: descriptions of Table columns, which are prose');
  print('  all cases: the diff of internal structs that follows some refusals of an update');
  print('  all cases: the order of conflicts, rules and managed fields, which is that of a hash or a clock');
  for (const { area, name, ignored } of ignoring)
    for (const { field, reason } of ignored) print(`  ${area} · ${name}: ${field}, ${reason}`);
  for (const area of areas) {
    const own = verdicts.filter(({ one }) => one.area === area);
    const equal = own.filter(({ lines }) => lines.length === 0).length;
    print(`${String(equal).padStart(4)} of ${String(own.length).padStart(3)} ${area}`);
  }
  const equal = verdicts.filter(({ lines }) => lines.length === 0).length;
  print(`${equal} of ${verdicts.length} cases equal`);
  if (equal < verdicts.length) process.exitCode = 1;
}

const { target, stop } = await open();
try {
  if (values.record) await record(target);
  else report(await check(target, chosen));
} finally {
  await stop();
}
