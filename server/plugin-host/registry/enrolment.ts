/** How plugins and services come and go: joining, registering, taking another's place. */
import type { Origin, PluginEntry, ServiceEntry } from './model.js';
import type { Ground } from './ground.js';
import { newId } from './identity.js';
import { baseUrlsOf, newService, refreshTargets, trimmedUrl } from './model.js';
import { invalid, refusal } from './refusal.js';
import { keptOf } from './roster.js';
import type { Newcomer } from './roster.js';
import {
  BOUNDS,
  checkBaseUrl,
  checkMetadata,
  checkMinVersion,
  checkPath,
  checkSelfId,
  checkType,
  checkVersion,
  quoted,
} from './rules.js';
import { weightOfNewcomer, weightOfOffer, weightOfService } from './tally.js';

/** A service as a plugin registers or declares it. */
export interface Offer {
  readonly type: string;
  readonly version: string;
  readonly path: string;
  readonly metadata?: Readonly<Record<string, string>>;
}

/** A plugin that comes by its host and not by itself. */
export interface Admission {
  readonly selfId: string;
  /** Empty when unknown. */
  readonly selfVersion: string;
  readonly origin: Exclude<Origin, 'unmanaged'>;
  /** Where it is reached; several for one of several pods. Not checked: its host knows. */
  readonly baseUrls: readonly string[];
  readonly provides: readonly Offer[];
  /** Service type → minimum version, empty for any. */
  readonly requires: Readonly<Record<string, string>>;
  readonly metadata?: Readonly<Record<string, string>>;
  /** Not routed to until it takes another's place by `replace`. */
  readonly standby?: boolean;
}

export interface Enrolment {
  join(newcomer: Newcomer): { plugin: PluginEntry; token: string };
  admit(admission: Admission): { runtimeId: string; token: string };
  register(plugin: PluginEntry, offer: Offer): string;
  /** What its GetPluginInfo says that it provides: it may register no more, and what it has beyond that is withdrawn. */
  declares(runtimeId: string, info: { readonly selfId: string; readonly types: readonly string[] }): void;
  unregister(plugin: PluginEntry, registrationId: string): void;
  replace(oldId: string, newId: string): void;
  /** A plugin does not answer: its services go to the one that was started in its place, if there is one. */
  overtaken(plugin: PluginEntry): void;
}

