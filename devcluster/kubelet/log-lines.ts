/**
 * The log of a pretended container, computed from the clock: no line is kept, so that a log costs nothing until it is
 * read, however long it is.
 */
import type { Container } from '../../kube/index.js';
import type { Run } from './container-state.js';

/** How many bytes of lines a container is to write when it starts; a whole number. For benchmarks and tests. */
export const LOG_BYTES = 'XI_PRETEND_LOG_BYTES';
const HEARTBEAT_MS = 5_000;
const LINE_BYTES = 100;

export interface LogLines {
  /** The first line that is kept. */
  readonly first: number;
  /** Lines written until `now`, those that are no longer kept included. */
  count(now: number): number;
  /** With its newline; one that is not whole has none. */
  line(nth: number): string | Uint8Array;
  /** Milliseconds. */
  timeOf(nth: number): number;
  /** Where it was written to. */
  streamOf(nth: number): 'stdout' | 'stderr';
  /** When the next line comes, at the latest; undefined when there will be none. */
  nextAt(now: number): number | undefined;
}

const bytesAsked = (container: Container): number => {
  const value = container.env?.find(({ name }) => name === LOG_BYTES)?.value ?? '';
  return /^\d{1,15}$/.test(value) ? Number(value) : 0;
};

/** @param why what is added to the first line: why a container of ours pretends. */
export const logLines = (run: Run, container: Container, why = ''): LogLines => {
  const { startedAt, endedAt = Infinity } = run;
  const bytes = bytesAsked(container);
  const bulk = Math.ceil(bytes / LINE_BYTES);
  const opening = [
    `xi-k8s embedded cluster: container ${container.name} (image ${run.image}) only pretends to run; nothing of the image is executed${why}`,
    `container ${container.name} started at ${new Date(startedAt).toISOString()}`,
  ];
  const atStart = opening.length + bulk;
  const beats = (now: number): number =>
    Math.max(0, Math.floor((Math.min(now, endedAt) - startedAt) / HEARTBEAT_MS));
  const padding = ' '.padEnd(LINE_BYTES, '.');

  const bulkLine = (nth: number): string => {
    const line = `pretended line ${nth + 1}`;
    const length = nth === bulk - 1 ? bytes - nth * LINE_BYTES : LINE_BYTES;
    return (line + padding).slice(0, length - 1);
  };
  const lastLine = atStart + beats(endedAt);

  const textOf = (nth: number): string => {
    if (nth < opening.length) return opening[nth] ?? '';
    if (nth < atStart) return bulkLine(nth - opening.length);
    if (nth === lastLine) return `container ${container.name} ended with exit code ${run.exitCode ?? 0}`;
    return `still pretending after ${((nth - atStart + 1) * HEARTBEAT_MS) / 1000} s`;
  };

  return {
    first: 0,
    streamOf: () => 'stdout',
    count: (now) => atStart + beats(now) + (endedAt <= now ? 1 : 0),
    line: (nth) => `${textOf(nth)}\n`,
    timeOf: (nth) => {
      if (nth < atStart) return startedAt;
      return nth === lastLine ? endedAt : startedAt + (nth - atStart + 1) * HEARTBEAT_MS;
    },
    nextAt: (now) =>
      endedAt <= now ? undefined : Math.min(endedAt, startedAt + (beats(now) + 1) * HEARTBEAT_MS),
  };
};
