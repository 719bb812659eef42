/** Memory of programs that have nothing to do. */
import { setTimeout as delay } from 'node:timers/promises';
import { alone } from './table.js';
import type { Line } from './table.js';

const SETTLE_MS = 1_000;

/** What a program holds a second after its start, each round another one; `atMost` in MiB. */
export async function idleMemory(
  what: string,
  {
    start,
    rounds,
    atMost,
  }: {
    readonly start: () => Promise<{ residentMiB(): number; stop(): Promise<unknown> }>;
    readonly rounds: number;
    readonly atMost: number;
  },
  beside: string,
): Promise<Line> {
  const held: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const program = await start();
    await delay(SETTLE_MS);
    held.push(program.residentMiB());
    await program.stop();
  }
  return alone(what, ' MiB', held, { atMost }, beside);
}
