/** Protobuf's wire, for the few messages that each block takes: the general way of the generated code costs several times as much. */

const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;
const FIXED32 = 5;

/** Reads the fields of a message one after another. Throws RangeError where the bytes end too early. */
export class Reader {
  #at = 0;
  #wire = VARINT;

  constructor(private readonly bytes: Buffer) {}

  /** Number of the next field, whose value is read or skipped next; 0 at the end. */
  field(): number {
    if (this.#at >= this.bytes.length) return 0;
    const tag = this.uint();
    this.#wire = tag & 7;
    return tag >>> 3;
  }

  /** Exact up to 2 ** 53. */
  uint(): number {
    const { bytes } = this;
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = bytes[this.#at++];
      if (byte === undefined) throw new RangeError('the message is cut off');
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
  }

  /** Moves on behind a value that says its length; answers where it begins. */
  #pass(): number {
    const length = this.uint();
    const from = this.#at;
    this.#at += length;
    if (this.#at > this.bytes.length) throw new RangeError('the message is cut off');
    return from;
  }

  /** A part of the message's own bytes. */
  part(): Buffer {
    const from = this.#pass();
    return this.bytes.subarray(from, this.#at);
  }

  text(): string {
    const from = this.#pass();
    return this.bytes.toString('utf8', from, this.#at);
  }

  skip(): void {
    if (this.#wire === VARINT) this.uint();
    else if (this.#wire === BYTES) this.#pass();
    else if (this.#wire === FIXED64) this.#at += 8;
    else if (this.#wire === FIXED32) this.#at += 4;
    else throw new RangeError(`the message has a field of the unknown kind ${this.#wire}`);
  }
}

const sizeOf = (value: number): number => {
  let size = 1;
  for (; value > 127; value = Math.floor(value / 128)) size++;
  return size;
};

/** Writes a message as a frame. Fields that have their default value are left out, as proto3 wants it. */
export class Writer {
  #buffer = Buffer.allocUnsafe(512);
  #at = 5;

  #room(bytes: number): void {
    if (this.#at + bytes <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafe((this.#at + bytes) * 2);
    this.#buffer.copy(larger, 0, 0, this.#at);
    this.#buffer = larger;
  }

  #varint(value: number): void {
    for (; value > 127; value = Math.floor(value / 128)) this.#buffer[this.#at++] = (value % 128) + 128;
    this.#buffer[this.#at++] = value;
  }

  #begin(field: number, kind: number, bytes: number): void {
    this.#room(bytes + 20);
    this.#varint(field * 8 + kind);
  }

  uint(field: number, value: number): void {
    if (value === 0) return;
    this.#begin(field, VARINT, 0);
    this.#varint(value);
  }

  part(field: number, value: Uint8Array): void {
    if (value.byteLength === 0) return;
    this.#begin(field, BYTES, value.byteLength);
    this.#varint(value.byteLength);
    this.#buffer.set(value, this.#at);
    this.#at += value.byteLength;
  }

  text(field: number, value: string): void {
    if (value !== '') this.texts(field, [value]);
  }

  texts(field: number, values: readonly string[]): void {
    for (const value of values) {
      const length = Buffer.byteLength(value);
      this.#begin(field, BYTES, length);
      this.#varint(length);
      this.#at += this.#buffer.write(value, this.#at);
    }
  }

  /** A message within this one; also one without fields. */
  message(field: number, write: () => void): void {
    this.#begin(field, BYTES, 0);
    const from = this.#at;
    write();
    const length = this.#at - from;
    const size = sizeOf(length);
    this.#room(size);
    this.#buffer.copyWithin(from + size, from, this.#at);
    this.#at = from;
    this.#varint(length);
    this.#at += length;
  }

  /** The message as it is sent. */
  frame(): Buffer {
    this.#buffer[0] = 0;
    this.#buffer.writeUInt32BE(this.#at - 5, 1);
    return this.#buffer.subarray(0, this.#at);
  }
}
