/** Health and metrics, on a port of their own: `/healthz`, `/readyz`, `/metrics`. */
import { createServer } from 'node:http';
import type { PeerMetrics } from './peer.js';
import type { StateCounters } from './state/sync.js';

export interface Ops {
  readonly port: number;
  close(): Promise<void>;
}

/** What a number means, and whether it only grows. */
const METRICS: Record<keyof PeerMetrics, readonly ['counter' | 'gauge', string]> = {
  persisted: ['counter', 'Blocks that this peer persisted for its callers.'],
  views: ['counter', 'Changes of view that this peer took part in.'],
  moves: ['counter', 'Moves to another network.'],
  removed: ['counter', 'Members that were removed as dead or silent.'],
  rewinds: ['counter', 'Times that a part of the chain was replaced.'],
  notified: ['counter', 'Blocks that Go peers told of.'],
  refused: ['counter', 'Blocks of Go peers that were refused.'],
  rejoins: ['counter', 'Times that a Go peer with another chain was asked to join anew.'],
  compactions: ['counter', 'Compactions of the chain.'],
  diskFailures: ['counter', 'Times that the disk refused.'],
  height: ['gauge', 'Height of the chain on this peer.'],
  committed: ['gauge', 'Height up to which every member has the chain.'],
  bytes: ['gauge', 'Bytes of the chain on disk.'],
  blocks: ['gauge', 'Blocks of programs in the chain.'],
  members: ['gauge', 'Members of the network.'],
  lost: ['gauge', 'Members that were removed and are still looked for.'],
  leading: ['gauge', '1 when this peer orders the blocks of its network.'],
  ready: ['gauge', '1 when this peer takes blocks.'],
  cutBytes: ['gauge', 'Damaged bytes that were cut off at the start.'],
  importedBlocks: ['gauge', 'Blocks that were taken over from a Go peer.'],
};

/** The counters of the shared files; they only grow. */
const STATE_METRICS: Record<keyof StateCounters, string> = {
  published: 'Changes of shared files that were published.',
  received: 'Changes of shared files that came from the network.',
  refused: 'Blocks whose path is no shared file here.',
  failed: 'Files that could not be shared or written.',
};

const snake = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/** The text that Prometheus reads. */
export const exposition = (metrics: PeerMetrics, state?: Readonly<StateCounters>): string =>
  [
    ...Object.entries(METRICS).flatMap(([key, [type, help]]) => {
      const name = `xi_lightpeer_${snake(key)}${type === 'counter' ? '_total' : ''}`;
      return [
        `# HELP ${name} ${help}`,
        `# TYPE ${name} ${type}`,
        `${name} ${metrics[key as keyof PeerMetrics]}`,
      ];
    }),
    ...Object.entries(state ?? {}).flatMap(([key, value]) => {
      const name = `xi_lightpeer_state_${key}_total`;
      return [
        `# HELP ${name} ${STATE_METRICS[key as keyof StateCounters]}`,
        `# TYPE ${name} counter`,
        `${name} ${value}`,
      ];
    }),
    '',
  ].join('\n');

export function startOps(
  { host, port }: { host: string; port: number },
  deps: { ready(): boolean; metrics(): string },
): Promise<Ops> {
  const server = createServer((request, response) => {
    const answer = (status: number, body: string): void =>
      void response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' }).end(body);
    const path = request.url?.replace(/\?.*/, '');
    if (request.method !== 'GET' && request.method !== 'HEAD') answer(405, 'only GET\n');
    else if (path === '/healthz') answer(200, 'ok\n');
    else if (path === '/readyz')
      answer(
        deps.ready() ? 200 : 503,
        deps.ready() ? 'ok\n' : 'between two views, or the disk refuses, or the chain cannot be read\n',
      );
    else if (path === '/metrics') answer(200, deps.metrics());
    else answer(404, 'there is /healthz, /readyz and /metrics\n');
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host.replace(/^\[|\]$/g, ''), () =>
      resolve({
        port: (server.address() as { port: number }).port,
        close: () =>
          new Promise((done) => {
            server.close(() => done());
            server.closeAllConnections();
          }),
      }),
    );
  });
}
