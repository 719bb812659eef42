/** A plugin and its host get to know one another at the plugin's place, however the host came to know that place. */
import { ConnectError } from '../../connect/index.js';
import type { ConnectClient } from '../../connect/index.js';
import { HealthState, PluginControl, PluginIdentity } from '../../proto/gen/connectplugin/v1/plugin_pb.js';
import type { GetPluginInfoResponse } from '../../proto/gen/connectplugin/v1/plugin_pb.js';
import type { Admission } from './registry/registry.js';

/** What a plugin says of itself, as the registry takes it. */
export interface PluginInfo extends Pick<
  Required<Admission>,
  'selfId' | 'selfVersion' | 'provides' | 'requires' | 'metadata'
> {
  /** Of what it requires, that without which it cannot start. */
  readonly startup: Readonly<Record<string, string>>;
}

/** Who a plugin is at its host. */
export interface Identity {
  readonly runtimeId: string;
  readonly token: string;
}

/** Milliseconds for each question. */
const ASK_MS = 5_000;

const minimumOf = (requires: GetPluginInfoResponse['requires']): Record<string, string> =>
  Object.fromEntries(requires.map(({ type, minVersion }) => [type, minVersion]));

const infoOf = ({ selfId, selfVersion, provides, requires, ...info }: GetPluginInfoResponse): PluginInfo => {
  // On the wire a map has no order: sorted, the same words are the same text.
  const metadata = Object.fromEntries(Object.entries(info.metadata).sort(([a], [b]) => (a < b ? -1 : 1)));
  return {
    ...{ selfId, selfVersion, metadata },
    provides: provides.map(({ type, version, path }) => ({ type, version, path, metadata })),
    requires: minimumOf(requires),
    startup: minimumOf(requires.filter(({ requiredForStartup }) => requiredForStartup)),
  };
};

/** Whether a plugin says the same of itself as before. */
export const isSameInfo = (one: PluginInfo, other: PluginInfo | undefined): boolean =>
  JSON.stringify(one) === JSON.stringify(other);

/** Asks a plugin who it is. @throws ConnectError, `invalid_argument` for one that does not say */
export async function askInfo(client: ConnectClient, signal: AbortSignal): Promise<PluginInfo> {
  const options = { timeoutMs: ASK_MS, signal };
  const info = infoOf(await client.unary(PluginIdentity.method.getPluginInfo, {}, options));
  if (info.selfId !== '') return info;
  throw new ConnectError(
    'invalid_argument',
    'it does not say who it is: GetPluginInfo must answer with a self_id',
  );
}

/** Codes that say that nobody answered, in contrast to one who does not serve the method. */
const UNANSWERED: ReadonlySet<string> = new Set(['unavailable', 'deadline_exceeded', 'canceled']);

/** Asks a plugin how it is; one that does not serve that is well. @throws Error when it is unhealthy or does not answer */
export async function checkHealth(client: ConnectClient, signal: AbortSignal): Promise<void> {
  const options = { timeoutMs: ASK_MS, signal };
  const health = await client.unary(PluginControl.method.getHealth, {}, options).catch((error: unknown) => {
    if (UNANSWERED.has(ConnectError.from(error).code)) throw error;
    return undefined;
  });
  if (health?.state === HealthState.UNHEALTHY)
    throw new Error(`it reports to be unhealthy${health.reason === '' ? '' : `: ${health.reason}`}`);
}

/** Tells a plugin who it is at the host of this URL. @throws ConnectError, or Error when it does not take that */
export async function giveIdentity(
  client: ConnectClient,
  { runtimeId, token, hostUrl }: Identity & { readonly hostUrl: string },
  signal: AbortSignal,
): Promise<void> {
  const { acknowledged } = await client.unary(
    PluginIdentity.method.setRuntimeIdentity,
    { runtimeId, runtimeToken: token, hostUrl },
    { timeoutMs: ASK_MS, signal },
  );
  if (!acknowledged) throw new Error('it does not take the identity that the host gives it');
}
