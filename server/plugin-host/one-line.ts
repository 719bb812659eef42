/** JSON leaves some of them as they are. */
const escaped = (sign: string): string => {
  const text = JSON.stringify(sign).slice(1, -1);
  return text === sign ? `\\u${sign.codePointAt(0)!.toString(16).padStart(4, '0')}` : text;
};

/** Control characters, and what else ends a line somewhere. */
const BREAKS = /[\p{Cc}\u2028\u2029]/u;
const ALL_BREAKS = new RegExp(BREAKS, 'gu');

/** A text as one line of a log: what plugins say of themselves must not look like a line of the host's. */
export const oneLine = (text: string): string =>
  BREAKS.test(text) ? text.replace(ALL_BREAKS, escaped) : text;
