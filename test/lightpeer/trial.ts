/** Peers, writers and faults for a while; then all is healed, and the chains are looked at. */
import { randomUUID } from 'node:crypto';
import type { Fleet } from './fleet.js';

export type Fault = 'kill' | 'stop' | 'restart' | 'partition' | 'cut' | 'slow' | 'full' | 'clock' | 'join';

export interface Trial {
  readonly seconds: number;
  readonly random: () => number;
  readonly writers: number;
  readonly faults: readonly Fault[];
  readonly count: number;
  say(line: string): void;
}

export interface Verdict {
  readonly acknowledged: number;
  readonly failed: number;
  readonly faults: Readonly<Record<string, number>>;
  readonly wrong: readonly string[];
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

export async function runTrial(
  fleet: Fleet,
  { seconds, random, writers, faults, count, say }: Trial,
): Promise<Verdict> {
  const acknowledged = new Set<string>();
  const tried = new Set<string>();
  const happened: Record<string, number> = {};
  let failed = 0;
  const end = performance.now() + seconds * 1000;
  const running = (): boolean => performance.now() < end;
  const pick = (): number => Math.floor(random() * count);

  async function write(writer: number): Promise<void> {
    for (let i = 0; running(); i++) {
      const id = random() < 0.7 ? '' : randomUUID();
      const payload = Buffer.from(`writer ${writer}, block ${i}${'.'.repeat(Math.floor(random() * 200))}`);
      for (let tries = 0; tries < 3 && running(); tries++) {
        try {
          if (id !== '') tried.add(id);
          acknowledged.add(await fleet.persist(pick(), payload, { id, timeoutMs: 8000 }));
          break;
        } catch {
          failed++;
          // With an id of its own it is tried again, elsewhere; without one that would be another block.
          if (id === '') break;
          await pause(50);
        }
      }
    }
  }

  async function disturb(): Promise<void> {
    while (running()) {
      await pause(200 + random() * 1500);
      const fault = faults[Math.floor(random() * faults.length)]!;
      const who = pick();
      happened[fault] = (happened[fault] ?? 0) + 1;
      say(`${fault} ${who}`);
      const away = 100 + random() * 4000;
      if (fault === 'kill' || fault === 'restart') {
        await fleet.signal(who, fault === 'kill' ? 'SIGKILL' : 'SIGTERM');
        await pause(random() < 0.3 ? 0 : away);
        await fleet.start(who);
      } else if (fault === 'stop') {
        await fleet.signal(who, 'SIGSTOP');
        await pause(away);
        await fleet.signal(who, 'SIGCONT');
      } else if (fault === 'partition' || fault === 'cut') {
        const groups = Array.from({ length: count }, () => Math.floor(random() * 2));
        fleet.partition(groups, fault === 'cut' ? 'refuse' : 'swallow');
        await pause(away * 1.5);
        fleet.partition([], 'open');
      } else if (fault === 'slow') {
        fleet.slow(who, 20 + random() * 100);
        await pause(away);
        fleet.slow(who, 0);
      } else if (fault === 'full') {
        fleet.tell(who, 'full');
        await pause(away);
        fleet.tell(who, 'free');
      } else if (fault === 'clock') fleet.tell(who, 'clock');
      else await fleet.join(who, pick()).catch(() => undefined);
    }
  }

  await Promise.all([disturb(), ...Array.from({ length: writers }, (_, i) => write(i))]);

  fleet.partition([], 'open');
  for (let i = 0; i < count; i++) await fleet.start(i);
  const wrong: string[] = [];
  const lone = async (): Promise<number[]> => {
    const first = await fleet.status(0);
    return Array.from({ length: count }, (_, i) => i).filter(
      (i) => first?.members.some(({ address }) => address === fleet.addresses[i]) !== true,
    );
  };
  let together = await fleet.agreed(30_000);
  // A peer that lost its leader's trust and its own memory of it is joined by the controller.
  for (let i = 0; !together && i < 5; i++) {
    for (const who of await lone()) await fleet.join(who, 0).catch(() => undefined);
    together = await fleet.agreed(10_000);
  }
  if (!together) {
    wrong.push('the peers did not come together');
    for (let i = 0; i < count; i++) {
      const status = await fleet.status(i);
      wrong.push(
        `${fleet.addresses[i]}: ${JSON.stringify(status && { mode: status.mode, view: status.view, head: status.head, members: status.members.length, lost: status.lost })}`,
      );
    }
  }
  const chains = await Promise.all(fleet.addresses.map((_, i) => fleet.chain(i)));
  for (const [i, chain] of chains.entries()) {
    const address = fleet.addresses[i]!;
    const seen = new Set(chain);
    if (seen.size !== chain.length) wrong.push(`${address} has ${chain.length - seen.size} blocks twice`);
    if (together && chain.join() !== chains[0]!.join()) wrong.push(`${address} has another chain`);
    const gone = [...acknowledged].filter((id) => !seen.has(id));
    if (gone.length > 0)
      wrong.push(`${address} lacks ${gone.length} acknowledged blocks, such as ${gone[0]}`);
  }
  return { acknowledged: acknowledged.size, failed, faults: happened, wrong };
}
