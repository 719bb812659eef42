/** Several readers of one source: it is paused as long as one of them is full. */

export interface Gate<Reader> {
  /** The reader is full. */
  hold(reader: Reader): void;
  /** The reader wants more, or is gone. */
  release(reader: Reader): void;
}

export function createGate<Reader>(source: { pause(): unknown; resume(): unknown }): Gate<Reader> {
  const full = new Set<Reader>();
  return {
    hold(reader) {
      if (full.size === 0) source.pause();
      full.add(reader);
    },
    release(reader) {
      if (full.delete(reader) && full.size === 0) source.resume();
    },
  };
}
