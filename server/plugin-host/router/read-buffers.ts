/**
 * Large buffers to read answers into, for all connections to plugins together. Each is in use until a caller has got what is in it,
 * which a slow one may put off for ever: their number is bounded, and who gets none reads little at a time.
 */
export interface ReadBuffers {
  /** One that nobody else reads into; undefined when all are in use. */
  take(): ReadBuffer | undefined;
  /** It may be read into again. */
  give(buffer: ReadBuffer): void;
  /** Somebody may still need what is in it, and will not tell when that is over. */
  leave(buffer: ReadBuffer): void;
}

export type ReadBuffer = Buffer<ArrayBuffer>;

export const READ_BYTES = 256 * 1024;
/** 16 MiB. */
const MOST = 64;

export function createReadBuffers(): ReadBuffers {
  const spare: ReadBuffer[] = [];
  let made = 0;
  // Of some nobody tells that they are done with, such as the answer that waits behind another one when its caller leaves.
  const lost = new FinalizationRegistry(() => (made -= 1));
  const make = (): ReadBuffer => {
    const buffer = Buffer.allocUnsafeSlow(READ_BYTES);
    made += 1;
    // By its memory, which parts of it share.
    lost.register(buffer.buffer, undefined, buffer.buffer);
    return buffer;
  };
  return {
    take: () => spare.pop() ?? (made < MOST ? make() : undefined),
    give: (buffer) => void spare.push(buffer),
    leave(buffer) {
      if (lost.unregister(buffer.buffer)) made -= 1;
    },
  };
}
