/** JSON leaves some of them as they are. */
const escaped = (sign: string): string => {
  const text = JSON.stringify(sign).slice(1, -1);
  return text === sign ? `\\u${sign.codePointAt(0)!.toString(16).padStart(4, '0')}` : text;
};

/** A text as one line of a log: what plugins say of themselves must not look like a line of the host's. */
export const oneLine = (text: string): string => text.replace(/[\p{Cc}\u2028\u2029]/gu, escaped);
