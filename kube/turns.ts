/** Whose turn it is among things of several owners: who has the fewest under way is first, so that nobody's many hold up others. */

export interface Turns<T> {
  /** Waits for its turn, once. */
  add(item: T): void;
  /** Takes the next, which counts as its owners' until it is over; undefined when none may begin. */
  take(): T | undefined;
  over(item: T): void;
  /** Drops all that wait. */
  clear(): void;
  /** How many wait. */
  readonly size: number;
}

export interface TurnsOptions<T> {
  /** Whose it is, the widest owner first: the fewest of theirs decide, among equals those of the next. */
  ownersOf(item: T): readonly string[];
  /** How many the narrowest owner may have under way. */
  most?: number | undefined;
}

interface Line<T> {
  /** The owners as paths from the widest on. */
  readonly paths: readonly string[];
  readonly items: Set<T>;
}

export function createTurns<T>({ ownersOf, most = Infinity }: TurnsOptions<T>): Turns<T> {
  /** Owners with something that waits, those who had a turn last at the end. */
  const lines = new Map<string, Line<T>>();
  /** By path. */
  const running = new Map<string, number>();
  let size = 0;

  const pathsOf = (item: T): string[] => ownersOf(item).map((_, i, all) => all.slice(0, i + 1).join('\0'));
  const runningOf = (path: string | undefined): number => running.get(path ?? '') ?? 0;
  const count = (item: T, by: number): void => {
    for (const path of pathsOf(item)) {
      const now = runningOf(path) + by;
      if (now === 0) running.delete(path);
      else running.set(path, now);
    }
  };
  const isBefore = (a: Line<T>, b: Line<T>): boolean => {
    for (const [i, path] of a.paths.entries()) {
      const less = runningOf(path) - runningOf(b.paths[i]);
      if (less !== 0) return less < 0;
    }
    return false;
  };

  return {
    add(item) {
      const paths = pathsOf(item);
      const key = paths.at(-1) ?? '';
      const line = lines.get(key) ?? { paths, items: new Set<T>() };
      lines.set(key, line);
      if (!line.items.has(item)) size++;
      line.items.add(item);
    },
    take() {
      let next: Line<T> | undefined;
      for (const line of lines.values())
        if (runningOf(line.paths.at(-1)) < most && (next === undefined || isBefore(line, next))) next = line;
      if (next === undefined) return undefined;
      const item = next.items.values().next().value as T;
      const key = next.paths.at(-1) ?? '';
      next.items.delete(item);
      size--;
      lines.delete(key);
      if (next.items.size > 0) lines.set(key, next);
      count(item, 1);
      return item;
    },
    over: (item) => count(item, -1),
    clear() {
      lines.clear();
      size = 0;
    },
    get size() {
      return size;
    },
  };
}
