/**
 * Frames of SPDY/3.1 as bytes.
 *
 * A control frame is 0x8003, its type (2 bytes), flags (1), length (3) and payload; a data frame is its stream's id (4),
 * flags (1), length (3) and payload. All numbers are big-endian.
 */
import { SpdyError } from './spdy-error.js';
import { createHeaderDecoder } from './spdy-headers.js';
import type { SpdyHeaders } from './spdy-headers.js';

const VERSION = 3;
const FIN = 0x01;
const HEAD = 8;
/** Bytes of a control frame's payload that are read; those in use have less than a hundred. */
const MAX_CONTROL = 64 * 1024;
const MAX_ID = 0x7fff_ffff;

const TYPE = {
  synStream: 1,
  synReply: 2,
  rstStream: 3,
  settings: 4,
  ping: 6,
  goAway: 7,
  headers: 8,
  windowUpdate: 9,
} as const;

/** Why a stream is reset, by the protocol's numbers. */
export const RESET = { protocolError: 1, invalidStream: 2, refusedStream: 3, cancel: 5 } as const;
export const GO_AWAY = { ok: 0, protocolError: 1 } as const;

/** What a parser tells. Settings and window updates are checked and dropped: see spdy-session.ts. */
export interface FrameHandler {
  open(id: number, headers: SpdyHeaders, fin: boolean): void;
  reply(id: number, fin: boolean): void;
  /** Bytes of a data frame as they come; `fin` with the last. */
  data(id: number, bytes: Buffer, fin: boolean): void;
  headers(id: number, fin: boolean): void;
  reset(id: number, status: number): void;
  ping(id: number): void;
  goAway(): void;
}

const control = (type: number, flags: number, payload: Buffer): Buffer => {
  const head = Buffer.alloc(HEAD);
  head.writeUInt16BE(0x8000 | VERSION, 0);
  head.writeUInt16BE(type, 2);
  head.writeUInt32BE(((flags << 24) | payload.length) >>> 0, 4);
  return Buffer.concat([head, payload]);
};

const words = (...numbers: number[]): Buffer => {
  const bytes = Buffer.alloc(4 * numbers.length);
  numbers.forEach((number, i) => bytes.writeUInt32BE(number, 4 * i));
  return bytes;
};

/** The frames that are sent. A header block comes from the session's encoder. */
export const frames = {
  // After the ids come the priority, 0 (the highest, which spdystream sends too), and the slot of a credential, 0.
  open: (id: number, block: Buffer): Buffer =>
    control(TYPE.synStream, 0, Buffer.concat([words(id, 0), Buffer.alloc(2), block])),
  reply: (id: number, block: Buffer): Buffer => control(TYPE.synReply, 0, Buffer.concat([words(id), block])),
  reset: (id: number, status: number): Buffer => control(TYPE.rstStream, 0, words(id, status)),
  ping: (id: number): Buffer => control(TYPE.ping, 0, words(id)),
  goAway: (lastId: number, status: number): Buffer => control(TYPE.goAway, 0, words(lastId, status)),
  data: (id: number, bytes: Buffer, fin: boolean): Buffer =>
    Buffer.concat([words(id, (((fin ? FIN : 0) << 24) | bytes.length) >>> 0), bytes]),
};

/** Reads frames from chunks of any size. Throws SpdyError for what is none; then the session is over. */
export function createFrameParser(on: FrameHandler): (chunk: Buffer) => void {
  const decode = createHeaderDecoder();
  /** What has come of a head or of a control frame. */
  let kept: Buffer = Buffer.alloc(0);
  /** The data frame whose bytes are coming. */
  let data: { id: number; left: number; fin: boolean } | undefined;

  const takeData = (bytes: Buffer): Buffer => {
    if (data === undefined) return bytes;
    const { id, left, fin } = data;
    const part = bytes.subarray(0, left);
    data = part.length === left ? undefined : { id, left: left - part.length, fin };
    on.data(id, part, fin && data === undefined);
    return bytes.subarray(part.length);
  };

  return (chunk) => {
    let rest = takeData(kept.length === 0 ? chunk : Buffer.concat([kept, chunk]));
    while (rest.length >= HEAD) {
      const first = rest.readUInt32BE(0);
      const second = rest.readUInt32BE(4);
      const flags = second >>> 24;
      const length = second & 0xff_ffff;
      if (first > MAX_ID) {
        if (length > MAX_CONTROL)
          throw new SpdyError(`a control frame of ${length} bytes came; ${MAX_CONTROL} are the most`);
        if (rest.length < HEAD + length) break;
        parseControl(first, flags, rest.subarray(HEAD, HEAD + length), { on, decode });
        rest = rest.subarray(HEAD + length);
      } else {
        if (first === 0) throw new SpdyError('a data frame came for stream 0');
        data = { id: first, left: length, fin: (flags & FIN) !== 0 };
        rest = takeData(rest.subarray(HEAD));
        if (data !== undefined) break;
      }
    }
    kept = rest;
  };
}

function parseControl(
  first: number,
  flags: number,
  payload: Buffer,
  { on, decode }: { on: FrameHandler; decode: (block: Buffer) => SpdyHeaders },
): void {
  const version = (first >>> 16) & 0x7fff;
  if (version !== VERSION)
    throw new SpdyError(`a frame of SPDY version ${version} came; only ${VERSION} is spoken`);
  const fin = (flags & FIN) !== 0;
  const need = (least: number, most = least): void => {
    if (payload.length < least || payload.length > most)
      throw new SpdyError(`a control frame of type ${first & 0xffff} has ${payload.length} bytes`);
  };
  const id = (): number => {
    const found = payload.readUInt32BE(0) & MAX_ID;
    if (found === 0) throw new SpdyError(`a control frame of type ${first & 0xffff} came for stream 0`);
    return found;
  };
  switch (first & 0xffff) {
    case TYPE.synStream:
      need(10, MAX_CONTROL);
      return on.open(id(), decode(payload.subarray(10)), fin);
    case TYPE.synReply:
      need(4, MAX_CONTROL);
      decode(payload.subarray(4));
      return on.reply(id(), fin);
    case TYPE.headers:
      need(4, MAX_CONTROL);
      decode(payload.subarray(4));
      return on.headers(id(), fin);
    case TYPE.rstStream:
      need(8);
      return on.reset(id(), payload.readUInt32BE(4));
    case TYPE.ping:
      need(4);
      return on.ping(payload.readUInt32BE(0));
    case TYPE.goAway:
      need(8);
      return on.goAway();
    case TYPE.settings:
      need(4, MAX_CONTROL);
      return need(4 + 8 * payload.readUInt32BE(0));
    case TYPE.windowUpdate:
      return need(8);
    default:
      throw new SpdyError(`a control frame of the unknown type ${first & 0xffff} came`);
  }
}
