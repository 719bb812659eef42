/** The whole app: every option, plugin and route of the loopback listener. Tests build the same one. */
import Fastify, { LogController } from 'fastify';
import type { FastifyBaseLogger, FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { randomUUID } from 'node:crypto';
import type { Socket } from 'node:net';
import type { Logger } from 'pino';
import type { Kube } from '../kube/kube.js';
import { startReflector } from '../kube/reflector.js';
import { contractList } from '../schemas/index.js';
import type { Config } from './config.js';
import { AppError, asAppError, toProblem } from './errors.js';
import { implementations } from './functions/index.js';
import { registerAplite } from './http/aplite/face.js';
import { parseJson as explainJson } from './http/aplite/json.js';
import { registerFunctions } from './http/functions.js';
import { callOptions } from './http/caller.js';
import { notFound } from './http/not-found.js';
import { registerPages } from './http/pages.js';
import { createLibrary } from './library/library.js';
import { foreign } from './origin.js';
import type { Networks, Plugins, Reflect } from './ports.js';
import type { ClusterProbe } from './probe.js';

export interface AppDeps {
  readonly kube: Kube;
  readonly log: Logger;
  readonly version: string;
  readonly probe: ClusterProbe;
  readonly networks: Networks;
  readonly plugins: Plugins;
  /** The namespace of calls that name none. */
  readonly defaultNamespace: string;
  /** Fires when the server begins to stop: streams end. */
  readonly stopping: AbortSignal;
  /** Fires when the time for stopping is over: all calls end. */
  readonly halting: AbortSignal;
  /** Whether we are in a pod, where loopback is our own and an Aplite program is elsewhere. */
  readonly inPod: boolean;
}

/** Somebody waits for what is watched, so that it soon sees that the API server is back. */
const REFLECT_BACKOFF = { baseMs: 250, maxMs: 4_000 };

export const reflectOf =
  (kube: Kube): Reflect =>
  (options) =>
    startReflector({ ...options, kube, backoff: REFLECT_BACKOFF });

const REQUEST_ID = /^[\w.:/+=@-]{1,128}$/;

/** Fastify's own failures as ours. */
function translate(error: unknown, bodyLimit: number): AppError {
  const { code, message, statusCode } = error as FastifyError;
  switch (code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return new AppError(
        'payload_too_large',
        `The body is larger than the ${bodyLimit} bytes that the server takes.`,
      );
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return new AppError(
        'unsupported_media_type',
        'The body must be JSON, with Content-Type: application/json.',
      );
    case 'FST_ERR_CTP_INVALID_CONTENT_LENGTH':
      return new AppError('invalid_json', 'The body is not as long as its Content-Length says.');
    default:
      return statusCode === 400 && !(error instanceof AppError)
        ? new AppError('invalid_json', message)
        : asAppError(error);
  }
}

function sendProblem(reply: FastifyReply, error: AppError): void {
  const retry = error.details.retry_after_seconds;
  if (retry !== undefined) reply.header('retry-after', String(retry));
  void reply
    .code(error.status)
    .header('cache-control', 'no-store')
    .header('x-request-id', reply.request.id)
    .type('application/problem+json')
    .serializer((payload: unknown) => JSON.stringify(payload))
    .send(toProblem(error, reply.request.id));
}

const shortened = (text: string): string => (text.length > 200 ? `${text.slice(0, 200)}…` : text);

const BAD_REQUESTS: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: 'its headers are too large',
  ERR_HTTP_REQUEST_TIMEOUT: 'it did not come whole in time',
};

