/** Label and field selectors: parsing and matching. */
import type { ApiError } from './errors.js';
import { badRequest } from './errors.js';
import { labelKeyErrors, labelValueErrors } from './names.js';

export type Labels = Readonly<Record<string, string>>;

export interface LabelRequirement {
  readonly key: string;
  readonly operator: '=' | '!=' | 'in' | 'notin' | 'exists' | '!' | '>' | '<';
  readonly values: readonly string[];
}

export interface FieldRequirement {
  readonly field: string;
  readonly equal: boolean;
  readonly value: string;
}

const TOKEN = /\s*(==|!=|=|!|,|\(|\)|>|<|[^\s=!,()<>]+)/y;

/** Parses `a=b,c in (d,e),!f`. Throws ApiError 400. */
export function parseLabelSelector(text: string): LabelRequirement[] {
  const unparsable = (why: string): ApiError => badRequest(`unable to parse requirement: ${why}`);
  const tokens: string[] = [];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < text.trimEnd().length) {
    const match = TOKEN.exec(text);
    if (match?.[1] === undefined) break;
    tokens.push(match[1]);
  }
  const requirements: LabelRequirement[] = [];
  let index = 0;
  const isWord = (token: string | undefined): token is string =>
    token !== undefined && !/^(==|!=|=|!|,|\(|\)|>|<)$/.test(token);
  const key = (): string => {
    const token = tokens[index];
    if (!isWord(token))
      throw badRequest(`found '${token ?? ''}', expected: !, identifier, or 'end of string'`);
    index += 1;
    const [error] = labelKeyErrors(token);
    if (error !== undefined) throw unparsable(`<nil>: Invalid value: "${token}": ${error}`);
    return token;
  };
  const set = (): string[] => {
    if (tokens[index] !== '(') throw unparsable(`found '${tokens[index] ?? ''}' expected: '('`);
    index += 1;
    const values: string[] = [];
    for (let expectValue = true; ; expectValue = !expectValue) {
      const token = tokens[index];
      if (token === ')') {
        index += 1;
        if (expectValue) values.push('');
        return values;
      }
      if (expectValue) {
        if (token === ',') {
          values.push('');
          expectValue = false;
        } else if (isWord(token)) values.push(token);
        else throw unparsable(`found '${token ?? ''}', expected: ',', ')' or identifier`);
      } else if (token !== ',') throw unparsable(`found '${token ?? ''}', expected: ',' or ')'`);
      index += 1;
    }
  };
  while (index < tokens.length) {
    if (tokens[index] === '!') {
      index += 1;
      requirements.push({ key: key(), operator: '!', values: [] });
    } else {
      const name = key();
      const operator = tokens[index];
      if (operator === undefined || operator === ',')
        requirements.push({ key: name, operator: 'exists', values: [] });
      else if (
        operator === '=' ||
        operator === '==' ||
        operator === '!=' ||
        operator === '>' ||
        operator === '<'
      ) {
        index += 1;
        const next = tokens[index];
        const value = isWord(next) ? next : '';
        if (isWord(next)) index += 1;
        requirements.push({ key: name, operator: operator === '==' ? '=' : operator, values: [value] });
      } else if (operator === 'in' || operator === 'notin') {
        index += 1;
        requirements.push({ key: name, operator, values: set() });
      } else throw unparsable(`found '${operator}', expected: in, notin, =, ==, !=, gt, lt`);
    }
    const last = requirements.at(-1);
    if ((last?.operator === '>' || last?.operator === '<') && !/^[-+]?\d+$/.test(last.values[0] ?? ''))
      throw unparsable(
        `values[0]: Invalid value: "${last.values[0] ?? ''}": for 'Gt', 'Lt' operators, the value must be an integer`,
      );
    for (const value of last?.values ?? []) {
      const [error] = labelValueErrors(value);
      if (error !== undefined)
        throw unparsable(`values[0][${last?.key ?? ''}]: Invalid value: "${value}": ${error}`);
    }
    if (index < tokens.length) {
      if (tokens[index] !== ',')
        throw badRequest(`found '${tokens[index] ?? ''}', expected: ',' or 'end of string'`);
      index += 1;
      if (index === tokens.length) throw unparsable(`found '', expected: identifier after ','`);
    }
  }
  return requirements;
}

export function matchesLabels(
  requirements: readonly LabelRequirement[],
  labels: Labels | undefined,
): boolean {
  return requirements.every(({ key, operator, values }) => {
    const value = labels !== undefined && Object.hasOwn(labels, key) ? labels[key] : undefined;
    switch (operator) {
      case '=':
      case 'in':
        return value !== undefined && values.includes(value);
      case '!=':
      case 'notin':
        return value === undefined || !values.includes(value);
      case 'exists':
        return value !== undefined;
      case '!':
        return value === undefined;
      case '>':
        return value !== undefined && Number(value) > Number(values[0]);
      case '<':
        return value !== undefined && Number(value) < Number(values[0]);
    }
  });
}

/** Parses `a=b,c!=d`, with the API's escapes of `\`, `,` and `=`. Throws ApiError 400. */
export function parseFieldSelector(text: string): FieldRequirement[] {
  const terms: string[] = [];
  let term = '';
  for (let index = 0; index < text.length; index += 1) {
    if (text[index] === '\\') {
      term += text.slice(index, index + 2);
      index += 1;
    } else if (text[index] === ',') {
      terms.push(term);
      term = '';
    } else term += text[index];
  }
  terms.push(term);
  return terms
    .filter((item) => item !== '')
    .map((item) => {
      const match = /^([^=!]+)(==|!=|=)(.*)$/s.exec(item);
      if (match === null) throw badRequest(`invalid selector: '${item}'; can't understand '${item}'`);
      const [, field = '', operator = '', value = ''] = match;
      return { field, equal: operator !== '!=', value: value.replace(/\\([\\,=])/g, '$1') };
    });
}

export const matchesFields = (
  requirements: readonly FieldRequirement[],
  valueOf: (field: string) => string,
): boolean => requirements.every(({ field, equal, value }) => (valueOf(field) === value) === equal);
