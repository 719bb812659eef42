/**
 * Small lightpeers over real gRPC, for tests of those who call them: one that behaves as the reference's, its faults included, and
 * one that has the RPCs of ours on top, without their guarantees.
 */
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import type { DescMessage, DescMethod, MessageInitShape, MessageShape } from '@bufbuild/protobuf';
import { Client, Server, ServerCredentials, credentials, status as codes } from '@grpc/grpc-js';
import type {
  ServerUnaryCall,
  ServerWritableStream,
  UntypedServiceImplementation,
  sendUnaryData,
} from '@grpc/grpc-js';
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PODS, startReflector } from '../../kube/index.js';
import type { Kube } from '../../kube/index.js';
import { startPeer } from '../../lightpeer/peer.js';
import { Health, HealthCheckResponse_ServingStatus } from '../../proto/gen/grpc/health/v1/health_pb.js';
import { Lightblock_BlockType, Lightpeer, LightblockSchema } from '../../proto/gen/lightpeer_pb.js';
import type { Lightblock } from '../../proto/gen/lightpeer_pb.js';
import { Mode, Peer } from '../../proto/gen/xi/lightpeer/v1/peer_pb.js';

export interface TestPeer {
  readonly address: string;
  readonly kind: 'ours' | 'reference';
  /** Addresses in its member list, repetitions included. */
  members(): string[];
  /** The payloads of its CLIENT blocks as text, newest first. */
  payloads(): string[];
  /** What it was told by others: `join A`, `merge A`, `leave A`. */
  readonly told: string[];
  /** Adds a block as if a program beside it had. */
  persist(payload: string): Promise<void>;
  /** Forgets the members but itself, as those of the other side of a partition do. */
  forget(...addresses: string[]): void;
  stop(): void;
}

const block = (init: MessageInitShape<typeof LightblockSchema>): Lightblock =>
  create(LightblockSchema, { ID: randomUUID(), ...init });

class Refusal extends Error {
  constructor(
    message: string,
    readonly code: codes = codes.UNKNOWN,
  ) {
    super(message);
  }
}

const pathOf = ({ parent, name }: DescMethod): string => `/${parent.typeName}/${name}`;

/** Calls another peer; a unary call's only answer is the first. */
function ask<I extends DescMessage, O extends DescMessage>(
  address: string,
  method: DescMethod & { input: I; output: O },
  request: MessageInitShape<I>,
): Promise<MessageShape<O>[]> {
  const client = new Client(address, credentials.createInsecure(), { 'grpc.enable_http_proxy': 0 });
  const answers: MessageShape<O>[] = [];
  return new Promise<MessageShape<O>[]>((resolve, reject) => {
    const call = client.makeServerStreamRequest(
      pathOf(method),
      (message: MessageShape<I>) => Buffer.from(toBinary(method.input, message)),
      (bytes) => fromBinary(method.output, bytes),
      create(method.input, request),
      { deadline: Date.now() + 3_000 } as never,
    );
    call.on('data', (answer: MessageShape<O>) => answers.push(answer));
    call.on('error', reject);
    call.on('end', () => resolve(answers));
  }).finally(() => client.close());
}

const isDead = (error: unknown): boolean =>
  [codes.UNAVAILABLE, codes.DEADLINE_EXCEEDED].includes((error as { code?: codes }).code ?? codes.OK);

