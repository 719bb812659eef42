/** The Peers port over gRPC: our own RPCs where a peer has them, the reference's where it has not. */
import { timestampDate } from '@bufbuild/protobuf/wkt';
import type { Client } from '@grpc/grpc-js';
import { Health, HealthCheckResponse_ServingStatus } from '../../proto/gen/grpc/health/v1/health_pb.js';
import { Lightpeer } from '../../proto/gen/lightpeer_pb.js';
import type { Lightblock } from '../../proto/gen/lightpeer_pb.js';
import { Mode, Peer } from '../../proto/gen/xi/lightpeer/v1/peer_pb.js';
import { PeerError } from '../peer-error.js';
import type { PeerAt, PeerBlock, PeerIo, Peers } from '../ports.js';
import { isQueryToken, listByQuery, watchByQuery } from './by-query.js';
import { callStream, callUnary, peerError } from './calls.js';
import type { Bounds } from './calls.js';
import { createClients } from './clients.js';
import type { FindTls, FindWay } from './clients.js';

/** How long a call may take when nobody says otherwise, in milliseconds. */
const TIMEOUT_MS = 5_000;

/** `ip:port`, IPv6 in brackets. */
const ADDRESS = /^(\[[0-9a-f:.]+\]|[\w.-]+):\d{1,5}$/i;

const nameOf = ({ namespace, pod, address }: PeerAt): string =>
  `The peer of pod ${namespace}/${pod} at ${address}`;

const isUnsupported = (error: unknown): boolean =>
  error instanceof PeerError && error.fault === 'unsupported';

/** A connection that failed so is not used again: the next call starts from scratch, without gRPC's back-off. */
const breaks = (error: unknown): boolean =>
  error instanceof PeerError && ['unreachable', 'deadline', 'foreign'].includes(error.fault);

function blockOf({ ID, Payload, Path, Deleted, lastUpdated }: Lightblock, height: number): PeerBlock {
  return {
    payload: Payload,
    id: ID,
    height,
    ...(Path === '' ? {} : { path: Path }),
    ...(Deleted ? { deleted: true } : {}),
    ...(lastUpdated === undefined ? {} : { at: timestampDate(lastUpdated) }),
  };
}

