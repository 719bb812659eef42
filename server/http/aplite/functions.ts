/** The library's functions as Aplite values: each form of each contract, with nothing said of any one function. */
import type { Contract } from '../../../schemas/index.js';
import { AppError, invalidParams } from '../../errors.js';
import type { Library } from '../../library/library.js';
import { parseJson } from './json.js';
import type { Registry } from './registry.js';
import { INT, io } from './terms.js';
import type { AType } from './terms.js';
import { K8S, formsOf, scalarOf } from './types.js';
import type { Form } from './types.js';
import type { Action, Context, Fn, Value } from './values.js';

/** How large a stream's items may be as one value, in bytes of JSON. */
export const MAX_STREAM_BYTES = 3 * 1024 * 1024;

/** An Aplite argument as the param that it stands for. */
function toParam(contract: Contract, key: string, value: Value): unknown {
  if (typeof value !== 'bigint') return value;
  const number = Number(value);
  if (Number.isSafeInteger(number)) return number;
  const schema = contract.params.properties[key];
  const bound = (name: string, otherwise: number): string => String((schema?.[name] as unknown) ?? otherwise);
  const given = value.toString();
  throw invalidParams(contract.name, [
    {
      field: key,
      message: `must be a whole number from ${bound('minimum', Number.MIN_SAFE_INTEGER)} to ${bound('maximum', Number.MAX_SAFE_INTEGER)}, and is ${given.length > 40 ? `${given.slice(0, 40)}…` : given}`,
    },
  ]);
}

/** Runs a stream to its end: `{ items, result? }` as JSON. */
async function collect(library: Library, name: string, params: unknown, context: Context): Promise<string> {
  const items: string[] = [];
  let bytes = 0;
  const running = library.stream(name, params, context);
  try {
    for (;;) {
      const step = await running.next();
      if (step.done === true) {
        const result = step.value === undefined ? '' : `,"result":${JSON.stringify(step.value)}`;
        return `{"items":[${items.join(',')}]${result}}`;
      }
      for (const item of step.value) {
        const text = JSON.stringify(item);
        bytes += Buffer.byteLength(text) + 1;
        if (bytes > MAX_STREAM_BYTES)
          throw new AppError(
            'payload_too_large',
            `${name} has more than ${MAX_STREAM_BYTES} bytes of items, too much for one Aplite value: ask for less, or read the stream over HTTP, POST /v1/functions/${name}.`,
          );
        items.push(text);
      }
    }
  } finally {
    await running.return(undefined);
  }
}

/** Calls a function with params as JSON text (empty is `{}`), and answers its result as JSON text. */
async function callJson(
  library: Library,
  contract: Contract,
  text: string,
  context: Context,
): Promise<string> {
  const { name, mode } = contract;
  const params = text.trim() === '' ? {} : parseJson(text, `The argument of ${name}`, { exact: false });
  if (mode !== 'stream') return JSON.stringify((await library.call(name, params, context)) ?? null);
  const endless =
    contract.params.properties['follow']?.['type'] === 'boolean' &&
    (params as { follow?: unknown } | null)?.follow === true;
  if (endless)
    throw invalidParams(name, [
      {
        field: 'follow',
        message: `must be absent or false: an Aplite value has an end. Follow over HTTP, POST /v1/functions/${name}`,
      },
    ]);
  return collect(library, name, params, context);
}

/** A function of the contract's Aplite arguments, one at a time, then an action. */
function curried(library: Library, contract: Contract, args: readonly Value[]): Fn | Action {
  const { name, aplite, mode, result } = contract;
  const key = aplite[args.length];
  if (key !== undefined)
    return {
      held: args,
      apply: (arg) => {
        toParam(contract, key, arg);
        return curried(library, contract, [...args, arg]);
      },
    };
  return {
    held: args,
    run: async (context) => {
      const params = Object.fromEntries(
        aplite.map((param, at) => [param, toParam(contract, param, args[at])]),
      );
      const answer = await library.call(name, params, context);
      const scalar: AType | undefined = mode === 'stream' ? undefined : scalarOf(result);
      return scalar === undefined
        ? undefined
        : scalar === INT
          ? BigInt(answer as number)
          : (answer as string);
    },
  };
}

function valueOf(library: Library, contract: Contract, style: Form['style']): Fn | Action {
  if (style === 'typed') return curried(library, contract, []);
  const call = (text: Value, context: Context): Promise<string> =>
    callJson(library, contract, text as string, context);
  return {
    held: [],
    apply:
      style === 'text' ? call : (text) => ({ held: [text], run: (context: Context) => call(text, context) }),
  };
}

/** Defines `k8s` and every form of every function. */
export function defineFunctions(registry: Registry, library: Library): void {
  registry.define(K8S.name, K8S.type, { held: [], apply: (type) => io(type as AType) });
  for (const contract of library.contracts)
    for (const { name, style, type } of formsOf(contract))
      registry.define(name, type, valueOf(library, contract, style));
}
