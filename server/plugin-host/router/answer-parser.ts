/**
 * Reads HTTP/1.1 answers off a connection. Strict: what two readers could understand differently is refused, since the
 * connection carries other callers' answers afterwards.
 */

export class BadAnswer extends Error {
  override readonly name = 'BadAnswer';
}

/** Takes the parts of an answer. A BadAnswer that `feed` throws is its end. */
export interface AnswerEvents {
  head(status: number, headers: string[]): void;
  data(chunk: Buffer): void;
  end(trailers: string[]): void;
}

type State = 'idle' | 'head' | 'length' | 'until-close' | 'chunk-size' | 'chunk' | 'chunk-end' | 'trailers';

const MAX_HEAD = 64 * 1024;
const MAX_CHUNK_LINE = 4 * 1024;
const STATUS_LINE = /^HTTP\/1\.([01]) ([1-5]\d\d)(?: .*)?$/;
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
// eslint-disable-next-line no-control-regex -- what must not be in a header is a control character
const CONTROL = /[\0-\x08\x0a-\x1f\x7f]/;
const CHUNK_LINE = /^([0-9a-fA-F]{1,12})[ \t]*(?:;[^\r\n]*)?$/;
/** A section's end, of lines some of which end by LF alone. Only for bytes that hold no proper end. */
const BARE_END = /\n\r?\n/;
const BARE_LINE = /\n/;
const NOTHING = Buffer.alloc(0);

export class AnswerParser {
  /** Whether another call may use the connection after this answer; known at its end. */
  reusable = false;
  /** Milliseconds that the server keeps an idle connection, when it says so. */
  keepAliveMs: number | undefined;
  #state: State = 'idle';
  #rest: Buffer = NOTHING;
  #left = 0;
  #bodyless = false;
  readonly #events: AnswerEvents;

  constructor(events: AnswerEvents) {
    this.#events = events;
  }

  get waiting(): boolean {
    return this.#state !== 'idle';
  }

  /** Expects the answer of a request with this method. */
  expect(method: string): void {
    this.#state = 'head';
    this.#bodyless = method === 'HEAD';
    this.reusable = false;
  }

  /** @throws BadAnswer for bytes that are no answer to what was asked. */
  feed(read: Buffer): void {
    let bytes = this.#rest.length === 0 ? read : Buffer.concat([this.#rest, read]);
    this.#rest = NOTHING;
    while (bytes.length > 0) {
      const used = this.#step(bytes);
      if (used < 0) {
        // A copy: whoever fed it may use its buffer again.
        this.#rest = Buffer.from(bytes);
        return;
      }
      bytes = used === bytes.length ? NOTHING : bytes.subarray(used);
    }
  }

  /**
   * The connection's end.
   * @returns whether the answer ends with it, which only one without a length does.
   */
  finish(): boolean {
    if (this.#state !== 'until-close') return false;
    this.#complete([]);
    return true;
  }

  /** Bytes that it used; -1 when it needs more. */
  #step(bytes: Buffer): number {
    switch (this.#state) {
      case 'idle':
        throw new BadAnswer('it sent more than its answer');
      case 'head':
        return this.#head(bytes);
      case 'length':
        return this.#counted(bytes);
      case 'until-close':
        this.#events.data(bytes);
        return bytes.length;
      case 'chunk-size':
      case 'chunk':
      case 'chunk-end':
        return this.#chunks(bytes);
      case 'trailers':
        return this.#trailers(bytes);
    }
  }