/** What is no HTTP that Node understands has no request to answer: a problem document on the bare socket. */
function refuseRequest(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy(error);
  const why = BAD_REQUESTS[error.code ?? ''] ?? `it is no HTTP request (${error.message})`;
  const body = JSON.stringify(toProblem(new AppError('invalid_params', `The request is refused: ${why}.`)));
  socket.end(
    `HTTP/1.1 400 Bad Request\r\ncontent-type: application/problem+json\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  );
}

/** JSON bodies: absent or empty is undefined; a syntax error says where. */
function parseJson(body: string): unknown {
  if (body.trim() === '') return undefined;
  try {
    return JSON.parse(body);
  } catch {
    // Slower, and says where.
    return explainJson(body, 'The body');
  }
}

export function buildApp(config: Config, deps: AppDeps): FastifyInstance {
  const { kube, log } = deps;
  // Fastify's own, smaller logger type: with pino's the app would not be the FastifyInstance that routes take.
  const loggerInstance: FastifyBaseLogger = log;
  const app = Fastify({
    loggerInstance,
    bodyLimit: config.XI_BODY_LIMIT_BYTES,
    requestIdHeader: false,
    genReqId: (request) => {
      const given = request.headers['x-request-id'];
      return typeof given === 'string' && REQUEST_ID.test(given) ? given : randomUUID();
    },
    // The library's audit record is the line of a call, so no request needs a logger of its own.
    logController: new LogController({ disableRequestLogging: true }),
    childLoggerFactory: (logger) => logger,
    forceCloseConnections: 'idle',
    // The library checks params, for all faces; Fastify only serialises.
    routerOptions: { ignoreTrailingSlash: true },
    // A client that is slow to send its request is dropped.
    requestTimeout: 60_000,
    connectionTimeout: 0,
    keepAliveTimeout: 72_000,
    return503OnClosing: false,
    frameworkErrors: (error, request, reply) =>
      sendProblem(
        reply,
        new AppError(
          'invalid_params',
          `The request for ${shortened(request.url)} is wrong: ${error.message}.`,
        ),
      ),
    clientErrorHandler: refuseRequest,
  });
  const library = createLibrary({
    implementations,
    deps: {
      kube,
      reflect: reflectOf(kube),
      cluster: kube.cluster,
      version: deps.version,
      probe: deps.probe,
      startedAt: new Date(),
      defaultNamespace: deps.defaultNamespace,
      functionCount: contractList.length,
      networks: deps.networks,
      plugins: deps.plugins,
    },
    log,
    defaultTimeoutSeconds: config.XI_TIMEOUT_SECONDS,
    stopping: deps.stopping,
    halting: deps.halting,
  });

  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (_request, body, done) => {
    try {
      done(null, parseJson(body as string));
    } catch (error) {
      done(error as Error, undefined);
    }
  });
  app.setErrorHandler((error, request: FastifyRequest, reply) => {
    const known = translate(error, config.XI_BODY_LIMIT_BYTES);
    // What the library threw, it has logged.
    if (known.code === 'internal' && !(error instanceof AppError))
      log.error({ reqId: request.id, err: error }, 'request failed');
    sendProblem(reply, known);
  });
  app.setNotFoundHandler((request, reply) => sendProblem(reply, notFound(app, library, request, reply)));
  const allowedHosts = new Set(config.XI_ALLOWED_HOSTS.map((host) => host.toLowerCase()));
  app.addHook('onRequest', (request, reply, done) => {
    reply.header('x-request-id', request.id).header('x-content-type-options', 'nosniff');
    const why = foreign(request.headers, allowedHosts, 'XI_ALLOWED_HOSTS');
    if (why !== undefined) throw new AppError('forbidden_origin', why);
    done();
  });

  registerFunctions(app, {
    library,
    heartbeatMs: config.XI_HEARTBEAT_SECONDS * 1000,
    idleMs: config.XI_IDLE_TIMEOUT_SECONDS * 1000,
  });
  registerPages(app, library.contracts, deps.version);
  registerAplite(app, {
    library,
    callback: apliteCallback(config, deps.inPod),
    idStore: { maxEntries: config.XI_APLITE_IDS, ttlSeconds: config.XI_APLITE_ID_SECONDS },
    callOptions: (request, reply) => callOptions(request, reply, 'aplite'),
    log,
  });
  return app;
}

/** Where ids are resolved. In a pod loopback is the operator's own: off unless the configuration says where. */
function apliteCallback({ XI_APLITE_CALLBACK: given }: Config, inPod: boolean): string | undefined {
  if (given !== undefined) return given === 'off' ? undefined : given;
  return inPod ? undefined : 'http://localhost:5000';
}
