/** Quantities of resources: parsing, order and the canonical form that the API answers. */

export interface Quantity {
  /** Value in units of 10^-9. */
  readonly nanos: bigint;
  readonly canonical: string;
}

const FORM = /^([+-]?)(\d+(?:\.\d*)?|\.\d+)(Ki|Mi|Gi|Ti|Pi|Ei|n|u|m|k|M|G|T|P|E|[eE][+-]?\d+)?$/;
const BINARY = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'];
const DECIMAL = ['n', 'u', 'm', '', 'k', 'M', 'G', 'T', 'P', 'E'];
export const QUANTITY_ERROR =
  "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";

const cache = new Map<string, Quantity | undefined>();

/** The quantity in this text, or undefined when it is none. */
export function parseQuantity(text: string): Quantity | undefined {
  if (cache.has(text)) return cache.get(text);
  const parsed = parse(text);
  if (cache.size > 2_000) cache.clear();
  cache.set(text, parsed);
  return parsed;
}

function parse(text: string): Quantity | undefined {
  const match = FORM.exec(text);
  if (match === null) return undefined;
  const [, sign = '', digits = '', suffix = ''] = match;
  const [whole = '', fraction = ''] = digits.split('.');
  const exponent = /^[eE]/.test(suffix) && suffix.length > 1 ? Number(suffix.slice(1)) : undefined;
  if (exponent !== undefined && Math.abs(exponent) > 18) return undefined;
  const binary = BINARY.indexOf(suffix) > 0 ? BINARY.indexOf(suffix) : 0;
  const power = exponent ?? (binary > 0 ? 0 : (DECIMAL.indexOf(suffix) - 3) * 3);
  // Rounded up to the nano, as the API does with what is finer.
  const scaled = BigInt((whole + fraction).replace(/^0+(?=\d)/, '') || '0') * 1024n ** BigInt(binary);
  const shift = power + 9 - fraction.length;
  const divisor = shift < 0 ? 10n ** BigInt(-shift) : 1n;
  const magnitude = shift >= 0 ? scaled * 10n ** BigInt(shift) : (scaled + divisor - 1n) / divisor;
  const nanos = sign === '-' ? -magnitude : magnitude;
  const canonical =
    (nanos < 0n ? '-' : '') + format(nanos < 0n ? -nanos : nanos, binary > 0, exponent !== undefined);
  return { nanos, canonical };
}

const UNIT = 1_000_000_000n;

function format(nanos: bigint, binary: boolean, exponential: boolean): string {
  if (nanos === 0n) return '0';
  if (binary && nanos % UNIT === 0n && nanos >= 1024n * UNIT) {
    let value = nanos / UNIT;
    let step = 0;
    while (value % 1024n === 0n && step < BINARY.length - 1) {
      value /= 1024n;
      step += 1;
    }
    return `${value}${BINARY[step]}`;
  }
  let value = nanos;
  let step = 0;
  while (value % 1000n === 0n && step < DECIMAL.length - 1) {
    value /= 1000n;
    step += 1;
  }
  const power = (step - 3) * 3;
  return exponential ? `${value}${power === 0 ? '' : `e${power}`}` : `${value}${DECIMAL[step]}`;
}
