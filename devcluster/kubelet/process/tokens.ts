/** Tokens of a pod's ServiceAccount, asked of the API and renewed before they expire. */
import type { Kube, KubeObject, Pod, Resource } from '../../../kube/index.js';
import type { TokenRequest } from '../folders/volume-files.js';
import { VolumeProblem } from '../folders/volume-files.js';
import { uidOf } from '../../controllers/meta.js';

export interface Tokens {
  get(pod: Pod, request: TokenRequest): Promise<string>;
  /** When the first of them is to be renewed; undefined without any. */
  readonly renewAt: number | undefined;
}

type Issued = KubeObject & { status?: { token: string; expirationTimestamp: string } };

/** Its share of a lifetime after which a token is renewed. */
const RENEWED_AFTER = 0.8;
const LIFETIME_SECONDS = 3600;

const resourceOf = (account: string): Resource => ({
  group: '',
  version: 'v1',
  plural: `serviceaccounts/${encodeURIComponent(account)}/token`,
  kind: 'TokenRequest',
  namespaced: true,
});

export const createTokens = (kube: Kube, clock: () => number): Tokens => {
  const issued = new Map<string, { token: string; renewAt: number }>();
  return {
    get renewAt() {
      return issued.size === 0 ? undefined : Math.min(...[...issued.values()].map(({ renewAt }) => renewAt));
    },
    get: async (pod, { audience, expirationSeconds = LIFETIME_SECONDS }) => {
      const key = JSON.stringify([audience, expirationSeconds]);
      const known = issued.get(key);
      if (known !== undefined && clock() < known.renewAt) return known.token;
      const { name = '', namespace } = pod.metadata ?? {};
      const boundObjectRef = { kind: 'Pod', apiVersion: 'v1', name, uid: uidOf(pod) };
      const spec = {
        ...(audience === undefined ? {} : { audiences: [audience] }),
        expirationSeconds,
        boundObjectRef,
      };
      const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec };
      const account = pod.spec?.serviceAccountName ?? 'default';
      const answer = await kube
        .create(resourceOf(account), namespace, body as KubeObject)
        .catch((error: unknown) => {
          throw new VolumeProblem(`failed to fetch token: ${(error as Error).message}`);
        });
      const { token = '', expirationTimestamp = '' } = (answer as Issued).status ?? {};
      const lifetime = Math.max(0, Date.parse(expirationTimestamp) - clock());
      issued.set(key, { token, renewAt: clock() + lifetime * RENEWED_AFTER });
      return token;
    },
  };
};
