/** Health and readiness, on a listener of their own. */
import Fastify from 'fastify';
import type { FastifyInstance } from 'fastify';
import type { Kube } from '../../kube/kube.js';

export interface Health {
  readonly app: FastifyInstance;
  /** From now on the server is not ready, whatever the cluster says. */
  stopping(): void;
}

/** How old an answer of the cluster may be, and how long it may take, in milliseconds. */
const FRESH_MS = 2_000;
const PATIENCE_MS = 2_000;

/** `/healthz`: the process runs. `/readyz`: it takes calls and the API server answers. */
export function createHealth(kube: Kube): Health {
  const app = Fastify({ logger: false, forceCloseConnections: true });
  let stopping = false;
  let known: { at: number; fault: Promise<string | undefined> } | undefined;

  const clusterFault = (): Promise<string | undefined> => {
    if (known === undefined || performance.now() - known.at > FRESH_MS)
      known = {
        at: performance.now(),
        fault: kube.version({ timeoutMs: PATIENCE_MS }).then(
          () => undefined,
          (error: unknown) =>
            `the API server does not answer: ${error instanceof Error ? error.message : String(error)}`,
        ),
      };
    return known.fault;
  };

  app.get('/healthz', () => ({ status: 'ok' }));
  app.get('/readyz', async (_request, reply) => {
    const fault = stopping ? 'the server is stopping' : await clusterFault();
    if (fault !== undefined) return reply.code(503).send({ status: 'not ready', message: fault });
    return { status: 'ok' };
  });
  return {
    app,
    stopping() {
      stopping = true;
    },
  };
}
