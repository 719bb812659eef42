/** Two servers on one port: who gets a connection is seen from its first bytes. */
import type { Server } from 'node:http';
import type { Http2Server } from 'node:http2';
import type { Socket } from 'node:net';

/** How the preface of HTTP/2 begins; no method of HTTP/1.1 does. */
const PREFACE = Buffer.from('PRI');

/** The connections that have not yet said which version they speak. */
export interface Undecided {
  /** Cuts them. */
  destroy(): void;
}

/** Looks at the first bytes of each of `http1`'s connections, and gives those of HTTP/2 to `http2`, bytes and all. */
export function splitConnections(http1: Server, http2: Http2Server, timeoutMs: number): Undecided {
  const accept = http1.listeners('connection');
  const waiting = new Set<Socket>();
  http1.removeAllListeners('connection');
  http1.on('connection', (socket: Socket) => {
    waiting.add(socket);
    look(socket, timeoutMs, (speaksHttp2) => {
      waiting.delete(socket);
      if (speaksHttp2 === true) http2.emit('connection', socket);
      // Not by an event: that would come back here.
      if (speaksHttp2 === false) for (const listener of accept) listener.call(http1, socket);
    });
  });
  return { destroy: () => waiting.forEach((socket) => socket.destroy()) };
}

/** Tells what a connection speaks: undefined when it was closed, or said nothing in time, before that was to be seen. */
function look(socket: Socket, timeoutMs: number, decided: (speaksHttp2: boolean | undefined) => void): void {
  let held: Buffer = Buffer.alloc(0);
  const timer = setTimeout(() => socket.destroy(), timeoutMs);
  // A caller that ends its side before its first bytes wants nothing.
  socket.allowHalfOpen = false;
  socket.on('readable', onReadable);
  socket.on('close', onClose);
  socket.on('error', ignore);

  function onReadable(): void {
    const chunk = socket.read() as Buffer | null;
    if (chunk === null) return;
    held = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
    const speaksHttp2 = isPreface(held);
    if (speaksHttp2 === undefined) return;
    stopLooking();
    socket.unshift(held);
    // As Node's own servers have it: HTTP/1.1 writes out what is answered by the time that a caller ends its side, and takes it to
    // have left what is not, for it cannot be told from one that went. HTTP/2 writes no more.
    socket.allowHalfOpen = !speaksHttp2;
    decided(speaksHttp2);
  }

  function onClose(): void {
    stopLooking();
    decided(undefined);
  }

  function stopLooking(): void {
    clearTimeout(timer);
    socket.off('readable', onReadable);
    socket.off('close', onClose);
    socket.off('error', ignore);
  }
}

/** Whether bytes begin HTTP/2; undefined while they are too few to tell. */
function isPreface(bytes: Buffer): boolean | undefined {
  const start = bytes.subarray(0, PREFACE.length);
  if (!PREFACE.subarray(0, start.length).equals(start)) return false;
  return start.length === PREFACE.length ? true : undefined;
}

function ignore(): void {
  // It is closed after its error, which is all that there is to do.
}
