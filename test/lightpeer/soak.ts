/**
 * Ten real peers, many writers, every fault, for as long as you like: `npm run soak -- --seconds 600 --seed 7`.
 * The seed decides which faults come when; what the machine makes of them differs from run to run.
 */
import { parseArgs } from 'node:util';
import { randomOf } from '../unit/lightpeer/sim/world.js';
import { createFleet } from './fleet.js';
import { runTrial } from './trial.js';
import type { Fault } from './trial.js';

const FAULTS: readonly Fault[] = [
  'kill',
  'stop',
  'restart',
  'partition',
  'cut',
  'slow',
  'full',
  'clock',
  'join',
];

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 1e9)) },
    peers: { type: 'string', default: '10' },
    writers: { type: 'string', default: '8' },
    faults: { type: 'string', default: FAULTS.join(',') },
    folder: { type: 'string' },
    verbose: { type: 'boolean', default: false },
  },
});
const count = Number(values.peers);
const say = (line: string): void => void process.stdout.write(`${new Date().toISOString()} ${line}\n`);

say(`seed ${values.seed}, ${count} peers, ${values.writers} writers, ${values.seconds} s`);
const fleet = await createFleet({
  count,
  net: '127.31.1',
  verbose: values.verbose,
  ...(values.folder !== undefined && { folder: values.folder }),
});
try {
  for (let i = 0; i < count; i++) await fleet.start(i);
  for (let i = 1; i < count; i++) await fleet.join(i, 0);
  say(`joined: ${await fleet.agreed(30_000)}`);
  const verdict = await runTrial(fleet, {
    seconds: Number(values.seconds),
    random: randomOf(Number(values.seed)),
    writers: Number(values.writers),
    faults: values.faults.split(',') as Fault[],
    count,
    say,
  });
  say(
    `${verdict.acknowledged} blocks acknowledged, ${verdict.failed} tries failed, faults: ${JSON.stringify(verdict.faults)}`,
  );
  for (const line of verdict.wrong) say(`WRONG: ${line}`);
  say(
    verdict.wrong.length === 0
      ? 'every acknowledged block is there once, in the same order everywhere'
      : 'failed',
  );
  process.exitCode = verdict.wrong.length === 0 ? 0 : 1;
} finally {
  await fleet.close();
}
