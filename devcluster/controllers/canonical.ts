/** One text for all equal JSON values, whatever the order of their keys. */

const sorted = (_key: string, value: unknown): unknown =>
  value !== null && typeof value === 'object' && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
    : value;

export const canonical = (value: unknown): string => JSON.stringify(value, sorted) ?? 'null';

export const sameJson = (a: unknown, b: unknown): boolean => canonical(a) === canonical(b);

/** Letters and digits that spell no word, as generated names use them. */
const SAFE = 'bcdfghjklmnpqrstvwxz2456789';

/** The text with each character made a safe one. */
export const safeText = (text: string): string =>
  [...text].map((character) => SAFE[character.charCodeAt(0) % SAFE.length]).join('');

/** FNV-1a of the text, 32 bits, unsigned. */
export const hash32 = (text: string): number => {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) {
    hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  }
  return hash >>> 0;
};

/** The hash of a text, fit for a name or a label value. */
export const safeHash = (text: string): string => safeText(String(hash32(text)));
