/** What a container asks for after its start and before its end. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Container } from '../../../kube/index.js';
import { MAX_TIMER_MS } from '../../../kube/timers.js';
import { check } from '../probes/check.js';
import type { CheckTarget } from '../probes/check.js';

export type Hook = NonNullable<NonNullable<Container['lifecycle']>['preStop']>;

/** How long a request of a hook may take. */
const REQUEST_MS = 30_000;

/** Resolves to false when it failed or took too long; never rejects. */
export const runHook = async (hook: Hook, target: CheckTarget, limitMs: number): Promise<boolean> => {
  if (hook.sleep) {
    await delay(Math.min(hook.sleep.seconds * 1000, limitMs, MAX_TIMER_MS), undefined, { ref: false });
    return true;
  }
  const verdict = await check(hook, target, Math.min(limitMs, hook.exec ? limitMs : REQUEST_MS));
  return verdict.is === 'success';
};
