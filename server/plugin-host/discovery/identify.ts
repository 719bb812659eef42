/**
 * Who a plugin of another pod is: the ServiceAccount token that it shows at the handshake, reviewed by the API server. The token names
 * the pod, and the plugin may be reached at that pod's addresses only.
 */
import { createHash } from 'node:crypto';
import { ConnectError } from '../../../connect/index.js';
import { isStatus } from '../../kube-errors.js';
import { PODS } from '../../ports.js';
import type { Kube, KubeObject, Resource } from '../../ports.js';
import type { HandshakeCall, Vouched } from '../registry/options.js';
import { allowBaseUrlOf, isAddressOf, ownAddresses } from './addresses.js';

export interface IdentifyOptions {
  readonly kube: Kube;
  /** The audience that tokens must be made for; `xi-k8s-plugin-host` when absent. */
  readonly audience?: string | undefined;
  /** Whose plugins may come; those of every namespace when empty. */
  readonly namespaces: readonly string[];
  /** Milliseconds that never go back; the process' own clock when absent. */
  readonly now?: (() => number) | undefined;
}

export const DEFAULT_AUDIENCE = 'xi-k8s-plugin-host';

interface TokenReview extends KubeObject {
  spec: { token: string; audiences: string[] };
  status?: {
    authenticated?: boolean;
    audiences?: string[];
    error?: string;
    user?: { username?: string; extra?: Record<string, string[]> };
  };
}

const TOKEN_REVIEWS: Resource<TokenReview> = Object.freeze({
  group: 'authentication.k8s.io',
  version: 'v1',
  plural: 'tokenreviews',
  kind: 'TokenReview',
  namespaced: false,
});

/** How long answers hold, in milliseconds. */
const ALLOW_MS = 300_000;
const DENY_MS = 30_000;
/** Answers kept, at most. */
const MAX_KEPT = 10_000;

const BEARER = /^Bearer ([\w.~+/=-]{1,16384})$/i;
const ACCOUNT = /^system:serviceaccount:([^:]+):([^:]+)$/;
const POD_NAME = 'authentication.kubernetes.io/pod-name';
const POD_UID = 'authentication.kubernetes.io/pod-uid';

/** The API server's word that a token is not good; another failure says nothing of the token. */
class Refused extends Error {
  override readonly name = 'Refused';
}

/** The ServiceAccount and the pod that a token was made for. */
async function review(kube: Kube, token: string, audience: string) {
  const { status } = await kube.create(TOKEN_REVIEWS, undefined, {
    apiVersion: 'authentication.k8s.io/v1',
    kind: 'TokenReview',
    spec: { token, audiences: [audience] },
  });
  // An API server that knows no audiences answers without: such a token may be meant for anybody.
  if (status?.authenticated !== true || status.audiences?.includes(audience) !== true)
    throw new Refused(
      `the token is not accepted${status?.error ? ` (${status.error})` : ''}; mount one of the plugin's ServiceAccount with the audience ${audience}`,
    );
  const username = status.user?.username ?? '';
  const [, namespace] = ACCOUNT.exec(username) ?? [];
  const name = status.user?.extra?.[POD_NAME]?.[0];
  const uid = status.user?.extra?.[POD_UID]?.[0];
  if (namespace === undefined) throw new Refused(`the token is of ${username}, which is no ServiceAccount`);
  if (name === undefined || uid === undefined)
    throw new Refused('the token is bound to no pod; mount one by a projected volume');
  return { username, namespace, name, uid };
}

async function vouch({ kube, audience, namespaces }: IdentifyOptions, token: string): Promise<Vouched> {
  const { username, namespace, name, uid } = await review(kube, token, audience ?? DEFAULT_AUDIENCE);
  if (namespaces.length > 0 && !namespaces.includes(namespace))
    throw new Refused(`this host takes no plugins of namespace ${namespace}`);
  const pod = await kube.get(PODS, { namespace, name });
  if (pod.metadata?.uid !== uid) throw new Refused(`pod ${namespace}/${name} is another one by now`);
  return {
    principal: username,
    allowBaseUrl: allowBaseUrlOf(ownAddresses(pod)),
    isStill: async ({ hostname }) => {
      const now = await kube.get(PODS, { namespace, name }).catch((error: unknown) => {
        if (isStatus(error, 404)) return undefined;
        throw error;
      });
      return now?.metadata?.uid === uid && isAddressOf(now, hostname);
    },
  };
}

interface Kept {
  readonly answer: Promise<Vouched>;
  /** Until when it holds; for as long as it is asked when not yet known. */
  until: number;
}

/**
 * Makes the registry's `identify`. Answers are kept, good ones for 5 minutes and refusals for 30 seconds; a token is asked about once
 * at a time. It throws an Error for the plugin,
 * and `unavailable` when the API server does not answer.
 */
export function createIdentify(options: IdentifyOptions): (call: HandshakeCall) => Promise<Vouched> {
  const { now = () => performance.now() } = options;
  const kept = new Map<string, Kept>();

  const ask = (key: string, token: string): Promise<Vouched> => {
    const answer = vouch(options, token).catch((error: Error) => {
      if (error instanceof Refused) throw error;
      throw new ConnectError(
        'unavailable',
        `the API server cannot be asked who this plugin is: ${error.message} Shake hands again in a moment`,
        { cause: error },
      );
    });
    const entry: Kept = { answer, until: Infinity };
    const [oldest] = kept.keys();
    if (kept.size >= MAX_KEPT && oldest !== undefined) kept.delete(oldest);
    kept.set(key, entry);
    answer.then(
      () => (entry.until = now() + ALLOW_MS),
      (error: unknown) => {
        if (error instanceof Refused) entry.until = now() + DENY_MS;
        else if (kept.get(key) === entry) kept.delete(key);
      },
    );
    return answer;
  };

  return async ({ header }) => {
    const token = BEARER.exec(header('authorization') ?? '')?.[1];
    if (token === undefined)
      throw new Error(
        'this host takes plugins of other pods by their ServiceAccount token: send it at the handshake as Authorization: Bearer …',
      );
    const key = createHash('sha256').update(token).digest('base64');
    const known = kept.get(key);
    if (known !== undefined && known.until > now()) return known.answer;
    kept.delete(key);
    return ask(key, token);
  };
}
