/** A process beside the harness that outlives it: when the harness has ended in whatever way, it cleans up after it. */
import { removeState } from './leftovers.js';

const [state] = process.argv.slice(2);
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined);
process.stdin.resume();
process.stdin.on('close', () => {
  if (state !== undefined) void removeState(state);
});
