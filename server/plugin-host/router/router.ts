/**
 * Carries calls between plugins: `/services/{type}/{provider}/{method…}` goes to where that provider's service is, with its
 * body, trailers and query as they come, over connections that are kept.
 */
import type { HostLog, HostMetrics, Registration, Routes } from '../port.js';
import { Unroutable } from '../port.js';
import { Call } from './call.js';
import type { CallFacts } from './call.js';
import { callerOf } from './caller.js';
import type { Caller, Request, Response } from './caller.js';
import { headerIn, readCallHeaders } from './headers.js';
import type { CallHeaders } from './headers.js';
import { parsePath } from './path.js';
import type { RoutedPath } from './path.js';
import { badRequest, Refusal } from './refusal.js';
import type { Answered } from './refusal.js';
import { createCrowd } from './crowd.js';
import { createUpstreams } from './upstreams.js';

export interface RouterOptions {
  readonly routes: Routes;
  readonly log: HostLog;
  readonly metrics: HostMetrics;
  /** Milliseconds that a plugin which has the whole request may take to begin its answer, when the caller names no deadline and the call is no stream; 300,000 by default. */
  readonly headersMs?: number | undefined;
  /** Milliseconds for a connection to a plugin to be there; 5,000 by default. */
  readonly connectMs?: number | undefined;
  /** Milliseconds that a kept connection may be idle and still be used; 4,000 by default, below what servers allow. */
  readonly idleMs?: number | undefined;
}

export interface Router {
  /** Answers the request when its path is below /services/. False for any other path: the request is untouched. */
  (request: Request, response: Response): boolean;
  /** Calls that are under way, to one provider or to all. */
  inFlight(provider?: string): number;
  /** Open connections to plugins. */
  connections(): number;
  /** Resolves when no call to the provider is under way: true, or false when there still is one after `ms`. */
  drained(provider: string, ms: number): Promise<boolean>;
  /** Closes connections as they become idle; calls under way end by themselves. */
  close(): void;
}

const SWEEP_MS = 1_000;
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/** Listens to nothing itself: it is given the requests of a server of node:http, or of node:http2 with its compatible API. */
export function createRouter(options: RouterOptions): Router {
  const { routes, log, metrics } = options;
  const upstreams = createUpstreams({
    connectMs: options.connectMs ?? 5_000,
    idleMs: options.idleMs ?? 4_000,
  });
  const active = createCrowd<Call>();
  const waiting = new Set<() => void>();
  let turns = 0;
  const sweeper = setInterval(() => {
    const now = performance.now();
    for (const call of active.all()) call.sweep(now);
    upstreams.sweep(now);
  }, SWEEP_MS).unref();

  const host = {
    routes,
    log,
    metrics,
    upstreams,
    headersMs: options.headersMs ?? 300_000,
    turn: () => (turns = (turns + 1) % 1_000_000),
    started: (call: Call) => active.add(call),
    ended: (call: Call) => {
      active.delete(call);
      for (const look of waiting) look();
    },
  };

  const refuse = (caller: Caller, path: RoutedPath | undefined, error: unknown): void => {
    const refusal = refusalOf(error);
    const what = path === undefined ? 'a call' : `a call of ${path.type}/${path.provider} /${path.method}`;
    log.warn(
      { status: refusal.status, code: refusal.code, ...(refusal !== error && { error }) },
      `[ROUTER] refused ${what} ${refusal.status}: ${refusal.message}`,
    );
    const { status, code, message } = refusal;
    caller.refuse({ status, code, message, notSent: true });
  };

  const inFlight = (provider?: string): number => {
    if (provider === undefined) return active.size;
    let count = 0;
    for (const call of active.all()) if (call.registration.provider === provider) count += 1;
    return count;
  };

  const route = (request: Request, response: Response): boolean => {
    let path: RoutedPath | undefined;
    let facts: CallFacts;
    let registration: Registration;
    try {
      path = parsePath(request.url ?? '');
      if (path === undefined) return false;
      const headers = readCallHeaders(request.rawHeaders);
      const caller = routes.authenticate((name) => headerOf(headers, request.rawHeaders, name));
      facts = {
        callerId: caller.runtimeId,
        method: methodOf(request),
        path,
        headers,
        body: bodyOf(request, headers),
      };
      registration = routes.resolve(path.type, path.provider);
    } catch (error) {
      refuse(callerOf(request, response), path, error);
      return true;
    }
    new Call(host, callerOf(request, response), facts, registration).start();
    return true;
  };

  return Object.assign(route, {
    inFlight,
    connections: () => upstreams.connections,
    drained: (provider: string, ms: number) => waitUntil(() => inFlight(provider) === 0, ms, waiting),
    close: () => {
      clearInterval(sweeper);
      upstreams.close();
    },
  });
}

function refusalOf(error: unknown): Answered {
  if (error instanceof Refusal || error instanceof Unroutable) return error;
  return new Refusal(500, 'internal', 'the host failed in a way that it does not know; its log says more');
}

function headerOf(headers: CallHeaders, raw: readonly string[], name: string): string | undefined {
  if (name === 'x-plugin-runtime-id') return headers.runtimeId;
  return name === 'authorization' ? headers.authorization : headerIn(raw, name);
}

function methodOf(request: Request): string {
  const method = request.method ?? '';
  if (!TOKEN.test(method) || method === 'CONNECT')
    throw badRequest('the call has no HTTP method that can be routed');
  return method;
}

function bodyOf(request: Request, headers: CallHeaders): CallFacts['body'] {
  if (headers.length !== undefined) return headers.length;
  const none = 'stream' in request ? request.stream.endAfterHeaders : !headers.chunked;
  return none ? 'none' : 'chunked';
}

function waitUntil(holds: () => boolean, ms: number, waiting: Set<() => void>): Promise<boolean> {
  if (holds()) return Promise.resolve(true);
  return new Promise((resolve) => {
    const done = (answer: boolean): void => {
      clearTimeout(timer);
      waiting.delete(look);
      resolve(answer);
    };
    const look = (): void => {
      if (holds()) done(true);
    };
    const timer = setTimeout(() => done(false), ms);
    waiting.add(look);
  });
}
