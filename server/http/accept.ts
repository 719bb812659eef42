/** How a function is to answer, by the Accept header. */
import type { Mode } from '../../schemas/index.js';
import { AppError } from '../errors.js';

export type Answer = 'json' | 'ndjson' | 'sse';

const OFFERS: Record<Mode, Record<string, Answer>> = {
  unary: { 'application/json': 'json' },
  progress: { 'application/json': 'json', 'application/x-ndjson': 'ndjson', 'text/event-stream': 'sse' },
  stream: { 'application/x-ndjson': 'ndjson', 'application/json': 'ndjson', 'text/event-stream': 'sse' },
};

/**
 * The best answer that the header takes: by its q, then by our order.
 * @throws AppError `not_acceptable`, with what there is.
 */
export function negotiate(mode: Mode, accept: string | undefined): Answer {
  const offers = Object.entries(OFFERS[mode]);
  if (accept === undefined || accept.trim() === '') return offers[0]![1];
  let best: { answer: Answer; q: number } | undefined;
  for (const range of accept.split(',')) {
    const [type = '', ...parameters] = range
      .trim()
      .toLowerCase()
      .split(/\s*;\s*/);
    const q = Number(parameters.find((parameter) => parameter.startsWith('q='))?.slice(2) ?? 1);
    const matches = (offered: string): boolean =>
      type === '*/*' || type === offered || (type.endsWith('/*') && offered.startsWith(type.slice(0, -1)));
    const found = offers.find(([offered]) => matches(offered));
    if (found !== undefined && q > 0 && (best === undefined || q > best.q)) best = { answer: found[1], q };
  }
  if (best !== undefined) return best.answer;
  throw new AppError(
    'not_acceptable',
    `The function cannot answer as ${JSON.stringify(accept)}; it answers ${offers.map(([type]) => type).join(', ')}.`,
  );
}
