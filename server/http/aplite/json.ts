/**
 * JSON as Aplite needs it: whole numbers keep every digit (beyond 2^53 they are bigint), and an error names its place.
 * JSON.parse can do neither on Node 20.
 */
import { AppError } from '../../errors.js';

/** How deep lists and objects may be nested. */
const MAX_DEPTH = 200;
/** How many digits a whole number may have: reading it takes more than linear time. */
export const MAX_DIGITS = 4096;

/** What makes a text more than its characters, or wrong. */
const SPECIAL = /[\\\u0000-\u001f]/; // eslint-disable-line no-control-regex
const BLANK = /[ \t\r\n]*/y;
const WORD = /[a-z]{1,5}/y;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const WORDS = new Map<string, unknown>([
  ['true', true],
  ['false', false],
  ['null', null],
]);

/**
 * Reads JSON text.
 * @param what what the text is, for the error: `The body`.
 * @param exact whether whole numbers beyond 2^53 are bigint, the default; otherwise they are rounded as JSON.parse does.
 * @throws AppError `invalid_json` with the position (characters from 0) and line of what is wrong.
 */
export function parseJson(text: string, what: string, { exact = true } = {}): unknown {
  let at = 0;

  const fail = (why: string, position = at): never => {
    const before = text.slice(0, position);
    const line = before.split('\n').length;
    const column = position - before.lastIndexOf('\n');
    const found =
      position >= text.length
        ? 'the text ends'
        : `there is ${JSON.stringify(text.slice(position, position + 12))}`;
    throw new AppError(
      'invalid_json',
      `${what} is not JSON: at position ${position} (line ${line}, column ${column}) ${found}, but ${why}.`,
    );
  };
  const space = (): void => {
    if (text.charCodeAt(at) > 0x20) return;
    BLANK.lastIndex = at;
    BLANK.test(text);
    at = BLANK.lastIndex;
  };
  const string = (): string => {
    const start = at;
    let end = text.indexOf('"', start + 1);
    for (;;) {
      if (end === -1) return fail('the text in quotes that starts there has no end', start);
      let slashes = 0;
      while (text[end - 1 - slashes] === '\\') slashes++;
      if (slashes % 2 === 0) break;
      end = text.indexOf('"', end + 1);
    }
    at = end + 1;
    const inner = text.slice(start + 1, end);
    if (!SPECIAL.test(inner)) return inner;
    try {
      return JSON.parse(text.slice(start, at)) as string;
    } catch {
      return fail('it holds a line break, a control character or an unknown escape', start);
    }
  };
  const number = (): number | bigint => {
    NUMBER.lastIndex = at;
    const literal = NUMBER.exec(text)?.[0] ?? fail('a value belongs there');
    const start = at;
    at += literal.length;
    const value = Number(literal);
    if (!exact || Number.isSafeInteger(value) || !/^-?\d+$/.test(literal)) return value;
    if (literal.length > MAX_DIGITS) fail(`whole numbers have at most ${MAX_DIGITS} digits`, start);
    return BigInt(literal);
  };
  const members = (depth: number): Record<string, unknown> => {
    const entries: [string, unknown][] = [];
    at++;
    space();
    if (text[at] === '}') at++;
    else
      for (;;) {
        if (text[at] !== '"') fail('a name in double quotes belongs there');
        const start = at;
        const key = string();
        if (key === '__proto__') fail('that name is refused', start);
        space();
        if (text[at] !== ':') fail('a colon belongs there');
        at++;
        entries.push([key, value(depth)]);
        if (text[at] === '}') {
          at++;
          break;
        }
        if (text[at] !== ',') fail("',' or '}' belongs there");
        at++;
        space();
      }
    return Object.fromEntries(entries);
  };
  const items = (depth: number): unknown[] => {
    const list: unknown[] = [];
    at++;
    space();
    if (text[at] === ']') at++;
    else
      for (;;) {
        list.push(value(depth));
        if (text[at] === ']') {
          at++;
          break;
        }
        if (text[at] !== ',') fail("',' or ']' belongs there");
        at++;
      }
    return list;
  };
  /** A value with the space around it. */
  const value = (depth: number): unknown => {
    if (depth > MAX_DEPTH) fail(`at most ${MAX_DEPTH} levels are allowed`);
    space();
    const first = text[at];
    let result: unknown;
    if (first === '"') result = string();
    else if (first === '{') result = members(depth + 1);
    else if (first === '[') result = items(depth + 1);
    else {
      WORD.lastIndex = at;
      const known = first !== undefined && first >= 'a' ? (WORD.exec(text)?.[0] ?? '') : '';
      if (WORDS.has(known)) {
        result = WORDS.get(known);
        at += known.length;
      } else result = number();
    }
    space();
    return result;
  };

  const result = value(0);
  if (at < text.length) fail('nothing more belongs there');
  return result;
}
