/** The chain's file: lines of JSON, each with a checksum, that a person can read. */
import { isUtf8 } from 'node:buffer';
import { crc32 } from 'node:zlib';
import type { Block, Placed, Point, ViewInfo } from '../chain/block.js';

/** First line: where the file's chain begins. */
export interface Header {
  readonly lightpeer: 1;
  /** The blocks of the chain follow this place; those before it were compacted. */
  readonly base: Point;
  readonly baseId: string;
  /** How many lines after this one are blocks kept from before the base. */
  readonly kept: number;
  /** The newest NETWORK block at the base. */
  readonly network?: Placed | undefined;
  /** Places of the NETWORK blocks before the base, oldest first. */
  readonly waypoints: readonly Point[];
}

/** A block's line, with what was known to be everywhere when it was written. */
export interface BlockLine extends Placed {
  readonly committed: number;
}

interface Json {
  height: number;
  ID: string;
  PrevID?: string;
  Type?: 0 | 1;
  Text?: string;
  Payload?: string;
  Path?: string;
  Deleted?: boolean;
  At?: string;
  View?: ViewInfo;
  Committed?: number;
  digest: string;
}

const CRC_LENGTH = ',"crc":"00000000"}'.length;

function seal(json: object): Buffer {
  const body = JSON.stringify(json).slice(0, -1);
  return Buffer.from(`${body},"crc":"${crc32(body).toString(16).padStart(8, '0')}"}\n`);
}

function unseal(line: Buffer): unknown {
  const body = line.subarray(0, -CRC_LENGTH);
  const seal = line.toString('latin1', body.length);
  if (seal !== `,"crc":"${crc32(body).toString(16).padStart(8, '0')}"}`) return undefined;
  try {
    return JSON.parse(`${body.toString()}}`);
  } catch {
    return undefined;
  }
}

/** Built step by step: spreading what there is costs several times as much, once a block. */
function toJson({ block, height, digest }: Placed, committed: number): Json {
  const payload = Buffer.from(block.payload.buffer, block.payload.byteOffset, block.payload.byteLength);
  const json: Partial<Json> = { height, ID: block.id };
  if (block.prevId !== '') json.PrevID = block.prevId;
  if (block.type !== 0) json.Type = block.type;
  if (payload.length > 0) {
    if (isUtf8(payload)) json.Text = payload.toString();
    else json.Payload = payload.toString('base64');
  }
  if (block.path !== '') json.Path = block.path;
  if (block.deleted) json.Deleted = true;
  if (block.at !== 0) json.At = new Date(block.at).toISOString();
  if (block.view !== undefined) json.View = block.view;
  if (committed !== 0) json.Committed = committed;
  json.digest = digest;
  return json as Json;
}

function fromJson(json: Json): BlockLine {
  const block: Block = {
    id: json.ID,
    prevId: json.PrevID ?? '',
    type: json.Type ?? 0,
    payload: json.Text === undefined ? Buffer.from(json.Payload ?? '', 'base64') : Buffer.from(json.Text),
    path: json.Path ?? '',
    deleted: json.Deleted ?? false,
    at: json.At === undefined ? 0 : Date.parse(json.At),
    view: json.View,
  };
  return { block, height: json.height, digest: json.digest, committed: json.Committed ?? 0 };
}

export const encodeBlock = (placed: Placed, committed: number): Buffer => seal(toJson(placed, committed));

/** Undefined when the line is damaged. `line` is without its line feed. */
export function decodeBlock(line: Buffer): BlockLine | undefined {
  const json = unseal(line) as Json | undefined;
  return json === undefined || typeof json.ID !== 'string' ? undefined : fromJson(json);
}

export const encodeHeader = ({ network, ...header }: Header): Buffer =>
  seal({ ...header, ...(network !== undefined && { network: toJson(network, 0) }) });

export function decodeHeader(line: Buffer): Header | undefined {
  const json = unseal(line) as (Omit<Header, 'network'> & { network?: Json }) | undefined;
  if (json?.lightpeer !== 1) return undefined;
  const { network, ...header } = json;
  return { ...header, network: network === undefined ? undefined : fromJson(network) };
}
