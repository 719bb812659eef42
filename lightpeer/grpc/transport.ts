/** The replica's calls to other peers, over gRPC. */
import { Lightpeer } from '../../proto/gen/lightpeer_pb.js';
import {
  Health,
  HealthCheckResponse_ServingStatus as Serving,
} from '../../proto/gen/grpc/health/v1/health_pb.js';
import { Peer } from '../../proto/gen/xi/lightpeer/v1/peer_pb.js';
import type { Append, Call, Calls, Transport } from '../replica/ports.js';
import type { Clients } from './client.js';
import { decodeSynced, encodeAppend } from './codec.js';
import {
  blockFromWire,
  blockToWire,
  fetchedFromWire,
  optionalPoint,
  preparedFromWire,
  statusFromWire,
} from './convert.js';

type Unary = {
  [K in Call]: (address: string, ask: Calls[K]['ask'], timeoutMs: number) => Promise<Calls[K]['answer']>;
};

export function createTransport(clients: Clients): Transport {
  /** A message that goes to all members is encoded once. */
  const encoded = new WeakMap<Append, Buffer>();
  const bytesOf = (append: Append): Buffer => {
    let bytes = encoded.get(append);
    if (bytes === undefined) encoded.set(append, (bytes = encodeAppend(append)));
    return bytes;
  };

  const { method } = Peer;
  const calls: Unary = {
    status: async (address, ask, timeoutMs) =>
      statusFromWire(await clients.unary({ address, method: method.status, timeoutMs }, ask)),
    submit: async (address, { blocks }, timeoutMs) =>
      clients.unary({ address, method: method.submit, timeoutMs }, { blocks: blocks.map(blockToWire) }),
    prepare: async (address, ask, timeoutMs) =>
      preparedFromWire(
        await clients.unary(
          { address, method: method.prepare, timeoutMs },
          { ...ask, networks: [...ask.networks] },
        ),
      ),
    locate: async (address, { places, waypoints }, timeoutMs) => {
      const answer = await clients.unary(
        { address, method: method.locate, timeoutMs },
        { places: [...places], waypoints: [...waypoints] },
      );
      return {
        common: optionalPoint(answer.common),
        waypoint: optionalPoint(answer.waypoint),
        base: optionalPoint(answer.base) ?? { height: 0, digest: '' },
        head: optionalPoint(answer.head) ?? { height: 0, digest: '' },
      };
    },
    admit: async (address, { member, networks }, timeoutMs) => {
      await clients.unary({ address, method: method.admit, timeoutMs }, { member, networks: [...networks] });
      return {};
    },
    merge: async (address, ask, timeoutMs) => {
      await clients.unary(
        { address, method: method.merge, timeoutMs },
        { ...ask, networks: [...ask.networks] },
      );
      return {};
    },
    leave: async (address, ask, timeoutMs) => {
      await clients.unary({ address, method: method.leave, timeoutMs }, ask);
      return {};
    },
  };

  return {
    call: (address, name, ask, timeoutMs) => calls[name](address, ask, timeoutMs),
    drop: clients.drop,
    fetch: (address, after, signal) =>
      fetchedFromWire(clients.messages({ address, method: method.fetch, signal }, { after })),
    replicate: (address, events) => {
      let over = false;
      const closed = (error: unknown): void => {
        if (over) return;
        over = true;
        events.closed(error);
      };
      const call = clients.duplex(address, method.replicate, {
        message: (bytes) => {
          const point = decodeSynced(bytes);
          if (point !== undefined && !over) events.synced(point);
        },
        drained: () => {
          if (!over) events.drained();
        },
        over: closed,
      });
      return {
        send: (append) => over || call.write(bytesOf(append)),
        close: () => {
          closed(undefined);
          call.cancel();
        },
      };
    },
    legacy: {
      notify: async (address, block, timeoutMs) => {
        await clients.unary(
          { address, method: Lightpeer.method.notifyNewBlock, timeoutMs },
          blockToWire(block),
        );
      },
      connect: async function* (address, { address: Address, name: Name }, signal) {
        const blocks = clients.stream(
          { address, method: Lightpeer.method.connectNewPeer, signal },
          { Peer: { Address, Name } },
        );
        for await (const block of blocks) yield blockFromWire(block);
      },
      join: async (address, target, timeoutMs) => {
        await clients.unary(
          { address, method: Lightpeer.method.joinNetwork, timeoutMs },
          { Address: target },
        );
      },
      healthy: (address, timeoutMs) =>
        clients
          .unary({ address, method: Health.method.check, timeoutMs }, {})
          .then(({ status }) => status === Serving.SERVING)
          .catch(() => false),
    },
  };
}
