/** Short codes: texts that are safe in a URL, on paper and on the telephone. */
import { createHash } from 'node:crypto';

/** Without 0, O, I and l, which look alike. */
const ALPHABET = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz';
const LENGTH = 8;

/** What a code may look like, also one that somebody else made. */
export const CODE = /^[A-Za-z0-9_-]{1,64}$/;

/**
 * A URL's code: always the same for the same URL.
 * @param attempt 0, or how many codes before it were those of other URLs
 */
export function codeOf(url: string, attempt: number): string {
  let rest = createHash('sha256').update(`${attempt} ${url}`).digest().readBigUInt64BE();
  let code = '';
  for (let i = 0; i < LENGTH; i += 1) {
    code += ALPHABET[Number(rest % 58n)];
    rest /= 58n;
  }
  return code;
}
