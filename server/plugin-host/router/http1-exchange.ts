/** One call on a connection of HTTP/1.1 to a plugin: its request, written as it comes. */
import type { Socket } from 'node:net';
import type { AnswerSink, Exchange, Outgoing } from './upstream.js';

/** The connection, as a call needs it. */
interface Carrier {
  resume(): void;
  destroy(): void;
}

/** Bodies up to so many bytes go out in one piece with the head. */
const SMALL = 8 * 1024;

export class Http1Exchange implements Exchange {
  /** Whether the whole request is written. */
  written = false;
  answered = false;
  readonly sink: AnswerSink;
  readonly #connection: Carrier;
  readonly #outgoing: Outgoing;
  readonly #left: { bytes: number };
  #socket: Socket | undefined;
  /** The head, until it can go out together with the first part of the body. */
  #head = '';

  constructor(connection: Carrier, outgoing: Outgoing, sink: AnswerSink) {
    this.#connection = connection;
    this.#outgoing = outgoing;
    this.sink = sink;
    this.#left = { bytes: typeof outgoing.body === 'number' ? outgoing.body : 0 };
  }

  start(socket: Socket, host: string): void {
    this.#socket = socket;
    this.#head = requestHead(this.#outgoing, host);
    if (this.#outgoing.body === 'none' || this.#outgoing.body === 0) {
      this.written = true;
      this.#flush();
    }
    this.sink.ready();
    // By then a small body that came along with its head has been written.
    if (!this.written) queueMicrotask(() => this.#flush());
  }

  write(chunk: Buffer): boolean {
    const socket = this.#socket;
    if (socket === undefined || this.written || this.answered || chunk.length === 0) return true;
    if (this.#outgoing.body === 'chunked') return this.#writeChunk(socket, chunk);
    this.#left.bytes -= chunk.length;
    if (this.#left.bytes < 0) {
      this.#broken('the caller sent more than it had said');
      return true;
    }
    if (this.#head !== '' && chunk.length <= SMALL) {
      const text = this.#head + chunk.toString('latin1');
      this.#head = '';
      return socket.write(text, 'latin1');
    }
    this.#flush();
    return socket.write(chunk);
  }

  end(trailers: readonly string[]): void {
    const socket = this.#socket;
    if (socket === undefined || this.written || this.answered) return;
    if (this.#left.bytes > 0) return this.#broken('the caller sent less than it had said');
    this.written = true;
    if (this.#outgoing.body === 'chunked') this.#head += `0\r\n${fields(trailers)}\r\n`;
    this.#flush();
  }

  resume(): void {
    this.#connection.resume();
  }

  abort(): void {
    this.#connection.destroy();
  }

  #writeChunk(socket: Socket, chunk: Buffer): boolean {
    const before = `${this.#head}${chunk.length.toString(16)}\r\n`;
    this.#head = '';
    if (chunk.length <= SMALL) return socket.write(`${before}${chunk.toString('latin1')}\r\n`, 'latin1');
    socket.cork();
    socket.write(before, 'latin1');
    socket.write(chunk);
    const more = socket.write('\r\n', 'latin1');
    socket.uncork();
    return more;
  }

  #flush(): void {
    if (this.#head === '' || this.answered) return;
    this.#socket?.write(this.#head, 'latin1');
    this.#head = '';
  }

  #broken(why: string): void {
    this.#connection.destroy();
    this.sink.failed({ kind: 'broken', why });
  }
}

function requestHead({ method, path, headers, body }: Outgoing, host: string): string {
  const framing =
    body === 'none'
      ? ''
      : body === 'chunked'
        ? 'transfer-encoding: chunked\r\n'
        : `content-length: ${body}\r\n`;
  return `${method} ${path} HTTP/1.1\r\nhost: ${host}\r\n${framing}${fields(headers)}\r\n`;
}

function fields(list: readonly string[]): string {
  let text = '';
  for (let i = 0; i + 1 < list.length; i += 2) text += `${list[i]}: ${list[i + 1]}\r\n`;
  return text;
}
