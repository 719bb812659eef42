/** A listener that cannot have its address, in words that help. */
import { ConfigError } from './settings.js';

const WHY: Readonly<Record<string, string>> = {
  EADDRINUSE: 'is in use by another program',
  EACCES: 'is not for this user: ports below 1024 need rights of their own',
  EADDRNOTAVAIL: 'cannot be listened on: this machine has no such address',
  ENOTFOUND: 'cannot be listened on: the name is not known',
};

/** The error of a failed listen, made clear. `settings` are the variables that say where to listen. */
export function explainListen(
  error: unknown,
  host: string,
  port: number,
  settings: { host?: string; port: string },
): unknown {
  const { code = '' } = error as NodeJS.ErrnoException;
  const why = WHY[code];
  if (why === undefined) return error;
  const about = code === 'EADDRINUSE' || code === 'EACCES' ? undefined : settings.host;
  return new ConfigError(
    `Port ${port} of ${host} ${why}. Set ${about === undefined ? `${settings.port} to another port, or to 0 for any free one` : `${about} to another address`}.`,
  );
}
