/**
 * A load generator that costs little beside the servers it drives: requests as prepared bytes over plain sockets, one
 * under way a connection, the next as soon as the answer is whole. It reads answers with Content-Length only.
 */
import { connect } from 'node:net';
import { connectionsBy } from './workers.js';
import type { Rate } from './workers.js';

export interface LoadOptions {
  /** Base URL, `http://127.0.0.1:8080`. */
  readonly url: string;
  readonly path: string;
  /** The JSON of the nth call. */
  readonly body: (nth: number) => string;
  readonly connections: number;
  /** Calls go on for so long, or until there were `calls`. */
  readonly seconds?: number;
  readonly calls?: number;
}

const HEAD_END = Buffer.from('\r\n\r\n');

/** One keep-alive connection. `post` resolves at the whole answer, and rejects when it is no success. */
async function open(
  url: string,
): Promise<{ post(path: string, body: string): Promise<void>; close(): void }> {
  const { hostname, port, host } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port), noDelay: true });
  let received: Buffer | undefined;
  let waiting: { resolve: () => void; reject: (error: Error) => void } | undefined;
  const settle = (error?: Error): void => {
    const { resolve, reject } = waiting ?? {};
    waiting = undefined;
    received = undefined;
    if (error === undefined) resolve?.();
    else reject?.(error);
  };
  socket.on('data', (chunk: Buffer) => {
    received = received === undefined ? chunk : Buffer.concat([received, chunk]);
    const end = received.indexOf(HEAD_END);
    if (end < 0) return;
    const head = received.toString('latin1', 0, end);
    const length = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? NaN);
    if (Number.isNaN(length)) return settle(new Error(`${url}: an answer without Content-Length: ${head}`));
    if (received.length < end + HEAD_END.length + length) return;
    settle(head.startsWith('HTTP/1.1 2') ? undefined : new Error(`${url}: ${received.toString()}`));
  });
  socket.on('error', (error) => settle(error));
  socket.on('close', () => settle(new Error(`${url} closed a connection`)));
  await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject));
  return {
    post: (path, body) =>
      new Promise((resolve, reject) => {
        waiting = { resolve, reject };
        socket.write(
          `POST ${path} HTTP/1.1\r\nhost: ${host}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
        );
      }),
    close: () => socket.destroy(),
  };
}

/** Drives a server. Rejects at the first answer that is no success. */
export const load = ({ url, path, body, ...amount }: LoadOptions): Promise<Rate> =>
  connectionsBy(amount, async () => {
    const { post, close } = await open(url);
    return { call: (nth) => post(path, body(nth)), close };
  });