  #head(bytes: Buffer): number {
    const end = bytes.indexOf('\r\n\r\n', 0, 'latin1');
    if (end < 0 ? bytes.length > MAX_HEAD : end > MAX_HEAD)
      throw new BadAnswer(`its answer's headers are longer than ${MAX_HEAD} bytes`);
    if (end < 0) return unfinished(bytes, BARE_END);
    const text = bytes.toString('latin1', 0, end);
    const lineEnd = text.indexOf('\r\n');
    const line = STATUS_LINE.exec(lineEnd < 0 ? text : text.slice(0, lineEnd));
    if (line === null) throw new BadAnswer('its answer begins with no status line of HTTP/1.1');
    const headers = lineEnd < 0 ? [] : readFields(text, lineEnd + 2);
    const status = Number(line[2]);
    if (status === 101) throw new BadAnswer('it switches protocols, which nobody asked for');
    if (status >= 200) this.#begin(status, headers, line[1] === '1');
    return end + 4;
  }

  #begin(status: number, headers: string[], http11: boolean): void {
    const framing = readFraming(headers);
    this.keepAliveMs = framing.keepAliveMs;
    this.reusable = http11 ? !framing.close : framing.keepAlive;
    if (framing.chunked && (framing.length !== undefined || !http11))
      throw new BadAnswer('its answer gives its length in two ways');
    const bodyless = this.#bodyless || status === 204 || status === 304;
    this.#left = framing.length ?? 0;
    const counted = bodyless || framing.length !== undefined;
    if (!counted && !framing.chunked) this.reusable = false;
    this.#state = counted ? 'length' : framing.chunked ? 'chunk-size' : 'until-close';
    this.#events.head(status, headers);
    if (counted && (bodyless || this.#left === 0)) this.#complete([]);
  }

  #counted(bytes: Buffer): number {
    const part = bytes.length <= this.#left ? bytes : bytes.subarray(0, this.#left);
    this.#left -= part.length;
    this.#events.data(part);
    if (this.#left === 0) this.#complete([]);
    return part.length;
  }

  /** As many chunks as there are, joined: where one ends means nothing, and each would cost a write. */
  #chunks(bytes: Buffer): number {
    let at = 0;
    let joined = 0;
    let from = 0;
    while (at < bytes.length && this.#state !== 'trailers') {
      if (this.#state === 'chunk') {
        const size = Math.min(this.#left, bytes.length - at);
        if (joined === 0) from = at;
        else bytes.copyWithin(from + joined, at, at + size);
        joined += size;
        at += size;
        this.#left -= size;
        if (this.#left === 0) this.#state = 'chunk-end';
        continue;
      }
      const used = this.#state === 'chunk-end' ? this.#chunkEnd(bytes, at) : this.#chunkSize(bytes, at);
      if (used < 0) break;
      at += used;
    }
    if (joined > 0) this.#events.data(bytes.subarray(from, from + joined));
    return at === 0 ? -1 : at;
  }

  #chunkSize(bytes: Buffer, at: number): number {
    const end = bytes.indexOf('\r\n', at, 'latin1');
    if ((end < 0 ? bytes.length : end) - at > MAX_CHUNK_LINE)
      throw new BadAnswer('a chunk of its answer has no size');
    if (end < 0) return unfinished(bytes.subarray(at), BARE_LINE);
    const size = CHUNK_LINE.exec(bytes.toString('latin1', at, end));
    if (size === null) throw new BadAnswer('a chunk of its answer has no size');
    this.#left = Number.parseInt(size[1]!, 16);
    this.#state = this.#left === 0 ? 'trailers' : 'chunk';
    return end + 2 - at;
  }

  #chunkEnd(bytes: Buffer, at: number): number {
    if (bytes.length - at < 2) return -1;
    if (bytes[at] !== 0x0d || bytes[at + 1] !== 0x0a)
      throw new BadAnswer('a chunk of its answer is longer than it says');
    this.#state = 'chunk-size';
    return 2;
  }

  #trailers(bytes: Buffer): number {
    if (bytes.length >= 2 && bytes[0] === 0x0d && bytes[1] === 0x0a) {
      this.#complete([]);
      return 2;
    }
    const end = bytes.indexOf('\r\n\r\n', 0, 'latin1');
    if (end < 0 ? bytes.length > MAX_HEAD : end > MAX_HEAD)
      throw new BadAnswer(`its answer's trailers are longer than ${MAX_HEAD} bytes`);
    if (end < 0) return unfinished(bytes, BARE_END);
    this.#complete(readFields(bytes.toString('latin1', 0, end), 0));
    return end + 4;
  }

  #complete(trailers: string[]): void {
    this.#state = 'idle';
    this.#events.end(trailers);
  }
}

/** -1, for there is more to come; throws when there is not, in the eyes of one who ends lines by LF alone. */
function unfinished(bytes: Buffer, bareEnd: RegExp): number {
  if (bareEnd.test(bytes.toString('latin1')))
    throw new BadAnswer('lines of its answer end by LF alone, and not by CRLF');
  return -1;
}

/** The lines from `at` on, as names and values by turns. */
function readFields(text: string, at: number): string[] {
  const fields: string[] = [];
  for (let from = at; from < text.length;) {
    const next = text.indexOf('\r\n', from);
    const end = next < 0 ? text.length : next;
    const colon = text.indexOf(':', from);
    const name = colon < 0 || colon > end ? '' : text.slice(from, colon);
    const value = text.slice(colon + 1, end).trim();
    if (!TOKEN.test(name) || CONTROL.test(value)) throw new BadAnswer('a header of its answer is none');
    fields.push(name, value);
    from = end + 2;
  }
  return fields;
}

interface Framing {
  length: number | undefined;
  chunked: boolean;
  close: boolean;
  keepAlive: boolean;
  keepAliveMs: number | undefined;
}

function readFraming(headers: readonly string[]): Framing {
  const framing: Framing = {
    length: undefined,
    chunked: false,
    close: false,
    keepAlive: false,
    keepAliveMs: undefined,
  };
  for (let i = 0; i < headers.length; i += 2) readFramingField(framing, headers[i]!, headers[i + 1]!);
  return framing;
}

function readFramingField(framing: Framing, name: string, value: string): void {
  // Most names have another length, which is cheaper to see than to lower their case.
  if (name.length === 14 && name.toLowerCase() === 'content-length') {
    const length = Number(value);
    if (!/^\d{1,15}$/.test(value) || (framing.length ?? length) !== length)
      throw new BadAnswer('its answer has a length that is none');
    framing.length = length;
  } else if (name.length === 17 && name.toLowerCase() === 'transfer-encoding') {
    if (framing.chunked || value.toLowerCase() !== 'chunked')
      throw new BadAnswer('its answer has an encoding of transfer that the host does not know');
    framing.chunked = true;
  } else if (name.length === 10) {
    const lower = name.toLowerCase();
    if (lower === 'connection') {
      framing.close ||= /(?:^|[ ,])close(?:$|[ ,])/i.test(value);
      framing.keepAlive ||= /(?:^|[ ,])keep-alive(?:$|[ ,])/i.test(value);
    } else if (lower === 'keep-alive') {
      const seconds = /timeout=(\d{1,6})/i.exec(value);
      if (seconds !== null) framing.keepAliveMs = Number(seconds[1]) * 1_000;
    }
  }
}
