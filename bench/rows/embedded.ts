/** The embedded cluster itself: how soon it is there, what it holds, and how it stands beside a real API server. */
import { Pool } from 'undici';
import { createKube, plainConnection } from '../../kube/index.js';
import { deploymentObject } from '../objects.js';
import { startPeer } from '../program.js';
import { alternate } from '../stats.js';
import { alone, compare } from '../table.js';
import { connectionsBy } from '../workers.js';
import { removeFakes } from '../../test/cluster/scale.js';
import { fillWithPods } from './pods.js';
import type { Row, RowBench } from './row.js';

const CONNECTIONS = 16;

/** An embedded cluster in a process of its own; `startMs` counts from the process's begin. */
const startCluster = () => startPeer<{ url: string; startMs: number }>('embedded', {});

/** An API server that is called directly, without anything of ours between. */
interface Api {
  readonly pool: Pool;
  readonly headers: Readonly<Record<string, string>>;
}

async function createOne({ pool, headers }: Api, namespace: string, name: string): Promise<void> {
  const { statusCode, body } = await pool.request({
    method: 'POST',
    path: `/apis/apps/v1/namespaces/${namespace}/deployments`,
    headers: { ...headers, 'content-type': 'application/json' },
    body: JSON.stringify(deploymentObject(namespace, name)),
  });
  await body.dump();
  if (statusCode !== 201) throw new Error(`an API server answered ${statusCode}`);
}

async function listAll({ pool, headers }: Api, namespace: string, pods: number): Promise<number> {
  const started = performance.now();
  const { body } = await pool.request({
    method: 'GET',
    path: `/api/v1/namespaces/${namespace}/pods?limit=${pods}`,
    headers,
  });
  const { length } = ((await body.json()) as { items: unknown[] }).items;
  if (length !== pods) throw new Error(`a list has ${length} pods, and there are ${pods}`);
  return performance.now() - started;
}

/** Beside a real API server on the same machine: creation and a long list. */
async function* besideReal({ ground, onEnd, scale: { rounds, seconds, pods } }: RowBench) {
  const cluster = await startCluster();
  onEnd(() => cluster.stop());
  const kube = createKube(plainConnection({ url: cluster.ready.url, how: 'embedded' }));
  onEnd(() => kube.close());
  const embedded: Api = { pool: new Pool(cluster.ready.url, { connections: 64 }), headers: {} };
  onEnd(() => embedded.pool.destroy());
  const real: Api = { pool: ground.direct, headers: ground.headers };

  let run = 0;
  const created = (api: Api, namespace: string) => async () => {
    const prefix = `run-${run++}`;
    const { callsPerSecond } = await connectionsBy({ connections: CONNECTIONS, seconds }, () =>
      Promise.resolve({
        call: (nth) => createOne(api, namespace, `${prefix}-${nth}`),
        close: () => undefined,
      }),
    );
    return callsPerSecond;
  };
  const namespace = await ground.namespace('embedded');
  const creation = await alternate(
    { embedded: created(embedded, 'default'), real: created(real, namespace) },
    rounds,
  );
  yield compare(`embedded API: create, ${CONNECTIONS} at once`, '/s', creation.embedded, {
    name: 'real API server',
    figures: creation.real,
    goal: { atLeast: 2 },
  });

  const filled = await ground.namespace('embedded-pods');
  ground.onClose(() => removeFakes(ground.kube, filled));
  await fillWithPods(ground.kube, filled, pods);
  await fillWithPods(kube, 'default', pods);
  const lists = await alternate(
    {
      embedded: () => listAll(embedded, 'default', pods),
      real: () => listAll(real, filled, pods),
    },
    rounds,
  );
  yield compare(`embedded API: list of ${pods} pods`, ' ms', lists.embedded, {
    name: 'real API server',
    figures: lists.real,
    goal: { atMost: 1 },
  });
}

export const embedded: Row = async function* (bench) {
  const { ground, onEnd, scale } = bench;
  const starts: number[] = [];
  for (let round = -1; round < scale.rounds; round++) {
    const peer = await startCluster();
    if (round >= 0) starts.push(peer.ready.startMs);
    await peer.stop();
  }
  yield alone('embedded cluster, process to ready', ' ms', starts, { atMost: 300 });

  const cluster = await startCluster();
  onEnd(() => cluster.stop());
  const kube = createKube(plainConnection({ url: cluster.ready.url, how: 'embedded' }));
  onEnd(() => kube.close());
  const before = cluster.residentMiB();
  await fillWithPods(kube, 'default', scale.watchedPods);
  const held: number[] = [];
  for (let round = 0; round < scale.rounds; round++) {
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    held.push(cluster.residentMiB());
  }
  yield alone(
    `embedded cluster, ${scale.watchedPods} pods held`,
    ' MiB',
    held,
    { atMost: 150 },
    `empty ${Math.round(before)} MiB`,
  );
  if (ground.how === 'kubeconfig') yield* besideReal(bench);
};