/** Starts one at `ip:port`. */
export async function startTestPeer(
  address: string,
  kind: TestPeer['kind'],
  options: { healthMs?: number } = {},
): Promise<TestPeer> {
  const told: string[] = [];
  /** Oldest first. */
  let chain: Lightblock[] = [];
  let members: string[] = [address];
  const watchers = new Set<(added: Lightblock) => void>();

  const add = (added: Lightblock): void => {
    chain.push(added);
    for (const watcher of watchers) watcher(added);
    if (added.Type === Lightblock_BlockType.NETWORK)
      members = (JSON.parse(new TextDecoder().decode(added.Payload)) as { Address: string }[]).map(
        ({ Address }) => Address,
      );
  };
  const head = (): string => chain.at(-1)?.ID ?? '';
  /** Makes a block and tells the others, one after another; those that are away are passed over. */
  const spread = async (init: MessageInitShape<typeof LightblockSchema>, to = members): Promise<void> => {
    const made = block({ PrevID: head(), ...init });
    for (const member of to)
      if (member !== address)
        await ask(member, Lightpeer.method.notifyNewBlock, made).catch((error: unknown) => {
          if (!isDead(error) && kind === 'reference') throw error;
        });
    add(made);
  };
  const spreadMembers = (now: string[], to = members): Promise<void> =>
    spread(
      {
        Type: Lightblock_BlockType.NETWORK,
        Payload: new TextEncoder().encode(JSON.stringify(now.map((Address) => ({ Address })))),
      },
      to,
    );
  add(
    block({
      Type: Lightblock_BlockType.NETWORK,
      Payload: new TextEncoder().encode(JSON.stringify([{ Address: address }])),
    }),
  );

  const joinBy = async (contact: string): Promise<void> => {
    const blocks = await ask(contact, Lightpeer.method.connectNewPeer, { Peer: { Address: address } });
    const mine = kind === 'ours' ? chain.filter(({ Type }) => Type === Lightblock_BlockType.CLIENT) : [];
    chain = [];
    for (const one of blocks.reverse()) add(one);
    const known = new Set(chain.map(({ ID }) => ID));
    // Ours brings what it has along.
    for (const one of mine)
      if (!known.has(one.ID)) await spread({ Type: one.Type, Payload: one.Payload, ID: one.ID });
  };
  const clientBlocks = (): Lightblock[] =>
    chain.filter(({ Type }) => Type === Lightblock_BlockType.CLIENT).reverse();

  const server = new Server();
  const implementation: UntypedServiceImplementation = {};
  const definition: Record<string, object> = {};
  const define = (method: DescMethod, stream: boolean): void => {
    definition[pathOf(method)] = {
      path: pathOf(method),
      requestStream: false,
      responseStream: stream,
      requestSerialize: (message: never) => Buffer.from(toBinary(method.input, message)),
      requestDeserialize: (bytes: Buffer) => fromBinary(method.input, bytes),
      responseSerialize: (message: never) => Buffer.from(toBinary(method.output, message)),
      responseDeserialize: (bytes: Buffer) => fromBinary(method.output, bytes),
    };
  };
  const failure = (error: unknown) => ({
    code: error instanceof Refusal ? error.code : codes.UNKNOWN,
    details: error instanceof Error ? error.message : String(error),
  });
  const unary = <M extends DescMethod>(
    method: M,
    answer: (
      request: MessageShape<M['input']>,
    ) => Promise<MessageInitShape<M['output']>> | MessageInitShape<M['output']>,
  ): void => {
    define(method, false);
    implementation[pathOf(method)] = (
      call: ServerUnaryCall<MessageShape<M['input']>, unknown>,
      done: sendUnaryData<unknown>,
    ) => {
      Promise.resolve()
        .then(() => answer(call.request))
        .then(
          (result) => done(null, create(method.output, result as never)),
          (error: unknown) => done(failure(error)),
        );
    };
  };
  const streaming = <M extends DescMethod>(
    method: M,
    answer: (
      request: MessageShape<M['input']>,
      send: (message: MessageInitShape<M['output']>) => void,
      gone: AbortSignal,
    ) => Promise<void> | void,
  ): void => {
    define(method, true);
    implementation[pathOf(method)] = (call: ServerWritableStream<MessageShape<M['input']>, unknown>) => {
      const gone = new AbortController();
      call.on('cancelled', () => gone.abort());
      Promise.resolve()
        .then(() =>
          answer(call.request, (message) => call.write(create(method.output, message as never)), gone.signal),
        )
        .then(
          () => call.end(),
          (error: unknown) => call.emit('error', failure(error)),
        );
    };
  };

  unary(Health.method.check, () => ({ status: HealthCheckResponse_ServingStatus.SERVING }));
  unary(Lightpeer.method.joinNetwork, async ({ Address }) => {
    told.push(`join ${Address}`);
    await joinBy(Address);
    return { Result: 'Joined' };
  });
  streaming(Lightpeer.method.connectNewPeer, async ({ Peer: info }, send) => {
    const joiner = info?.Address ?? '';
    const now = kind === 'ours' ? members.filter((member) => member !== joiner) : members;
    await spreadMembers(
      [...now, joiner],
      members.filter((member) => member !== joiner),
    );
    for (const one of [...chain].reverse()) send(one);
  });
  unary(Lightpeer.method.persist, async ({ Payload, Path, Deleted }) => {
    await spread({ Type: Lightblock_BlockType.CLIENT, Payload, Path, Deleted });
    return { Response: 'OK' };
  });
  streaming(Lightpeer.method.query, (_request, send) => {
    for (const { Payload } of clientBlocks()) send({ Payload });
  });
  unary(Lightpeer.method.notifyNewBlock, (added) => {
    // Ours agree on one order; these stand in for that by not minding.
    if (kind === 'reference' && added.PrevID !== head())
      throw new Refusal('new block links to invalid parent');
    add(added);
    return { Response: 'OK' };
  });
  if (kind === 'ours') {
    unary(Peer.method.status, () => ({
      address,
      mode: Mode.FOLLOWING,
      members: members.map((member) => ({ address: member })),
      head: { height: chain.length, digest: '' },
      headId: head(),
      clientBlocks: clientBlocks().length,
      version: 'test',
    }));
    unary(Peer.method.leave, async ({ address: who }) => {
      const gone = who === '' ? address : who;
      told.push(`leave ${who}`.trim());
      await spreadMembers(
        members.filter((member) => member !== gone),
        members.filter((member) => member !== gone),
      );
      if (gone !== address) return {};
      chain = [];
      add(
        block({
          Type: Lightblock_BlockType.NETWORK,
          Payload: new TextEncoder().encode(JSON.stringify([{ Address: address }])),
        }),
      );
      return {};
    });
    unary(Peer.method.merge, async ({ target }) => {
      told.push(`merge ${target}`);
      const half = members.filter((member) => member !== address);
      await joinBy(target);
      for (const member of half) await ask(member, Lightpeer.method.joinNetwork, { Address: address });
      return {};
    });
    unary(Peer.method.list, ({ limit, continue: from }) => {
      const all = clientBlocks();
      const start = from === '' ? 0 : all.findIndex(({ ID }) => ID === from);
      if (start < 0) throw new Refusal(`there is no block ${from}`);
      const blocks = all
        .slice(start, start + limit)
        .map((one) => ({ block: one, height: chain.indexOf(one) + 1 }));
      return { blocks, continue: all[start + limit]?.ID ?? '' };
    });
    streaming(Peer.method.watch, async (_request, send, gone) => {
      const tell = (one: Lightblock): void => {
        if (one.Type === Lightblock_BlockType.CLIENT)
          send({ block: one, height: chain.indexOf(one) + 1, cursor: one.ID });
      };
      chain.forEach(tell);
      send({ live: true });
      watchers.add(tell);
      await new Promise((resolve) => gone.addEventListener('abort', resolve, { once: true }));
      watchers.delete(tell);
    });
  }
  server.addService(definition as never, implementation);
  await new Promise<void>((resolve, reject) =>
    server.bindAsync(address, ServerCredentials.createInsecure(), (error) =>
      error === null ? resolve() : reject(error),
    ),
  );

  let checking = false;
  const health = setInterval(() => {
    if (checking) return;
    checking = true;
    void (async () => {
      for (const member of members)
        if (member !== address)
          await ask(member, Health.method.check, {}).catch(async (error: unknown) => {
            if (isDead(error)) await spreadMembers(members.filter((one) => one !== member)).catch(() => {});
          });
    })().finally(() => (checking = false));
  }, options.healthMs ?? 500);

  return {
    address,
    kind,
    told,
    members: () => [...members],
    payloads: () => clientBlocks().map(({ Payload }) => new TextDecoder().decode(Payload)),
    persist: (payload) =>
      spread({ Type: Lightblock_BlockType.CLIENT, Payload: new TextEncoder().encode(payload) }),
    forget(...addresses) {
      members = members.filter((member) => !addresses.includes(member));
    },
    stop() {
      clearInterval(health);
      server.forceShutdown();
    },
  };
}

