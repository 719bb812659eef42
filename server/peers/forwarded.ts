/** The way to peers from outside of the cluster: the API server's port-forward, behind a socket that only we can open. */
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { platform, tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Duplex } from 'node:stream';
import type { PeerAt } from '../ports.js';
import type { FindWay } from './clients.js';

/**
 * gRPC connects to addresses, so each peer gets a listener of its own whose connections go on by `forward`: a Unix socket in a
 * folder that nobody else may enter, or, on Windows, a loopback port.
 */
export function forwarded(forward: (peer: PeerAt, port: number) => Promise<Duplex>): FindWay {
  return async (peer) => {
    const port = Number(peer.address.slice(peer.address.lastIndexOf(':') + 1));
    let trouble: Error | undefined;
    const server = createServer((socket) => {
      socket.on('error', () => {});
      forward(peer, port)
        .then(
          async (far) => {
            // Until the peer has said something, what went wrong with the connection before this one still holds.
            far.on('error', (error) => (trouble = error)).once('data', () => (trouble = undefined));
            await Promise.all([pipeline(socket, far), pipeline(far, socket)]);
          },
          (error: unknown) => {
            trouble = error as Error;
            throw error;
          },
        )
        .catch(() => socket.destroy());
    });
    const folder = platform() === 'win32' ? undefined : await mkdtemp(join(tmpdir(), 'xi-k8s-peer-'));
    const path = folder === undefined ? undefined : join(folder, 's');
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      if (path === undefined) server.listen(0, '127.0.0.1', resolve);
      else server.listen(path, resolve);
    });
    server.unref();
    return {
      target: path === undefined ? `127.0.0.1:${(server.address() as AddressInfo).port}` : `unix:${path}`,
      trouble: () => trouble,
      async close() {
        server.close();
        if (folder !== undefined) await rm(folder, { recursive: true, force: true });
      },
    };
  };
}
