/** Builds components/ (every program of the cluster, and kubectl, in one binary), once for its sources. */
import { mkdir, readFile, statfs, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { cached } from './cache.js';
import { cacheDir, hashOf, repository } from './paths.js';
import { Failure, run, step } from './steps.js';

const SOURCES = join(repository, 'test', 'cluster', 'components');

/** Room that a first build takes: Go's module and build caches, and the binary. */
const BUILD_BYTES = 6e9;

export interface Binaries {
  /** The one binary; it is called with argv[0] set to the program's name. */
  readonly components: string;
  readonly kubectl: string;
}

const versionOf = (gomod: string): string => {
  const version = /^\s*k8s\.io\/kubernetes (v[\d.]+)$/m.exec(gomod)?.[1];
  if (version === undefined) throw new Failure(`${SOURCES}/go.mod names no version of k8s.io/kubernetes`);
  return version;
};

const linkerFlags = (version: string): string => {
  const [major = '', minor = ''] = version.slice(1).split('.');
  const set = { gitVersion: version, gitMajor: major, gitMinor: minor };
  const variables = ['k8s.io/component-base/version', 'k8s.io/client-go/pkg/version'].flatMap((pkg) =>
    Object.entries(set).map(([name, value]) => `-X ${pkg}.${name}=${value}`),
  );
  return ['-s', '-w', ...variables].join(' ');
};

const compile = async (into: string, flags: string): Promise<void> => {
  const goCache = await run(['go', 'env', 'GOCACHE']).catch(() => {
    throw new Failure(
      'Go is not installed (no `go` on the PATH), and the programs of the cluster are built with it. Install Go 1.25' +
        ' or newer, or run the tests against a cluster that you have: see --use-kubeconfig in --help.',
    );
  });
  await mkdir(into, { recursive: true });
  for (const folder of [dirname(into), goCache.trim()]) {
    const disk = await statfs(folder).catch(() => undefined);
    const free = disk === undefined ? BUILD_BYTES : disk.bavail * disk.bsize;
    if (free < BUILD_BYTES)
      throw new Failure(
        `a first build takes about ${BUILD_BYTES / 1e9} GB, and the disk of ${folder} has ${(free / 1e9).toFixed(1)} GB` +
          ' free. Free some room, or set TEST_CLUSTER_CACHE and GOCACHE to folders on a larger disk.',
      );
  }
  await run(['nice', 'go', 'build', '-trimpath', '-ldflags', flags, '-o', join(into, 'components'), '.'], {
    cwd: SOURCES,
    env: { ...process.env, CGO_ENABLED: '0' },
  });
  await symlink('components', join(into, 'kubectl'));
};

/** Answers the binaries, built if they are missing (about 5 minutes the first time). */
export const build = async (): Promise<Binaries> => {
  const sources = await Promise.all(
    ['go.mod', 'go.sum', 'main.go'].map((file) => readFile(join(SOURCES, file), 'utf8')),
  );
  const flags = linkerFlags(versionOf(sources[0] ?? ''));
  const folder = join(cacheDir(), hashOf(process.platform, process.arch, flags, ...sources));
  await cached(folder, (into) =>
    step(
      'builds the programs of the cluster (about 5 minutes the first time)',
      () => compile(into, flags),
      true,
    ),
  );
  return { components: join(folder, 'components'), kubectl: join(folder, 'kubectl') };
};
