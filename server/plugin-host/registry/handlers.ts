/** The services that the host serves to plugins, over Connect: each method checks who calls and hands over to the core. */
import { serverStream, unary } from '../../../connect/index.js';
import type { CallContext, Handler } from '../../../connect/types.js';
import { Logger } from '../../../proto/gen/capability/logger/v1/logger_pb.js';
import type { LogRequest } from '../../../proto/gen/capability/logger/v1/logger_pb.js';
import { HealthService, ServingStatus } from '../../../proto/gen/connectplugin/health/v1/health_pb.js';
import {
  CapabilityBroker,
  HealthState,
  PluginLifecycle,
  ServiceRegistry,
} from '../../../proto/gen/connectplugin/v1/plugin_pb.js';
import type { DiscoverServiceRequest } from '../../../proto/gen/connectplugin/v1/plugin_pb.js';
import { oneLine } from '../one-line.js';
import type { Health, HostLog } from '../port.js';
import { capabilityPath } from './capability-path.js';
import type { Core } from './core.js';
import type { Grants } from './grants.js';
import { bearerOf, podOf } from './identity.js';
import type { PluginEntry } from './model.js';
import type { RegistryLimits } from './options.js';
import { asRefusal, invalid, refusal } from './refusal.js';
import { checkMetadata, checkMinVersion, checkReport, checkType, quoted } from './rules.js';
import { endpointOf, servingStatus, watchServing, watchType } from './watching.js';

/** The capability that every host has. */
export const LOGGER = { type: 'logger', version: '1.0.0' } as const;

const LONGEST_LINE = 16_384;

export interface HandlerParts {
  readonly core: Core;
  readonly grants: Grants;
  readonly log: HostLog;
  readonly limits: RegistryLimits;
  readonly hostUrl: string | undefined;
}

const HEALTH: Readonly<Partial<Record<HealthState, Health>>> = {
  [HealthState.HEALTHY]: 'healthy',
  [HealthState.DEGRADED]: 'degraded',
  [HealthState.UNHEALTHY]: 'unhealthy',
};

/** A state of the protocol as the registry has it. @throws ConnectError invalid_argument for one that says nothing */
export function healthOf(state: HealthState): Health {
  const health = HEALTH[state];
  if (health === undefined)
    throw invalid(
      `state ${state} is none of HEALTH_STATE_HEALTHY, HEALTH_STATE_DEGRADED, HEALTH_STATE_UNHEALTHY.`,
    );
  return health;
}

export function serviceHandlers(parts: HandlerParts): Handler[] {
  return [...registryHandlers(parts), ...healthHandlers(parts), ...capabilityHandlers(parts)];
}

const callerOf = ({ roster }: Core, context: CallContext): PluginEntry =>
  asRefusal(() => roster.authenticate((name) => context.header(name)));

function discover(core: Core, plugin: PluginEntry, { serviceType, minVersion }: DiscoverServiceRequest) {
  const { directory } = core;
  checkType(serviceType);
  checkMinVersion(minVersion);
  const chosen = directory.pick(serviceType, minVersion);
  core.need(plugin, serviceType, minVersion);
  if (chosen !== undefined)
    return {
      endpoint: endpointOf(chosen),
      singleProvider: directory.candidates(serviceType, minVersion).length === 1,
    };
  if (!directory.has(serviceType)) throw refusal('not_found', `No plugin provides ${serviceType}.`);
  const which = minVersion === '' ? serviceType : `${serviceType} compatible with ${minVersion}`;
  throw refusal('not_found', `No plugin that is available provides ${which}.`);
}

