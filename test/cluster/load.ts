/** Calls under load: workers that go on until they are stopped, and what each call was told. */
import type { Answer } from '../helpers/http.js';

/** What a call about an object was answered. */
export interface Told {
  readonly name: string;
  readonly answer: Answer;
}

/** What a call may be told when the API server is away; a change also what became of it. */
export const away = ({ answer: { status, body } }: Told, change: boolean): boolean =>
  (status === 503 && body['code'] === 'cluster_unavailable' && body['retry_after_seconds'] >= 1) ||
  (status === 502 && body['code'] === 'bad_gateway' && (!change || body['outcome'] === 'unknown')) ||
  (status === 504 && body['code'] === 'deadline_exceeded');

/** Whether the answer promises that no change left for the API server. */
export const nothingSent = ({ answer }: Told): boolean => answer.body['code'] === 'cluster_unavailable';
export const succeeded = ({ answer }: Told): boolean => answer.status === 200;
/** How often each answer came, for people. */
export const summary = (told: readonly Told[]): string => {
  const counts = new Map<string, number>();
  for (const { answer } of told) {
    const kind = answer.status === 200 ? 'ok' : `${answer.status} ${String(answer.body['code'])}`;
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  return [...counts].map(([kind, count]) => `${count} × ${kind}`).join(', ');
};

/** Calls one after the other until it is stopped. */
export function worker(step: (turn: number) => Promise<void>): { stop(): Promise<void> } {
  let going = true;
  const running = (async () => {
    for (let turn = 0; going; turn++) await step(turn);
  })();
  return {
    stop() {
      going = false;
      return running;
    },
  };
}
