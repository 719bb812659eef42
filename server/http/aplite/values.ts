/**
 * Values on their way in and out. What is sent for a value is governed by its type alone, which both sides know:
 * a type is sent as itself, all else under an id; a function from the other side becomes one that calls back.
 */
import { AppError } from '../../errors.js';
import type { CallOptions } from '../../library/library.js';
import type { Peer } from './callback.js';
import { MAX_DIGITS, parseJson } from './json.js';
import type { Entry, Registry } from './registry.js';
import { instantiate, readType, show, yieldOf } from './terms.js';
import type { AType } from './terms.js';

/** A request under way: who calls, and a signal whose reason is an AppError. */
export interface Context extends CallOptions {
  readonly signal: AbortSignal;
}

/** A function. `held`: the values that it keeps alive, for the registry's bound. */
export interface Fn {
  readonly held: readonly Value[];
  apply(arg: Value, context: Context): Value | Promise<Value>;
}

/** An IO action. Each running runs it anew. */
export interface Action {
  readonly held: readonly Value[];
  run(context: Context): Promise<Value>;
}

/** Int is a bigint, Str a string, unit undefined, a type itself. */
export type Value = bigint | string | undefined | AType | Fn | Action;

export interface Values {
  /** What an application answers for a value: a type's JSON, or the id that it is registered under now. */
  serialise(type: AType, value: Value, origin: string): string;
  /**
   * The value of an argument as it was sent: a type's JSON, `{"value":…}`, or an id of the caller's registry.
   * @param where what it is, for errors: `The argument of get_deployment`.
   */
  deserialise(type: AType, raw: unknown, where: string, context: Context): Promise<Value>;
  /** Applies a registered function to an argument as it was sent. */
  apply(entry: Entry, raw: unknown, context: Context): Promise<string>;
  /** Runs a registered action and answers its value as JSON. */
  run(entry: Entry, context: Context): Promise<string>;
  /** The text of a registered Int or Str. */
  read(entry: Entry): string;
}

type ForeignId = number | bigint;
const isForeignId = (raw: unknown): raw is ForeignId => typeof raw === 'bigint' || Number.isSafeInteger(raw);

const isPrim = (type: AType, name: string): boolean => type.kind === 'prim' && type.value === name;
const isFn = (value: Value): value is Fn => typeof value === 'object' && 'apply' in value;
const isAction = (value: Value): value is Action => typeof value === 'object' && 'run' in value;

const refuse = (detail: string, field: string, message: string): AppError =>
  new AppError('invalid_params', detail, { errors: [{ field, message }] });

/** Decimal text as a whole number; undefined for anything else. */
const readInt = (text: string): bigint | undefined =>
  text.length <= MAX_DIGITS && /^\s*-?\d+\s*$/.test(text) ? BigInt(text) : undefined;

/** The text of a Str: one side sends it raw, the other in JSON's quotes. */
function unquote(text: string): string {
  if (text.length < 2 || !text.startsWith('"') || !text.endsWith('"')) return text;
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'string' ? value : text;
  } catch {
    return text;
  }
}

/** An argument that was sent as `{"value":…}`. */
function byValue(type: AType, raw: object, where: string): Value {
  const { value, ...rest } = raw as { value?: unknown };
  const [surplus] = Object.keys(rest);
  const wrong = (message: string, field = 'arg.value'): AppError =>
    refuse(`${where} ${message}.`, field, message);
  if (!('value' in raw)) throw wrong('is an object without value; send {"value":…}', 'arg');
  if (surplus !== undefined) throw wrong(`has the unknown field ${surplus} beside value`, `arg.${surplus}`);
  if (isPrim(type, 'Str')) {
    if (typeof value !== 'string') throw wrong('is a Str: its value must be text');
    return value;
  }
  if (isPrim(type, 'Int')) {
    if (typeof value === 'bigint') return value;
    if (typeof value === 'number' && Number.isSafeInteger(value)) return BigInt(value);
    const read = typeof value === 'string' ? readInt(value) : undefined;
    if (read === undefined)
      throw wrong(
        `is an Int: its value must be a whole number, or its decimal text of at most ${MAX_DIGITS} digits`,
      );
    return read;
  }
  if (isPrim(type, 'UnitType')) return undefined;
  throw wrong(`is of type ${show(type)}, which has no form by value; send an id`, 'arg');
}

