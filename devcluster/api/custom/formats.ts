/** The formats of strings that schemas of custom kinds may ask for; others are no constraint. */
import { isIP, isIPv4, isIPv6 } from 'node:net';

const matches =
  (pattern: RegExp) =>
  (text: string): boolean =>
    pattern.test(text);

const isTime = (text: string): boolean =>
  /^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:?\d\d)?$/.test(text) &&
  !Number.isNaN(Date.parse(text.replace(' ', 'T')));
const isDate = (text: string): boolean =>
  /^\d{4}-\d\d-\d\d$/.test(text) && new Date(`${text}T00:00:00Z`).toJSON()?.startsWith(text) === true;

function isUri(text: string): boolean {
  try {
    new URL(text);
    return true;
  } catch {
    return text.startsWith('/');
  }
}

function isCidr(text: string): boolean {
  const [address = '', bits = ''] = text.split('/');
  return isIP(address) !== 0 && /^\d{1,3}$/.test(bits) && Number(bits) <= (isIPv4(address) ? 32 : 128);
}

const UUID = '[0-9a-f]{8}-?[0-9a-f]{4}-?V[0-9a-f]{3}-?N[0-9a-f]{3}-?[0-9a-f]{12}';
const uuid = (version: string, variant: string): ((text: string) => boolean) =>
  matches(new RegExp(`^${UUID.replace('V', version).replace('N', variant)}$`, 'i'));

const FORMATS: Readonly<Record<string, (text: string) => boolean>> = {
  'date-time': isTime,
  datetime: isTime,
  date: isDate,
  duration: matches(/^-?(\d+(\.\d*)?\s*(ns|us|µs|ms|s|m|h|d|w|seconds?|minutes?|hours?|days?|weeks?)\s*)+$/i),
  email: matches(/^[^\s@]+@[^\s@]+$/),
  hostname: matches(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*$/i),
  ipv4: isIPv4,
  ipv6: isIPv6,
  cidr: isCidr,
  mac: matches(/^[0-9a-f]{2}([:-][0-9a-f]{2}){5}$/i),
  uri: isUri,
  uuid: uuid('[0-9a-f]', '[0-9a-f]'),
  uuid3: uuid('3', '[0-9a-f]'),
  uuid4: uuid('4', '[89ab]'),
  uuid5: uuid('5', '[89ab]'),
  byte: matches(/^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/),
};

/** Whether the text is of this format. */
export const isOfFormat = (format: string, text: string): boolean =>
  (Object.hasOwn(FORMATS, format) ? FORMATS[format] : undefined)?.(text) ?? true;
