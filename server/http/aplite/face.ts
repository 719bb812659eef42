/** `POST /`, Aplite's protocol, and `GET /v1/aplite`, the remote block to paste. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { CallOptions, Library } from '../../library/library.js';
import { LinkedSignal } from '../../library/signals.js';
import type { Log } from '../../ports.js';
import { createPeer } from './callback.js';
import { defineFunctions } from './functions.js';
import { parseJson } from './json.js';
import { createRegistry } from './registry.js';
import type { IdStore } from './registry.js';
import { createAnswerer } from './request.js';
import { remoteBlock } from './types.js';
import { createValues } from './values.js';

export interface ApliteOptions {
  readonly library: Library;
  /** The one address where ids of a program's own registry are looked up, `http://localhost:5000`; undefined: off. */
  readonly callback: string | undefined;
  /** The bounds of what is kept under ids. */
  readonly idStore: IdStore;
  /** What a request says of the call: identity, id, deadline, dry run, and the client's leaving. */
  readonly callOptions: (request: FastifyRequest, reply: FastifyReply) => CallOptions;
  readonly log: Log;
}

const TEXT = 'text/plain; charset=utf-8';

export function registerAplite(app: FastifyInstance, options: ApliteOptions): void {
  const { library, callback, idStore, callOptions, log } = options;
  const registry = createRegistry(idStore);
  const values = createValues(registry, createPeer(callback));
  defineFunctions(registry, library);

  const answer = createAnswerer(registry, values);

  // A scope of its own, because its JSON keeps whole numbers of any size.
  app.register(async (scope) => {
    scope.removeContentTypeParser('application/json');
    scope.addContentTypeParser(
      'application/json',
      { parseAs: 'string' },
      async (_request: unknown, body: string) => parseJson(body, 'The body'),
    );

    // What fails before or after the functions has no audit record.
    scope.addHook('onError', async (request, _reply, error) =>
      log.info({ reqId: request.id }, error.message),
    );
    scope.post('/', async (request, reply) => {
      const asked = callOptions(request, reply);
      const linked = new LinkedSignal(
        [asked.signal],
        asked.timeoutSeconds === undefined ? undefined : asked.timeoutSeconds * 1000,
      );
      try {
        const text = await answer(request.body, { ...asked, signal: linked.signal });
        return await reply.type(TEXT).send(text);
      } finally {
        linked.release();
      }
    });

    // The address that the reader came by is the one to print.
    scope.get('/v1/aplite', async (request, reply) =>
      reply.type(TEXT).send(remoteBlock(library.contracts, request.host)),
    );
  });
}
