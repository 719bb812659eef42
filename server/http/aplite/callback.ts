/** The program's side of the protocol, asked for what its ids stand for: one configured address, and no other. */
import { request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { AppError } from '../../errors.js';

/** Who answers for ids of the caller's registry. */
export interface Peer {
  /** Whether there is anybody to ask. */
  readonly on: boolean;
  /**
   * Posts a request and answers its text.
   * @param purpose what for, for the error: `to read the id 7`.
   * @throws AppError `bad_gateway` that says which address and what to start, or the signal's own reason.
   */
  ask(body: string, purpose: string, signal: AbortSignal): Promise<string>;
  /** The error of an answer that is not what the protocol asks for. */
  nonsense(purpose: string, answer: string, wanted: string): AppError;
}

const TIMEOUT_MS = 5_000;
const MAX_ANSWER_BYTES = 1024 * 1024;

const excerpt = (text: string): string => JSON.stringify(text.length > 200 ? `${text.slice(0, 200)}…` : text);

function codeOf(error: unknown): string {
  const { code, message } = error as { code?: unknown; message?: unknown };
  return String(code ?? message ?? error);
}

/**
 * @param base the one address that is called back, `http://localhost:5000`; undefined: callbacks are off.
 */
export function createPeer(
  base: string | undefined,
  { timeoutMs = TIMEOUT_MS, maxBytes = MAX_ANSWER_BYTES } = {},
): Peer {
  const address = base ?? '';
  const failed = (purpose: string, what: string, cause?: unknown): AppError =>
    new AppError(
      'bad_gateway',
      `The Aplite program at ${address}, called back ${purpose}, ${what}. Start the program's own server there, set XI_APLITE_CALLBACK to the address where it listens, or send the argument by value: {"arg":{"value":…}}.`,
      {},
      cause,
    );

  return {
    on: base !== undefined,
    nonsense: (purpose, answer, wanted) =>
      failed(purpose, `answered ${excerpt(answer)} instead of ${wanted}`),
    ask: (body, purpose, signal) =>
      new Promise((resolve, reject) => {
        let settled = false;
        const settle = (end: () => void): void => {
          if (settled) return;
          settled = true;
          clearTimeout(timer);
          signal.removeEventListener('abort', leave);
          request.destroy();
          end();
        };
        const fail = (what: string, cause?: unknown): void =>
          settle(() => reject(failed(purpose, what, cause)));
        const leave = (): void => settle(() => reject(signal.reason as AppError));
        const timer = setTimeout(() => fail(`did not answer within ${timeoutMs / 1000} s`), timeoutMs);
        // agent: false gives a connection of its own that is closed after the answer, as the reference does.
        const request = (address.startsWith('https:') ? requestHttps : requestHttp)(address, {
          method: 'POST',
          agent: false,
          headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
        });
        request.on('error', (error) => fail(`cannot be reached (${codeOf(error)})`, error));
        request.on('response', (response) => {
          const status = response.statusCode ?? 0;
          const chunks: Buffer[] = [];
          let size = 0;
          response.on('data', (chunk: Buffer) => {
            size += chunk.length;
            chunks.push(chunk);
            if (size > maxBytes) fail(`answered more than ${maxBytes} bytes`);
          });
          response.on('error', (error) => fail(`broke off (${codeOf(error)})`, error));
          response.on('end', () => {
            const text = Buffer.concat(chunks).toString();
            if (status === 200) return settle(() => resolve(text));
            const redirect = status >= 300 && status < 400 ? ', and redirects are not followed' : '';
            fail(`answered with status ${status}${redirect}: ${excerpt(text)}`);
          });
        });
        if (signal.aborted) return leave();
        signal.addEventListener('abort', leave, { once: true });
        request.end(body);
      }),
  };
}