export function createValues(registry: Registry, peer: Peer): Values {
  const post = (request: string, purpose: string, { signal }: Context): Promise<string> =>
    peer.ask(request, purpose, signal);

  /** What an id of the other side stands for at a type. */
  async function foreign(type: AType, id: ForeignId, context: Context): Promise<Value> {
    const yields = yieldOf(type);
    if (yields !== undefined)
      return {
        held: [],
        run: async (running) => {
          const purpose = `to run the action ${id}`;
          return fromYield(
            yields,
            await post(`{"remote_ident":${id},"IO":true}`, purpose, running),
            purpose,
            running,
          );
        },
      };
    if (type.kind === 'pi') {
      const { left, right, var_id } = type;
      return {
        held: [],
        apply: async (arg, applying) => {
          const purpose = `to apply the function ${id}`;
          const sent = serialise(left, arg, `the argument of the program's function ${id}`);
          const text = await post(`{"remote_ident":${id},"arg":${sent}}`, purpose, applying);
          return fromAnswer(resultOf(left, right, var_id, arg), text, purpose, applying);
        },
      };
    }
    if (isPrim(type, 'UnitType')) return undefined;
    if (!isPrim(type, 'Int') && !isPrim(type, 'Str'))
      throw refuse(
        `Values of type ${show(type)} cannot be passed to this server.`,
        'arg',
        'is of an unknown type',
      );
    const purpose = `to read the ${show(type)} ${id}`;
    return fromText(type, await post(`{"remote_ident":${id}}`, purpose, context), purpose);
  }

  function fromText(type: AType, text: string, purpose: string): Value {
    if (!isPrim(type, 'Int')) return unquote(text);
    const int = readInt(unquote(text));
    if (int === undefined) throw peer.nonsense(purpose, text, 'a whole number');
    return int;
  }

  /** What the other side answered for an action's value. */
  function fromYield(type: AType, text: string, purpose: string, context: Context): Value | Promise<Value> {
    if (isPrim(type, 'UnitType')) return undefined;
    if (isPrim(type, 'Int') || isPrim(type, 'Str')) return fromText(type, text, purpose);
    return fromAnswer(type, text, purpose, context);
  }

  /** What the other side answered to an application. */
  function fromAnswer(type: AType, text: string, purpose: string, context: Context): Value | Promise<Value> {
    try {
      const raw = parseJson(text, 'The answer');
      if (type.kind === 'U') return readType(raw, 'The answer');
      if (isForeignId(raw)) return foreign(type, raw, context);
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
    }
    throw peer.nonsense(purpose, text, type.kind === 'U' ? "a type's JSON" : 'an id');
  }

  const resultOf = (left: AType, right: AType, varId: number, arg: Value): AType =>
    left.kind === 'U' ? instantiate(right, varId, arg as AType) : right;

  function serialise(type: AType, value: Value, origin: string): string {
    return type.kind === 'U' ? JSON.stringify(value) : String(registry.register({ type, value, origin }));
  }

  async function deserialise(type: AType, raw: unknown, where: string, context: Context): Promise<Value> {
    if (type.kind === 'U') return readType(raw, where);
    if (typeof raw === 'object' && raw !== null && !Array.isArray(raw)) return byValue(type, raw, where);
    if (!isForeignId(raw))
      throw refuse(
        `${where} must be an id of the program's own registry, or sent by value: {"arg":{"value":…}}.`,
        'arg',
        'must be an id or {"value":…}',
      );
    if (!peer.on)
      throw refuse(
        `${where} came as the id ${raw} of the program's own registry, and this server does not call programs back (XI_APLITE_CALLBACK is off, as in any pod, whose localhost is not the program's). (\`xi-k8s bridge\`, which will send values in place of ids from beside the program, is not there yet.) Send the argument by value: {"arg":{"value":…}}.`,
        'arg',
        'is an id, and callbacks are off',
      );
    return foreign(type, raw, context);
  }

  const misuse = ({ type, origin }: Entry, asked: string): AppError => {
    const use =
      type.kind === 'pi'
        ? 'apply it: {"remote_ident":ID,"arg":ARG}'
        : yieldOf(type) !== undefined
          ? 'run it: {"remote_ident":ID,"IO":true}'
          : 'read it: {"remote_ident":ID}';
    return new AppError(
      'invalid_params',
      `This value of ${origin} is of type ${show(type)} and cannot be ${asked}; ${use}.`,
    );
  };

  return {
    serialise,
    deserialise,
    apply: async (entry, raw, context) => {
      const { type, value, origin } = entry;
      if (type.kind !== 'pi' || !isFn(value)) throw misuse(entry, 'applied to an argument');
      const arg = await deserialise(type.left, raw, `The ${show(type.left)} argument of ${origin}`, context);
      const result = await value.apply(arg, context);
      return serialise(resultOf(type.left, type.right, type.var_id, arg), result, origin);
    },
    run: async (entry, context) => {
      const { type, value, origin } = entry;
      const yields = yieldOf(type);
      if (yields === undefined || !isAction(value)) throw misuse(entry, 'run');
      const result = await value.run(context);
      if (isPrim(yields, 'Int')) return String(result);
      if (isPrim(yields, 'Str')) return JSON.stringify(result);
      return isPrim(yields, 'UnitType') ? 'null' : serialise(yields, result, origin);
    },
    read: (entry) => {
      const { type, value } = entry;
      if (!isPrim(type, 'Int') && !isPrim(type, 'Str')) throw misuse(entry, 'read');
      return String(value);
    },
  };
}
