/** The import rules of the design, as lint reports them. */
import { ESLint } from 'eslint';
import t from 'tap';

// Without types, so that a text needs no file: the import rules read nothing but paths.
const eslint = new ESLint({ overrideConfigFile: 'eslint.imports.js' });

const messages = async (filePath: string, text: string): Promise<string[]> => {
  const [result] = await eslint.lintText(text, { filePath });
  return (result?.messages ?? []).map(({ ruleId, message }) => `${ruleId ?? 'fatal'}: ${message}`);
};
const importing = (path: string): string => `import { x } from '${path}';\nexport const y = x;\n`;

await t.test('what a folder may not import', async (t) => {
  const cases: [string, string][] = [
    ['schemas/x.ts', '../kube/index.js'],
    ['schemas/x.ts', '../server/errors.js'],
    ['kube/x.ts', '../schemas/index.js'],
    ['kube/x.ts', '../server/ports.js'],
    ['devcluster/api/x.ts', '../../server/errors.js'],
    ['devcluster/api/x.ts', '../../schemas/index.js'],
    ['client/src/x.ts', '../../schemas/index.js'],
    ['server/functions/x.ts', '../../kube/index.js'],
    ['server/functions/x.ts', '../../devcluster/devcluster.js'],
    ['server/functions/x.ts', '../http/stream.js'],
    ['server/functions/x.ts', '../app.js'],
    ['server/functions/x.ts', '../library/library.js'],
    ['server/functions/x.ts', 'fastify'],
    ['server/functions/x.ts', '@kubernetes/client-node'],
    ['server/library/x.ts', '../http/stream.js'],
    ['server/library/x.ts', '../functions/index.js'],
    ['server/library/x.ts', '../../kube/index.js'],
    ['server/http/x.ts', '../functions/index.js'],
    ['server/http/x.ts', '../../kube/index.js'],
    ['server/http/aplite/x.ts', '../../functions/index.js'],
    ['server/auth/x.ts', '../app.js'],
    ['server/ops/x.ts', '../app.js'],
    ['server/app.ts', '@kubernetes/client-node'],
    ['server/lifecycle.ts', '../cli/xi-k8s.js'],
    ['cli/x.ts', '../kube/index.js'],
  ];
  for (const [file, path] of cases)
    t.match(await messages(file, importing(path)), [/^no-restricted-imports: /], `${file} imports ${path}`);
});

await t.test('what it may import', async (t) => {
  const cases: [string, string][] = [
    ['schemas/x.ts', './common.js'],
    ['kube/x.ts', '@kubernetes/client-node'],
    ['kube/x.ts', './errors.js'],
    ['devcluster/api/x.ts', '../../kube/index.js'],
    ['devcluster/api/x.ts', '../data/kinds.js'],
    ['server/functions/x.ts', '../../schemas/index.js'],
    ['server/functions/x.ts', '../ports.js'],
    ['server/functions/x.ts', '../errors.js'],
    ['server/functions/x.ts', '../kube-errors.js'],
    ['server/functions/x.ts', '../library/implementation.js'],
    ['server/functions/x.ts', './views.js'],
    ['server/library/x.ts', '../ports.js'],
    ['server/http/x.ts', '../library/library.js'],
    ['server/http/aplite/x.ts', '../../library/library.js'],
    ['server/http/aplite/x.ts', '../caller.js'],
    ['server/ops/x.ts', '../probe.js'],
    ['server/app.ts', './functions/index.js'],
    ['server/lifecycle.ts', '../kube/index.js'],
    ['cli/x.ts', '../server/main.js'],
  ];
  for (const [file, path] of cases)
    t.same(await messages(file, importing(path)), [], `${file} imports ${path}`);
});

await t.test('process is for main and the command line', async (t) => {
  const text = 'export const x = process.env;\n';
  for (const file of [
    'server/app.ts',
    'kube/x.ts',
    'devcluster/x.ts',
    'schemas/x.ts',
    'server/functions/x.ts',
  ])
    t.match(await messages(file, text), [/^no-restricted-globals: /], file);
  for (const file of ['server/main.ts', 'cli/xi-k8s.ts']) t.same(await messages(file, text), [], file);
});
