/**
 * What a contract is. A function is declared once with `defineFunction`; every face, type, permission and page is derived
 * from that value.
 */
import { Type } from '@sinclair/typebox';
import type { Static, TObject, TProperties, TSchema } from '@sinclair/typebox';

/** What a function does to the cluster. Only `read` is safe to repeat. */
export type Effect = 'read' | 'create' | 'update' | 'delete' | 'execute';

/**
 * How a function answers: `unary`, its result; `stream`, items and a last line; `progress`, its result, or, asked with a
 * stream's Accept, items on the way to it.
 */
export type Mode = 'unary' | 'stream' | 'progress';

export type Verb = 'get' | 'list' | 'watch' | 'create' | 'update' | 'patch' | 'delete' | 'deletecollection';

/** A rule that the operator needs to run the function, and that a caller is asked for. */
export interface Permission {
  /** API group; '' is the core group. */
  readonly group: string;
  /** Resource, with its subresource after a slash: `pods/log`. */
  readonly resource: string;
  readonly verbs: readonly Verb[];
  /** The param that names the namespace; absent for cluster-wide objects. */
  readonly namespace?: string;
  /** The param that names the object; absent where the function is about many or names it only while it runs. */
  readonly object?: string;
  /** The param that makes this rule necessary: given, and not `false`. Absent: always. */
  readonly when?: string;
  /** Asked of a caller always, and needed by the operator itself only outside of the cluster, by a kubeconfig. */
  readonly outside?: boolean;
}

/** A call to show in the documentation. Every example is also a test. */
export interface Example<P> {
  readonly title: string;
  readonly params: P;
}

/** The schema of a function's params: an object that knows its fields and takes no others. */
export interface ParamsSchema<P extends TProperties = TProperties> extends TSchema {
  static: TObject<P>['static'];
  type: 'object';
  properties: P;
  required?: string[];
  additionalProperties: false;
}

export interface Contract<
  Name extends string = string,
  P extends TProperties = TProperties,
  R extends TSchema | undefined = TSchema | undefined,
  I extends TSchema | undefined = TSchema | undefined,
> {
  readonly name: Name;
  /** One line, without a full stop. */
  readonly summary: string;
  /** Markdown: what it does, what it answers, what it refuses. */
  readonly description: string;
  readonly effect: Effect;
  readonly mode: Mode;
  readonly params: ParamsSchema<P>;
  /** Absent for a stream that just ends. */
  readonly result: R;
  /** What a stream or a progress report is made of. */
  readonly item: I;
  readonly permissions: readonly Permission[];
  /** The params that are curried arguments in Aplite, in order. */
  readonly aplite: readonly string[];
  readonly examples: readonly Example<Record<string, unknown>>[];
}

type StaticOf<S> = S extends TSchema ? Static<S> : undefined;
/** The params of a contract, as a caller gives them. */
export type Params<C> = C extends { params: infer P extends TSchema } ? Static<P> : never;
export type Result<C> = C extends { result: infer R } ? StaticOf<R> : never;
export type Item<C> = C extends { item: infer I } ? StaticOf<I> : never;

interface Definition<Name, P extends TProperties, R, I> {
  name: Name;
  summary: string;
  description: string;
  effect: Effect;
  mode?: Mode;
  params: P;
  result?: R;
  item?: I;
  permissions: readonly Permission[];
  aplite?: readonly (keyof P & string)[];
  examples: readonly Example<TObject<P>['static']>[];
}

/**
 * Declares a function.
 * @throws TypeError for a contract that no face could serve: a bad name, a param named by `permissions` that does not
 * exist, an Aplite argument that is neither text nor a whole number, a required param that Aplite could not give.
 */
export function defineFunction<
  const Name extends string,
  P extends TProperties,
  R extends TSchema | undefined = undefined,
  I extends TSchema | undefined = undefined,
>(definition: Definition<Name, P, R, I>): Contract<Name, P, R, I> {
  const { name, mode = 'unary', aplite = [] } = definition;
  const refuse = (why: string): never => {
    throw new TypeError(`contract ${name}: ${why}`);
  };
  if (!/^[a-z]+(_[a-z0-9]+)*$/.test(name)) refuse('the name is not snake_case');
  if (/_(json|text)$/.test(name)) refuse('names that end in _json or _text are Aplite forms');
  if (definition.examples.length === 0) refuse('it has no example');
  if (mode === 'unary' ? definition.item !== undefined : definition.item === undefined)
    refuse(`mode ${mode} and item do not fit`);
  if (mode !== 'stream' && definition.result === undefined) refuse(`mode ${mode} needs a result`);
  const params = Type.Object(definition.params, {
    additionalProperties: false,
  }) as unknown as ParamsSchema<P>;
  for (const permission of definition.permissions)
    for (const key of [permission.namespace, permission.object, permission.when])
      if (key !== undefined && !(key in definition.params))
        refuse(`permissions name the unknown param ${key}`);
  for (const key of aplite) {
    const type: unknown = definition.params[key]?.['type'];
    if (type !== 'string' && type !== 'integer') refuse(`the Aplite argument ${key} is neither Str nor Int`);
  }
  return Object.freeze({
    name,
    summary: definition.summary,
    description: definition.description,
    effect: definition.effect,
    mode,
    params,
    result: definition.result as R,
    item: definition.item as I,
    permissions: definition.permissions,
    aplite,
    examples: definition.examples,
  });
}