export function createPeers(findWay: FindWay, findTls?: FindTls): Peers {
  const clients = createClients(findWay, findTls);

  const bounded = (io: PeerIo | undefined): Bounds => ({ timeoutMs: TIMEOUT_MS, ...io });
  const calling = <T>(peer: PeerAt, work: (client: Client) => Promise<T>): Promise<T> =>
    clients
      .use(
        peer,
        async (client, way) => {
          try {
            return await work(client);
          } catch (error) {
            throw peerError(nameOf(peer), error, way.trouble?.());
          }
        },
        breaks,
      )
      // The way to it may fail too.
      .catch((error: unknown) => {
        throw error instanceof PeerError
          ? error
          : new PeerError(
              'unreachable',
              `${nameOf(peer)} cannot be reached: ${(error as Error).message}`,
              error,
            );
      });
  const streaming = <T>(
    peer: PeerAt,
    work: (client: Client) => AsyncGenerator<T, void, undefined>,
  ): AsyncGenerator<T, void, undefined> =>
    clients.stream(
      peer,
      async function* (client, way) {
        try {
          yield* work(client);
        } catch (error) {
          throw peerError(nameOf(peer), error, way.trouble?.());
        }
      },
      breaks,
    );

  /** Tries ours; when the peer does not have it, the reference's. */
  const either = async <T>(ours: () => Promise<T>, theirs: () => Promise<T>): Promise<T> => {
    try {
      return await ours();
    } catch (error) {
      if (isUnsupported(error)) return theirs();
      throw error;
    }
  };

  const join: Peers['join'] = async (peer, contact, io) => {
    await calling(peer, (client) =>
      callUnary(client, Lightpeer.method.joinNetwork, { Address: contact }, bounded(io)),
    );
  };

  /** The whole chain, newest first; there is no better way to ask the reference. */
  async function* query(peer: PeerAt, io: PeerIo | undefined): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const { Payload } of streaming(peer, (client) =>
      callStream(client, Lightpeer.method.query, {}, bounded(io)),
    ))
      yield Payload;
  }

  const pageByQuery: Peers['list'] = (peer, page, io) =>
    listByQuery(nameOf(peer), (bounds) => query(peer, bounds), page, io);

  return {
    async status(peer, io) {
      const what = nameOf(peer);
      const ask = async () => {
        const answer = await calling(peer, (client) =>
          callUnary(client, Peer.method.status, {}, bounded(io)),
        );
        const members = answer.members.map(({ address }) => address);
        const odd = [answer.address, ...members].find((address) => !ADDRESS.test(address));
        if (odd !== undefined)
          throw new PeerError(
            'foreign',
            `${what} names a member ${JSON.stringify(odd.slice(0, 100))}, which is no ip:port.`,
          );
        return {
          self: answer.address,
          members,
          head: answer.headId,
          height: answer.head?.height ?? 0,
          blocks: answer.clientBlocks,
          version: answer.version,
          ...(answer.mode === Mode.FAILED
            ? { trouble: 'its disk refuses to write: free space on its volume, or replace the pod' }
            : {}),
        };
      };
      return either(ask, async () => {
        const health = await calling(peer, (client) =>
          callUnary(client, Health.method.check, {}, bounded(io)),
        ).catch((error: unknown) => {
          throw isUnsupported(error)
            ? new PeerError(
                'foreign',
                `${what} speaks gRPC, but is no lightpeer: it has no health service.`,
                error,
              )
            : error;
        });
        if (health.status !== HealthCheckResponse_ServingStatus.SERVING)
          throw new PeerError(
            'refused',
            `${what} says that it is not healthy (${HealthCheckResponse_ServingStatus[health.status] ?? health.status}).`,
          );
        return undefined;
      });
    },
    join,
    merge: (peer, contact, io) =>
      either(
        async () => {
          await calling(peer, (client) =>
            callUnary(client, Peer.method.merge, { target: contact }, bounded(io)),
          );
        },
        () => join(peer, contact, io),
      ),
    async leave(peer, address, io) {
      await calling(peer, (client) =>
        callUnary(
          client,
          Peer.method.leave,
          { address: address ?? '', forget: address === undefined },
          bounded(io),
        ),
      );
    },
    async persist(peer, { payload, path = '', deleted = false, id = '' }, io) {
      await calling(peer, (client) =>
        callUnary(
          client,
          Lightpeer.method.persist,
          { Payload: payload, Path: path, Deleted: deleted, ID: id },
          bounded(io),
        ),
      );
    },
    payloads: query,
    async list(peer, page, io) {
      if (isQueryToken(page.continue)) return pageByQuery(peer, page, io);
      return either(
        async () => {
          const answer = await calling(peer, (client) =>
            callUnary(
              client,
              Peer.method.list,
              { limit: page.limit, continue: page.continue ?? '' },
              bounded(io),
            ),
          );
          return {
            blocks: answer.blocks.flatMap(({ block, height }) =>
              block === undefined ? [] : [blockOf(block, height)],
            ),
            ...(answer.continue === '' ? {} : { next: answer.continue }),
          };
        },
        () => pageByQuery(peer, page, io),
      );
    },
    async *watch(peer, cursor, io) {
      try {
        for await (const answer of streaming(peer, (client) =>
          callStream(client, Peer.method.watch, { cursor: cursor ?? '' }, { ...io }),
        )) {
          const at = answer.cursor === '' ? {} : { cursor: answer.cursor };
          if (answer.rewound) yield { type: 'rewound', ...at };
          else if (answer.live) yield { type: 'live', ...at };
          else if (answer.block !== undefined)
            yield { type: 'block', block: blockOf(answer.block, answer.height), ...at };
        }
      } catch (error) {
        if (!isUnsupported(error)) throw error;
        yield* watchByQuery(nameOf(peer), (bounds) => query(peer, bounds), cursor, io);
      }
    },
    close: () => clients.close(),
  };
}
