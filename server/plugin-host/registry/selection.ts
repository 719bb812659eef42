/** Which of several providers of a type is chosen. */
export type Selection = 'first' | 'round_robin' | 'random';

/** Chooses one after another; each type has its own. */
export type Choose = <T>(candidates: readonly T[]) => T | undefined;

export function createChoice(selection: Selection): Choose {
  let turn = 0;
  switch (selection) {
    case 'first':
      return (candidates) => candidates[0];
    case 'round_robin':
      return (candidates) => {
        turn = candidates.length === 0 ? 0 : turn % candidates.length;
        return candidates[turn++];
      };
    case 'random':
      return (candidates) => candidates[Math.floor(Math.random() * candidates.length)];
  }
}
