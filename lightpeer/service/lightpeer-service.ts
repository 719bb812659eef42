/** The reference's service, as Go peers, the Go controller and programs beside the peer call it. */
import { isIP } from 'node:net';
import type { Lightpeer } from '../../proto/gen/lightpeer_pb.js';
import type { Member } from '../chain/block.js';
import { memberProblem } from '../chain/bounds.js';
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

/** Throws `invalid` with what is wrong. */
export function checkMember({ address, name, legacy }: Member): Member {
  const problem = memberProblem({ address, name });
  if (problem !== undefined) throw new PeerError('invalid', problem);
  return { address: checkAddress(address), name, legacy };
}

/** Frame's prefix, tag of the only field, and its length: never more than so many bytes. */
const HEAD_BYTES = 5 + 1 + 5;

/** A QueryResponse each, frame after frame: made one by one they take most of a query's time. */
function queryResponses(payloads: readonly Uint8Array[]): Frame {
  let size = 0;
  for (const payload of payloads) size += HEAD_BYTES + payload.byteLength;
  const frames = Buffer.allocUnsafe(size);
  let at = 0;
  for (const payload of payloads) {
    const begin = at;
    frames[at] = 0;
    at += 5;
    if (payload.byteLength > 0) {
      frames[at++] = 0x0a;
      let length = payload.byteLength;
      for (; length > 127; length >>>= 7) frames[at++] = (length & 127) | 128;
      frames[at++] = length;
      frames.set(payload, at);
      at += payload.byteLength;
    }
    frames.writeUInt32BE(at - begin - 5, begin + 1);
  }
  return frames.subarray(0, at);
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
      const member = checkMember({ address: Peer.Address, name: Peer.Name, legacy: true });
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
        const payloads: Uint8Array[] = [];
        for (const { block } of some) if (block.type === 1 && !block.deleted) payloads.push(block.payload);
        yield queryResponses(payloads);
      }
    },
    notifyNewBlock: async (block) => {
      try {
        await replica.notified(blockFromWire(block));
      } catch (error) {
        // Only UNKNOWN fails a Go peer's call: at any other status it acknowledges a block that is not in the chain.
        throw new Error((error as Error).message, { cause: error });
      }
      return { Response: 'ok' };
    },
  };
}
