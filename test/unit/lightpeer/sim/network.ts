/** The network of a simulated world: messages take a while, are lost in a partition, and streams stall there. */
import { PeerError } from '../../../../lightpeer/port.js';
import type {
  Append,
  AppendSink,
  Call,
  Calls,
  Fetched,
  Transport,
} from '../../../../lightpeer/replica/ports.js';
import type { Node, World } from './world.js';

export function transportOf(world: World, self: Node): Transport {
  const delay = (): number => 0.3 + world.random() * 2;
  const unreachable = (address: string): PeerError =>
    new PeerError('unreachable', `${address}: nothing listens`);
  const { life } = self;
  const living = (): boolean => self.life === life;

  /** Runs at the other side, or not at all. */
  function reach(to: Node, run: () => void): void {
    const life = to.life;
    world.after(delay(), () => {
      if (to.life !== life || !world.connected(self, to)) return;
      world.at(to, 0, run);
    });
  }

  function call<K extends Call>(
    address: string,
    name: K,
    ask: Calls[K]['ask'],
    timeoutMs: number,
  ): Promise<Calls[K]['answer']> {
    return new Promise((resolve, reject) => {
      const to = world.node(address);
      world.at(self, timeoutMs, () => reject(new PeerError('timeout', `${address}: no answer to ${name}`)));
      if (to === undefined || (!to.alive && world.connected(self, to)))
        return void world.at(self, delay(), () => reject(unreachable(address)));
      reach(to, () => {
        const handlers = to.replica?.handlers;
        const back = (run: () => void): void =>
          void world.after(delay(), () => {
            if (living() && world.connected(self, to)) world.at(self, 0, run);
          });
        if (handlers === undefined) return void back(() => reject(unreachable(address)));
        handlers[name](ask as never).then(
          (answer) => back(() => resolve(answer)),
          (error: Error) => back(() => reject(error)),
        );
      });
    });
  }

  return {
    call,
    drop: () => undefined,
    fetch: async function* (address, after, signal): AsyncGenerator<Fetched> {
      const to = world.node(address);
      const pass = (): Promise<void> =>
        new Promise((resolve, reject) => {
          world.at(self, delay() + world.fetchMs, () => {
            if (to?.replica === undefined) reject(unreachable(address));
            else if (!world.connected(self, to) || to.paused)
              world.at(self, 1000, () => reject(new PeerError('timeout', `${address}: no answer to fetch`)));
            else resolve();
          });
        });
      await pass();
      const source = to!.replica!.handlers.fetch(after);
      for await (const part of source) {
        await pass();
        if (signal.aborted) return;
        yield part;
      }
    },
    replicate: (address, events) => {
      const to = world.node(address);
      let open = true;
      let sink: AppendSink | undefined;
      const lives = { self: self.life, to: to?.life };
      /** In order, each way: a message waits for the one before it, and for the partition's end. */
      const lane = (target: Node, life: number | undefined) => {
        const waiting: (() => void)[] = [];
        let busy = false;
        const next = (): void => {
          const run = waiting[0];
          if (run === undefined) return void (busy = false);
          busy = true;
          world.after(delay(), () => {
            const deliver = (): void => {
              if (target.life !== life) return;
              if (!world.connected(self, to!)) return world.onHeal(deliver);
              world.at(target, 0, run);
              waiting.shift();
              next();
            };
            deliver();
          });
        };
        return (run: () => void): void => {
          waiting.push(run);
          if (!busy) next();
        };
      };
      const shut = (error: unknown): void => {
        if (!open) return;
        open = false;
        forget();
        events.closed(error);
      };
      let forget = (): void => undefined;
      if (to === undefined || !to.alive) {
        const fail = (): void => shut(unreachable(address));
        // In a partition not even that much is known.
        if (to === undefined || world.connected(self, to)) world.at(self, delay(), fail);
        return { send: () => true, close: () => shut(undefined) };
      }
      const toThem = lane(to, lives.to);
      const toUs = lane(self, lives.self);
      const ownDeath = (): void => {
        open = false;
        toThem(() => sink?.closed());
      };
      const theirDeath = (): void => toUs(() => shut(unreachable(address)));
      self.onDeath.add(ownDeath);
      to.onDeath.add(theirDeath);
      forget = () => {
        self.onDeath.delete(ownDeath);
        to.onDeath.delete(theirDeath);
      };
      return {
        send: (append: Append) => {
          if (!open) return true;
          toThem(() => {
            if (to.replica === undefined) return void toUs(() => shut(unreachable(address)));
            sink ??= to.replica.handlers.replicate({
              synced: (point) => toUs(() => open && events.synced(point)),
              close: (error) => toUs(() => shut(error)),
            });
            sink.append(append);
          });
          return true;
        },
        close: () => {
          if (!open) return;
          toThem(() => sink?.closed());
          shut(undefined);
        },
      };
    },
    legacy: {
      notify: async (address) => Promise.reject(unreachable(address)),
      // eslint-disable-next-line require-yield
      connect: async function* (address) {
        throw unreachable(address);
      },
      join: async (address) => Promise.reject(unreachable(address)),
      healthy: async () => false,
    },
  };
}
