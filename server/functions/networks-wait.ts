/** Waiting until pods are in a network or out of it, and what a caller is told when that fails after something was changed. */
import type { Static } from '@sinclair/typebox';
import { setTimeout as delay } from 'node:timers/promises';
import type { NetworkMember, NetworkProgress } from '../../schemas/networks.js';
import { AppError } from '../errors.js';
import { endedBy, fromKube } from '../kube-errors.js';
import type { Call, Progress } from '../library/implementation.js';

type NetworkProgress = Static<typeof NetworkProgress>;

/** How often the peers are asked while somebody waits, in milliseconds. */
const LOOK_MS = 250;

/** What somebody waits for: how far it is, and the pods that it is about. */
interface Look {
  readonly progress: NetworkProgress;
  readonly pods: NetworkMember[];
}

/** A failure with what became of the change before it. Its own `outcome` stands. */
function late(call: Call, error: unknown, sentence: string, outcome: 'done' | 'unknown'): unknown {
  const failure = call.signal.aborted ? endedBy(call.signal.reason as AppError, error) : fromKube(error);
  if (!(failure instanceof AppError)) return failure;
  return failure.adding(sentence, { outcome: failure.details.outcome ?? outcome });
}

/** Makes one change after another, and notes each. When one fails, the error says which were made. */
export async function changeAll<T>(
  call: Call,
  changed: string[],
  wanted: readonly T[],
  { nameOf, change }: { nameOf: (one: T) => string; change: (one: T) => Promise<unknown> },
): Promise<void> {
  for (const one of wanted)
    try {
      await change(one);
      changed.push(nameOf(one));
    } catch (error) {
      if (changed.length === 0 || call.dryRun) throw error;
      const some = changed.slice(0, 20).join(', ');
      const more = changed.length > 20 ? ` and ${changed.length - 20} more` : '';
      const sentence = `This was at ${nameOf(one)}; ${changed.length} of ${wanted.length} are changed already: ${some}${more}.`;
      throw late(call, error, sentence, 'unknown');
    }
}

/** Looks until all is done. An error says how far it came, and what was changed. @param what as a sentence's start. */
export async function* waitUntil(
  call: Call,
  { changed, what }: { readonly changed: readonly string[]; readonly what: string },
  look: () => Promise<Look>,
): Progress<NetworkProgress, NetworkMember[]> {
  let last: Look | undefined;
  try {
    for (;;) {
      const next = await look();
      if (JSON.stringify(next.progress) !== JSON.stringify(last?.progress)) yield [next.progress];
      last = next;
      if (next.progress.done >= next.progress.total) return next.pods;
      await delay(LOOK_MS, undefined, { signal: call.signal });
    }
  } catch (error) {
    const seen = last?.progress.message ?? 'nothing was seen of it yet';
    if (changed.length > 0) throw late(call, error, `${what}: ${seen}.`, 'done');
    if (!call.signal.aborted) throw error;
    throw (call.signal.reason as AppError).adding(`Nothing had to be changed: ${seen}.`, {});
  }
}
