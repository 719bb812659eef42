/** The operator's certificates for peers that speak TLS. */
import { credentials } from '@grpc/grpc-js';
import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import type { FindTls } from './clients.js';

/** Files of PEM texts. */
interface Files {
  /** Who certifies the peers. */
  readonly ca: string | undefined;
  /** What the operator shows to peers that ask for it. */
  readonly cert: string | undefined;
  readonly key: string | undefined;
}

/**
 * Undefined without any. Reads them with each connection, as they are renewed while the operator runs. Rejects when they cannot be
 * used now; the message is for people.
 */
export async function peerTls({ ca, cert, key }: Files): Promise<FindTls | undefined> {
  if ((cert === undefined) !== (key === undefined))
    throw new Error('XI_PEER_TLS_CERT and XI_PEER_TLS_KEY go together: set both or neither.');
  if (ca === undefined) {
    if (cert !== undefined)
      throw new Error('XI_PEER_TLS_CERT needs XI_PEER_TLS_CA, which says who certified the peers.');
    return undefined;
  }
  const read = async () => {
    const root = await readFile(ca);
    const own = cert === undefined ? null : await readFile(cert);
    const secret = key === undefined ? null : await readFile(key);
    createSecureContext({ ca: root, ...(own && secret && { cert: own, key: secret }) });
    // Any text is taken as a CA there.
    new X509Certificate(root);
    // A pod's address is another each time: whom the CA certified is a peer, whatever it is called.
    return credentials.createSsl(root, secret, own, { checkServerIdentity: () => undefined });
  };
  await read().catch((error: unknown) => {
    throw new Error(`XI_PEER_TLS_… cannot be used: ${(error as Error).message}`, { cause: error });
  });
  return read;
}
