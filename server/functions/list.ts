/** What all lists share. */
import { invalidParams } from '../errors.js';
import type { Call } from '../library/implementation.js';
import type { Deps, KubeList, KubeObject, Resource } from '../ports.js';

export interface ListParams {
  namespace?: string;
  all_namespaces?: boolean;
  label_selector?: string;
  field_selector?: string;
  limit: number;
  continue?: string;
}

/** The params of a list as the Kube port takes them. */
export function listQuery(functionName: string, params: ListParams, call: Pick<Call, 'given'>) {
  if (params.all_namespaces === true && call.given['namespace'] !== undefined)
    throw invalidParams(functionName, [
      { field: 'namespace', message: 'must be absent with all_namespaces' },
    ]);
  return {
    namespace: params.all_namespaces === true ? undefined : params.namespace,
    query: {
      labelSelector: params.label_selector,
      fieldSelector: params.field_selector,
      limit: params.limit,
      continue: params.continue,
    },
  };
}

/** A page as a list's answer; what `view` makes undefined is left out. */
export function pageOf<T, V>(page: KubeList<T>, view: (object: T) => V | undefined) {
  return {
    items: page.items.map(view).filter((item) => item !== undefined),
    ...(page.metadata.continue ? { continue: page.metadata.continue } : {}),
  };
}

/** A page of what is sorted by a key; `after` is the key of the last one before. */
export function pageOfSorted<T>(
  items: readonly T[],
  keyOf: (item: T) => string,
  { limit, continue: after }: { readonly limit: number; readonly continue?: string },
) {
  const rest = after === undefined ? items : items.filter((item) => keyOf(item) > after);
  const last = rest[limit - 1];
  return {
    items: rest.slice(0, limit),
    ...(rest.length > limit && last !== undefined ? { continue: keyOf(last) } : {}),
  };
}

/** All objects of a namespace that a label selector finds, page by page. */
export async function* allOf<T extends KubeObject>(
  deps: Deps,
  call: Call,
  resource: Resource<T>,
  where: { namespace?: string | undefined; labelSelector?: string | undefined },
): AsyncGenerator<T> {
  let next: string | undefined;
  do {
    const query = { labelSelector: where.labelSelector, limit: 500, continue: next };
    const page = await deps.kube.list(resource, where.namespace, query, call.io());
    yield* page.items;
    next = page.metadata.continue;
  } while (next);
}
