/**
 * Reads JSON text as the API's decoder does, for what JSON.parse does not tell: what is wrong, in the decoder's words, and
 * which keys an object has twice.
 */

export interface Scan {
  /** What is wrong with the text; undefined when nothing is. */
  readonly error: string | undefined;
  /** Paths of keys that stand twice in their object, with their place in the text. */
  readonly duplicates: readonly { readonly path: string; readonly at: number }[];
  /** Where each path stands first. */
  readonly places: ReadonlyMap<string, number>;
}

const END = 'unexpected end of JSON input';
const LITERALS: Readonly<Record<string, string>> = { t: 'true', f: 'false', n: 'null' };
const ESCAPES = '"\\/bfnrtu';

/** A character as the decoder quotes it; it sees bytes. */
function quoted(character: string): string {
  if (character === "'") return "'\\''";
  if (character === '"') return `'"'`;
  return `'${JSON.stringify(character).slice(1, -1).replace('\\u00', '\\x')}'`;
}

class Wrong extends Error {}

export function scanJson(input: string): Scan {
  // Bytes as characters: errors name a byte.
  const text = Buffer.from(input, 'utf8').toString('latin1');
  const duplicates: { path: string; at: number }[] = [];
  const places = new Map<string, number>();
  let at = 0;

  const fail = (where: string): never => {
    throw new Wrong(at >= text.length ? END : `invalid character ${quoted(text[at] ?? '')} ${where}`);
  };
  const skip = (): void => {
    while (' \t\r\n'.includes(text[at] ?? 'x')) at += 1;
  };
  const isDigit = (): boolean => /[0-9]/.test(text[at] ?? '');

  const string = (): string => {
    const start = at;
    for (at += 1; text[at] !== '"'; at += 1) {
      if (at >= text.length || (text[at] ?? '') < ' ') fail('in string literal');
      if (text[at] !== '\\') continue;
      at += 1;
      if (!ESCAPES.includes(text[at] ?? 'x')) fail('in string escape code');
      if (text[at] !== 'u') continue;
      for (let digit = 0; digit < 4; digit += 1) {
        at += 1;
        if (!/[0-9a-fA-F]/.test(text[at] ?? '')) fail('in \\u hexadecimal character escape');
      }
    }
    at += 1;
    return Buffer.from(text.slice(start, at), 'latin1').toString('utf8');
  };
  const digits = (where: string): void => {
    if (!isDigit()) fail(where);
    while (isDigit()) at += 1;
  };
  const number = (): void => {
    if (text[at] === '-') at += 1;
    if (text[at] === '0') at += 1;
    else digits('in numeric literal');
    if (text[at] === '.') {
      at += 1;
      digits('after decimal point in numeric literal');
    }
    if (text[at] === 'e' || text[at] === 'E') {
      at += 1;
      if (text[at] === '+' || text[at] === '-') at += 1;
      digits('in exponent of numeric literal');
    }
  };
  const object = (path: string): void => {
    at += 1;
    skip();
    const seen = new Set<string>();
    for (let first = true; text[at] !== '}' || !first; first = false) {
      skip();
      if (text[at] !== '"') fail('looking for beginning of object key string');
      const place = at;
      const key = JSON.parse(string()) as string;
      const own = path === '' ? key : `${path}.${key}`;
      if (seen.has(key)) duplicates.push({ path: own, at: place });
      seen.add(key);
      if (!places.has(own)) places.set(own, place);
      skip();
      if (text[at] !== ':') fail('after object key');
      at += 1;
      value(own);
      skip();
      if (text[at] === '}') break;
      if (text[at] !== ',') fail('after object key:value pair');
      at += 1;
    }
    at += 1;
  };
  const array = (path: string): void => {
    at += 1;
    skip();
    for (let index = 0; text[at] !== ']' || index > 0; index += 1) {
      value(`${path}[${index}]`);
      skip();
      if (text[at] === ']') break;
      if (text[at] !== ',') fail('after array element');
      at += 1;
    }
    at += 1;
  };
  const value = (path: string): void => {
    skip();
    const character = text[at] ?? '';
    const literal = LITERALS[character];
    if (character === '{') object(path);
    else if (character === '[') array(path);
    else if (character === '"') string();
    else if (/[-0-9]/.test(character)) number();
    else if (literal !== undefined)
      for (const expected of literal) {
        if (text[at] !== expected) fail(`in literal ${literal} (expecting '${expected}')`);
        at += 1;
      }
    else fail('looking for beginning of value');
  };

  try {
    value('');
    skip();
    if (at < text.length) fail('after top-level value');
    return { error: undefined, duplicates, places };
  } catch (error) {
    if (error instanceof Wrong) return { error: error.message, duplicates, places };
    throw error;
  }
}

const KEYS = /"(?:[^"\\]|\\.)*"(\s*:)?/g;

/** True when the text that was parsed to this value has a key twice somewhere: quick, for texts that mostly have none. */
export function hasDuplicates(text: string, value: unknown): boolean {
  let written = 0;
  for (const match of text.matchAll(KEYS)) if (match[1] !== undefined) written += 1;
  return written !== countKeys(value);
}

function countKeys(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  if (Array.isArray(value)) return value.reduce<number>((sum, item) => sum + countKeys(item), 0);
  const items = Object.values(value);
  return items.reduce<number>((sum, item) => sum + countKeys(item), items.length);
}
