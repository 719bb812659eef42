/** A stream's lines, as NDJSON or server-sent events. */
import type { ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import type { FastifyReply } from 'fastify';
import { AppError, asAppError, toProblem } from '../errors.js';
import type { Batch, Progress } from '../library/implementation.js';
import { callerLeft } from './caller.js';

export interface StreamOptions {
  readonly as: 'ndjson' | 'sse';
  readonly requestId: string;
  readonly heartbeatMs: number;
  /** A stream without an item for so long ends, and one whose client takes nothing for so long. */
  readonly idleMs: number;
}

/** Milliseconds that a call has to fail with a status of its own before the stream begins with 200. */
const GRACE_MS = 1_000;

const TYPES = { ndjson: 'application/x-ndjson', sse: 'text/event-stream' } as const;

type Line =
  | { type: 'heartbeat' }
  | { type: 'result'; result: unknown }
  | { type: 'end' }
  | { type: 'error'; error: unknown };

const encode = {
  ndjson: (line: Line) => `${JSON.stringify(line)}\n`,
  sse: (line: Line) => `event: ${line.type}\ndata: ${JSON.stringify(line)}\n\n`,
};

/** What stands around an item's JSON. */
const AROUND = {
  ndjson: ['{"type":"item","item":', '}\n'],
  sse: ['event: item\ndata: {"type":"item","item":', '}\n\n'],
} as const;

function encodeItems(as: StreamOptions['as'], batch: Batch<unknown>): string | Uint8Array {
  const [before, after] = AROUND[as];
  if (batch.encode !== undefined) return batch.encode(before, after);
  let text = '';
  for (const item of batch) text += before + JSON.stringify(item) + after;
  return text;
}

/** Resolves when more can be written, or nobody is there to read it. */
const drained = (raw: ServerResponse): Promise<void> =>
  new Promise((resolve) => {
    const done = (): void => {
      raw.off('drain', done).off('close', done);
      resolve();
    };
    raw.once('drain', done).once('close', done);
  });

/**
 * Answers with a stream. A call that fails at once throws, and is answered like any other; afterwards its failure is the
 * stream's last line. The client's pace is the source's: nothing is pulled while the socket is full.
 * @param open starts the call; its signal fires when the client leaves or the stream has been idle for too long.
 */
export async function sendStream(
  reply: FastifyReply,
  open: (signal: AbortSignal) => Progress<unknown, unknown>,
  options: StreamOptions,
): Promise<void> {
  const { raw } = reply;
  const line = encode[options.as];
  const ending = new AbortController();
  raw.once('close', () => ending.abort(callerLeft()));
  const running = open(ending.signal);
  const first = running.next();
  const grace = new AbortController();
  await Promise.race([
    first,
    delay(GRACE_MS, undefined, { signal: grace.signal }).catch(() => undefined),
  ]).finally(() => grace.abort());

  reply.hijack();
  raw.writeHead(200, {
    ...(reply.getHeaders() as Record<string, string>),
    'content-type': `${TYPES[options.as]}; charset=utf-8`,
    'cache-control': 'no-store',
    'x-accel-buffering': 'no',
  });
  raw.flushHeaders();
  let lastItem = performance.now();
  let lastLine = lastItem;
  const tick = (): void => {
    const now = performance.now();
    if (now - lastItem >= options.idleMs) {
      // A client that reads nothing would not read why, either.
      if (raw.writableNeedDrain) raw.destroy();
      else
        ending.abort(
          new AppError('deadline_exceeded', `The stream had no item for ${options.idleMs / 1000} s.`),
        );
    } else if (now - lastLine >= options.heartbeatMs && !raw.writableNeedDrain) {
      lastLine = now;
      raw.write(line({ type: 'heartbeat' }));
    }
  };
  const beat = setInterval(tick, Math.min(options.heartbeatMs, options.idleMs));
  try {
    let step = await first;
    for (; step.done !== true; step = await running.next()) {
      lastItem = lastLine = performance.now();
      if (!raw.write(encodeItems(options.as, step.value)) && !raw.destroyed) await drained(raw);
      lastItem = performance.now();
    }
    raw.end(line(step.value === undefined ? { type: 'end' } : { type: 'result', result: step.value }));
  } catch (error) {
    raw.end(line({ type: 'error', error: toProblem(asAppError(error), options.requestId) }));
  } finally {
    clearInterval(beat);
  }
}
