/** How long a start takes: from the process to the first 200 of /readyz. */
import { startOperator } from '../program.js';
import { alternate } from '../stats.js';
import { alone } from '../table.js';
import type { Row } from './row.js';

export const start: Row = async function* ({ ground, scale: { rounds } }) {
  const timed = (settings: Readonly<Record<string, string>>) => async () => {
    const started = performance.now();
    const operator = await startOperator(settings);
    const seconds = (performance.now() - started) / 1000;
    await operator.stop();
    return seconds;
  };
  const figures = await alternate(
    {
      cluster: timed(ground.settings),
      embedded: timed({ XI_CLUSTER: 'embedded', XI_EMBEDDED_PORT: '0' }),
    },
    rounds,
  );
  yield alone('start to ready', ' s', figures.cluster, { atMost: 1 });
  yield alone('start to ready, with an embedded cluster', ' s', figures.embedded);
};
