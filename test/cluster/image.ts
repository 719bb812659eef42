/**
 * Images without a registry and without a Docker engine: built by buildah in a storage of their own, which goes again,
 * and written as docker-archive files for `npm run cluster -- --image FILE`. Needs root and the Debian package buildah.
 */
import { constants } from 'node:fs';
import {
  copyFile,
  cp,
  mkdir,
  readFile,
  readdir,
  realpath,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import { cached, scratch } from './harness/cache.js';
import { which } from './harness/packages.js';
import { cacheDir, hashOf, repository } from './harness/paths.js';
import { Failure, run, say, step } from './harness/steps.js';

/** An image in a docker-archive file, and the name under which a pod finds it once it is loaded. */
export interface Image {
  readonly tag: string;
  readonly file: string;
}

export interface BuildImageOptions {
  dockerfile: string;
  context: string;
  /** The image's full name: `localhost/name:tag`, or any that a pod asks for, with its registry. */
  tag: string;
  /** The docker-archive file to write. */
  output: string;
  buildArgs?: Readonly<Record<string, string>>;
  /** Images that the Dockerfile's FROM lines name. Nothing is pulled from a registry. */
  bases?: readonly Image[];
}

/**
 * Builds one image. The same files give the same layers (of the rest buildah varies `container`, a random id, alone).
 * Throws Failure with buildah's words.
 */
export const buildImage = async (options: BuildImageOptions): Promise<Image> => {
  const { dockerfile, context, tag, output, buildArgs = {}, bases = [] } = options;
  await scratch(async (storage) => {
    const env = { ...process.env, BUILDAH_ISOLATION: 'chroot', TMPDIR: storage };
    const store = ['--storage-driver', 'vfs', '--root', `${storage}/root`, '--runroot', `${storage}/run`];
    const buildah = (...args: string[]): Promise<string> => run(['buildah', ...store, ...args], { env });
    for (const base of bases) await buildah('pull', '--quiet', `docker-archive:${base.file}`);
    const args = Object.entries(buildArgs).flatMap(([name, value]) => ['--build-arg', `${name}=${value}`]);
    const fixed = ['--pull-never', '--timestamp', '0', '--format', 'docker'];
    await buildah('bud', '--quiet', ...fixed, ...args, '--file', dockerfile, '--tag', tag, context);
    await rm(output, { force: true });
    await buildah('push', '--quiet', tag, `docker-archive:${output}:${tag}`);
  });
  return { tag, file: output };
};

/** Builds an image of files that `fill` writes, once for its parts. */
const cachedImage = async (
  tag: string,
  parts: readonly (string | Buffer)[],
  fill: (context: string) => Promise<string>,
  bases: readonly Image[] = [],
): Promise<Image> => {
  const name = basename(tag).replace(':', '-');
  const file = join(
    cacheDir(),
    'images',
    `${name}-${hashOf(...parts, ...bases.map((base) => base.file))}.tar`,
  );
  await cached(file, (output) =>
    step(`image ${tag}`, () =>
      scratch(async (context) => {
        const dockerfile = join(context, 'Dockerfile');
        await writeFile(dockerfile, await fill(context));
        await buildImage({ dockerfile, context, tag, output, bases });
      }),
    ),
  );
  return { tag, file };
};

/** Runs when nothing else is to: the image of the container that holds a pod's namespaces. */
export const pauseImage = async (): Promise<Image> => {
  const busybox = which('busybox');
  if (busybox === undefined) throw new Failure('busybox is not installed (Debian package busybox-static)');
  const dockerfile = 'FROM scratch\nCOPY busybox /busybox\nENTRYPOINT ["/busybox", "sleep", "2147483647"]\n';
  return cachedImage('localhost/pause:1', [await readFile(busybox), dockerfile], async (context) => {
    await copyFile(busybox, join(context, 'busybox'));
    return dockerfile;
  });
};

const ETC: Readonly<Record<string, string>> = {
  passwd: 'root:x:0:0:root:/root:/sbin/nologin\nnode:x:1000:1000::/home/node:/sbin/nologin\n',
  group: 'root:x:0:\nnode:x:1000:\n',
  hosts: '127.0.0.1 localhost\n',
};

const CERTIFICATES = '/etc/ssl/certs/ca-certificates.crt';

const BASE_DOCKERFILE = `FROM scratch
COPY root/ /
ENV PATH=/usr/local/bin:/usr/bin:/bin
CMD ["node"]
`;

/** The shared libraries of a program: where each is expected. */
const librariesOf = async (program: string): Promise<string[]> =>
  [...(await run(['ldd', program])).matchAll(/(?:=> |^\s*)(\/\S+) \(0x/gm)].map((match) => match[1] ?? '');

export interface BaseImageOptions {
  /** The node binary; the one that runs this by default. */
  node?: string;
  /** Adds npm (of the running node's installation) and a shell, for the stages of a Dockerfile that build. */
  tools?: boolean;
}

/**
 * The stand-in for a public Node image: node, the libraries that it needs, CA certificates and the user node (1000).
 * Its name is `localhost/node-base:24`, with tools `localhost/node-tools:24` (24 being the binary's major version).
 */
export const baseImage = async ({
  node = process.execPath,
  tools = false,
}: BaseImageOptions = {}): Promise<Image> => {
  const binary = await realpath(node);
  const version = (await run([binary, '--version'])).trim();
  const npm = tools ? await npmFolder() : undefined;
  const tag = `localhost/node-${tools ? 'tools' : 'base'}:${version.slice(1).split('.')[0]}`;
  const npmVersion =
    npm === undefined ? '' : NPM_SETTINGS + (await readFile(join(npm, 'package.json'), 'utf8'));
  const parts = [
    BASE_DOCKERFILE,
    npmVersion,
    ...Object.values(ETC),
    await readFile(binary),
    await readFile(CERTIFICATES),
  ];
  return cachedImage(tag, parts, async (context) => {
    const root = join(context, 'root');
    const add = async (from: string, to: string): Promise<void> => {
      await mkdir(dirname(join(root, to)), { recursive: true });
      await copyFile(from, join(root, to), constants.COPYFILE_FICLONE);
    };
    await add(binary, '/usr/local/bin/node');
    await add(CERTIFICATES, CERTIFICATES);
    for (const library of await librariesOf(binary)) await add(await realpath(library), library);
    for (const [name, text] of Object.entries(ETC)) await writeFile(join(root, 'etc', name), text);
    for (const folder of ['tmp', 'root']) await mkdir(join(root, folder));
    await mkdir(join(root, 'home', 'node'), { recursive: true });
    // COPY keeps modes and not owners.
    await run(['chmod', '1777', join(root, 'tmp'), join(root, 'home', 'node')]);
    if (npm !== undefined) await addTools(root, npm);
    return BASE_DOCKERFILE;
  });
};

const npmFolder = async (): Promise<string> => {
  const found = which('npm');
  const folder = found === undefined ? undefined : dirname(dirname(await realpath(found)));
  if (
    folder === undefined ||
    (await stat(join(folder, 'bin', 'npm-cli.js')).catch(() => undefined)) === undefined
  )
    throw new Failure('npm is not installed beside node, and the image for building needs it');
  return folder;
};

/** npm would else trust only the authorities built into node, and not those that this machine does. */
const NPM_SETTINGS = `cafile=${CERTIFICATES}\n`;

const addTools = async (root: string, npm: string): Promise<void> => {
  const busybox = which('busybox');
  if (busybox === undefined) throw new Failure('busybox is not installed (Debian package busybox-static)');
  await cp(npm, join(root, 'usr/local/lib/node_modules/npm'), { recursive: true });
  for (const name of ['npm', 'npx'])
    await symlink(`../lib/node_modules/npm/bin/${name}-cli.js`, join(root, 'usr/local/bin', name));
  await mkdir(join(root, 'usr/local/etc'), { recursive: true });
  await writeFile(join(root, 'usr/local/etc/npmrc'), NPM_SETTINGS);
  await mkdir(join(root, 'bin'), { recursive: true });
  await mkdir(join(root, 'usr/bin'), { recursive: true });
  await copyFile(busybox, join(root, 'bin/busybox'));
  for (const name of [
    'sh',
    'rm',
    'cp',
    'mv',
    'mkdir',
    'ls',
    'cat',
    'find',
    'chmod',
    'ln',
    'du',
    'sed',
    'grep',
  ])
    await symlink('busybox', join(root, 'bin', name));
  await symlink('../../bin/busybox', join(root, 'usr/bin/env'));
};

const WEB_SERVER = `import { createServer } from 'node:http';
const server = createServer((request, response) => {
  process.stdout.write(\`\${request.method} \${request.url}\\n\`);
  response.setHeader('content-type', 'text/html');
  response.end('<h1>Welcome to nginx!</h1> This one stands in for it.\\n');
});
server.listen(80, () => process.stdout.write('listens on port 80\\n'));
process.on('SIGTERM', () => process.exit(0));
`;

/** Answers every request on port 80, under the name of the image that the seed programs deploy. */
export const nginxImage = async (tag = 'docker.io/library/nginx:1.15.4'): Promise<Image> => {
  const base = await baseImage();
  const dockerfile = `FROM ${base.tag}\nCOPY server.mjs /\nEXPOSE 80\nCMD ["node", "/server.mjs"]\n`;
  const fill = async (context: string): Promise<string> => {
    await writeFile(join(context, 'server.mjs'), WEB_SERVER);
    return dockerfile;
  };
  return cachedImage(tag, [tag, dockerfile, WEB_SERVER], fill, [base]);
};

/** The Node release that our image is built and run with here: an npm package whose file `bin/node` it is. */
const NODE_PACKAGE = `node-${process.platform}-${process.arch}@24.21.0`;

/** That Node's binary, for `baseImage`. */
const imageNode = (): Promise<string> =>
  cached(join(cacheDir(), 'node', NODE_PACKAGE), (into) =>
    scratch(async (folder) => {
      await run(['npm', 'install', '--no-save', '--no-audit', '--no-fund', '--prefix', folder, NODE_PACKAGE]);
      await rename(join(folder, 'node_modules', NODE_PACKAGE.split('@')[0] ?? '', 'bin', 'node'), into);
    }),
  );

/** The files of a Dockerfile's context: what `.dockerignore` excepts from its `*`. */
const contextFiles = async (): Promise<string[]> => {
  const lines = (await readFile(join(repository, '.dockerignore'), 'utf8')).split('\n');
  const names = lines.filter((line) => line.startsWith('!')).map((line) => line.slice(1));
  const found = await Promise.all(
    names.map(async (name) => {
      if (!(await stat(join(repository, name))).isDirectory()) return [name];
      const inside = await readdir(join(repository, name), { recursive: true, withFileTypes: true });
      return inside
        .filter((entry) => entry.isFile())
        .map((entry) => relative(repository, join(entry.parentPath, entry.name)));
    }),
  );
  return found.flat().sort();
};

/** Removes what was made an hour ago or earlier: every change of the sources makes another image. */
const removeOld = async (folder: string, names: RegExp): Promise<void> => {
  const entries = await readdir(folder).catch(() => []);
  for (const path of entries.filter((name) => names.test(name)).map((name) => join(folder, name))) {
    const { mtimeMs = Infinity } = (await stat(path).catch(() => undefined)) ?? {};
    if (mtimeMs < Date.now() - 3_600_000) await rm(path, { force: true });
  }
};

/** Our own image, from the repository's Dockerfile, under the name that the manifests give it. */
export const operatorImage = async (): Promise<Image> => {
  const manifest = await readFile(join(repository, 'k8s-yamls/base/kustomization.yaml'), 'utf8');
  const named = /newName: (\S+)\s+newTag: (\S+)/.exec(manifest);
  if (named === null) throw new Failure('k8s-yamls/base/kustomization.yaml names no image');
  const tag = `${named[1] ?? ''}:${named[2] ?? ''}`;
  const node = await imageNode();
  const base = await baseImage({ node });
  const tools = await baseImage({ node, tools: true });
  const dockerfile = join(repository, 'Dockerfile');
  const files = ['Dockerfile', ...(await contextFiles())];
  const contents = await Promise.all(files.map((file) => readFile(join(repository, file))));
  const hash = hashOf(tag, base.file, tools.file, ...files, ...contents);
  const file = join(cacheDir(), 'images', `xi-k8s-${hash}.tar`);
  const buildArgs = { BASE: base.tag, BUILD_BASE: tools.tag };
  await cached(file, async (output) => {
    await removeOld(join(cacheDir(), 'images'), /^xi-k8s-/);
    const options = { dockerfile, context: repository, tag, output, buildArgs, bases: [base, tools] };
    return step(`image ${tag}`, () => buildImage(options), true);
  });
  const [all, under] = await Promise.all([file, base.file].map(async (one) => (await stat(one)).size / 1e6));
  say(`image ${tag} has ${all?.toFixed(1)} MB, its base ${under?.toFixed(1)} MB`);
  return { tag, file };
};

/** The images that `--image` knows by name. */
export const NAMED_IMAGES: Readonly<Record<string, () => Promise<Image>>> = {
  '@base': () => baseImage(),
  '@nginx': () => nginxImage(),
  '@nginx-newer': () => nginxImage('docker.io/library/nginx:1.27'),
  '@xi-k8s': operatorImage,
};
