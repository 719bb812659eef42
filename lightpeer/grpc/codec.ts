/** The messages that each block takes, to and from the peer's own values. Field numbers are those of proto/. */
import { ORIGIN } from '../chain/block.js';
import type { Ballot, Block, Point, ViewInfo } from '../chain/block.js';
import type { Append } from '../replica/ports.js';
import { Reader, Writer } from './wire.js';
import type { Frame } from './frames.js';

/** What a Date can say. */
const LATEST = 8.64e15;

function writeBlock(to: Writer, { id, payload, prevId, type, path, deleted, at, view }: Block): void {
  to.text(1, id);
  to.part(2, payload);
  to.text(3, prevId);
  to.uint(9, type);
  if (at > 0)
    to.message(10, () => {
      to.uint(1, Math.floor(at / 1000));
      to.uint(2, Math.round(at % 1000) * 1_000_000);
    });
  to.text(101, path);
  to.uint(102, deleted ? 1 : 0);
  if (view !== undefined)
    to.message(103, () => {
      to.uint(1, view.epoch);
      to.texts(2, view.networks);
      to.texts(3, view.legacy);
      to.uint(4, view.committed);
      to.texts(5, view.left);
    });
}

function readView(bytes: Buffer): ViewInfo {
  const from = new Reader(bytes);
  const lists: Record<2 | 3 | 5, string[]> = { 2: [], 3: [], 5: [] };
  const numbers: Record<1 | 4, number> = { 1: 0, 4: 0 };
  for (let field = from.field(); field !== 0; field = from.field())
    if (field === 1 || field === 4) numbers[field] = from.uint();
    else if (field === 2 || field === 3 || field === 5) lists[field].push(from.text());
    else from.skip();
  return {
    epoch: numbers[1],
    networks: lists[2],
    legacy: lists[3],
    committed: numbers[4],
    left: lists[5],
  };
}

/** A Timestamp in milliseconds; 0 for what no Date can say. */
export function timeOf(seconds: number, nanos: number): number {
  const at = seconds * 1000 + nanos / 1_000_000;
  return at >= 0 && at <= LATEST ? at : 0;
}

function readTime(bytes: Buffer): number {
  const from = new Reader(bytes);
  let [seconds, nanos] = [0, 0];
  for (let field = from.field(); field !== 0; field = from.field())
    if (field === 1) seconds = from.uint();
    else if (field === 2) nanos = from.uint();
    else from.skip();
  return timeOf(seconds, nanos);
}

function readBlock(bytes: Buffer): Block {
  const from = new Reader(bytes);
  let id = '';
  let payload: Uint8Array = new Uint8Array();
  let prevId = '';
  let type: Block['type'] = 0;
  let path = '';
  let deleted = false;
  let at = 0;
  let view: ViewInfo | undefined;
  for (let field = from.field(); field !== 0; field = from.field())
    if (field === 1) id = from.text();
    else if (field === 2) payload = from.part();
    else if (field === 3) prevId = from.text();
    else if (field === 9) type = from.uint() === 1 ? 1 : 0;
    else if (field === 10) at = readTime(from.part());
    else if (field === 101) path = from.text();
    else if (field === 102) deleted = from.uint() !== 0;
    else if (field === 103) view = readView(from.part());
    else from.skip();
  return { id, payload, prevId, type, path, deleted, at, ...(view !== undefined && { view }) };
}

function writePoint(to: Writer, { height, digest }: Point): void {
  to.uint(1, height);
  to.text(2, digest);
}

function readPoint(bytes: Buffer): Point {
  const from = new Reader(bytes);
  let height = 0;
  let digest = '';
  for (let field = from.field(); field !== 0; field = from.field())
    if (field === 1) height = from.uint();
    else if (field === 2) digest = from.text();
    else from.skip();
  return { height, digest };
}

function readBallot(bytes: Buffer): Ballot {
  const { height, digest } = readPoint(bytes);
  return { epoch: height, by: digest };
}

/** A ReplicateRequest. */
export function encodeAppend({ ballot, previous, blocks, committed, compactTo }: Append): Frame {
  const to = new Writer();
  to.message(1, () => writePoint(to, { height: ballot.epoch, digest: ballot.by }));
  to.message(2, () => writePoint(to, previous));
  for (const block of blocks) to.message(3, () => writeBlock(to, block));
  to.uint(4, committed);
  to.uint(5, compactTo);
  return to.frame();
}

export function decodeAppend(bytes: Buffer): Append {
  const from = new Reader(bytes);
  let ballot: Ballot = { epoch: 0, by: '' };
  let previous = ORIGIN;
  const blocks: Block[] = [];
  let committed = 0;
  let compactTo = 0;
  for (let field = from.field(); field !== 0; field = from.field())
    if (field === 1) ballot = readBallot(from.part());
    else if (field === 2) previous = readPoint(from.part());
    else if (field === 3) blocks.push(readBlock(from.part()));
    else if (field === 4) committed = from.uint();
    else if (field === 5) compactTo = from.uint();
    else from.skip();
  return { ballot, previous, blocks, committed, compactTo };
}

/** A ReplicateResponse. */
export function encodeSynced(point: Point): Frame {
  const to = new Writer();
  to.message(1, () => writePoint(to, point));
  return to.frame();
}

/** Undefined when it says nothing. */
export function decodeSynced(bytes: Buffer): Point | undefined {
  const from = new Reader(bytes);
  let point: Point | undefined;
  for (let field = from.field(); field !== 0; field = from.field())
    if (field === 1) point = readPoint(from.part());
    else from.skip();
  return point;
}

/** A FetchResponse of blocks alone. */
export function encodeBlocks(blocks: readonly Block[]): Frame {
  const to = new Writer();
  for (const block of blocks) to.message(2, () => writeBlock(to, block));
  return to.frame();
}

/** The blocks of a FetchResponse that has nothing else; undefined for others. */
export function decodeBlocks(bytes: Buffer): Block[] | undefined {
  const from = new Reader(bytes);
  const blocks: Block[] = [];
  for (let field = from.field(); field !== 0; field = from.field())
    if (field === 2) blocks.push(readBlock(from.part()));
    else return undefined;
  return blocks;
}
