/** Asking a plugin that the API named who it is, and telling it who it is here. */
import { ConnectError, createConnectClient } from '../../../connect/index.js';
import { PluginIdentity } from '../../../proto/gen/connectplugin/v1/plugin_pb.js';
import type { GetPluginInfoResponse } from '../../../proto/gen/connectplugin/v1/plugin_pb.js';
import { PODS } from '../../ports.js';
import type { Kube } from '../../ports.js';
import { ownAddresses } from './addresses.js';
import type { Endpoint } from './endpoints.js';

/** What a plugin says of itself, as the registry takes it. */
export interface PluginInfo {
  readonly selfId: string;
  readonly selfVersion: string;
  readonly provides: readonly { readonly type: string; readonly version: string; readonly path: string }[];
  readonly requires: Readonly<Record<string, string>>;
  readonly metadata: Readonly<Record<string, string>>;
}

/** A plugin that its host has nothing to say to: trying again changes nothing. */
export class NotOurs extends Error {
  override readonly name = 'NotOurs';
}

/** Codes with which a plugin refuses its identity, or the registry the plugin, for good. */
const FINAL: ReadonlySet<string> = new Set(['invalid_argument', 'failed_precondition']);
/** Milliseconds for each question. */
const ASK_MS = 5_000;

const infoOf = ({
  selfId,
  selfVersion,
  provides,
  requires,
  metadata,
}: GetPluginInfoResponse): PluginInfo => ({
  selfId,
  selfVersion,
  provides: provides.map(({ type, version, path }) => ({ type, version, path })),
  requires: Object.fromEntries(requires.map(({ type, minVersion }) => [type, minVersion])),
  metadata: { ...metadata },
});

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
  identify: (info: PluginInfo) => { readonly runtimeId: string; readonly token: string },
  signal: AbortSignal,
): Promise<PluginInfo> {
  await checkAddress(kube, endpoint, signal);
  const client = createConnectClient({ baseUrl: endpoint.baseUrl, timeoutMs: ASK_MS });
  try {
    const info = infoOf(await client.unary(PluginIdentity.method.getPluginInfo, {}, { signal }));
    const { runtimeId, token } = identify(info);
    const { acknowledged } = await client.unary(
      PluginIdentity.method.setRuntimeIdentity,
      { runtimeId, runtimeToken: token, hostUrl },
      { signal },
    );
    if (!acknowledged) throw new Error('it does not take its identity');
    return info;
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
