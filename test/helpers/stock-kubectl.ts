/** The kubectl that the tests of the embedded cluster use: whichever is on the PATH, if it prints what they expect. */
import { spawnSync } from 'node:child_process';

/** Older ones know fewer flags, and name the namespace of what they delete in other words. */
const OLDEST_MINOR = 34;

/** Why tests with kubectl are skipped; undefined when they are not. */
export function whyNoKubectl(): string | undefined {
  const { status, stdout } = spawnSync('kubectl', ['version', '--client', '-o', 'json'], {
    encoding: 'utf8',
  });
  if (status !== 0) return 'there is no kubectl on the PATH';
  const { clientVersion } = JSON.parse(stdout) as { clientVersion: { minor: string; gitVersion: string } };
  return Number.parseInt(clientVersion.minor, 10) < OLDEST_MINOR
    ? `kubectl on the PATH is ${clientVersion.gitVersion}, and the lines are those of 1.${OLDEST_MINOR} and later`
    : undefined;
}
