/** What the benchmark prints: a line a comparison, as soon as it is known. */
import { ratiosOf, spreadOf } from './stats.js';
import type { Spread } from './stats.js';

export interface Line {
  /** What was measured. */
  readonly what: string;
  readonly ours: string;
  /** Whom it stands beside, with their figure; '' when it stands alone. */
  readonly other: string;
  /** Ours by theirs. */
  readonly ratio: string;
  readonly goal: string;
  /** Undefined without a goal. */
  readonly holds: boolean | undefined;
}

export type Goal = { readonly atLeast: number } | { readonly atMost: number };

const precise = (value: number): string =>
  value >= 100 ? String(Math.round(value)) : value.toFixed(value >= 10 ? 1 : 2);

/** `1200 (1100–1300)`, or the figure alone when there is only one. */
export const spreadText = ({ median, least, most }: Spread, unit = ''): string =>
  `${precise(median)}${unit}${least === most ? '' : ` (${precise(least)}–${precise(most)})`}`;

const holds = (value: number, goal: Goal): boolean =>
  'atLeast' in goal ? value >= goal.atLeast : value <= goal.atMost;
const goalText = (goal: Goal, unit: string): string =>
  'atLeast' in goal ? `≥ ${goal.atLeast}${unit}` : `≤ ${goal.atMost}${unit}`;

/** Our figures beside those of another, which the goal is about: the median of the rounds' ratios must keep it. */
export function compare(
  what: string,
  unit: string,
  ours: readonly number[],
  other: { readonly name: string; readonly figures: readonly number[]; readonly goal?: Goal },
): Line {
  const ratio = spreadOf(ratiosOf(ours, other.figures));
  return {
    what,
    ours: spreadText(spreadOf(ours), unit),
    other: `${other.name} ${spreadText(spreadOf(other.figures), unit)}`,
    ratio: `${spreadText(ratio)} ×`,
    goal: other.goal === undefined ? '' : goalText(other.goal, ' ×'),
    holds: other.goal === undefined ? undefined : holds(ratio.median, other.goal),
  };
}

/** Our figures alone; the median must keep the goal. */
export function alone(
  what: string,
  unit: string,
  figures: readonly number[],
  goal?: Goal,
  beside = '',
): Line {
  const spread = spreadOf(figures);
  return {
    what,
    ours: spreadText(spread, unit),
    other: beside,
    ratio: '',
    goal: goal === undefined ? '' : goalText(goal, unit),
    holds: goal === undefined ? undefined : holds(spread.median, goal),
  };
}

const WIDTHS = [40, 26, 42, 22, 12] as const;
const row = (cells: readonly string[]): string =>
  cells
    .map((cell, i) => cell.padEnd(WIDTHS[i] ?? 0))
    .join(' ')
    .trimEnd();

export const HEADER = [
  row(['measured', 'xi-k8s', 'beside', 'ratio', 'goal', 'holds']),
  row([...WIDTHS.map((width) => '-'.repeat(width)), '-----']),
].join('\n');

export const lineText = ({ what, ours, other, ratio, goal, holds }: Line): string =>
  row([what, ours, other, ratio, goal, holds === undefined ? '' : holds ? 'yes' : 'NO']);
