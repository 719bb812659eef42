/** What our own peers, the operator, and programs that want more than the reference offers, call. */
import type { Peer } from '../../proto/gen/xi/lightpeer/v1/peer_pb.js';
import { decodeAppend, encodeSynced } from '../grpc/codec.js';
import { blockFromWire, blockToWire, fetchedToWire, statusToWire } from '../grpc/convert.js';
import type { ServiceHandlers } from '../grpc/server.js';
import { PeerError } from '../port.js';
import type { ChainBlock } from '../port.js';
import type { Replica } from '../replica/replica.js';
import { watch } from '../watch.js';
import { checkAddress, checkMember } from './lightpeer-service.js';

const PAGE = 100;
const LARGEST_PAGE = 1000;
/** A page ends when it weighs so much. */
const PAGE_BYTES = 3 << 20;

const listed = ({ id, payload, path, deleted, at }: ChainBlock) =>
  blockToWire({ id, prevId: '', type: 1, payload, path, deleted, at: at.getTime() });

export function peerService(replica: Replica, version: string): ServiceHandlers<typeof Peer> {
  const { handlers } = replica;
  const points = (wire: readonly { height: number; digest: string }[]) =>
    wire.map(({ height, digest }) => ({ height, digest }));
  return {
    status: async () => statusToWire(await handlers.status({}), version),
    submit: async ({ blocks }) => {
      const { heights } = await handlers.submit({ blocks: blocks.map(blockFromWire) });
      return { heights: [...heights] };
    },
    prepare: async ({ ballot, networks }) => {
      if (ballot === undefined) throw new PeerError('invalid', 'the request has no ballot');
      return handlers.prepare({ ballot: { epoch: ballot.epoch, by: ballot.by }, networks });
    },
    locate: async ({ places, waypoints }) => {
      const { common, waypoint, base, head } = await handlers.locate({
        places: points(places),
        waypoints: points(waypoints),
      });
      return {
        base,
        head,
        ...(common !== undefined && { common }),
        ...(waypoint !== undefined && { waypoint }),
      };
    },
    admit: async ({ member, networks }) => {
      if (member === undefined) throw new PeerError('invalid', 'the request names no member');
      return handlers.admit({ member: checkMember(member), networks });
    },
    merge: ({ target, networks }) => handlers.merge({ target: checkAddress(target), networks }),
    leave: async ({ address, forget }) => {
      if (forget && address !== '')
        throw new PeerError('invalid', `only a peer that leaves itself forgets: leave out ${address}`);
      if (address === '') await replica.leave({ forget });
      else await handlers.leave({ address });
      return {};
    },
    fetch: async function* ({ after }) {
      const from = { height: after?.height ?? 0, digest: after?.digest ?? '' };
      for await (const part of handlers.fetch(from)) yield* fetchedToWire(part);
    },
    replicate: (call) => {
      const sink = handlers.replicate({
        synced: (synced) => call.write(encodeSynced(synced)),
        close: (error) => call.fail(error),
      });
      return {
        message: (bytes) => sink.append(decodeAppend(bytes)),
        closed: () => sink.closed(),
      };
    },
    watch: async function* ({ cursor }, { signal }) {
      for await (const event of watch(replica, { cursor, signal })) {
        if (event.type === 'block')
          yield { block: listed(event.block), height: event.height, cursor: event.cursor };
        else yield { rewound: event.type === 'rewound', live: event.type === 'live', cursor: event.cursor };
      }
    },
    list: async ({ limit, continue: from }) => {
      if (from !== '' && !/^\d{1,10}$/.test(from))
        throw new PeerError(
          'invalid',
          `'${from}' is no place to continue from: give what the page before said`,
        );
      const most = limit === 0 ? PAGE : Math.min(limit, LARGEST_PAGE);
      const blocks: { block: ReturnType<typeof blockToWire>; height: number }[] = [];
      let bytes = 0;
      for await (const { block, height } of replica
        .store()
        .newestFirst(from === '' ? undefined : Number(from))) {
        if (block.type !== 1) continue;
        if (blocks.length === most || (blocks.length > 0 && bytes + block.payload.byteLength > PAGE_BYTES))
          return { blocks, continue: String(blocks.at(-1)!.height) };
        blocks.push({ block: blockToWire(block), height });
        bytes += block.payload.byteLength;
      }
      return { blocks, continue: '' };
    },
  };
}
