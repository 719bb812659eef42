/** How a contender reaches the API server: in a form that can be sent to another process. */
import type { Connection } from '../kube/index.js';

export interface Access {
  readonly url: string;
  readonly authorization?: string | undefined;
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
}

export async function accessOf({ url, credentials }: Connection): Promise<Access> {
  const { authorization, ca, cert, key } = (await credentials?.get()) ?? {};
  return { url, authorization, ca, cert, key };
}

export const headersOf = ({ authorization }: Access): Record<string, string> =>
  authorization === undefined ? {} : { authorization };

/** The TLS options of undici's `connect`. */
export const tlsOf = ({ ca, cert, key }: Access) => ({
  ...(ca === undefined ? {} : { ca }),
  ...(cert === undefined ? {} : { cert }),
  ...(key === undefined ? {} : { key }),
});

const encoded = (key: string, pem: string | undefined): Record<string, string> =>
  pem === undefined ? {} : { [key]: Buffer.from(pem).toString('base64') };

/** A kubeconfig, as JSON: read without a YAML parser. */
export function kubeconfigOf({ url, authorization, ca, cert, key }: Access): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [
      {
        name: 'bench',
        cluster: {
          server: url,
          ...encoded('certificate-authority-data', ca),
          // The official library takes plain HTTP only so.
          ...(url.startsWith('http:') && { 'insecure-skip-tls-verify': true }),
        },
      },
    ],
    users: [
      {
        name: 'bench',
        user: {
          ...(authorization === undefined ? {} : { token: authorization.replace(/^Bearer /, '') }),
          ...encoded('client-certificate-data', cert),
          ...encoded('client-key-data', key),
        },
      },
    ],
    contexts: [{ name: 'bench', context: { cluster: 'bench', user: 'bench' } }],
    'current-context': 'bench',
  });
}
