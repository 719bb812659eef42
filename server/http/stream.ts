/** A stream's lines, as NDJSON or server-sent events. */
import type { FastifyReply } from 'fastify';
import { AppError, asAppError, toProblem } from '../errors.js';
import type { Progress } from '../library/implementation.js';

export interface StreamOptions {
  readonly as: 'ndjson' | 'sse';
  readonly requestId: string;
  readonly heartbeatMs: number;
  /** A stream without an item for so long ends. */
  readonly idleMs: number;
}

/** Milliseconds that a call has to fail with a status of its own before the stream begins with 200. */
const GRACE_MS = 1_000;

const TYPES = { ndjson: 'application/x-ndjson', sse: 'text/event-stream' } as const;

type Line =
  | { type: 'item'; item: unknown }
  | { type: 'heartbeat' }
  | { type: 'result'; result: unknown }
  | { type: 'end' }
  | { type: 'error'; error: unknown };

const encode = {
  ndjson: (line: Line) => `${JSON.stringify(line)}\n`,
  sse: (line: Line) => `event: ${line.type}\ndata: ${JSON.stringify(line)}\n\n`,
};

const timeout = (ms: number): { passed: Promise<'timeout'>; clear: () => void } => {
  let timer: NodeJS.Timeout | undefined;
  const passed = new Promise<'timeout'>((resolve) => (timer = setTimeout(() => resolve('timeout'), ms)));
  return { passed, clear: () => clearTimeout(timer) };
};

/**
 * Answers with a stream. A call that fails at once throws, and is answered like any other; afterwards its failure is the
 * stream's last line. The client's pace is the source's: nothing is pulled while the socket is full.
 */
export async function sendStream(
  reply: FastifyReply,
  running: Progress<unknown, unknown>,
  options: StreamOptions,
): Promise<void> {
  const { raw } = reply;
  const line = encode[options.as];
  let next = running.next();
  const grace = timeout(GRACE_MS);
  try {
    await Promise.race([next, grace.passed]);
  } finally {
    grace.clear();
  }

  reply.hijack();
  const headers = reply.getHeaders() as Record<string, string>;
  raw.writeHead(200, {
    ...headers,
    'content-type': `${TYPES[options.as]}; charset=utf-8`,
    'cache-control': 'no-store',
    'x-accel-buffering': 'no',
  });
  const gone = new Promise<'gone'>((resolve) => raw.once('close', () => resolve('gone')));
  const write = async (text: string): Promise<void> => {
    if (raw.destroyed || raw.write(text)) return;
    await Promise.race([new Promise((resolve) => raw.once('drain', resolve)), gone]);
  };
  let silentMs = 0;
  try {
    for (;;) {
      const heartbeat = timeout(options.heartbeatMs);
      const step = await Promise.race([next, heartbeat.passed, gone]);
      heartbeat.clear();
      if (step === 'gone') return;
      if (step === 'timeout') {
        silentMs += options.heartbeatMs;
        if (silentMs >= options.idleMs)
          throw new AppError('deadline_exceeded', `The stream had no item for ${options.idleMs / 1000} s.`);
        await write(line({ type: 'heartbeat' }));
        continue;
      }
      if (step.done === true) {
        await write(
          line(step.value === undefined ? { type: 'end' } : { type: 'result', result: step.value }),
        );
        return;
      }
      silentMs = 0;
      await write(step.value.map((item) => line({ type: 'item', item })).join(''));
      next = running.next();
    }
  } catch (error) {
    await write(line({ type: 'error', error: toProblem(asAppError(error), options.requestId) }));
  } finally {
    raw.end();
    next.catch(() => undefined);
    // Not awaited: a source that waits ends when the caller's signal reaches it.
    running.return(undefined).catch(() => undefined);
  }
}
