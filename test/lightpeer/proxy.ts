/** A way from one address to another that can be cut, or swallow everything, or be slow. */
import { connect, createServer } from 'node:net';
import type { Socket } from 'node:net';

export type Way = 'open' | 'swallow' | 'refuse';

export interface Proxy {
  way: Way;
  /** Milliseconds that each piece waits. */
  delayMs: number;
  /** Ends all connections now. */
  cut(): void;
  close(): Promise<void>;
}

interface Target {
  readonly host: string;
  readonly port: number;
}

export function startProxy(listen: Target, to: Target): Promise<Proxy> {
  const sockets = new Set<Socket>();
  const proxy: Proxy = {
    way: 'open',
    delayMs: 0,
    cut: () => {
      for (const socket of sockets) socket.destroy();
    },
    close: () =>
      new Promise((resolve) => {
        proxy.cut();
        server.close(() => resolve());
      }),
  };

  /** What is swallowed is kept, as a network would send it again: it comes when the way is open. */
  function pass(from: Socket, into: Socket): void {
    const waiting: Buffer[] = [];
    let busy = false;
    const next = (): void => {
      const piece = waiting[0];
      if (piece === undefined || into.destroyed) return void (busy = false);
      busy = true;
      if (proxy.way === 'swallow') return void setTimeout(next, 50);
      const send = (): void => {
        waiting.shift();
        if (!into.destroyed) into.write(piece);
        next();
      };
      if (proxy.delayMs > 0) setTimeout(send, proxy.delayMs);
      else send();
    };
    from.on('data', (piece: Buffer) => {
      waiting.push(piece);
      if (!busy) next();
    });
    const end = (): void => {
      if (proxy.way !== 'swallow') into.destroy();
    };
    from.on('close', end);
    from.on('error', end);
  }

  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    if (proxy.way === 'refuse') return void socket.destroy();
    sockets.add(socket);
    const out = connect(to);
    sockets.add(out);
    out.on('error', () => socket.destroy());
    pass(socket, out);
    pass(out, socket);
    for (const one of [socket, out]) one.on('close', () => sockets.delete(one));
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(listen.port, listen.host, () => resolve(proxy));
  });
}
