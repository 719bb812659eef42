/** The rules for names, labels and their keys. Each function answers what is wrong, in the API's words. */
import { randomBytes } from 'node:crypto';

/** Letters and digits that spell no word. */
const SUFFIX = 'bcdfghjklmnpqrstvwxz2456789';

/** A name of at most 63 characters that begins with the prefix and ends in five random ones. */
export function generatedName(prefix: string): string {
  let suffix = '';
  for (const byte of randomBytes(5)) suffix += SUFFIX[byte % SUFFIX.length] ?? '';
  return prefix.slice(0, 58) + suffix;
}

const LABEL = '[a-z0-9]([-a-z0-9]*[a-z0-9])?';
const LABEL_1035 = '[a-z]([-a-z0-9]*[a-z0-9])?';
const SUBDOMAIN = `${LABEL}(\\.${LABEL})*`;
const QUALIFIED = '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]';
const LABEL_VALUE = `(${QUALIFIED})?`;

interface Rule {
  readonly test: RegExp;
  readonly message: string;
}

const egs = (examples: readonly string[]): string =>
  `e.g. ${examples.map((item) => `'${item}', `).join(' or ')}`;

const rule = (regexp: string, text: string, examples: readonly string[]): Rule => ({
  test: new RegExp(`^(?:${regexp})$`),
  message: `${text} (${egs(examples)}regex used for validation is '${regexp}')`,
});

const RULES = {
  label: rule(
    LABEL,
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character",
    ['my-name', '123-abc'],
  ),
  subdomain: rule(
    SUBDOMAIN,
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character",
    ['example.com'],
  ),
  label1035: rule(
    LABEL_1035,
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character",
    ['my-name', 'abc-123'],
  ),
  qualified: rule(
    QUALIFIED,
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
    ['MyName', 'my.name', '123-abc'],
  ),
  value: rule(
    LABEL_VALUE,
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
    ['MyValue', 'my_value', '12345'],
  ),
  configKey: rule(
    '[-._a-zA-Z0-9]+',
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
    ['key.name', 'KEY_NAME', 'key-name'],
  ),
} as const;

const max = (length: number, unit = 'bytes'): string => `must be no more than ${length} ${unit}`;

const check =
  (name: keyof typeof RULES, length: number, unit?: string) =>
  (text: string): string[] => [
    ...(text.length > length ? [max(length, unit)] : []),
    ...(RULES[name].test.test(text) ? [] : [RULES[name].message]),
  ];

const plainLabelErrors = check('label', 63, 'characters');
export const labelErrors = (text: string): string[] =>
  text.includes('.') && RULES.subdomain.test.test(text) ? ['must not contain dots'] : plainLabelErrors(text);
export const subdomainErrors = check('subdomain', 253, 'characters');
export const label1035Errors = check('label1035', 63);
export const labelValueErrors = check('value', 63);

const checkConfigKey = check('configKey', 253);
export function configKeyErrors(text: string): string[] {
  const errors = checkConfigKey(text);
  if (text === '.' || text === '..') errors.push(`must not be '${text}'`);
  else if (text.startsWith('..')) errors.push("must not start with '..'");
  return errors;
}

/** Names that only have to be one segment of a path. */
export function pathErrors(text: string): string[] {
  if (text === '.' || text === '..') return [`may not be '${text}'`];
  return ['/', '%'].filter((bad) => text.includes(bad)).map((bad) => `may not contain '${bad}'`);
}

/** Keys of labels and annotations, finalizers: an optional subdomain, a slash, a name. */
export function labelKeyErrors(text: string, what = 'a qualified name'): string[] {
  const parts = text.split('/');
  const [first = '', second] = parts;
  if (parts.length > 2)
    return [
      `${what} must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (${egs(['MyName', 'my.name', '123-abc'])}regex used for validation is '${QUALIFIED}') with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`,
    ];
  const errors: string[] = [];
  if (second !== undefined) {
    if (first === '') errors.push('prefix part must be non-empty');
    else errors.push(...subdomainErrors(first).map((error) => `prefix part ${error}`));
  }
  const name = second ?? first;
  if (name === '') errors.push('name part must be non-empty');
  else if (name.length > 63) errors.push(`name part ${max(63)}`);
  if (!RULES.qualified.test.test(name)) errors.push(RULES.qualified.message);
  return errors;
}

const BY_RULE = {
  subdomain: subdomainErrors,
  label: labelErrors,
  label1035: label1035Errors,
  path: pathErrors,
} as const;

/** What is wrong with an object's name under its kind's rule. `prefix`: of a generateName, which may end in a dash. */
export const nameErrors = (rule: keyof typeof BY_RULE, name: string, prefix = false): string[] =>
  BY_RULE[rule](prefix ? name.replace(/-$/, 'a') : name);
