/** A peer's certificates in files. They are renewed while it runs, so they are read again. */
import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createSecureContext } from 'node:tls';
import { PeerError } from './port.js';

/** PEM texts. */
export interface Certificates {
  readonly cert: Buffer;
  readonly key: Buffer;
  /** Who certifies the others; without it callers are not asked for a certificate, and the others' must be `cert`. */
  readonly ca?: Buffer | undefined;
}

export interface CertificateFiles {
  readonly cert: string;
  readonly key: string;
  readonly ca: string | undefined;
}

/** Reads them. Rejects with the system's error, or with PeerError `invalid` when they do not go together. */
export async function readCertificates(files: CertificateFiles): Promise<Certificates> {
  const { cert, key, ca } = files;
  const read = {
    cert: await readFile(cert),
    key: await readFile(key),
    ca: ca === undefined ? undefined : await readFile(ca),
  };
  try {
    createSecureContext(read);
    // It takes any text as `ca`.
    if (read.ca !== undefined) new X509Certificate(read.ca);
  } catch (error) {
    throw new PeerError(
      'invalid',
      `${cert}, ${key}${ca === undefined ? '' : ` and ${ca}`} cannot be used: ${(error as Error).message}`,
      { cause: error },
    );
  }
  return read;
}

const same = (a: Certificates, b: Certificates): boolean =>
  a.cert.equals(b.cert) && a.key.equals(b.key) && (a.ca?.equals(b.ca ?? Buffer.alloc(0)) ?? true);

/**
 * Looks at the files every `everyMs` until it is stopped. What cannot be read or used is told once, and what was there before
 * holds on.
 */
export function followCertificates(
  files: CertificateFiles,
  now: Certificates,
  on: { renewed(certificates: Certificates): void; problem(message: string): void },
  everyMs = 60_000,
): { stop(): void } {
  let known = now;
  let told: string | undefined;
  const look = async (): Promise<void> => {
    try {
      const read = await readCertificates(files);
      told = undefined;
      if (same(known, read)) return;
      known = read;
      on.renewed(read);
    } catch (error) {
      const { message } = error as Error;
      if (told !== message) on.problem(`the certificates are not renewed: ${message}`);
      told = message;
    }
  };
  const timer = setInterval(() => void look(), everyMs).unref();
  return { stop: () => clearInterval(timer) };
}
