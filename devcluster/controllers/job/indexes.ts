/** Completion indexes: the pods of an Indexed Job each do their part of the work. */
import type { Pod } from '../../../kube/objects.js';

export const COMPLETION_INDEX = 'batch.kubernetes.io/job-completion-index';

/** The index that a pod works on; undefined when it carries none. */
export const indexOf = ({ metadata }: Pod): number | undefined => {
  const value = metadata?.annotations?.[COMPLETION_INDEX] ?? '';
  return /^\d{1,10}$/.test(value) ? Number(value) : undefined;
};

export const indexesOf = (pods: readonly Pod[]): Set<number> =>
  new Set(pods.map(indexOf).filter((index) => index !== undefined));

/** Reads a list such as `1,3-5`, up to the number of completions; what is no number is left out. */
export const parseIndexes = (text: string | undefined, completions: number): Set<number> => {
  const indexes = new Set<number>();
  for (const part of (text ?? '').split(',')) {
    const [, first, last = first] = /^(\d+)(?:-(\d+))?$/.exec(part) ?? [];
    if (first === undefined) continue;
    const end = Math.min(Number(last), completions - 1);
    for (let index = Number(first); index <= end; index++) indexes.add(index);
  }
  return indexes;
};

/** Writes the list in its shortest form: runs of three and more with a dash. */
export const formatIndexes = (indexes: Iterable<number>): string => {
  const runs: [number, number][] = [];
  for (const index of [...indexes].sort((a, b) => a - b)) {
    const run = runs.at(-1);
    if (run?.[1] === index - 1) run[1] = index;
    else runs.push([index, index]);
  }
  return runs
    .map(([first, last]) =>
      first === last ? first : last === first + 1 ? `${first},${last}` : `${first}-${last}`,
    )
    .join();
};

/** The first indexes that are not taken. */
export const pendingIndexes = (
  count: number,
  completions: number,
  isTaken: (index: number) => boolean,
): number[] => {
  const pending: number[] = [];
  for (let index = 0; index < completions && pending.length < count; index++)
    if (!isTaken(index)) pending.push(index);
  return pending;
};
