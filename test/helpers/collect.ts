/** Memory that somebody still needs. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
// Otherwise buffers that were collected count until a thread of V8's had time for them.
setFlagsFromString('--no-concurrent-array-buffer-sweeping');
const gc = runInNewContext('gc') as () => void;

/** Collects all garbage. Answers what is left. */
export function collect(): NodeJS.MemoryUsage {
  gc();
  return process.memoryUsage();
}