export function createEnrolment(ground: Ground): Enrolment {
  const { options, roster, directory, registrations, tally, makeRoom, changed, withdraw, end } = ground;
  const { log, now, limits } = options;

  function entryOf(runtimeId: string): PluginEntry {
    const plugin = roster.get(runtimeId);
    if (plugin === undefined)
      throw refusal('not_found', `There is no plugin ${quoted(runtimeId)} at this host.`);
    return plugin;
  }

  /** Where the plugin's service is; undefined when its host knows that. */
  function placeOf(plugin: PluginEntry, metadata: Readonly<Record<string, string>>): string | undefined {
    if (plugin.origin !== 'unmanaged') return undefined;
    const baseUrl = metadata['base_url'] ?? plugin.metadata['base_url'];
    if (baseUrl === undefined)
      throw invalid(
        'metadata has no base_url: without it the host does not know where to send calls. Give the URL that the plugin listens at, such as http://localhost:8082.',
      );
    return checkBaseUrl(baseUrl, plugin.allowBaseUrl);
  }

  /** The types that the plugin may register; undefined for any. */
  const allowedTo = ({ selfId, declared }: PluginEntry): readonly string[] | undefined =>
    options.allow !== undefined && Object.hasOwn(options.allow, selfId) ? options.allow[selfId] : declared;

  function checkAllowed(plugin: PluginEntry, type: string): void {
    const allowed = allowedTo(plugin);
    if (allowed?.includes(type) === false)
      throw refusal(
        'permission_denied',
        `${plugin.selfId} may not register ${type}; it may register ${allowed.join(', ') || 'nothing'}.`,
      );
  }

  /** Entries of the same plugin under older identities that a registration makes stale: at its place, or dead. */
  function staleOf({ plugin, type }: ServiceEntry): PluginEntry[] {
    const here = new Set(baseUrlsOf(plugin));
    return roster
      .namesakes(plugin.selfId)
      .filter(
        (other) =>
          other !== plugin &&
          other.principal === plugin.principal &&
          (other.origin === 'unmanaged' || plugin.origin !== 'unmanaged') &&
          other.services.has(type) &&
          ((other.lost !== undefined && other.origin === 'unmanaged') ||
            baseUrlsOf(other).some((url) => here.has(url))),
      );
  }

  function takeOver(service: ServiceEntry, from: PluginEntry): void {
    const stale = from.services.get(service.type);
    if (stale !== undefined) withdraw(stale);
    directory.succeed(from.runtimeId, service.plugin.runtimeId);
    from.supersededAt ??= now();
    if (from.services.size === 0) end(from, `${service.plugin.runtimeId} took its place`);
    else changed(from);
  }

  /** A plugin that was started anew may have registered at another address before the death of its former self was noticed. */
  function overtaken(plugin: PluginEntry): void {
    if (plugin.origin !== 'unmanaged') return;
    const heirs = roster
      .namesakes(plugin.selfId)
      .filter(
        (other) =>
          other !== plugin &&
          other.principal === plugin.principal &&
          other.lost === undefined &&
          other.since > plugin.since &&
          now() - other.since < limits.supersededMs,
      );
    for (const { type } of [...plugin.services.values()]) {
      const heir = heirs.map(({ services }) => services.get(type)).find((service) => service !== undefined);
      if (heir !== undefined) takeOver(heir, plugin);
    }
  }

  function enlist(plugin: PluginEntry, offer: Required<Offer>, baseUrl: string | undefined): ServiceEntry {
    const before = plugin.services.get(offer.type);
    const service = newService(plugin, { ...offer, id: before?.id ?? newId('reg'), baseUrl });
    plugin.services.set(offer.type, service);
    registrations.set(service.id, service);
    tally.weighService(service);
    plugin.lost = undefined;
    plugin.retired = false;
    plugin.refused.clear();
    refreshTargets(plugin);
    const cameHere = before === undefined || before.baseUrl !== baseUrl;
    const stale = cameHere && !plugin.standby ? staleOf(service) : [];
    directory.put(service, stale[0]?.runtimeId);
    for (const other of stale) takeOver(service, other);
    const at = service.registration.targets.map((target) => `${target.baseUrl}${target.path}`).join(', ');
    log.info(
      { plugin: plugin.runtimeId, type: offer.type, version: offer.version, at },
      `Registered service: ${offer.type} by ${plugin.runtimeId} v${offer.version} at ${at === '' ? 'no address yet' : at}`,
    );
    return service;
  }

  function checkOffer({ type, version, path, metadata = {} }: Offer): Required<Offer> {
    checkType(type);
    checkVersion(version);
    checkMetadata(metadata);
    return { type, version, path: checkPath(path), metadata };
  }

  function register(plugin: PluginEntry, offer: Offer): string {
    const checked = checkOffer(offer);
    checkAllowed(plugin, checked.type);
    const baseUrl = placeOf(plugin, checked.metadata);
    if (!plugin.services.has(checked.type) && plugin.services.size >= limits.servicesPerPlugin)
      throw refusal(
        'resource_exhausted',
        `${plugin.runtimeId} has ${plugin.services.size} services; that is all that one plugin may register.`,
      );
    const before = plugin.services.get(checked.type);
    tally.room(weightOfOffer(checked, baseUrl) - (before === undefined ? 0 : weightOfService(before)));
    const { id } = enlist(plugin, checked, baseUrl);
    changed(plugin);
    return id;
  }

  function declares(
    runtimeId: string,
    { selfId, types }: { readonly selfId: string; readonly types: readonly string[] },
  ): void {
    const plugin = roster.get(runtimeId);
    // Whoever answers at its address may be another, and one that declares nothing is the reference's.
    if (plugin?.origin !== 'unmanaged' || plugin.selfId !== selfId || types.length === 0) return;
    plugin.declared = types.slice(0, BOUNDS.declared).filter((type) => type.length <= BOUNDS.name);
    tally.weighPlugin(plugin);
    const allowed = allowedTo(plugin);
    const beyond = [...plugin.services.values()].filter(({ type }) => allowed?.includes(type) === false);
    if (beyond.length === 0) return;
    const before = [...plugin.services.keys()];
    for (const service of beyond) {
      withdraw(service);
      log.warn(
        { plugin: runtimeId, type: service.type },
        `Unregistered service: ${service.type} by ${runtimeId}, whose GetPluginInfo declares ${types.join(', ')} alone`,
      );
    }
    changed(plugin, 'changed', before);
  }

  function unregister(plugin: PluginEntry, registrationId: string): void {
    const service = registrations.get(registrationId);
    if (service === undefined)
      throw refusal('not_found', `There is no registration ${quoted(registrationId)}.`);
    if (service.plugin !== plugin)
      throw refusal('permission_denied', `The registration is not one of ${plugin.runtimeId}.`);
    // One of its pods goes. What the others serve stays, and whether there are others the API server says.
    if (plugin.origin === 'discovered') return;
    withdraw(service);
    plugin.retired = plugin.services.size === 0;
    log.info(
      { plugin: plugin.runtimeId, type: service.type },
      `Unregistered service: ${service.type} by ${plugin.runtimeId}`,
    );
    changed(plugin, 'changed', [service.type, ...plugin.services.keys()]);
  }

  function join(newcomer: Newcomer): { plugin: PluginEntry; token: string } {
    checkSelfId(newcomer.selfId);
    if (newcomer.selfVersion !== '') checkVersion(newcomer.selfVersion, 'self_version');
    const place = newcomer.metadata['base_url'];
    if (place !== undefined && newcomer.origin === 'unmanaged') checkBaseUrl(place, newcomer.allowBaseUrl);
    const weight = weightOfNewcomer(newcomer);
    while (!tally.fits(weight) && makeRoom());
    tally.room(weight);
    const joined = roster.admit({
      ...newcomer,
      metadata: keptOf(newcomer.metadata),
      baseUrls: newcomer.baseUrls.map(trimmedUrl),
    });
    tally.weighPlugin(joined.plugin);
    const ghosts = roster
      .namesakes(newcomer.selfId)
      .filter(
        (other) =>
          other !== joined.plugin &&
          place !== undefined &&
          other.metadata['base_url'] === place &&
          other.principal === newcomer.principal &&
          other.origin === newcomer.origin &&
          other.services.size === 0,
      );
    const { runtimeId } = joined.plugin;
    log.info(
      { plugin: runtimeId, selfId: newcomer.selfId, origin: newcomer.origin },
      `Plugin ${newcomer.selfId} ${newcomer.selfVersion} is ${runtimeId}`,
    );
    for (const ghost of ghosts) end(ghost, `${runtimeId} took its place`);
    return joined;
  }

  function admit(admission: Admission): { runtimeId: string; token: string } {
    const { provides, requires, metadata = {}, standby = false } = admission;
    const offers = provides.map(checkOffer);
    for (const [type, minVersion] of Object.entries(requires)) {
      checkType(type);
      checkMinVersion(minVersion);
    }
    tally.room(offers.reduce((sum, offer) => sum + weightOfOffer(offer), 0));
    const { plugin, token } = join({
      selfId: admission.selfId,
      selfVersion: admission.selfVersion,
      origin: admission.origin,
      baseUrls: admission.baseUrls,
      principal: undefined,
      metadata,
      allowBaseUrl: options.allowBaseUrl,
      isStill: undefined,
      declared: provides.length === 0 ? undefined : provides.map(({ type }) => type),
      standby,
    });
    for (const [type, minVersion] of Object.entries(requires)) plugin.requires.set(type, minVersion);
    tally.weighPlugin(plugin);
    for (const offer of offers) enlist(plugin, offer, undefined);
    changed(plugin, 'added');
    return { runtimeId: plugin.runtimeId, token };
  }

  function replace(oldId: string, newId: string): void {
    const from = entryOf(oldId);
    const to = entryOf(newId);
    if (from === to) throw invalid(`${oldId} cannot take its own place.`);
    const types = new Set([...from.services.keys(), ...to.services.keys()]);
    to.standby = false;
    for (const service of to.services.values()) directory.put(service, oldId);
    for (const service of [...from.services.values()]) withdraw(service);
    directory.succeed(oldId, newId);
    log.info({ from: oldId, to: newId }, `${newId} takes the place of ${oldId}`);
    changed(from, 'changed', []);
    changed(to, 'changed', types);
  }

  return {
    join(newcomer) {
      const joined = join(newcomer);
      changed(joined.plugin, 'added');
      return joined;
    },
    admit,
    register,
    declares,
    unregister,
    replace,
    overtaken,
  };
}
