/** The HTTP server of the embedded cluster's API. */
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { sendError, warningHeaders } from './answers.js';
import { startCustomKinds } from './custom/controller.js';
import { createDiscovery } from './discovery.js';
import { ApiError, internalError, methodNotAllowed, noSuchResource, notFound } from './errors.js';
import { checkRequest, isLoopbackHost } from './guard.js';
import { createLister } from './lists.js';
import { recordUpdate } from './managed-fields.js';
import type { PodRuntime } from './pod-runtime.js';
import { createRegistry, timestamp } from './registry.js';
import type { Registry } from './registry.js';
import { parseResourcePath } from './requests.js';
import { createResourceHandler } from './resource-handler.js';
import type { ResourceCall } from './resource-call.js';
import { createResources } from './resources.js';
import { createSchema } from './schema.js';
import { createShapes } from './shapes.js';
import { createClock } from './storage.js';
import { createSystemClasses } from './priorities.js';
import { createStrategies } from './strategies.js';
import { handleUpgrades } from './streams/upgrade.js';
import type { Upgrade } from './streams/upgrade.js';
import { createSubresources } from './subresources.js';
import { createReviews } from './reviews.js';
import { createTokens } from './tokens.js';

const SMALL_BODY = 65_536;
const DISCARD_MS = 1_000;

export interface ApiServerOptions {
  /** 0, the default, takes a free port. */
  port?: number;
  /** A loopback address; default 127.0.0.1. */
  host?: string;
  /** Told of failures that are the server's own. */
  log?: (message: string, error: unknown) => void;
  /** Milliseconds between the bookmarks of a watch. Default 10,000. */
  bookmarkMs?: number;
}

export interface ApiServer {
  readonly url: string;
  readonly port: number;
  readonly registry: Registry;
  /** Gives the server what runs the pods; until then logs are answered with 503. */
  setPodRuntime(runtime: PodRuntime): void;
  /** Ends all watches, other streams and connections. */
  close(): Promise<void>;
}

