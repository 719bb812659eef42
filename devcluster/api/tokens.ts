/**
 * Tokens of ServiceAccounts: JWTs signed with a key of this server alone, so that they end with it. They hold as long as
 * the account, and what they are bound to, is the one that it was.
 */
import { createHmac, randomBytes, randomUUID, timingSafeEqual } from 'node:crypto';
import { isObject, objectAt, stringAt, stringsAt } from './json.js';
import type { JsonObject } from './json.js';
import type { Registry } from './registry.js';
import type { ApiResource } from './resources.js';
import { keyOf } from './storage.js';
import type { Stored } from './storage.js';

/** Who issues the tokens, and whom they are for when nothing else is asked. */
export const ISSUER = 'https://kubernetes.default.svc.cluster.local';

export interface BoundObject {
  readonly kind: 'Pod' | 'Secret' | 'Node';
  readonly name: string;
  readonly uid: string;
  /** The node of a pod. */
  readonly node?: { readonly name: string; readonly uid: string } | undefined;
}

export interface TokenInit {
  readonly account: Stored;
  readonly audiences: readonly string[];
  readonly expirationSeconds: number;
  readonly bound: BoundObject | undefined;
}

/** Who a token is, as a TokenReview tells it. */
export interface TokenUser {
  readonly username: string;
  readonly uid: string;
  readonly groups: readonly string[];
  readonly extra: Readonly<Record<string, readonly string[]>>;
  readonly audiences: readonly string[];
}

export interface Tokens {
  issue(init: TokenInit): { token: string; expires: Date };
  /** Whether the text looks like a token of this cluster's kind, good or not. */
  isOwn(token: string): boolean;
  /** Throws an Error that says why for a token that is not good. */
  verify(token: string): TokenUser;
}

const CLAIM = 'kubernetes.io';
const EXTRA = 'authentication.kubernetes.io';

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

function decode(part: string | undefined): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(part ?? '', 'base64url').toString('utf8'));
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

export function createTokens(registry: Registry, now: () => number = Date.now): Tokens {
  const key = randomBytes(32);
  const sign = (text: string): string => createHmac('sha256', key).update(text).digest('base64url');
  const find = (plural: string, namespace: string, name: string): Stored | undefined => {
    const resource = registry.resources.find('', 'v1', plural) as ApiResource;
    return registry.storage(resource).get(keyOf(resource, namespace, name));
  };

  /** Refuses a claim about an object that is gone or another one now. */
  const checkObject = (
    claims: JsonObject,
    kind: string,
    namespace: string,
  ): { name: string; uid: string } | undefined => {
    const claim = objectAt(claims, kind);
    if (claim === undefined) return undefined;
    const name = stringAt(claim, 'name') ?? '';
    const uid = stringAt(claim, 'uid') ?? '';
    if (find(`${kind}s`, namespace, name)?.uid !== uid)
      throw new Error(`${kind} ${JSON.stringify(name)}, to which the token is bound, is gone`);
    return { name, uid };
  };

  return {
    issue({ account, audiences, expirationSeconds, bound }) {
      const seconds = Math.floor(now() / 1_000);
      const expires = seconds + expirationSeconds;
      const { namespace, name, uid } = account;
      const head = encode({ alg: 'HS256', typ: 'JWT' });
      const claims = encode({
        aud: audiences,
        exp: expires,
        iat: seconds,
        iss: ISSUER,
        jti: randomUUID(),
        [CLAIM]: {
          namespace,
          ...(bound?.node && { node: bound.node }),
          ...(bound && { [bound.kind.toLowerCase()]: { name: bound.name, uid: bound.uid } }),
          serviceaccount: { name, uid },
        },
        nbf: seconds,
        sub: `system:serviceaccount:${namespace}:${name}`,
      });
      const text = `${head}.${claims}`;
      return { token: `${text}.${sign(text)}`, expires: new Date(expires * 1_000) };
    },
    isOwn: (token) => decode(token.split('.')[1])?.iss === ISSUER,
    verify(token) {
      const cut = token.lastIndexOf('.');
      const given = Buffer.from(token.slice(cut + 1));
      const right = Buffer.from(sign(token.slice(0, cut)));
      if (given.length !== right.length || !timingSafeEqual(given, right))
        throw new Error('the signature is not of this cluster');
      const claims = decode(token.split('.')[1]) ?? {};
      if (typeof claims.exp !== 'number' || claims.exp * 1_000 <= now())
        throw new Error('service account token has expired');
      const own = objectAt(claims, CLAIM) ?? {};
      const namespace = stringAt(own, 'namespace') ?? '';
      const name = stringAt(own, 'serviceaccount', 'name') ?? '';
      const uid = stringAt(own, 'serviceaccount', 'uid') ?? '';
      if (find('serviceaccounts', namespace, name)?.uid !== uid)
        throw new Error(`the ServiceAccount ${namespace}/${name} is gone`);
      const pod = checkObject(own, 'pod', namespace);
      const node = checkObject(own, 'node', '');
      checkObject(own, 'secret', namespace);
      return {
        username: `system:serviceaccount:${namespace}:${name}`,
        uid,
        groups: ['system:serviceaccounts', `system:serviceaccounts:${namespace}`, 'system:authenticated'],
        extra: {
          [`${EXTRA}/credential-id`]: [`JTI=${String(claims.jti)}`],
          ...(node && { [`${EXTRA}/node-name`]: [node.name], [`${EXTRA}/node-uid`]: [node.uid] }),
          ...(pod && { [`${EXTRA}/pod-name`]: [pod.name], [`${EXTRA}/pod-uid`]: [pod.uid] }),
        },
        audiences: stringsAt(claims, 'aud'),
      };
    },
  };
}
