/** `xi-k8s example`: the small programs of the example pods. */
import { EXAMPLES, runExample } from '../examples/programs/programs.js';
import type { Running } from '../examples/programs/programs.js';
import { closeAtSignal } from './until-signal.js';
import { UsageError } from './usage.js';

const USAGE = `Usage: xi-k8s example NAME

${Object.entries(EXAMPLES)
  .map(([name, { summary }]) => `  ${name.padEnd(12)}${summary}`)
  .join('\n')}
`;

/** Runs one until a signal. Exits with 1 when it fails. */
export async function example(args: readonly string[]): Promise<void> {
  const [name = '', ...rest] = args;
  if (name === '--help') {
    process.stdout.write(USAGE);
    return;
  }
  if (!Object.hasOwn(EXAMPLES, name) || rest.length > 0)
    throw new UsageError(
      name === '' ? 'example takes the name of one' : `there is no example ${args.join(' ')}`,
      USAGE,
    );
  let running: Running | void;
  closeAtSignal(`example ${name}`, () => running?.close());
  try {
    running = await runExample(name, process.env, (line) => process.stdout.write(`${line}\n`));
    await running?.closed;
  } catch (error) {
    process.stderr.write(`xi-k8s example ${name}: ${(error as Error).message}\n`);
    process.exit(1);
  }
}
