/** Between the peer's own values and the messages of the wire. */
import type { MessageInitShape } from '@bufbuild/protobuf';
import { Lightblock_BlockType as WireType } from '../../proto/gen/lightpeer_pb.js';
import type { Lightblock, LightblockSchema } from '../../proto/gen/lightpeer_pb.js';
import { FetchResponseSchema, Mode as WireMode } from '../../proto/gen/xi/lightpeer/v1/peer_pb.js';
import type {
  FetchResponse,
  PrepareResponse,
  StatusResponse,
  StatusResponseSchema,
} from '../../proto/gen/xi/lightpeer/v1/peer_pb.js';
import { NO_BALLOT, ORIGIN } from '../chain/block.js';
import type { Ballot, Block, Point } from '../chain/block.js';
import { decodeBlocks, encodeBlocks, timeOf } from './codec.js';
import { decode } from './frames.js';
import type { Frame } from './frames.js';
import type { Fetched, Mode, Prepared, Status } from '../replica/ports.js';

export function blockToWire(block: Block): MessageInitShape<typeof LightblockSchema> {
  const { at, view } = block;
  return {
    ID: block.id,
    Payload: block.payload,
    PrevID: block.prevId,
    Type: block.type,
    Path: block.path,
    Deleted: block.deleted,
    ...(at !== 0 && {
      lastUpdated: { seconds: BigInt(Math.floor(at / 1000)), nanos: Math.round(at % 1000) * 1_000_000 },
    }),
    ...(view !== undefined && {
      View: {
        Epoch: view.epoch,
        Networks: [...view.networks],
        Legacy: [...view.legacy],
        Committed: view.committed,
        Left: [...view.left],
      },
    }),
  };
}

export function blockFromWire(wire: Lightblock): Block {
  const { lastUpdated, View } = wire;
  return {
    id: wire.ID,
    payload: wire.Payload,
    prevId: wire.PrevID,
    type: wire.Type === WireType.CLIENT ? 1 : 0,
    path: wire.Path,
    deleted: wire.Deleted,
    at: lastUpdated === undefined ? 0 : timeOf(Number(lastUpdated.seconds), lastUpdated.nanos),
    ...(View !== undefined && {
      view: {
        epoch: View.Epoch,
        networks: View.Networks,
        legacy: View.Legacy,
        committed: View.Committed,
        left: View.Left,
      },
    }),
  };
}

const ballot = (wire: Ballot | undefined): Ballot =>
  wire === undefined ? NO_BALLOT : { epoch: wire.epoch, by: wire.by };
const point = (wire: Point | undefined): Point =>
  wire === undefined ? ORIGIN : { height: wire.height, digest: wire.digest };
export const optionalPoint = (wire: Point | undefined): Point | undefined =>
  wire === undefined ? undefined : point(wire);

const MODES: Record<Mode, WireMode> = {
  leading: WireMode.LEADING,
  following: WireMode.FOLLOWING,
  loose: WireMode.LOOSE,
  failed: WireMode.FAILED,
};

export const statusToWire = (
  { members, networks, lost, mode, ...status }: Status,
  version: string,
): MessageInitShape<typeof StatusResponseSchema> => ({
  ...status,
  mode: MODES[mode],
  members: [...members],
  networks: [...networks],
  lost: [...lost],
  version,
});

export function statusFromWire(wire: StatusResponse): Status {
  const mode = (Object.keys(MODES) as Mode[]).find((name) => MODES[name] === wire.mode) ?? 'loose';
  return {
    address: wire.address,
    name: wire.name,
    mode,
    view: ballot(wire.view),
    promised: ballot(wire.promised),
    members: wire.members,
    networks: wire.networks,
    head: point(wire.head),
    headId: wire.headId,
    base: point(wire.base),
    committed: wire.committed,
    lost: wire.lost,
    clientBlocks: wire.clientBlocks,
  };
}

export const preparedFromWire = (wire: PrepareResponse): Prepared => ({
  promised: wire.promised,
  standing: ballot(wire.standing),
  view: ballot(wire.view),
  head: point(wire.head),
  committed: wire.committed,
});

/** A snapshot, and then what it keeps, each block in a message of its own with its height. */
export function* fetchedToWire({
  snapshot,
  kept = [],
  blocks,
}: Fetched): Generator<MessageInitShape<typeof FetchResponseSchema> | Frame> {
  if (snapshot !== undefined) {
    const { base, baseId, network, waypoints } = snapshot;
    yield {
      snapshot: {
        at: base,
        id: baseId,
        ...(network !== undefined && {
          network: blockToWire(network.block),
          networkAt: { height: network.height, digest: network.digest },
        }),
        waypoints: [...waypoints],
        kept: snapshot.kept,
      },
    };
  }
  for (const { block, height, digest } of kept)
    yield { blocks: [blockToWire(block)], places: [{ height, digest }] };
  if (blocks.length > 0) yield encodeBlocks(blocks);
}

/** Each message as it comes: who stages the chain checks that it has all that the snapshot keeps. */
export async function* fetchedFromWire(messages: AsyncIterable<Buffer>): AsyncGenerator<Fetched> {
  for await (const bytes of messages) {
    const plain = decodeBlocks(bytes);
    yield plain === undefined ? partOf(decode(FetchResponseSchema, bytes)) : { blocks: plain };
  }
}

function partOf({ snapshot, blocks, places }: FetchResponse): Fetched {
  const kept = blocks.map((block, i) => ({ block: blockFromWire(block), ...point(places[i]) }));
  if (snapshot === undefined) return { kept, blocks: [] };
  const { at, id, network, networkAt, waypoints } = snapshot;
  return {
    snapshot: {
      lightpeer: 1,
      base: point(at),
      baseId: id,
      kept: snapshot.kept,
      network: network === undefined ? undefined : { block: blockFromWire(network), ...point(networkAt) },
      waypoints: waypoints.map(point),
    },
    kept,
    blocks: [],
  };
}
