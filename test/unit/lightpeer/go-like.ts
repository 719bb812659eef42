/** A peer that behaves like the reference, its faults included: for telling how ours get along with it. */
import { randomUUID } from 'node:crypto';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { createClients } from '../../../lightpeer/grpc/client.js';
import { listen, methodsOf } from '../../../lightpeer/grpc/server.js';
import type { PeerError } from '../../../lightpeer/port.js';
import { Health } from '../../../proto/gen/grpc/health/v1/health_pb.js';
import { Lightpeer } from '../../../proto/gen/lightpeer_pb.js';
import type { LightblockSchema } from '../../../proto/gen/lightpeer_pb.js';

interface Block {
  ID: string;
  Payload: Uint8Array;
  PrevID: string;
  Type: 0 | 1;
}

export interface GoLike {
  readonly address: string;
  members(): string[];
  /** Payloads of the blocks, newest first. */
  payloads(): string[];
  ids(): string[];
  persist(text: string): Promise<void>;
  join(address: string): Promise<void>;
  close(): void;
}

export async function startGoLike(host: string, { healthChecks = true } = {}): Promise<GoLike> {
  const address = `${host}:9081`;
  const clients = createClients();
  const blocks = new Map<string, Block>();
  let head = '';
  let members = [address];

  const store = (block: Block): void => {
    blocks.set(block.ID, block);
    head = block.ID;
    if (block.Type === 0)
      members = (JSON.parse(Buffer.from(block.Payload).toString()) as { Address: string }[]).map(
        ({ Address }) => Address,
      );
  };
  const chain = (): Block[] => {
    const all: Block[] = [];
    for (let at = blocks.get(head); at !== undefined; at = blocks.get(at.PrevID)) all.push(at);
    return all;
  };
  const made = (Type: 0 | 1, Payload: Uint8Array): Block => ({
    ID: randomUUID(),
    Payload,
    PrevID: head,
    Type,
  });
  const network = (list: readonly string[]): Block =>
    made(0, Buffer.from(JSON.stringify(list.map((Address) => ({ Address })))));
  const notify = async (block: Block, list: readonly string[]): Promise<void> => {
    for (const member of list)
      await clients
        .unary({ address: member, method: Lightpeer.method.notifyNewBlock, timeoutMs: 5000 }, block)
        .catch((error: PeerError) => {
          if (error.code !== 'unreachable') throw error;
        });
  };
  const others = (): string[] => members.filter((member) => member !== address);
  const take = ({ ID, Payload, PrevID, Type }: Block): Block => ({ ID, Payload, PrevID, Type });

  async function persist(payload: Uint8Array): Promise<void> {
    const block = made(1, payload);
    await notify(block, others());
    store(block);
  }

  async function join(target: string): Promise<void> {
    const got: Block[] = [];
    const stop = new AbortController();
    const stream = clients.stream(
      { address: target, method: Lightpeer.method.connectNewPeer, signal: stop.signal },
      { Peer: { Address: address } },
    );
    for await (const block of stream) got.push(take(block));
    const list = got.find(({ Type }) => Type === 0);
    if (list === undefined) throw new Error('no network block');
    store(list);
    for (const block of got) blocks.set(block.ID, block);
    head = got[0]!.ID;
  }

  store(network(members));
  const lightpeer = methodsOf(Lightpeer, {
    joinNetwork: async ({ Address }) => {
      await join(Address);
      return { Result: 'ok' };
    },
    connectNewPeer: async function* ({ Peer }): AsyncGenerator<MessageInitShape<typeof LightblockSchema>> {
      // Twice asked is twice listed, as there.
      const block = network([...members, Peer!.Address]);
      await notify(block, others());
      store(block);
      yield* chain();
    },
    persist: async ({ Payload }) => {
      await persist(Payload);
      return { Response: 'ok' };
    },
    query: async function* () {
      for (const { Type, Payload } of chain()) if (Type === 1) yield { Payload };
    },
    notifyNewBlock: async (block) => {
      if (block.PrevID !== head) throw new Error('new block links to invalid parent');
      store(take(block));
      return { Response: 'ok' };
    },
  });
  const health = methodsOf(Health, {
    check: async () => ({ status: 1 }),
    watch: async function* () {
      yield { status: 1 as const };
    },
  });
  const server = await listen(new Map([...lightpeer, ...health]), { host, port: 9081 });
  const check = async (): Promise<void> => {
    for (const member of others()) {
      const alive = await clients
        .unary({ address: member, method: Health.method.check, timeoutMs: 400 }, {})
        .then(
          () => true,
          () => false,
        );
      if (alive) continue;
      const block = network(members.filter((other) => other !== member));
      await notify(
        block,
        others().filter((other) => other !== member),
      ).catch(() => undefined);
      store(block);
    }
  };
  const timer = setInterval(() => void (healthChecks && check()), 500);
  return {
    address,
    members: () => members,
    payloads: () =>
      chain()
        .filter(({ Type }) => Type === 1)
        .map(({ Payload }) => Buffer.from(Payload).toString()),
    ids: () => chain().map(({ ID }) => ID),
    persist: (text) => persist(Buffer.from(text)),
    join,
    close: () => {
      clearInterval(timer);
      clients.close();
      server.close();
    },
  };
}
