/** Connections to all plugins, by base URL and protocol. */
import { createH2cUpstream } from './h2c-upstream.js';
import { createHttp1Upstream } from './http1-upstream.js';
import { createReadBuffers } from './read-buffers.js';
import { Refusal } from './refusal.js';
import type { Upstream } from './upstream.js';

export interface UpstreamOptions {
  readonly connectMs: number;
  readonly idleMs: number;
}

/** A plugin's server: its connections, and the path that its base URL has, without a slash at the end. */
export interface Server {
  readonly upstream: Upstream;
  readonly prefix: string;
}

export interface Upstreams {
  /** Open connections of all servers. */
  readonly connections: number;
  /** @throws Refusal 502 for a base URL that is no http URL. */
  at(baseUrl: string, protocol: 'http1' | 'h2c'): Server;
  sweep(now: number): void;
  close(): void;
}

/** Milliseconds that a server without connections is remembered. */
const FORGET_MS = 60_000;

export function createUpstreams(options: UpstreamOptions): Upstreams {
  const buffers = createReadBuffers();
  const servers = { http1: new Map<string, Entry>(), h2c: new Map<string, Entry>() };
  const all = (): Entry[] => [...servers.http1.values(), ...servers.h2c.values()];

  const open = (baseUrl: string, protocol: 'http1' | 'h2c'): Entry => {
    const { host, port, prefix } = parse(baseUrl);
    const create = protocol === 'h2c' ? createH2cUpstream : createHttp1Upstream;
    const entry = { upstream: create({ host, port, buffers, ...options }), prefix, usedAt: 0 };
    servers[protocol].set(baseUrl, entry);
    return entry;
  };

  return {
    get connections() {
      return all().reduce((sum, { upstream }) => sum + upstream.connections, 0);
    },
    at(baseUrl, protocol) {
      const entry = servers[protocol].get(baseUrl) ?? open(baseUrl, protocol);
      entry.usedAt = performance.now();
      return entry;
    },
    sweep(now) {
      for (const map of [servers.http1, servers.h2c])
        for (const [baseUrl, { upstream, usedAt }] of map) {
          upstream.sweep(now);
          if (upstream.connections === 0 && now - usedAt > FORGET_MS) map.delete(baseUrl);
        }
    },
    close() {
      for (const { upstream } of all()) upstream.close();
    },
  };
}

interface Entry extends Server {
  usedAt: number;
}

function parse(baseUrl: string): { host: string; port: number; prefix: string } {
  const url = URL.canParse(baseUrl) ? new URL(baseUrl) : undefined;
  if (url?.protocol !== 'http:')
    throw new Refusal(
      502,
      'unavailable',
      `the plugin's base_url ${JSON.stringify(baseUrl)} is no http:// URL; let it register with one`,
    );
  return {
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? 80 : Number(url.port),
    prefix: url.pathname.replace(/\/$/, ''),
  };
}
