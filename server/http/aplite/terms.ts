/** Aplite's types as they travel: building, reading, instantiating and printing them. */
import { AppError } from '../../errors.js';

export type AType =
  | { readonly kind: 'U'; readonly value: 'U' }
  | { readonly kind: 'prim'; readonly value: string }
  | { readonly kind: 'pi'; readonly left: AType; readonly right: AType; readonly var_id: number }
  | { readonly kind: 'free_var'; readonly index: number }
  | { readonly kind: 'app'; readonly left: AType; readonly right: AType };

export const U: AType = { kind: 'U', value: 'U' };
export const prim = (value: string): AType => ({ kind: 'prim', value });
export const INT = prim('Int');
export const STR = prim('Str');
export const UNIT = prim('UnitType');
export const io = (result: AType): AType => ({ kind: 'app', left: prim('IO'), right: result });
/** `left -> right`, where `right` may mention the argument as `free_var` `varId`. */
export const pi = (left: AType, right: AType, varId = 0): AType => ({
  kind: 'pi',
  left,
  right,
  var_id: varId,
});

/** What an IO action of this type yields; undefined for what is no IO type. */
export const yieldOf = (type: AType): AType | undefined =>
  type.kind === 'app' && type.left.kind === 'prim' && type.left.value === 'IO' ? type.right : undefined;

/** `type` with the free variable `index` replaced. An inner `pi` of the same number hides it. */
export function instantiate(type: AType, index: number, by: AType): AType {
  switch (type.kind) {
    case 'free_var':
      return type.index === index ? by : type;
    case 'pi':
      return {
        ...type,
        left: instantiate(type.left, index, by),
        right: type.var_id === index ? type.right : instantiate(type.right, index, by),
      };
    case 'app':
      return { ...type, left: instantiate(type.left, index, by), right: instantiate(type.right, index, by) };
    default:
      return type;
  }
}

const mentions = (type: AType, index: number): boolean =>
  type.kind === 'free_var'
    ? type.index === index
    : type.kind === 'pi'
      ? mentions(type.left, index) || (type.var_id !== index && mentions(type.right, index))
      : type.kind === 'app' && (mentions(type.left, index) || mentions(type.right, index));

/** A type in the surface syntax. `ioWord` is what stands for `IO`: in a remote block that is `k8s`. */
export function show(type: AType, ioWord = 'IO'): string {
  const nested = (part: AType): string =>
    part.kind === 'pi' || part.kind === 'app' ? `(${show(part, ioWord)})` : show(part, ioWord);
  switch (type.kind) {
    case 'U':
      return 'Type';
    case 'prim':
      return type.value === 'IO' ? ioWord : type.value;
    case 'free_var':
      return `t${type.index}`;
    case 'app':
      return `${type.left.kind === 'app' ? show(type.left, ioWord) : nested(type.left)} ${nested(type.right)}`;
    case 'pi': {
      const left = type.left.kind === 'pi' ? nested(type.left) : show(type.left, ioWord);
      const named = mentions(type.right, type.var_id) ? `(t${type.var_id}: ${left})` : left;
      return `${named} -> ${show(type.right, ioWord)}`;
    }
  }
}

/** How deep a type from outside may be. */
const MAX_DEPTH = 32;
/** How many parts a type from outside may have. */
const MAX_PARTS = 500;

/**
 * Reads a type that came as JSON. It must be closed, so that putting it in place of a variable captures nothing.
 * @param where what it is, for the error: `the argument of k8s`.
 * @throws AppError `invalid_params` that names the part that is no type.
 */
export function readType(value: unknown, where: string): AType {
  let parts = 0;
  const read = (part: unknown, path: string, bound: readonly number[], depth: number): AType => {
    const refuse = (message: string): never => {
      throw new AppError(
        'invalid_params',
        `${where} is not a type: ${path === '' ? 'it' : path} ${message}.`,
        {
          errors: [{ field: path === '' ? 'arg' : `arg.${path}`, message }],
        },
      );
    };
    if (depth > MAX_DEPTH || ++parts > MAX_PARTS) refuse('is nested too deeply or has too many parts');
    if (typeof part !== 'object' || part === null || Array.isArray(part))
      return refuse('must be an object with a kind, like {"kind":"prim","value":"UnitType"}');
    const node = part as Record<string, unknown>;
    const child = (key: string, inner = bound): AType =>
      read(node[key], path === '' ? key : `${path}.${key}`, inner, depth + 1);
    const index = (key: string): number => {
      const number = node[key];
      return typeof number === 'number' && Number.isSafeInteger(number)
        ? number
        : refuse(`needs ${key}, a whole number`);
    };
    switch (node['kind']) {
      case 'U':
        return U;
      case 'prim':
        return typeof node['value'] === 'string' && /^[A-Za-z_][A-Za-z0-9_]{0,99}$/.test(node['value'])
          ? prim(node['value'])
          : refuse('needs value, the name of a primitive type: Int, Str, UnitType, IO');
      case 'free_var': {
        const free = index('index');
        return bound.includes(free)
          ? { kind: 'free_var', index: free }
          : refuse(`is the variable ${free}, which no pi around it binds`);
      }
      case 'app':
        return { kind: 'app', left: child('left'), right: child('right') };
      case 'pi': {
        const binds = index('var_id');
        return pi(child('left'), child('right', [...bound, binds]), binds);
      }
      default:
        return refuse('must have a kind, one of U, prim, pi, app, free_var');
    }
  };
  return read(value, '', [], 0);
}
