/** What the probes and hooks of a container are asked of. */
import { Writable } from 'node:stream';
import type { Container } from '../../../kube/index.js';
import { hostnameOf } from '../environment.js';
import { runBuiltin } from '../exec/exec.js';
import type { PlacedPod } from '../fields.js';
import type { View } from '../folders/view.js';
import type { CheckTarget } from '../probes/check.js';

/** How much of a command's output is kept. */
const MOST_OUTPUT = 10 << 10;

export const checkTarget = (
  placed: PlacedPod,
  container: Container,
  where: { view: View; environment: ReadonlyMap<string, string> },
): CheckTarget => ({
  ip: placed.ip,
  container,
  exec: async (command, signal) => {
    let output = Buffer.alloc(0);
    const sink = new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        if (output.length < MOST_OUTPUT) output = Buffer.concat([output, chunk]).subarray(0, MOST_OUTPUT);
        done();
      },
    });
    const streams = { stdin: undefined, stdout: sink, stderr: sink };
    const context = { ...where, hostname: hostnameOf(placed), signal };
    const code = await runBuiltin(command, context, streams).catch((error: unknown) => {
      throw new Error(`rpc error: code = Unknown desc = ${(error as Error).message}`);
    });
    return { code, output: output.toString() };
  },
});
