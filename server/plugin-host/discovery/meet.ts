/** Meeting a plugin that the API named, at the address that is its pod's own. */
import { ConnectError, createConnectClient } from '../../../connect/index.js';
import { PODS } from '../../ports.js';
import type { Kube } from '../../ports.js';
import { askInfo, giveIdentity } from '../introduce.js';
import type { Identity, PluginInfo } from '../introduce.js';
import { ownAddresses } from './addresses.js';
import type { Endpoint } from './endpoints.js';

/** A plugin that its host has nothing to say to: once it is ready, trying again changes nothing. */
export class NotOurs extends Error {
  override readonly name = 'NotOurs';
}

/** Codes with which a plugin refuses its identity, or the registry the plugin, for good. */
const FINAL: ReadonlySet<string> = new Set(['invalid_argument', 'failed_precondition']);

/** Refuses an address that is not the pod's: a slice may be written by hand. */
async function checkAddress(kube: Kube, { pod, host }: Endpoint, signal: AbortSignal): Promise<void> {
  const object = await kube.get(PODS, pod, { signal });
  const name = `${pod.namespace}/${pod.name}`;
  if (object.metadata?.uid !== pod.uid) throw new Error(`pod ${name} is another one by now`);
  if (!ownAddresses(object).includes(host)) throw new NotOurs(`${host} is no address of pod ${name}`);
}

/**
 * Meets the plugin at an endpoint.
 * @param identify gives the identity of a plugin that says this of itself.
 * @throws NotOurs for a plugin that takes no identity, or says of itself what cannot be; other errors may pass.
 */
export async function meet(
  kube: Kube,
  { endpoint, hostUrl }: { endpoint: Endpoint; hostUrl: string },
  identify: (info: PluginInfo) => Identity,
  signal: AbortSignal,
): Promise<void> {
  await checkAddress(kube, endpoint, signal);
  const client = createConnectClient({ baseUrl: endpoint.baseUrl });
  try {
    const identity = identify(await askInfo(client, signal));
    await giveIdentity(client, { ...identity, hostUrl }, signal);
  } catch (error) {
    if (!(error instanceof ConnectError)) throw error;
    if (error.code === 'unimplemented')
      throw new NotOurs('it serves no PluginIdentity, so that it must register by itself');
    if (FINAL.has(error.code)) throw new NotOurs(error.message);
    throw error;
  } finally {
    await client.close();
  }
}
