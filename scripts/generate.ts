/**
 * Writes the generated files, from the contracts, the settings and the .proto files: `npm run generate`. With `--check` it writes nothing, names each file
 * that would change, and exits 1 when there is one.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { format, resolveConfig } from 'prettier';
import { contractList } from '../schemas/index.js';
import { describeSettings } from '../server/config.js';
import { controllerRights } from '../server/networks/rights.js';
import { discoveryRights } from '../server/plugin-host/discovery/rights.js';
import { describeHostSettings } from '../server/plugin-host/options.js';
import { clientTypes } from './generators/client-types.js';
import { functionsPage } from './generators/functions-page.js';
import { protoCode } from './generators/proto.js';
import { pluginHostRolesYaml, rolesYaml } from './generators/roles.js';
import { withSettings } from './generators/settings.js';

interface Generated {
  readonly path: string;
  /** @param current the file as it is; undefined when there is none. */
  render(current: string | undefined): string | Promise<string>;
}

/** As `npm run format` would leave it. */
const markdown = async (text: string): Promise<string> =>
  format(text, { ...(await resolveConfig('README.md')), parser: 'markdown' });

const FILES: readonly Generated[] = [
  { path: 'client/src/functions.gen.ts', render: () => clientTypes(contractList) },
  { path: 'docs/functions.md', render: () => functionsPage(contractList) },
  { path: 'k8s-yamls/base/role.gen.yaml', render: () => rolesYaml(contractList, controllerRights) },
  { path: 'README.md', render: async (page) => markdown(withSettings(page, describeSettings())) },
  {
    path: 'k8s-yamls/components/plugin-host/role.gen.yaml',
    render: () => pluginHostRolesYaml(discoveryRights),
  },
  {
    path: 'docs/plugins.md',
    render: async (page) => markdown(withSettings(page, describeHostSettings())),
  },
  ...(await protoCode()).map(({ path, text }) => ({ path: `proto/${path}`, render: () => text })),
];

const check = process.argv.includes('--check');
const differing: string[] = [];
for (const { path, render } of FILES) {
  const current = await readFile(path, 'utf8').catch(() => undefined);
  const wanted = await render(current);
  if (wanted === current) continue;
  differing.push(path);
  if (check) continue;
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, wanted);
}
for (const path of differing)
  console.log(check ? `${path} is not what it is generated from: npm run generate` : `wrote ${path}`);
if (check && differing.length > 0) process.exitCode = 1;
