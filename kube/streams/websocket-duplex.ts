/** The binary messages of a WebSocket as one stream of bytes. */
import { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';

/** Bytes that wait for the reader before the socket is paused, and that may wait in the socket before the writer is. */
const HIGH_WATER = 256 * 1024;
/** Codes of a close that is no failure: normal, going away, none given. */
const PEACEFUL = new Set([1000, 1001, 1005]);

/**
 * Ends when the other side closes the WebSocket, fails when it is lost or closed for a failure, and closes it when both
 * halves have ended. A WebSocket has no half-close: `end()` closes it, when all is sent.
 */
export function webSocketDuplex(socket: WebSocket): Duplex {
  const duplex = new Duplex({
    highWaterMark: HIGH_WATER,
    read: () => socket.resume(),
    write(chunk: Buffer, _, done) {
      const isFull = socket.bufferedAmount > HIGH_WATER;
      socket.send(chunk, (error) => {
        if (error) duplex.destroy(error);
        else if (isFull) done();
      });
      if (!isFull) done();
    },
    final(done) {
      socket.close(1000);
      done();
    },
    destroy(error, done) {
      socket.terminate();
      done(error);
    },
  });
  socket
    .on('message', (data: Buffer, isBinary) => {
      if (!isBinary) duplex.destroy(new Error('a text message came where only binary ones may'));
      else if (data.length > 0 && !duplex.push(data)) socket.pause();
    })
    .on('close', (code, reason) => {
      if (PEACEFUL.has(code)) duplex.push(null);
      else duplex.destroy(new Error(`the WebSocket was closed with ${code} ${reason.toString()}`.trim()));
    })
    .on('error', (error) => duplex.destroy(error));
  return duplex;
}
