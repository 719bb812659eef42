/** What a plugin is told when it is refused. */
import { ConnectError } from '../../../connect/index.js';
import type { Code } from '../../../connect/types.js';
import { Unroutable } from '../port.js';

export const refusal = (code: Code, message: string): ConnectError => new ConnectError(code, message);

export const invalid = (message: string): ConnectError => refusal('invalid_argument', message);

/** Runs a lookup that the router shares; what keeps a call from being routed becomes a Connect error. */
export function asRefusal<T>(look: () => T): T {
  try {
    return look();
  } catch (error) {
    throw error instanceof Unroutable ? refusal(error.code, error.message) : error;
  }
}
