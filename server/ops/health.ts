/** Health, readiness and metrics, on a listener of their own. */
import Fastify from 'fastify';
import type { FastifyInstance } from 'fastify';
import type { ClusterProbe } from '../probe.js';
import { METRICS_CONTENT_TYPE } from './metrics.js';
import type { Registry } from './metrics.js';

export interface Health {
  readonly app: FastifyInstance;
  /** From now on the server is not ready, whatever the cluster says. */
  stopping(): void;
}

/** `/healthz`: the process runs. `/readyz`: it takes calls and the API server answers. `/metrics`: Prometheus' text. */
export function createHealth(probe: ClusterProbe, metrics: Pick<Registry, 'render'>): Health {
  const app = Fastify({ logger: false, forceCloseConnections: true });
  let stopping = false;

  app.get('/healthz', () => ({ status: 'ok' }));
  app.get('/readyz', async (_request, reply) => {
    const { fault } = await probe();
    const message = stopping
      ? 'the server is stopping'
      : fault === undefined
        ? undefined
        : `the API server does not answer: ${fault}`;
    if (message !== undefined) return reply.code(503).send({ status: 'not ready', message });
    return { status: 'ok' };
  });
  app.get('/metrics', (_request, reply) => reply.type(METRICS_CONTENT_TYPE).send(metrics.render()));
  return {
    app,
    stopping() {
      stopping = true;
    },
  };
}
