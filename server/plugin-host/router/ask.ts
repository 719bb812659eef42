/** A small question to a plugin, of which the whole answer is wanted: what the prober asks. */
import type { AnswerSink, Exchange, Failure } from './upstream.js';
import type { Upstreams } from './upstreams.js';

export interface Question {
  readonly baseUrl: string;
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly headers: readonly string[];
  readonly body: Buffer | undefined;
  /** Milliseconds for all of it. */
  readonly timeoutMs: number;
}

export interface WholeAnswer {
  readonly status: number;
  readonly body: Buffer;
}

/** Bytes that an answer to a question may have. */
const MAX_ANSWER = 64 * 1024;

/** What came, or why nothing did. `silent`: the plugin did not answer in time. */
export function ask(
  upstreams: Upstreams,
  question: Question,
): Promise<WholeAnswer | Failure | { readonly kind: 'silent' }> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = [];
    let size = 0;
    let status = 0;
    const open: { exchange?: Exchange } = {};
    const done = (answer: Awaited<ReturnType<typeof ask>>): void => {
      clearTimeout(timer);
      resolve(answer);
    };
    const timer = setTimeout(() => {
      open.exchange?.abort();
      done({ kind: 'silent' });
    }, question.timeoutMs);
    const sink: AnswerSink = {
      // At once for a connection that is open: the exchange is then known a moment later.
      ready: () => queueMicrotask(() => write(open.exchange, question.body)),
      head: (code) => (status = code),
      data(chunk) {
        size += chunk.length;
        if (size <= MAX_ANSWER) chunks.push(chunk);
        else {
          open.exchange?.abort();
          done({ kind: 'broken', why: `its answer has more than ${MAX_ANSWER} bytes` });
        }
        return true;
      },
      end: () => done({ status, body: Buffer.concat(chunks) }),
      settle: () => undefined,
      failed: done,
      drain: () => undefined,
    };
    const { upstream, prefix } = upstreams.at(question.baseUrl, 'http1');
    const { method, headers, body } = question;
    open.exchange = upstream.send(
      { method, path: prefix + question.path, headers, body: body?.length ?? 'none' },
      sink,
    );
  });
}

function write(exchange: Exchange | undefined, body: Buffer | undefined): void {
  if (body === undefined) return;
  exchange?.write(body);
  exchange?.end([]);
}
