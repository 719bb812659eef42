/** What a conformance case is made of: data, and short ways to write it. */

export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };
export type Fields = Record<string, Json>;

/**
 * One request. `{ns}` in paths and bodies is the case's namespace, `{x}` what an earlier step saved as x. A body that is a
 * string is sent as it is; a function makes one that is too large to stand here.
 */
export interface Call {
  readonly method: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Json | (() => string);
  /** Name → path in the answer's body, such as `metadata.uid`. */
  readonly save?: Readonly<Record<string, string>>;
  /**
   * `compared`, the default; `setup` must succeed and is not compared; `until` is sent again until the answer has these
   * values (path in the body → value, or `code`), and is not compared.
   */
  readonly how?: 'compared' | 'setup' | { readonly until: Readonly<Record<string, Json>> };
}

/** Begins a watch. Its answer's head is compared. */
export interface Watch {
  readonly watch: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Collects the next events of a watch: a number of them, or all to its end. */
export interface Events {
  readonly events: string;
  readonly count: number | 'end';
}

export type Step = Call | Watch | Events;

/** A field that is not compared, in any step of the case, and why. */
export interface Ignored {
  /** Path in the answer, such as `body.status`; `*` stands for any key or index. */
  readonly field: string;
  readonly reason: string;
}

export interface Case {
  readonly area: string;
  readonly name: string;
  readonly steps: readonly Step[];
  readonly ignored: readonly Ignored[];
}

/** The cases of an area, written as name → steps, or steps and ignored fields. */
export const area = (
  name: string,
  cases: Readonly<Record<string, readonly Step[] | { steps: readonly Step[]; ignored: readonly Ignored[] }>>,
): Case[] =>
  Object.entries(cases).map(([title, given]) => ({
    area: name,
    name: title,
    ...('steps' in given ? given : { steps: given, ignored: [] }),
  }));

type Options = Omit<Call, 'method' | 'path' | 'body'>;

export const get = (path: string, options: Options = {}): Call => ({ method: 'GET', path, ...options });
export const post = (path: string, body: Call['body'], options: Options = {}): Call => ({
  method: 'POST',
  path,
  ...(body !== undefined && { body }),
  ...options,
});
export const put = (path: string, body: Call['body'], options: Options = {}): Call => ({
  method: 'PUT',
  path,
  ...(body !== undefined && { body }),
  ...options,
});
export const del = (path: string, body?: Call['body'], options: Options = {}): Call => ({
  method: 'DELETE',
  path,
  ...(body !== undefined && { body }),
  ...options,
});
const patchOf =
  (type: string) =>
  (path: string, body: Call['body'], options: Options = {}): Call => ({
    method: 'PATCH',
    path,
    ...(body !== undefined && { body }),
    ...options,
    headers: { 'content-type': type, ...options.headers },
  });
export const jsonPatch = patchOf('application/json-patch+json');
export const mergePatch = patchOf('application/merge-patch+json');
export const strategic = patchOf('application/strategic-merge-patch+json');
/** Server-side apply; the path gets the field manager. */
export const apply = (path: string, manager: string, body: Call['body'], options: Options = {}): Call =>
  patchOf('application/apply-patch+yaml')(
    `${path}${path.includes('?') ? '&' : '?'}fieldManager=${manager}`,
    body,
    options,
  );
/** The step as preparation: it must succeed, and is not compared. */
export const setup = (call: Call): Call => ({ ...call, how: 'setup' });
/** The step again and again until its answer has these values. */
export const until = (call: Call, values: Record<string, Json>): Call => ({
  ...call,
  how: { until: values },
});
export const watch = (name: string, path: string, headers?: Record<string, string>): Watch => ({
  watch: name,
  path,
  ...(headers && { headers }),
});
export const events = (name: string, count: number | 'end'): Events => ({ events: name, count });

/** In discovery documents. */
export const HASH: Ignored = {
  field: 'body.resources.*.storageVersionHash',
  reason: 'it tells of the storage of a server, and no client of ours reads it',
};

export const YAML = { 'content-type': 'application/yaml' };
export const TABLE = { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json' };
export const METADATA = { accept: 'application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io' };
export const METADATA_LIST = { accept: 'application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io' };

/** How a step is called in records and differences. */
export const titleOf = (step: Step): string =>
  'events' in step
    ? `events of ${step.events}`
    : 'watch' in step
      ? `WATCH ${step.path}`
      : `${step.method} ${step.path}`;