/** Starts the API on a loopback address. Rejects when the address is no loopback one or cannot be had. */
export async function startApiServer(options: ApiServerOptions = {}): Promise<ApiServer> {
  const { port = 0, host = '127.0.0.1', log = () => undefined, bookmarkMs } = options;
  if (!isLoopbackHost(host))
    throw new Error(
      `the embedded cluster listens on loopback addresses only, and ${host} is none; use 127.0.0.1`,
    );
  const schema = createSchema();
  const resources = createResources();
  // Versions start at the time, so that a client which outlives a restart sees its version as too old.
  const clock = createClock(Date.now());
  const shapes = createShapes(schema);
  const registry: Registry = createRegistry({
    resources,
    clock,
    strategies: createStrategies(() => registry),
    emptyStatus: (resource) => shapes.emptyStatus(resource),
    recordUpdate: (resource, old, object, by) =>
      recordUpdate(schema, shapes.shape(resource), old ?? shapes.empty(resource), object, {
        ...by,
        apiVersion: resource.apiVersion,
        // The scale of an object is written without one.
        time: by.subresource === 'scale' ? '' : timestamp(),
      }),
  });
  createSystemClasses(registry);
  const lister = createLister(clock);
  const streams = new Set<() => void>();
  let runtime: PodRuntime | undefined;
  const onStream = (end: () => void): (() => void) => {
    streams.add(end);
    return () => streams.delete(end);
  };
  const onWatch = (end: () => void, response: ServerResponse): void => {
    response.once('close', onStream(end));
  };
  const handleResource = createResourceHandler({ schema, shapes, registry, lister, bookmarkMs, onWatch });
  const tokens = createTokens(registry);
  const subresources = createSubresources({ schema, registry, tokens, runtime: () => runtime, onStream });
  const discovery = createDiscovery(resources, schema);
  const customKinds = startCustomKinds({ registry, schema, log });
  const review = createReviews(schema, shapes, tokens);

  const route = async (
    request: IncomingMessage,
    response: ServerResponse,
    upgrade: Upgrade | undefined,
  ): Promise<void> => {
    checkRequest(request);
    const target = request.url ?? '/';
    const cut = target.indexOf('?');
    const pathname = cut < 0 ? target : target.slice(0, cut);
    const query = new URLSearchParams(cut < 0 ? '' : target.slice(cut + 1));
    if (await discovery(pathname, request, response)) return;
    const path = parseResourcePath(pathname);
    if (path === undefined) {
      const [, root, group] = pathname.split('/');
      if (group && ((root === 'apis' && discovery.servesGroup(group)) || root === 'api'))
        throw noSuchResource();
      return notServed(response);
    }
    if (await review(path, request, response, query)) return;
    const resource = resources.find(path.group, path.version, path.plural);
    if (resource === undefined) {
      if (!discovery.servesGroup(path.group)) return notServed(response);
      throw noSuchResource();
    }
    const { deprecation } = resource;
    if (deprecation !== undefined) response.setHeader('warning', warningHeaders([deprecation]).warning ?? []);
    const call: ResourceCall = { request, response, resource, path, query, upgrade };
    if (path.subresource === undefined) return handleResource(call);
    const sub = path.subresource;
    if (!(resource.subresources as readonly string[] | undefined)?.includes(sub))
      throw resource.custom !== undefined && ['status', 'scale'].includes(sub)
        ? notFound(resource, path.name ?? '')
        : noSuchResource();
    const own = subresources[sub];
    if (own !== undefined) return own(call);
    const allowed = sub === 'finalize' ? ['PUT'] : ['GET', 'PUT', 'PATCH'];
    if (!allowed.includes(request.method ?? '')) throw methodNotAllowed();
    return handleResource(call);
  };

  const handle = (request: IncomingMessage, response: ServerResponse, upgrade?: Upgrade): void => {
    route(request, response, upgrade).catch((error: unknown) => {
      if (response.destroyed) return;
      if (!(error instanceof ApiError)) log(`${request.method ?? ''} ${request.url ?? ''} failed`, error);
      discardBody(request, response);
      const message = error instanceof Error ? error.message : String(error);
      sendError(response, error instanceof ApiError ? error : internalError(message));
    });
  };
  const server = createServer({ keepAlive: true, noDelay: true }, (request, response) =>
    handle(request, response),
  );
  handleUpgrades(server, handle);
  server.keepAliveTimeout = 120_000;
  server.requestTimeout = 60_000;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host.replace(/^\[|\]$/g, ''), () => {
      server.off('error', reject);
      resolve();
    });
  });
  const bound = server.address() as AddressInfo;
  return {
    url: `http://${bound.family === 'IPv6' ? `[${bound.address}]` : bound.address}:${bound.port}`,
    port: bound.port,
    registry,
    setPodRuntime(given) {
      runtime = given;
    },
    close() {
      customKinds.stop();
      for (const end of streams) end();
      return new Promise<void>((resolve) => {
        server.close(() => resolve());
        server.closeIdleConnections();
        setTimeout(() => server.closeAllConnections(), 200).unref();
      });
    },
  };
}

/**
 * Reads what is left of a refused request's body into nothing, so that the client gets its answer. A small one leaves the
 * connection usable; a large one has a second.
 */
function discardBody(request: IncomingMessage, response: ServerResponse): void {
  request.resume();
  const { 'content-length': length, 'transfer-encoding': encoding } = request.headers;
  const isSmall = encoding === undefined && Number(length ?? 0) <= SMALL_BODY;
  if (request.complete || isSmall || response.headersSent) return;
  const { socket } = request;
  response.setHeader('connection', 'close');
  const timer = setTimeout(() => socket.destroy(), DISCARD_MS);
  socket.once('close', () => clearTimeout(timer));
}

function notServed(response: ServerResponse): void {
  const text = '404 page not found\n';
  response.writeHead(404, {
    'content-type': 'text/plain; charset=utf-8',
    'x-content-type-options': 'nosniff',
    'content-length': text.length,
  });
  response.end(text);
}