/** One of ours, whole, with its chain in a folder that goes with it. */
async function startRealPeer(address: string): Promise<{ stop(): void }> {
  const repo = await mkdtemp(join(tmpdir(), 'xi-k8s-test-peer-'));
  const at = address.lastIndexOf(':');
  const peer = await startPeer({
    repo,
    host: address.slice(0, at),
    port: Number(address.slice(at + 1)),
    sync: false,
  });
  return { stop: () => void peer.close().then(() => rm(repo, { recursive: true, force: true })) };
}

/**
 * Runs a peer on the address of every running pod with the label `test-peer` (`ours`, whole, or `reference`), as long as the pod
 * does: the embedded cluster only pretends to run what is in it.
 */
export function servePeers(kube: Kube): { stop(): Promise<void> } {
  const peers = new Map<string, Promise<{ stop(): void }>>();
  const end = (uid: string): void => {
    void peers.get(uid)?.then((peer) => peer.stop());
    peers.delete(uid);
  };
  const reflector = startReflector({
    kube,
    resource: PODS,
    labelSelector: 'test-peer',
    onChange: ({ type, object: { metadata, status } }) => {
      const uid = metadata?.uid ?? '';
      if (type === 'deleted' || metadata?.deletionTimestamp !== undefined) return end(uid);
      if (status?.phase !== 'Running' || status.podIP === undefined || peers.has(uid)) return;
      const address = `${status.podIP}:9081`;
      const ours = metadata?.labels?.['test-peer'] === 'ours';
      peers.set(uid, ours ? startRealPeer(address) : startTestPeer(address, 'reference'));
    },
  });
  return {
    async stop() {
      await reflector.stop();
      for (const uid of [...peers.keys()]) end(uid);
    },
  };
}
