/** The client as npm has it: what is packed, and that a stranger's project runs and compiles with it alone. */
import { execFile } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import t from 'tap';

const run = promisify(execFile);
const folder = dirname(dirname(fileURLToPath(import.meta.resolve('@xi-k8s/client'))));
const tsc = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin/tsc');

const { stdout } = await run('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], { cwd: folder });
const [pack] = JSON.parse(stdout) as [{ files: { path: string }[] }];
const packed = pack.files.map(({ path }) => path).sort();

// Outside of this tree: nothing but the packed files can be found from there.
const project = await mkdtemp(join(tmpdir(), 'xi-k8s-client-'));
t.teardown(() => rm(project, { recursive: true }));
for (const path of packed)
  await cp(join(folder, path), join(project, 'node_modules/@xi-k8s/client', path), { recursive: true });
await writeFile(join(project, 'package.json'), '{"type":"module"}');

await t.test('the package holds the built files and what npm shows', async (t) => {
  t.same(
    packed.filter((path) => !/^dist\/[\w.-]+\.(js|js\.map|d\.ts)$/.test(path)),
    ['README.md', 'package.json'],
  );
  t.ok(packed.includes('dist/index.js') && packed.includes('dist/index.d.ts'));
  const manifest = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as Record<
    string,
    unknown
  >;
  t.notOk('dependencies' in manifest || 'peerDependencies' in manifest, 'it depends on nothing');
  t.match(manifest, {
    license: 'Apache-2.0',
    description: /\w/,
    keywords: Array,
    types: './dist/index.d.ts',
  });
});

await t.test('no file of it imports anything but its own files', async (t) => {
  const SPECIFIER = /(?:\bfrom|\bimport|\brequire\()\s*\(?\s*['"]([^'"]+)['"]|<reference\s+(\w+)/g;
  t.same(
    [...`import x from 'a'; import('b'); export * from "c"; require('d')`.matchAll(SPECIFIER)].map(
      (m) => m[1],
    ),
    ['a', 'b', 'c', 'd'],
    'the search finds what it looks for',
  );
  for (const path of packed.filter((one) => /\.(js|d\.ts)$/.test(one))) {
    const text = await readFile(join(folder, path), 'utf8');
    for (const [all, specifier = all] of text.matchAll(SPECIFIER))
      t.ok(packed.includes(specifier.replace(/^\.\//, 'dist/')), `${path} has ${all}`);
  }
});

await t.test('it is imported as a user imports it', async (t) => {
  const program = `const { createClient, XiError } = await import('@xi-k8s/client');
    const xi = createClient({ baseUrl: 'http://127.0.0.1:1', retries: 0 });
    const error = await xi.server_info().catch((error) => error);
    console.log(error instanceof XiError, error.code);`;
  for (const cwd of [dirname(folder), project]) {
    const { stdout } = await run(process.execPath, ['--input-type=module', '-e', program], { cwd });
    t.equal(stdout, 'true unreachable\n', cwd === project ? 'the packed files' : 'in the workspace');
  }
});

await t.test("README's programs compile against the packed types, wrong ones do not", async (t) => {
  const readme = await readFile(join(folder, 'README.md'), 'utf8');
  const programs = [...readme.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(([, program = '']) => program);
  t.ok(programs.length >= 5);
  for (const [index, program] of programs.entries())
    await writeFile(join(project, `readme-${index}.ts`), program);
  const wrong = (name: string, line: string) =>
    writeFile(
      join(project, name),
      `import { createClient } from '@xi-k8s/client';\nconst xi = createClient({ baseUrl: '' });\n${line}\n`,
    );
  await wrong('field.ts', `await xi.create_deployment({ nmae: 'web' });`);
  await wrong('type.ts', `await xi.create_deployment({ replicas: '2' });`);
  await wrong('missing.ts', `await xi.scale_deployment({ name: 'web' });`);
  await wrong('function.ts', `await xi.create_deploymnet();`);
  const compilerOptions = {
    target: 'ES2023',
    lib: ['ES2023', 'DOM', 'DOM.AsyncIterable'],
    types: [],
    module: 'NodeNext',
    strict: true,
    // The declarations themselves are checked, too.
    skipLibCheck: false,
    noEmit: true,
  };
  await writeFile(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*.ts'] }));
  const failed: unknown = await run(process.execPath, [tsc, '--pretty', 'false'], { cwd: project }).catch(
    (error: unknown) => error,
  );
  const said = (failed as { stdout: string }).stdout.split('\n').filter((line) => /^\S/.test(line));
  t.same(
    said.map((line) => line.slice(0, line.indexOf(','))).sort(),
    ['field.ts(3', 'function.ts(3', 'missing.ts(3', 'type.ts(3'],
    said.join('\n'),
  );
});
