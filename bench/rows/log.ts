/** A long log, followed to its end. */
import { setTimeout as delay } from 'node:timers/promises';
import { Pool } from 'undici';
import { PODS } from '../../kube/index.js';
import { logPod } from '../objects.js';
import { startOperator } from '../program.js';
import { alternate } from '../stats.js';
import { compare } from '../table.js';
import type { Bench, Row } from './row.js';

const POLL_MS = 200;
const POD = 'writer';

/** Makes the pod and waits until it has written all and ended. */
async function written({ ground, scale, nodeImage }: Bench, namespace: string): Promise<void> {
  await ground.kube.create(PODS, namespace, logPod(namespace, POD, nodeImage, scale.logBytes));
  for (;;) {
    const { status } = await ground.kube.get(PODS, { namespace, name: POD });
    if (status?.phase === 'Succeeded') return;
    const why = status?.containerStatuses?.[0]?.state;
    if (status?.phase === 'Failed' || why?.waiting?.reason?.includes('Image') === true)
      throw new Error(`the pod that writes a log does not run: ${JSON.stringify(why)}; see --node-image`);
    await delay(POLL_MS);
  }
}

export const log: Row = async function* (bench) {
  const { ground, scale, onEnd } = bench;
  const namespace = await ground.namespace('log');
  await written(bench, namespace);
  const operator = await startOperator(ground.settings);
  onEnd(() => operator.stop());
  const ours = new Pool(operator.url, { bodyTimeout: 0 });
  onEnd(() => ours.destroy());

  let size = 0;
  /** Milliseconds until the last byte. */
  const drain = async (
    pool: Pool,
    options: Parameters<Pool['request']>[0],
    least: number,
  ): Promise<number> => {
    const started = performance.now();
    const { body } = await pool.request(options);
    let bytes = 0;
    let last = '';
    for await (const chunk of body as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      last = chunk.toString('latin1', Math.max(0, chunk.length - 200));
    }
    const ms = performance.now() - started;
    if (bytes < least) throw new Error(`a log came with ${bytes} bytes of ${least}; it ends with ${last}`);
    size = bytes;
    return ms;
  };
  const raw = () =>
    drain(
      ground.direct,
      {
        method: 'GET',
        path: `/api/v1/namespaces/${namespace}/pods/${POD}/log?follow=true`,
        headers: ground.headers,
      },
      0,
    );
  await raw();
  // A kubelet keeps no more of a log than it is told to.
  const kept = size;
  const figures = await alternate(
    {
      ours: () =>
        drain(
          ours,
          {
            method: 'POST',
            path: '/v1/functions/pod_logs',
            headers: { 'content-type': 'application/json' },
            body: JSON.stringify({ namespace, pod: POD, follow: true }),
          },
          kept,
        ),
      raw,
    },
    scale.rounds,
  );
  const mib = Math.round(kept / 1e6);
  yield compare(`pod_logs, ${mib} MB followed`, ' ms', figures.ours, {
    name: 'raw stream',
    figures: figures.raw,
    goal: { atMost: 1.2 },
  });
};
