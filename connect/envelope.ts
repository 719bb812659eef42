/** A stream's messages: a byte of flags, four of length, and the message. */
import { ConnectError } from './error.js';

export const COMPRESSED = 1;
export const END_OF_STREAM = 2;
export const PREFIX_BYTES = 5;

export interface Envelope {
  readonly flags: number;
  readonly bytes: Buffer;
}

/** The bytes of one envelope. */
export function envelope(flags: number, message: Buffer): Buffer {
  const bytes = Buffer.allocUnsafe(PREFIX_BYTES + message.length);
  bytes[0] = flags;
  bytes.writeUInt32BE(message.length, 1);
  message.copy(bytes, PREFIX_BYTES);
  return bytes;
}

/** Takes bytes as they come and gives the envelopes that are whole. Holds at most one that is not. */
export class EnvelopeReader {
  #held: Buffer[] = [];
  #size = 0;

  /** @param maxBytes what a message may have at most, as it is on the wire */
  constructor(readonly maxBytes: number) {}

  /** Whether bytes of an unfinished envelope are held. */
  get unfinished(): boolean {
    return this.#size > 0;
  }

  /** @throws ConnectError resource_exhausted when a message is announced that is larger than the limit. */
  *take(chunk: Buffer): Generator<Envelope, void> {
    this.#held.push(chunk);
    this.#size += chunk.length;
    for (let next = this.#next(); next !== undefined; next = this.#next()) yield next;
  }

  #next(): Envelope | undefined {
    if (this.#size < PREFIX_BYTES) return undefined;
    const prefix = this.#joined(PREFIX_BYTES);
    const length = prefix.readUInt32BE(1);
    if (length > this.maxBytes) {
      const message = `a message of ${length} bytes was announced, and at most ${this.maxBytes} are taken`;
      throw new ConnectError('resource_exhausted', message);
    }
    if (this.#size < PREFIX_BYTES + length) return undefined;
    const all = this.#joined(PREFIX_BYTES + length);
    const rest = all.subarray(PREFIX_BYTES + length);
    this.#held = rest.length === 0 ? [] : [rest];
    this.#size = rest.length;
    return { flags: all[0] ?? 0, bytes: all.subarray(PREFIX_BYTES, PREFIX_BYTES + length) };
  }

  /** The held bytes in one piece, if the first piece has not enough of them. */
  #joined(needed: number): Buffer {
    const [first] = this.#held;
    if (first !== undefined && first.length >= needed) return first;
    const all = Buffer.concat(this.#held, this.#size);
    this.#held = [all];
    return all;
  }
}
