/** Figures of several runs: their median and how far they lie apart. */

export interface Spread {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

/** @param figures at least one. */
export function spreadOf(figures: readonly number[]): Spread {
  const sorted = figures.toSorted((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  return {
    median: (sorted[Math.floor(middle)]! + sorted[Math.ceil(middle)]!) / 2,
    least: sorted[0]!,
    most: sorted.at(-1)!,
  };
}

/** Each round's own ratio: what slows a whole round down does not count. */
export const ratiosOf = (figures: readonly number[], base: readonly number[]): number[] =>
  figures.map((figure, round) => figure / base[round]!);

/**
 * Runs every contender once a round, and begins each round with another one, so that none has the quiet moments. A round
 * before them, in which programs connect and compile, does not count. Answers the figures by contender, in the order of
 * the rounds.
 */
export async function alternate<Name extends string, Figure = number>(
  contenders: Readonly<Record<Name, () => Promise<Figure>>>,
  rounds: number,
): Promise<Record<Name, Figure[]>> {
  const names = Object.keys(contenders) as Name[];
  const figures = Object.fromEntries(names.map((name) => [name, [] as Figure[]])) as Record<Name, Figure[]>;
  for (let round = -1; round < rounds; round++)
    for (let turn = 0; turn < names.length; turn++) {
      const name = names[(round + 1 + turn) % names.length]!;
      const figure = await contenders[name]();
      if (round >= 0) figures[name].push(figure);
    }
  return figures;
}
