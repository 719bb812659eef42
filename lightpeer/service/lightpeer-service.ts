/** The reference's service, as Go peers, the Go controller and programs beside the peer call it. */
import { isIP } from 'node:net';
import type { Lightpeer } from '../../proto/gen/lightpeer_pb.js';
import { blockFromWire, blockToWire } from '../grpc/convert.js';
import type { Frame } from '../grpc/frames.js';
import type { ServiceHandlers } from '../grpc/server.js';
import { PeerError } from '../port.js';
import type { Replica } from '../replica/replica.js';

/** `ip:port`, `[v6]:port` or `name:port`. Throws `invalid` with what is wrong. */
export function checkAddress(address: string): string {
  const [, host, port] = /^(.+):(\d{1,5})$/.exec(address) ?? [];
  const bare = host?.replace(/^\[(.*)\]$/, '$1') ?? '';
  const named = /^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/i.test(bare);
  if (host === undefined || Number(port) < 1 || Number(port) > 65_535 || (isIP(bare) === 0 && !named))
    throw new PeerError(
      'invalid',
      `'${address}' is no address of a peer: give it as ip:port, such as 10.0.0.7:9081`,
    );
  return address;
}

/** A QueryResponse as a frame: a chain's worth of them by the general way takes most of a query's time. */
function queryResponse(payload: Uint8Array): Frame {
  const head = [0, 0, 0, 0, 0, 0x0a];
  let length = payload.byteLength;
  for (; length > 127; length >>>= 7) head.push((length & 127) | 128);
  head.push(length);
  const framed = Buffer.allocUnsafe(head.length + payload.byteLength);
  framed.set(head);
  framed.set(payload, head.length);
  framed.writeUInt32BE(framed.length - 5, 1);
  return framed;
}

export function lightpeerService(
  replica: Replica,
  dialled: (address: string) => string,
): ServiceHandlers<typeof Lightpeer> {
  return {
    joinNetwork: async ({ Address }, { timeoutMs }) => {
      await replica.join(dialled(checkAddress(Address)), timeoutMs);
      return { Result: 'ok' };
    },
    connectNewPeer: async function* ({ Peer }, { signal }) {
      if (Peer === undefined) throw new PeerError('invalid', 'the request names no peer');
      const member = { address: checkAddress(Peer.Address), name: Peer.Name, legacy: true };
      for await (const block of replica.connectLegacy(member, signal)) yield blockToWire(block);
    },
    persist: async ({ Payload, ID, Path, Deleted }, { timeoutMs }) => {
      const { id } = await replica.persist(Payload, {
        path: Path,
        deleted: Deleted,
        ...(ID !== '' && { id: ID }),
        ...(timeoutMs !== undefined && { timeoutMs }),
      });
      return { Response: id };
    },
    query: async function* (_, { signal }) {
      for await (const some of replica.store().newestParts()) {
        if (signal.aborted) return;
        yield some
          .filter(({ block: { type, deleted } }) => type === 1 && !deleted)
          .map(({ block }) => queryResponse(block.payload));
      }
    },
    notifyNewBlock: async (block) => {
      await replica.notified(blockFromWire(block));
      return { Response: 'ok' };
    },
  };
}
