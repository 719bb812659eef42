/** All cases against one target, several at a time. */
import type { Case, Json } from './case.js';
import { describe, differences, without } from './compare.js';
import { play } from './play.js';
import type { Outcome } from './play.js';
import { readRecord } from './record.js';
import type { Target } from './target.js';

export interface Verdict {
  readonly one: Case;
  /** What differs, in lines; empty when all is equal. */
  readonly lines: readonly string[];
}

const AT_ONCE = 8;
const SHOWN_DIFFERENCES = 12;

/** Calls `work` for every item, a few at a time; the results are in the items' order. */
export async function each<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let index = next++; index < items.length; index = next++)
      results[index] = await work(items[index] as T);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return results;
}

/** Plays the cases and compares with their records. */
export async function check(target: Target, cases: readonly Case[]): Promise<Verdict[]> {
  const areas = [...new Set(cases.map(({ area }) => area))];
  const records = new Map(
    await Promise.all(areas.map(async (area) => [area, await readRecord(area)] as const)),
  );
  return each(cases, async (one) => {
    const recorded = records.get(one.area)?.[one.name];
    if (recorded === undefined) return { one, lines: ['is not recorded: run with --record'] };
    try {
      return { one, lines: compare(one, recorded, await play(target, one)) };
    } catch (error) {
      return { one, lines: [error instanceof Error ? error.message : String(error)] };
    }
  });
}

function compare(one: Case, recorded: readonly Outcome[], got: readonly Outcome[]): string[] {
  const steps = Math.max(recorded.length, got.length);
  const lines: string[] = [];
  for (let index = 0; index < steps; index += 1) {
    const [a, b] = [recorded[index], got[index]];
    if (a === undefined || b === undefined || a.step !== b.step)
      return [...lines, `the record has other steps than the case: run with --record`];
    const found = differences(...([a, b].map((side) => without(side as Json, one.ignored)) as [Json, Json]));
    if (found.length === 0) continue;
    lines.push(
      a.step,
      ...found
        .slice(0, SHOWN_DIFFERENCES)
        .flatMap(describe)
        .map((line) => `  ${line}`),
    );
    if (found.length > SHOWN_DIFFERENCES) lines.push(`  … and ${found.length - SHOWN_DIFFERENCES} more`);
  }
  return lines;
}
