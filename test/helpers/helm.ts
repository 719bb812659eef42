/** The real helm for tests: the one that is installed, else built with Go once, as the cluster's own programs are. */
import { execFile } from 'node:child_process';
import { mkdir, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { cached } from '../cluster/harness/cache.js';
import { which } from '../cluster/harness/packages.js';
import { cacheDir, hashOf } from '../cluster/harness/paths.js';

const run = promisify(execFile);

const MODULE = 'helm.sh/helm/v3';
const VERSION = 'v3.19.2';
/** The Kubernetes that `helm template` and `helm lint` take for granted; releases of helm set it as they are built. */
const KUBERNETES = { Major: '1', Minor: '35' };

async function build(into: string): Promise<void> {
  const bin = `${into}.bin`;
  await mkdir(bin, { recursive: true });
  const flags = [
    `-X ${MODULE}/internal/version.version=${VERSION}`,
    ...Object.entries(KUBERNETES).flatMap(([part, value]) =>
      ['chartutil', 'lint/rules'].map((pkg) => `-X ${MODULE}/pkg/${pkg}.k8sVersion${part}=${value}`),
    ),
  ].join(' ');
  const env = { ...process.env, CGO_ENABLED: '0', GOBIN: bin };
  await run('go', ['install', '-trimpath', '-ldflags', `-s -w ${flags}`, `${MODULE}/cmd/helm@${VERSION}`], {
    env,
    maxBuffer: 16 << 20,
  });
  await rename(join(bin, 'helm'), into);
}

/**
 * Answers helm's path; undefined where there is neither helm nor Go. The first build takes a minute or two and needs the
 * module proxy; rejects with Go's words when it fails.
 */
export async function findHelm(): Promise<string | undefined> {
  const installed = which('helm');
  if (installed !== undefined) return installed;
  if (which('go') === undefined) return undefined;
  const made = join(dirname(cacheDir()), 'helm', hashOf(MODULE, VERSION, JSON.stringify(KUBERNETES)), 'helm');
  return cached(made, build);
}
