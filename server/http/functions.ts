/** `/v1/functions`: every contract as a route of its own. */
import type { FastifyInstance } from 'fastify';
import type { Contract } from '../../schemas/index.js';
import type { Library } from '../library/library.js';
import { negotiate } from './accept.js';
import { callOptions } from './caller.js';
import { sendStream } from './stream.js';

export interface FunctionRoutesOptions {
  readonly library: Library;
  readonly heartbeatMs: number;
  readonly idleMs: number;
}

/** A contract as `GET /v1/functions` shows it. */
export const contractView = ({ name, summary, description, effect, mode, ...rest }: Contract) => ({
  name,
  summary,
  description,
  effect,
  mode,
  params: rest.params,
  ...(rest.result === undefined ? {} : { result: rest.result }),
  ...(rest.item === undefined ? {} : { item: rest.item }),
  permissions: rest.permissions,
  aplite: rest.aplite,
  examples: rest.examples,
});

export function registerFunctions(
  app: FastifyInstance,
  { library, heartbeatMs, idleMs }: FunctionRoutesOptions,
): void {
  const listing = JSON.stringify({ items: library.contracts.map(contractView) });
  app.get('/v1/functions', (_request, reply) => reply.type('application/json').send(listing));

  for (const contract of library.contracts) {
    const { name, mode, result } = contract;
    app.post(
      `/v1/functions/${name}`,
      result === undefined ? {} : { schema: { response: { 200: result } } },
      async (request, reply) => {
        const answer = negotiate(mode, request.headers.accept);
        const options = callOptions(request, reply, 'http');
        if (answer === 'json') return library.call(name, request.body, options);
        const open = (signal: AbortSignal) => library.stream(name, request.body, { ...options, signal });
        await sendStream(reply, open, { as: answer, requestId: request.id, heartbeatMs, idleMs });
        return reply;
      },
    );
  }
}
