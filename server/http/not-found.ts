/** What a caller is told who asks for something that is not there. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { AppError } from '../errors.js';
import type { Library } from '../library/library.js';

const METHODS = ['GET', 'POST'] as const;
const FUNCTIONS = '/v1/functions/';

/** The error for a request that no route takes; tells the methods that the path has, or the function that was meant. */
export function notFound(
  app: FastifyInstance,
  library: Library,
  request: FastifyRequest,
  reply: FastifyReply,
): AppError {
  const path = request.url.split('?', 1)[0] ?? '';
  const allowed = METHODS.filter((method) => app.hasRoute({ method, url: path }));
  if (allowed.length > 0) {
    reply.header('allow', allowed.join(', '));
    return new AppError(
      'method_not_allowed',
      `${path} takes ${allowed.join(' and ')}, not ${request.method}.`,
    );
  }
  if (path.startsWith(FUNCTIONS)) return library.unknown(path.slice(FUNCTIONS.length));
  return new AppError(
    'unknown_function',
    `There is nothing at ${request.method} ${path.slice(0, 200)}. GET /docs shows what there is.`,
  );
}
