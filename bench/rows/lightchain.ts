/** Lightchains: files across peers, blocks across ten of them, joining and reading, beside the Go peer's ways. */
import { watch } from 'node:fs';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { buildGo, hasGo } from '../../test/interop/build.js';
import { idleMemory } from '../idle.js';
import { openSidecars } from '../lightpeers.js';
import type { Sidecar, Sidecars } from '../lightpeers.js';
import { alternate, spreadOf } from '../stats.js';
import { alone, compare } from '../table.js';
import type { Line } from '../table.js';
import type { Row, Scale } from './row.js';

const PEERS = 10;
/** Median of the reference, measured before on such a machine. */
const REFERENCE_FILE_MS = '738–795 ms';

/** Milliseconds from the rename of one peer's file to the same content in another's. */
async function fileTimes(from: Sidecar, to: Sidecar, times: number): Promise<number[]> {
  const took: number[] = [];
  const draft = join(dirname(from.shared), '.draft');
  for (let nth = 0; nth < times; nth++) {
    const content = `the date, the ${nth}. time`;
    await writeFile(draft, content);
    const arrived = new Promise<number>((resolve) => {
      const look = (): void => {
        void readFile(to.shared, 'utf8').then(
          (found) => {
            if (found !== content) return;
            watcher.close();
            resolve(performance.now());
          },
          () => undefined,
        );
      };
      const watcher = watch(dirname(to.shared), look);
    });
    const started = performance.now();
    await rename(draft, from.shared);
    took.push((await arrived) - started);
    await delay(30);
  }
  return took;
}

async function* files(sidecars: Sidecars, { calls }: Scale): AsyncGenerator<Line> {
  const [a, b] = await sidecars.network(2, () => sidecars.ours(['-ops-port', '0', '-statePath']));
  const times = await fileTimes(a!, b!, Math.max(5, Math.min(100, calls / 500)));
  yield alone(
    'lightchain: file to file, p50',
    ' ms',
    [spreadOf(times).median],
    { atMost: 50 },
    `the reference ${REFERENCE_FILE_MS}, measured before`,
  );
  await Promise.all([a!.stop(), b!.stop()]);
}

/** Median persists a second of the reference, measured before: ten peers, one writing, on ext4. */
const REFERENCE_PERSISTS = 67;
/** A network is measured when it has worked for so many rounds' time, as V8 compiles what it sees often. */
const WARM_ROUNDS = 5;

/** Persists of 100 bytes a second in a network of ten, by the same client for both. */
async function* persists(sidecars: Sidecars, { rounds, seconds }: Scale): AsyncGenerator<Line> {
  const networks = {
    ours: await sidecars.network(PEERS, () => sidecars.ours(['-ops-port', '0'])),
    unsynced: await sidecars.network(PEERS, () => sidecars.ours(['-ops-port', '0', '-sync=false'])),
    golike: await sidecars.network(PEERS, () => sidecars.golike()),
  };
  const load = (network: readonly Sidecar[], writers: number, lasting: number) =>
    sidecars.call('load', network[0]!.address, String(writers), String(lasting), '100');
  for (const network of Object.values(networks)) await load(network, 1, seconds * WARM_ROUNDS);
  for (const [writers, atLeast] of [
    [1, 2],
    [16, 5],
  ] as const) {
    const rate = (network: readonly Sidecar[]) => async () =>
      Number((await load(network, writers, seconds)).split(' ')[0]);
    const figures = await alternate(
      { ours: rate(networks.ours), unsynced: rate(networks.unsynced), golike: rate(networks.golike) },
      rounds,
    );
    const what = `lightchain: persist, ${PEERS} peers, ${writers} writing`;
    const name = 'Go peer, which does not sync,';
    yield compare(what, '/s', figures.ours, { name, figures: figures.golike, goal: { atLeast } });
    if (writers === 1)
      yield compare(what, '/s', figures.ours, {
        name: 'the reference, measured before,',
        figures: figures.ours.map(() => REFERENCE_PERSISTS),
      });
    yield compare(`${what}, not synced`, '/s', figures.unsynced, { name, figures: figures.golike });
  }
  await Promise.all(Object.values(networks).flatMap((network) => network.map((each) => each.stop())));
}

/** Of a round, whose figure is their median: one takes as long as it takes to start a program that asks. */
const QUERIES = 15;

/** Joining a chain of so many blocks, and reading them. */
async function* chains(sidecars: Sidecars, { rounds, calls }: Scale): AsyncGenerator<Line> {
  for (const [wanted, bytes, atMost] of [
    [1_000, 100, 100],
    [10_000, 1_024, 1_000],
  ] as const) {
    const blocks = Math.min(wanted, calls);
    const ours = await sidecars.ours(['-ops-port', '0']);
    const golike = await sidecars.golike();
    for (const { address } of [ours, golike])
      await sidecars.call('fill', address, String(blocks), String(bytes));
    const timed = async (work: () => Promise<unknown>): Promise<number> => {
      const started = performance.now();
      await work();
      return performance.now() - started;
    };
    const joined = (first: Sidecar, start: () => Promise<Sidecar>) => async () => {
      const fresh = await start();
      const ms = await timed(() => sidecars.call('join', fresh.address, first.address));
      await fresh.stop();
      // The others must have noticed before the next one comes.
      await delay(2_500);
      return ms;
    };
    const joins = await alternate(
      {
        ours: joined(ours, () => sidecars.ours(['-ops-port', '0'])),
        golike: joined(golike, () => sidecars.golike()),
      },
      rounds,
    );
    yield alone(`lightchain: join, ${blocks} blocks of ${bytes} B`, ' ms', joins.ours, { atMost });
    yield compare(`lightchain: join, ${blocks} blocks of ${bytes} B`, ' ms', joins.ours, {
      name: 'Go peer',
      figures: joins.golike,
    });
    const asked = (peer: Sidecar) => async () => {
      const times: number[] = [];
      while (times.length < QUERIES) times.push(await timed(() => sidecars.call('query', peer.address)));
      return spreadOf(times).median;
    };
    const queries = await alternate({ ours: asked(ours), golike: asked(golike) }, rounds);
    yield compare(`lightchain: query, ${blocks} blocks`, ' ms', queries.ours, {
      name: 'Go peer',
      figures: queries.golike,
      ...(wanted === 1_000 ? { goal: { atMost: 1 } as const } : {}),
    });
    await Promise.all([ours.stop(), golike.stop()]);
  }
}

export const lightchain: Row = async function* ({ onEnd, scale }) {
  if (!hasGo()) {
    process.stdout.write('lightchain: skipped, as the peers beside ours are built with Go\n');
    return;
  }
  const sidecars = await openSidecars(await buildGo('lightpeer', 'lightpeer.proto'));
  onEnd(() => sidecars.stop());
  yield await idleMemory(
    'lightchain: memory of an idle peer',
    { start: () => sidecars.ours(['-ops-port', '0', '-statePath']), rounds: scale.rounds, atMost: 70 },
    'the reference 13 MB, measured before',
  );
  yield* files(sidecars, scale);
  yield* persists(sidecars, scale);
  yield* chains(sidecars, scale);
};
