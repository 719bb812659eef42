/**
 * Header blocks of SPDY/3: names and values, as one zlib stream a direction that starts from a known dictionary.
 *
 * What goes out is stored, not deflated: the headers of streams are a few words, and stored blocks need no state. What
 * comes in is inflated block by block, each with the last 32 KiB before it as its dictionary, so that nothing waits.
 */
import { constants, inflateRawSync } from 'node:zlib';
import { SPDY_DICTIONARY, SPDY_DICTIONARY_ID } from './spdy-dictionary.js';
import { SpdyError } from './spdy-error.js';

/** Lower-case names. Several values of one name are joined by NUL. */
export type SpdyHeaders = Readonly<Record<string, string>>;

/** Bytes of a header block, inflated or to be sent. */
const MAX_BLOCK = 64 * 1024 - 1;
const MAX_HEADERS = 1_000;
/** How far back deflate may point. */
const WINDOW = 32 * 1024;
const DEFLATE = 8;
const HAS_DICTIONARY = 0x20;
const ZLIB_HEADER = Buffer.from([0x78, 0x01]);
/** An empty stored block, by which an inflater gives out all that came before. */
const FLUSH = Buffer.from([0, 0, 0, 0xff, 0xff]);

const sized = (text: string): Buffer[] => {
  const bytes = Buffer.from(text, 'utf8');
  const size = Buffer.alloc(4);
  size.writeUInt32BE(bytes.length);
  return [size, bytes];
};

/** Makes the encoder of one direction. It throws SpdyError for headers of more than 64 KiB. */
export function createHeaderEncoder(): (headers: SpdyHeaders) => Buffer {
  let start: Buffer = ZLIB_HEADER;
  return (headers) => {
    const entries = Object.entries(headers);
    const count = Buffer.alloc(4);
    count.writeUInt32BE(entries.length);
    const block = Buffer.concat([count, ...entries.flatMap((entry) => entry.flatMap(sized))]);
    if (block.length > MAX_BLOCK)
      throw new SpdyError(
        `the headers of a stream take ${block.length} bytes; ${MAX_BLOCK} are the most`,
        'internal',
      );
    const stored = Buffer.alloc(5);
    stored.writeUInt16LE(block.length, 1);
    stored.writeUInt16LE(~block.length & 0xffff, 3);
    const bytes = Buffer.concat([start, stored, block, FLUSH]);
    start = Buffer.alloc(0);
    return bytes;
  };
}

/** Makes the decoder of one direction. It throws SpdyError for what is no header block; then it is of no use any more. */
export function createHeaderDecoder(): (bytes: Buffer) => SpdyHeaders {
  let window: Buffer | undefined;
  return (bytes) => {
    let deflated = bytes;
    if (window === undefined) {
      const start = readZlibHeader(bytes);
      window = start.dictionary;
      deflated = bytes.subarray(start.length);
    }
    const block = inflate(deflated, window);
    window = Buffer.concat([window, block]).subarray(-WINDOW);
    return parseBlock(block);
  };
}

function readZlibHeader(bytes: Buffer): { length: number; dictionary: Buffer } {
  const [method = 0, flags = 0] = bytes;
  if (bytes.length < 2 || (method & 0xf) !== DEFLATE || ((method << 8) | flags) % 31 !== 0)
    throw new SpdyError('the first header block is no zlib stream');
  if ((flags & HAS_DICTIONARY) === 0) return { length: 2, dictionary: Buffer.alloc(0) };
  if (bytes.length < 6 || bytes.readUInt32BE(2) !== SPDY_DICTIONARY_ID)
    throw new SpdyError('the header blocks are deflated with another dictionary than that of SPDY/3');
  return { length: 6, dictionary: SPDY_DICTIONARY };
}

function inflate(deflated: Buffer, dictionary: Buffer): Buffer {
  try {
    return inflateRawSync(deflated, {
      ...(dictionary.length > 0 && { dictionary }),
      finishFlush: constants.Z_SYNC_FLUSH,
      maxOutputLength: MAX_BLOCK,
    });
  } catch (cause) {
    throw new SpdyError(`a header block cannot be inflated: ${(cause as Error).message}`, 'protocol', cause);
  }
}

function parseBlock(block: Buffer): SpdyHeaders {
  let at = 0;
  const number = (): number => {
    if (at + 4 > block.length) throw new SpdyError('a header block is cut short');
    at += 4;
    return block.readUInt32BE(at - 4);
  };
  const text = (): string => {
    const size = number();
    if (size > block.length - at) throw new SpdyError('a header block is cut short');
    at += size;
    return block.toString('utf8', at - size, at);
  };
  const count = number();
  if (count > MAX_HEADERS)
    throw new SpdyError(`a header block names ${count} headers; ${MAX_HEADERS} are the most`);
  const headers: Record<string, string> = Object.create(null) as Record<string, string>;
  for (let i = 0; i < count; i++) {
    const name = text();
    if (name === '' || name !== name.toLowerCase() || name in headers)
      throw new SpdyError(`the header ${JSON.stringify(name)} is empty, not in lower case, or there twice`);
    headers[name] = text();
  }
  if (at !== block.length) throw new SpdyError('a header block is longer than its headers');
  return headers;
}
