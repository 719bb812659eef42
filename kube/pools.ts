/**
 * The connections of a client: one pool for calls, one without a bound for streams, so that watches never take a call's
 * place. Certificates that rotate lead to new pools; the old ones finish what they carry.
 */
import Pool from 'undici/lib/dispatcher/pool.js';
import type { Connection, Credentials } from './connection.js';
import { createConnector } from './connector.js';

export interface Pools {
  readonly calls: Pool;
  readonly streams: Pool;
}

export interface PoolSource {
  for(credentials: Credentials): Pools;
  destroy(): Promise<void>;
}

/** Below the 90 s after which an API server closes an idle connection. */
const KEEP_ALIVE_MS = 30_000;

export function createPoolSource(connection: Connection, connections: number): PoolSource {
  const origin = new URL(connection.url).origin;
  const alive = new Set<Pool>();
  let current: { pools: Pools; credentials: Credentials } | undefined;

  const open = (credentials: Credentials): Pools => {
    const options = {
      connect: createConnector(connection, credentials),
      pipelining: 1,
      keepAliveTimeout: KEEP_ALIVE_MS,
      // Every call has a deadline of its own, and streams have none.
      headersTimeout: 0,
      bodyTimeout: 0,
    };
    const pools = {
      calls: new Pool(origin, { ...options, connections }),
      streams: new Pool(origin, options),
    };
    alive.add(pools.calls).add(pools.streams);
    return pools;
  };

  const retire = ({ calls, streams }: Pools) => {
    for (const pool of [calls, streams]) void pool.close().finally(() => alive.delete(pool));
  };

  return {
    for(credentials) {
      if (current?.credentials === credentials) return current.pools;
      if (current && sameTls(current.credentials, credentials)) {
        current.credentials = credentials;
        return current.pools;
      }
      if (current) retire(current.pools);
      current = { pools: open(credentials), credentials };
      return current.pools;
    },
    async destroy() {
      await Promise.all([...alive].map((pool) => pool.destroy()));
    },
  };
}

const sameTls = (a: Credentials, b: Credentials) => a.ca === b.ca && a.cert === b.cert && a.key === b.key;
