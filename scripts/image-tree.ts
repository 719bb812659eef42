/**
 * Assembles what the image holds, for the Dockerfile: `node image-tree.js FROM TO`. FROM is a built tree whose node_modules
 * has production dependencies only; TO becomes the folder to copy. Nothing else of a package runs than its code and data,
 * so type declarations, source maps, sources in TypeScript, tests and documents stay out; licences go along.
 */
import { cpSync, statSync } from 'node:fs';
import { basename, extname, join, relative, sep } from 'node:path';

const PROGRAMS = [
  'schemas',
  'place',
  'proto',
  'connect',
  'kube',
  'server',
  'lightpeer',
  'plugin-sdk',
  'devcluster',
  'examples/programs',
  'cli',
];
const CODE = new Set(['.js', '.cjs', '.mjs', '.json', '.node', '.wasm']);
const LICENCE = /^(licen[cs]e|notice|copying)/i;
/** Folders at the top of a package that only its authors need. */
const AUTHORS = new Set([
  'test',
  'tests',
  '__tests__',
  'doc',
  'docs',
  'benchmark',
  'benchmarks',
  'example',
  'examples',
]);

/** The path of a file inside its package: of `a/node_modules/@b/c/d/e.js` it is `['d', 'e.js']`. */
const inPackage = (path: string): string[] => {
  const parts = path.split(sep);
  const inner = parts.slice(parts.lastIndexOf('node_modules') + 1);
  return inner.slice(inner[0]?.startsWith('@') === true ? 2 : 1);
};

/** Whether a running program may need it. */
const wanted = (path: string): boolean => {
  const name = basename(path);
  const [top, ...rest] = inPackage(path);
  if (top !== undefined && AUTHORS.has(top)) return false;
  // npm's own notes and links to programs.
  if (name.startsWith('.')) return false;
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) return true;
  return CODE.has(extname(name)) || (rest.length === 0 && LICENCE.test(name));
};

const [from = '.', to = 'out'] = process.argv.slice(2);
cpSync(join(from, 'package.json'), join(to, 'package.json'));
for (const program of PROGRAMS)
  cpSync(join(from, 'dist', program), join(to, 'dist', program), {
    recursive: true,
    filter: (path) => extname(path) !== '.map',
  });
const modules = join(from, 'node_modules');
cpSync(modules, join(to, 'node_modules'), {
  recursive: true,
  // A workspace is linked here, and is no dependency of the programs.
  filter: (path) => path === modules || (!isWorkspace(path) && wanted(path)),
});

function isWorkspace(path: string): boolean {
  return relative(modules, path) === '@xi-k8s';
}
