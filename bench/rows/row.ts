/** A row of the benchmark: one question, answered in lines of the table. */
import type { Ground } from '../ground.js';
import type { Line } from '../table.js';

/** How much is done: everything, or just enough to see that it works. */
export interface Scale {
  /** Runs of each contender, alternating. */
  readonly rounds: number;
  /** Of each run under load. */
  readonly seconds: number;
  readonly pods: number;
  readonly watchedPods: number;
  readonly logBytes: number;
  readonly calls: number;
}

export interface Bench {
  readonly ground: Ground;
  readonly scale: Scale;
  /** On a real cluster: an image with Node, for a pod that writes a log. */
  readonly nodeImage: string;
  /** docker-archive files: our image, and the one that it is built on. */
  readonly image: string | undefined;
  readonly baseImage: string | undefined;
}

/** What ends with the row. */
export interface RowBench extends Bench {
  onEnd(action: () => Promise<unknown>): void;
}

export type Row = (bench: RowBench) => AsyncGenerator<Line>;
