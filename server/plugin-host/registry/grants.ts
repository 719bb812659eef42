/** The capability broker's grants: each for one plugin and one capability, for an hour, and only so often used. */
import { hashOf, isTokenOf, newId, newToken, bearerOf } from './identity.js';
import { createLimiter } from './limits.js';
import type { Rate } from './limits.js';
import { refusal } from './refusal.js';
import { checkCapabilityType, checkMinVersion, quoted } from './rules.js';
import { isCompatible } from './versions.js';

/** Something that the host does for plugins which were granted it. */
export interface HostCapability {
  readonly type: string;
  readonly version: string;
}

/** A grant as its plugin gets it. */
export interface Grant {
  readonly grantId: string;
  readonly bearerToken: string;
  readonly capabilityType: string;
  readonly version: string;
}

export interface GrantLimits {
  /** Milliseconds that a grant holds. */
  readonly lifetimeMs: number;
  /** Grants of one plugin that hold at a time; with one more the oldest ends. */
  readonly perPlugin: number;
  /** How often one plugin may ask for a grant. */
  readonly requests: Rate;
  /** How often one plugin may use one capability, by all its grants. */
  readonly uses: Rate;
}

export interface Grants {
  readonly capabilities: readonly HostCapability[];
  /** @throws ConnectError not_found for a capability that is not there in a fitting version, resource_exhausted */
  request(runtimeId: string, type: string, minVersion: string): Grant;
  /**
   * Whose grant a call comes with.
   * @param presented the runtime id that the call names, if it does: another's than the grant's is refused
   * @throws ConnectError unauthenticated, permission_denied, resource_exhausted
   */
  use(authorization: string | undefined, type: string, presented?: string): string;
  /** Ends every grant of a plugin. */
  revoke(runtimeId: string): void;
  sweep(): void;
}

interface Granted {
  readonly runtimeId: string;
  readonly type: string;
  readonly hash: Buffer;
  readonly until: number;
}

/** @param now milliseconds */
export function createGrants(
  capabilities: readonly HostCapability[],
  limits: GrantLimits,
  now: () => number,
): Grants {
  const granted = new Map<string, Granted>();
  const byPlugin = new Map<string, Set<string>>();
  const requests = createLimiter(limits.requests, now);
  const uses = createLimiter(limits.uses, now);

  function end(grantId: string): void {
    const grant = granted.get(grantId);
    if (grant === undefined) return;
    granted.delete(grantId);
    const own = byPlugin.get(grant.runtimeId);
    own?.delete(grantId);
    if (own?.size === 0) byPlugin.delete(grant.runtimeId);
  }

  function keep(grantId: string, grant: Granted): void {
    const own = byPlugin.get(grant.runtimeId) ?? new Set();
    byPlugin.set(grant.runtimeId, own.add(grantId));
    granted.set(grantId, grant);
    const [oldest] = own;
    if (own.size > limits.perPlugin && oldest !== undefined) end(oldest);
  }

  function request(runtimeId: string, type: string, minVersion: string): Grant {
    checkCapabilityType(type);
    checkMinVersion(minVersion);
    const capability = capabilities.find((one) => one.type === type);
    if (capability === undefined) throw refusal('not_found', `This host has no capability ${quoted(type)}.`);
    if (!isCompatible(capability.version, minVersion))
      throw refusal(
        'not_found',
        `This host has ${type} ${capability.version}, which does not fit min_version ${minVersion}.`,
      );
    if (!requests.take(runtimeId))
      throw refusal(
        'resource_exhausted',
        `${runtimeId} asks for grants too often; use the ones that it has.`,
      );
    const grantId = newId('grant');
    const bearerToken = `${grantId}.${newToken()}`;
    keep(grantId, { runtimeId, type, hash: hashOf(bearerToken), until: now() + limits.lifetimeMs });
    return { grantId, bearerToken, capabilityType: type, version: capability.version };
  }

  function use(authorization: string | undefined, type: string, presented?: string): string {
    const token = bearerOf(authorization) ?? '';
    const grant = granted.get(token.slice(0, Math.max(0, token.indexOf('.'))));
    if (!isTokenOf(grant?.hash, token) || grant === undefined || grant.until <= now())
      throw refusal(
        'unauthenticated',
        `The call needs the bearer token of a grant for ${type} that still holds.`,
      );
    if (grant.type !== type)
      throw refusal('permission_denied', `The grant is for ${grant.type} and not for ${type}.`);
    if (presented !== undefined && presented !== grant.runtimeId)
      throw refusal('permission_denied', 'The grant is of another plugin.');
    if (!uses.take(`${grant.runtimeId} ${type}`))
      throw refusal('resource_exhausted', `${grant.runtimeId} uses ${type} too often; wait a second.`);
    return grant.runtimeId;
  }

  return {
    capabilities,
    request,
    use,
    revoke(runtimeId) {
      for (const grantId of byPlugin.get(runtimeId) ?? []) end(grantId);
    },
    sweep() {
      for (const [grantId, { until }] of granted) if (until <= now()) end(grantId);
      requests.sweep();
      uses.sweep();
    },
  };
}
