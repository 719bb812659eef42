/**
 * The channels of `v5.channel.k8s.io` and `v4.channel.k8s.io`: binary messages whose first byte says which stream of a
 * remote command the rest belongs to. In v5 a message of 255 and a channel's number ends that channel.
 *
 * They share one WebSocket without windows, so a slow reader of one channel holds up them all.
 */
import { Readable, Writable } from 'node:stream';
import type { WebSocket } from 'ws';
import { createGate } from './gate.js';

export const CHANNEL = { stdin: 0, stdout: 1, stderr: 2, error: 3, resize: 4 } as const;
export const CHANNELS_V5 = 'v5.channel.k8s.io';
export const CHANNELS_V4 = 'v4.channel.k8s.io';
/** A WebSocket message that holds more than this many bytes is refused. */
export const MAX_MESSAGE = 16 * 1024 * 1024;

const CLOSE = 255;
const CHANNEL_COUNT = 5;
const PROTOCOL_ERROR = 1002;

export interface Channels {
  /** What comes on a channel, until the other side ends it or the WebSocket is closed. What nobody reads is dropped. */
  readable(channel: number): Readable;
  /** What is written goes out on the channel, one chunk at a time. `signalsEnd`: its end does too, as v5 has it. */
  writable(channel: number, options?: { signalsEnd?: boolean }): Writable;
  /** Closes the WebSocket once all is sent that was written. */
  close(): void;
  /** Closes it at once. */
  destroy(): void;
  /** Resolves when the WebSocket is closed, with why it was where that was no normal end. */
  readonly closed: Promise<Error | undefined>;
}

export function openChannels(socket: WebSocket, protocol: string): Channels {
  const readers = new Map<number, Readable>();
  const gate = createGate<Readable>(socket);
  let failure: Error | undefined;
  let closing = false;

  const end = (channel: number): void => {
    const reader = readers.get(channel);
    readers.delete(channel);
    reader?.push(null);
  };
  const close = (code: number, why?: string): void => {
    closing = true;
    socket.close(code, why);
    // The answer would not be seen behind data that nobody reads any more.
    socket.resume();
  };
  const refuse = (why: string): void => {
    failure = new Error(why);
    close(PROTOCOL_ERROR, why);
  };

  socket.on('message', (data: Buffer, isBinary) => {
    if (closing) return;
    if (!isBinary) return refuse('a text message came where only binary ones may');
    const [channel, ended] = data;
    if (channel === undefined) return;
    if (channel === CLOSE && protocol === CHANNELS_V5) {
      if (data.length !== 2 || ended === undefined || ended >= CHANNEL_COUNT)
        return refuse('a close signal names no channel');
      return end(ended);
    }
    const reader = readers.get(channel);
    if (reader !== undefined && data.length > 1 && !reader.push(data.subarray(1))) gate.hold(reader);
  });
  socket.on('error', (error) => (failure ??= error));
  const closed = new Promise<Error | undefined>((resolve) =>
    socket.once('close', (code, reason) => {
      for (const channel of [...readers.keys()]) end(channel);
      if (code !== 1000 && code !== 1005)
        failure ??= new Error(`the WebSocket was closed with ${code} ${reason.toString()}`.trim());
      resolve(failure);
    }),
  );
  // It may have been paused until somebody listens; the readers are made before anything can come.
  socket.resume();

  return {
    closed,
    readable(channel) {
      const reader = new Readable({
        read: () => gate.release(reader),
        destroy(error, done) {
          gate.release(reader);
          readers.delete(channel);
          done(error);
        },
      });
      readers.set(channel, reader);
      return reader;
    },
    writable(channel, { signalsEnd = false } = {}) {
      const send = (head: number, rest: Uint8Array, done: (error?: Error | null) => void): void =>
        socket.send(Buffer.concat([Buffer.from([head]), rest]), done);
      const writer = new Writable({
        write: (chunk: Buffer, _, done) => send(channel, chunk, done),
        final(done) {
          if (signalsEnd) send(CLOSE, Buffer.from([channel]), done);
          else done();
        },
      });
      // That the WebSocket is gone is told by `closed`, and must not end the process of who still writes.
      return writer.on('error', () => undefined);
    },
    close: () => close(1000),
    destroy: () => socket.terminate(),
  };
}
