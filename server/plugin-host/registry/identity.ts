/** Who a plugin is: runtime ids that are unique at one host, and tokens of which only hashes are kept. */
import { hash, randomBytes, timingSafeEqual } from 'node:crypto';

/** What a token is compared with when nobody has the runtime id, so that this takes as long as a wrong token. */
const NOBODY = randomBytes(32);

const ATTEMPTS = 256;

/** A token: 32 random bytes, base64url. */
export const newToken = (): string => randomBytes(32).toString('base64url');

/** SHA-256 of a token. Tokens are random, so it needs neither salt nor stretching. */
export const hashOf = (token: string): Buffer => hash('sha256', token, 'buffer');

/** Whether the token is the one of this hash, in constant time; without a hash it is not. */
export function isTokenOf(expected: Buffer | undefined, token: string): boolean {
  const same = timingSafeEqual(expected ?? NOBODY, hashOf(token));
  return same && expected !== undefined;
}

/** The token of `Authorization: Bearer <token>`; undefined for anything else, several headers included. */
export const bearerOf = (authorization: string | undefined): string | undefined =>
  /^Bearer ([\w.~+/=-]{1,512})$/i.exec(authorization ?? '')?.[1];

/**
 * A plugin's token as one of its pods gets it: what stands behind the dot says at which address that pod is. It proves no more than the
 * token does, which all pods of the plugin have.
 */
export const podToken = (token: string, baseUrl: string): string =>
  `${token}.${Buffer.from(baseUrl).toString('base64url')}`;

/** The token without what names a pod. */
export const secretOf = (token: string): string => token.split('.', 1)[0]!;

/** The address of the pod that a token was given to; undefined for a token that names none. */
export function podOf(token: string | undefined): string | undefined {
  const [, address] = token?.split('.') ?? [];
  return address === undefined ? undefined : Buffer.from(address, 'base64url').toString();
}

/** An id of 16 random bytes that nobody guesses. */
export const newId = (prefix: string): string => `${prefix}-${randomBytes(16).toString('hex')}`;

const normalise = (selfId: string): string =>
  selfId
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '');

/** `<normalised self id>-<4 hex digits>` that is not taken; undefined when next to none is left. */
export function newRuntimeId(selfId: string, taken: (id: string) => boolean): string | undefined {
  const head = normalise(selfId);
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const id = `${head}-${randomBytes(2).toString('hex')}`;
    if (!taken(id)) return id;
  }
  return undefined;
}
