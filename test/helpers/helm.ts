/** The real helm for tests: the one that is installed, else built with Go once, as the cluster's own programs are. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
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

/** Why tests with helm are skipped, where there is none. */
export const NO_HELM = 'there is no helm: install it, or have it built as .ci/run does';

/**
 * Answers helm's path: of the one that is installed, or of the one that was built before; undefined where there is neither.
 * With `build` it is built where there is Go, which takes a minute or two and needs the module proxy; rejects with Go's words when
 * that fails.
 */
export async function findHelm({ build: mayBuild = false } = {}): Promise<string | undefined> {
  const installed = which('helm');
  if (installed !== undefined) return installed;
  const made = join(dirname(cacheDir()), 'helm', hashOf(MODULE, VERSION, JSON.stringify(KUBERNETES)), 'helm');
  if (existsSync(made)) return made;
  return mayBuild && which('go') !== undefined ? cached(made, build) : undefined;
}