function registryHandlers({ core, limits }: HandlerParts): Handler[] {
  return [
    unary(ServiceRegistry.method.registerService, (request, context) => ({
      registrationId: core.register(callerOf(core, context), {
        type: request.serviceType,
        version: request.version,
        path: request.endpointPath,
        metadata: request.metadata,
      }),
    })),
    unary(ServiceRegistry.method.unregisterService, ({ registrationId }, context) => {
      core.unregister(callerOf(core, context), registrationId);
      return {};
    }),
    unary(ServiceRegistry.method.discoverService, (request, context) =>
      discover(core, callerOf(core, context), request),
    ),
    serverStream(ServiceRegistry.method.watchService, ({ serviceType }, context) => {
      const plugin = callerOf(core, context);
      checkType(serviceType);
      if (plugin.watches.size >= limits.watchesPerPlugin)
        throw refusal(
          'resource_exhausted',
          `${plugin.runtimeId} has ${plugin.watches.size} watches; end some first.`,
        );
      core.need(plugin, serviceType, '');
      return watchType(core.directory, plugin, serviceType, context);
    }),
    unary(PluginLifecycle.method.reportHealth, (request, context) => {
      const plugin = callerOf(core, context);
      const state = healthOf(request.state);
      checkReport(request.reason, request.unavailableDependencies);
      const { reason, unavailableDependencies } = request;
      const pod = podOf(bearerOf(context.header('authorization')));
      core.report(plugin, { state, reason, unavailableDependencies }, pod);
      return {};
    }),
  ];
}

/** Asked without an identity, as probes do. */
function healthHandlers({ core: { directory }, limits }: HandlerParts): Handler[] {
  let watches = 0;
  const checkService = (service: string): void => {
    if (service !== '') checkType(service);
  };
  return [
    unary(HealthService.method.check, ({ service }) => {
      checkService(service);
      const status = servingStatus(directory, service);
      if (status === ServingStatus.SERVICE_UNKNOWN)
        throw refusal('not_found', `No plugin provides ${service}.`);
      return { status };
    }),
    serverStream(HealthService.method.watch, ({ service }, { signal }) => {
      checkService(service);
      if (watches >= limits.healthWatches)
        throw refusal(
          'resource_exhausted',
          `There are ${watches} watches of health; this host takes no more.`,
        );
      watches += 1;
      return watchServing(directory, service, signal, () => (watches -= 1));
    }),
  ];
}

/** The host's URL as the caller has it, so that a grant's endpoint can be called as it is. */
function hostUrlOf(context: CallContext, hostUrl: string | undefined): string {
  if (hostUrl !== undefined) return hostUrl.replace(/\/+$/, '');
  const host = context.header('host') ?? context.header(':authority') ?? '';
  return /^(\[[0-9a-f:.]+\]|[\w.-]+)(:\d{1,5})?$/i.test(host) ? `http://${host}` : '';
}

function write(log: HostLog, plugin: string, { level, message, fields }: LogRequest): void {
  if (message.length > LONGEST_LINE) throw invalid(`message is longer than ${LONGEST_LINE} characters.`);
  if (level.length > 16) throw invalid(`level ${quoted(level)} is none of debug, info, warn, error.`);
  checkMetadata(fields, 'fields');
  const severe = /^(warn|warning|error|fatal)$/i.test(level);
  log[severe ? 'warn' : 'info']({ plugin, level, fields }, `[${plugin}] ${oneLine(message)}`);
}

function capabilityHandlers({ core, grants, log, hostUrl }: HandlerParts): Handler[] {
  return [
    unary(CapabilityBroker.method.requestCapability, (request, context) => {
      const { runtimeId } = callerOf(core, context);
      const grant = grants.request(runtimeId, request.capabilityType, request.minVersion);
      const path = capabilityPath(grant.capabilityType, grant.grantId);
      return { grant: { ...grant, endpointUrl: `${hostUrlOf(context, hostUrl)}${path}` } };
    }),
    unary(Logger.method.log, (request, context) => {
      const authorization = context.header('authorization');
      const plugin = grants.use(authorization, LOGGER.type, context.header('x-plugin-runtime-id'));
      write(log, plugin, request);
      return {};
    }),
  ];
}
