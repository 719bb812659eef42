/** What the interop tests of plugins have in common: the programs, whether there is Go for them, hosts, and the end of all. */
import { buildGo, hasGo } from './build.js';
import { startTestHost } from './plugin-host.js';
import type { TestHost, TestHostOptions } from './plugin-host.js';
import { goPrograms } from './plugin-programs.js';
import type { GoPlugin } from './plugin-programs.js';

/** What tap's `skip` takes. */
export const skip = !hasGo() && 'there is no Go here to build the other side with';

export const go = goPrograms(skip === false ? await buildGo('plugin', 'connectplugin/v1/plugin.proto') : '');

/** What a test has opened; `endAll` closes it. */
export const open: (() => Promise<unknown>)[] = [];

/** Closes what is open, the newest first, and ends the Go programs. */
export async function endAll(): Promise<void> {
  for (const close of open.splice(0).reverse()) await close();
  await go.end();
}

/** Starts a host that ends with the test. */
export async function startHost(options?: TestHostOptions): Promise<TestHost> {
  const host = await startTestHost(options);
  open.push(() => host.close());
  return host;
}

/** The headers by which a host knows a plugin. */
export const identityOf = ({ runtimeId, token }: GoPlugin): Record<string, string> => ({
  'x-plugin-runtime-id': runtimeId,
  authorization: `Bearer ${token}`,
});
