/** The handshake: the guard against the wrong server, versions, and an identity for who names itself. */
import { ConnectError, unary } from '../../../connect/index.js';
import type { CallContext, Handler } from '../../../connect/types.js';
import { HandshakeService } from '../../../proto/gen/connectplugin/v1/plugin_pb.js';
import type { HandshakeRequest } from '../../../proto/gen/connectplugin/v1/plugin_pb.js';
import type { Core } from './core.js';
import type { HostCapability } from './grants.js';
import type { Limiter } from './limits.js';
import type { RegistryOptions, Vouched } from './options.js';
import { invalid, refusal } from './refusal.js';
import { checkMetadata, checkSelfId, checkVersion, quoted } from './rules.js';

const CORE_PROTOCOL = 1;
/** The version of the plugins' own protocol, where nobody names another. */
export const APP_PROTOCOL = 1;
const MOST_REQUESTED = 64;

export const DEFAULT_COOKIE = { key: 'CONNECT_PLUGIN', value: 'd3f40b3c2e1a5f8b9c4d7e6a1b2c3d4e' } as const;

/** Where plugins ask for grants. */
const BROKER = '/connectplugin.v1.CapabilityBroker';

export interface HandshakeParts {
  readonly options: Pick<
    RegistryOptions,
    'cookie' | 'appProtocolVersion' | 'serverMetadata' | 'identify' | 'allowBaseUrl'
  >;
  readonly core: Core;
  readonly capabilities: readonly HostCapability[];
  readonly limiter: Limiter;
}

/** What the request is wrong in, by the protocol's rules. */
function check(request: HandshakeRequest, options: HandshakeParts['options']): void {
  const { key, value } = options.cookie ?? DEFAULT_COOKIE;
  if (request.magicCookieKey !== key || request.magicCookieValue !== value)
    throw invalid('The magic cookie is not that of this host; is it the host that was meant?');
  if (request.coreProtocolVersion !== CORE_PROTOCOL)
    throw invalid(
      `core_protocol_version ${request.coreProtocolVersion} is not spoken here; this host speaks ${CORE_PROTOCOL}.`,
    );
  const app = options.appProtocolVersion ?? APP_PROTOCOL;
  if (request.appProtocolVersion !== app)
    throw refusal(
      'failed_precondition',
      `app_protocol_version ${request.appProtocolVersion} is not that of this host, which is ${app}.`,
    );
  checkMetadata(request.clientMetadata, 'client_metadata');
  if (request.requestedPlugins.length > MOST_REQUESTED)
    throw invalid(`requested_plugins has more than ${MOST_REQUESTED} names.`);
}

async function vouchedFor(
  { selfId, selfVersion }: HandshakeRequest,
  context: CallContext,
  identify: RegistryOptions['identify'],
): Promise<Vouched | undefined> {
  try {
    return await identify?.({
      selfId,
      selfVersion,
      header: (name) => context.header(name),
      remoteAddress: context.remoteAddress,
    });
  } catch (error) {
    // It says itself what it is, such as that nobody can be asked now.
    if (error instanceof ConnectError) throw error;
    throw refusal('unauthenticated', `${quoted(selfId)} is not who it says: ${(error as Error).message}`);
  }
}

export function handshakeHandler({ options, core, capabilities, limiter }: HandshakeParts): Handler {
  async function identityFor(
    request: HandshakeRequest,
    context: CallContext,
  ): Promise<{ runtimeId: string; runtimeToken: string } | undefined> {
    const { selfId, selfVersion, clientMetadata } = request;
    if (selfId === '') return undefined;
    checkSelfId(selfId);
    if (selfVersion !== '') checkVersion(selfVersion, 'self_version');
    const vouched = await vouchedFor(request, context, options.identify);
    const { plugin, token } = core.join({
      selfId,
      selfVersion,
      origin: 'unmanaged',
      principal: vouched?.principal,
      metadata: clientMetadata,
      allowBaseUrl: vouched?.allowBaseUrl ?? options.allowBaseUrl,
      isStill: vouched?.isStill,
      declared: undefined,
      baseUrls: [],
      standby: false,
    });
    return { runtimeId: plugin.runtimeId, runtimeToken: token };
  }

  /** Those of the names that are types which somebody provides. */
  const provided = (names: readonly string[]) =>
    names.flatMap((name) => {
      const [found] = core.directory.candidates(name, '');
      return found === undefined ? [] : { name, version: found.version, servicePath: `/services/${name}/-/` };
    });

  return unary(HandshakeService.method.handshake, async (request, context) => {
    if (!limiter.take(context.remoteAddress))
      throw refusal('resource_exhausted', 'Too many handshakes from this address; try again in a second.');
    check(request, options);
    const identity = await identityFor(request, context);
    return {
      coreProtocolVersion: CORE_PROTOCOL,
      appProtocolVersion: options.appProtocolVersion ?? APP_PROTOCOL,
      plugins: provided(request.requestedPlugins),
      serverMetadata: { ...options.serverMetadata },
      hostCapabilities: capabilities.map(({ type, version }) => ({ type, version, endpoint: BROKER })),
      ...identity,
    };
  });
}
