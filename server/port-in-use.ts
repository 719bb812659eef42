/** A listener that cannot have its port, in words that help. */
import { ConfigError } from './config.js';

/** The error of a failed listen, made clear when another program has the port. `variable` is the setting of the port. */
export function explainListen(error: unknown, port: number, host: string, variable: string): unknown {
  if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') return error;
  return new ConfigError(
    `Port ${port} of ${host} is in use by another program. Set ${variable} to another port, or to 0 for any free one.`,
  );
}
