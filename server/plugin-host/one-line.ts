/** JSON leaves some of them as they are. */
const escaped = (sign: string): string => {
  const text = JSON.stringify(sign).slice(1, -1);
  return text === sign ? `\\u${sign.codePointAt(0)!.toString(16).padStart(4, '0')}` : text;
};

/** What nearly every text is, and is quickly seen to be: none of the signs below. */
const PLAIN = /^[ -~\u00a0-\u2027\u202a-\uffff]*$/;

/** A text as one line of a log: what plugins say of themselves must not look like a line of the host's. */
export const oneLine = (text: string): string =>
  PLAIN.test(text) ? text : text.replace(/[\p{Cc}\u2028\u2029]/gu, escaped);
