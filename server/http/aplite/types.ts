/** From contract to Aplite: which names a function is offered under, and of what types. */
import type { TSchema } from '@sinclair/typebox';
import type { Contract } from '../../../schemas/index.js';
import { INT, STR, U, UNIT, io, pi, show } from './terms.js';
import type { AType } from './terms.js';

/** What `k8s` is: a function that makes of a type the type of actions that yield it. */
export const K8S = { name: 'k8s', type: pi(U, U) } as const;

/**
 * One name that a function is offered under: `typed`, with curried arguments; `json`, params and result as JSON text;
 * `text`, the same without IO, for functions that only read.
 */
export interface Form {
  readonly name: string;
  readonly style: 'typed' | 'json' | 'text';
  readonly type: AType;
}

/** `Str` or `Int` for such a schema; undefined for any other. */
export function scalarOf(schema: TSchema | undefined): AType | undefined {
  const type: unknown = schema?.['type'];
  return type === 'string' ? STR : type === 'integer' ? INT : undefined;
}

/** All forms of a function. One whose required params are not all Aplite arguments has no typed form. */
export function formsOf(contract: Contract): Form[] {
  const { name, aplite, params, effect, mode, result } = contract;
  const forms: Form[] = [];
  if ((params.required ?? []).every((key) => aplite.includes(key))) {
    const yields = io((mode === 'stream' ? undefined : scalarOf(result)) ?? UNIT);
    const type = aplite.reduceRight((rest, key) => pi(scalarOf(params.properties[key]) ?? STR, rest), yields);
    forms.push({ name, style: 'typed', type });
  }
  forms.push({ name: `${name}_json`, style: 'json', type: pi(STR, io(STR)) });
  if (effect === 'read') forms.push({ name: `${name}_text`, style: 'text', type: pi(STR, STR) });
  return forms;
}

/** A type as a user writes it in a remote block: `Str -> Int -> k8s UnitType`. */
export const surface = (type: AType): string => show(type, K8S.name);

/** The block to paste into a program. `host` is where the server is reached: `localhost:8080`. */
export function remoteBlock(contracts: readonly Contract[], host: string): string {
  const lines = [K8S, ...contracts.flatMap(formsOf)].map(({ name, type }) => `    ${name}: ${surface(type)}`);
  return `remote ${JSON.stringify(host)} {\n${lines.join(',\n')}\n}\n`;
}
