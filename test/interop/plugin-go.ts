/** What the interop tests of plugins have in common: whether there is Go, the programs, and their end. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { buildGo } from './build.js';
import { goPrograms } from './plugin-programs.js';

const hasGo = await promisify(execFile)('go', ['version']).then(
  () => true,
  () => false,
);

/** What tap's `skip` takes. */
export const skip = !hasGo && 'there is no Go here to build the other side with';

export const go = goPrograms(hasGo ? await buildGo('plugin', 'connectplugin/v1/plugin.proto') : '');
