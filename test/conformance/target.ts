/** Talking to an API server as it is: no client between a case and the wire. */
import { Agent as PlainAgent, request as plainRequest } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { Agent as SecureAgent, request as secureRequest } from 'node:https';
import { createInterface } from 'node:readline';
import type { Connection } from '../../kube/index.js';

export interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly text: string;
}

export interface Request {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | undefined;
}

/** The lines of a watch that goes on. */
export interface Stream {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  /** The next line; undefined at the end. */
  next(): Promise<string | undefined>;
  close(): void;
}

export interface Target {
  call(request: Request): Promise<Answer>;
  stream(request: Request): Promise<Stream>;
  close(): void;
}

const USER_AGENT = 'conformance/1';
const ANSWER_MS = 10_000;

export function createTarget(connection: Connection): Target {
  const isSecure = connection.url.startsWith('https:');
  const agent = isSecure ? new SecureAgent({ keepAlive: true }) : new PlainAgent({ keepAlive: true });
  const open = async ({ method, path, headers, body }: Request): Promise<IncomingMessage> => {
    const { authorization, ca, cert, key } = (await connection.credentials?.get()) ?? {};
    return new Promise((resolve, reject) => {
      const sent = (isSecure ? secureRequest : plainRequest)(
        connection.url.replace(/\/$/, '') + path,
        {
          method,
          agent,
          ...(isSecure && { ca, cert, key }),
          headers: {
            'user-agent': USER_AGENT,
            accept: 'application/json',
            ...(authorization !== undefined && { authorization }),
            ...(body !== undefined && {
              'content-type': 'application/json',
              'content-length': String(Buffer.byteLength(body)),
            }),
            ...headers,
          },
        },
        (response) => {
          // A server that refuses a large body may close the connection while it is still being sent.
          sent.removeAllListeners('error').on('error', () => undefined);
          resolve(response);
        },
      );
      sent.on('error', reject);
      sent.end(body);
    });
  };

  return {
    async call(request) {
      const response = await open(request);
      const timer = setTimeout(
        () => response.destroy(new Error(`no end of the answer in ${ANSWER_MS / 1_000} s`)),
        ANSWER_MS,
      );
      let text = '';
      try {
        for await (const chunk of response.setEncoding('utf8') as AsyncIterable<string>) text += chunk;
      } finally {
        clearTimeout(timer);
      }
      return { status: response.statusCode ?? 0, headers: response.headers, text };
    },
    async stream(request) {
      const response = await open(request);
      response.on('error', () => undefined);
      const lines = createInterface({ input: response, crlfDelay: Infinity })[Symbol.asyncIterator]();
      return {
        status: response.statusCode ?? 0,
        headers: response.headers,
        async next() {
          const line = await lines.next();
          return line.done === true ? undefined : line.value;
        },
        close: () => response.destroy(),
      };
    },
    close: () => agent.destroy(),
  };
}
