/** What all lists share. */
import { invalidParams } from '../errors.js';
import type { Call } from '../library/implementation.js';

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
