/** Lists: selection, pages over one consistent state, and the pages' tokens. */
import { parseJson } from './body-text.js';
import { ApiError, badRequest, expired } from './errors.js';
import type { JsonObject } from './json.js';
import { isObject } from './json.js';
import type { ListQuery } from './requests.js';
import type { ApiResource } from './resources.js';
import { matchesFields, matchesLabels, parseFieldSelector, parseLabelSelector } from './selectors.js';
import type { Clock, Storage, Stored } from './storage.js';

export interface Page {
  readonly items: readonly Stored[];
  readonly metadata: JsonObject;
}

/** Which objects a list or watch wants. */
export interface Selection {
  readonly matches: (stored: Stored) => boolean;
  /** False when every object matches. */
  readonly selective: boolean;
}

/** Parses a query's selectors for this resource; throws 400 in the API's words. */
export function select(resource: ApiResource, namespace: string | undefined, query: ListQuery): Selection {
  let labels;
  try {
    labels = query.labelSelector === '' ? [] : parseLabelSelector(query.labelSelector);
  } catch (error) {
    throw error instanceof ApiError ? error : badRequest(String(error));
  }
  const fields = query.fieldSelector === '' ? [] : parseFieldSelector(query.fieldSelector);
  for (const { field } of fields) checkFieldLabel(resource, field);
  const selective = labels.length > 0 || fields.length > 0;
  return {
    selective,
    matches: (stored) =>
      (namespace === undefined || stored.namespace === namespace) &&
      (!selective ||
        ((labels.length === 0 || matchesLabels(labels, stored.labels)) &&
          (fields.length === 0 || matchesFields(fields, (field) => fieldOf(stored, field))))),
  };
}

const fieldOf = (stored: Stored, field: string): string =>
  field === 'metadata.name'
    ? stored.name
    : field === 'metadata.namespace'
      ? stored.namespace
      : (stored.fields[field] ?? defaults[field] ?? '');

/** What the API shows for a field that is absent. */
const defaults: Record<string, string> = {
  'spec.unschedulable': 'false',
  'spec.hostNetwork': 'false',
  'status.replicas': '0',
  'status.successful': '0',
};

function checkFieldLabel(resource: ApiResource, field: string): void {
  if (
    field === 'metadata.name' ||
    (field === 'metadata.namespace' && (resource.namespaced || resource.fieldLabels === undefined))
  )
    return;
  if (resource.fieldLabels === undefined)
    throw badRequest(`"${field}" is not a known field selector: only "metadata.name", "metadata.namespace"`);
  if (!resource.fieldLabels.includes(field)) throw badRequest(`field label not supported: ${field}`);
}

interface Token {
  v: string;
  rv: number;
  start: string;
}

const encodeToken = (rv: number, start: string): string =>
  Buffer.from(JSON.stringify({ v: 'meta.k8s.io/v1', rv, start } satisfies Token)).toString('base64url');

function decodeToken(text: string): Token {
  const refuse = (why: string): ApiError =>
    badRequest(`invalid continue token: continue key is not valid: ${why}`);
  const illegal = /[^\w-]/.exec(text)?.index ?? (text.length % 4 === 1 ? text.length - 1 : undefined);
  if (illegal !== undefined) throw refuse(`illegal base64 data at input byte ${illegal}`);
  let value: unknown;
  try {
    value = parseJson(Buffer.from(text, 'base64url').toString('latin1'));
  } catch (error) {
    throw refuse(error instanceof Error ? error.message : String(error));
  }
  if (!isObject(value) || value.v !== 'meta.k8s.io/v1')
    throw refuse(
      `server does not recognize this encoded version ${isObject(value) ? String(value.v ?? '') : ''}`,
    );
  if (typeof value.rv !== 'number' || typeof value.start !== 'string') throw refuse('no position in it');
  return value as unknown as Token;
}

const KEPT_STATES = 20;
const KEPT_MS = 5 * 60_000;

/** Remembers the states that unfinished lists read, so that their pages fit together. */
export interface Lister {
  page(storage: Storage, namespace: string | undefined, query: ListQuery): Page;
}

export function createLister(clock: Clock, now: () => number = Date.now): Lister {
  const states = new Map<string, { items: readonly Stored[]; at: number }>();
  const remember = (key: string, items: readonly Stored[]): void => {
    states.delete(key);
    states.set(key, { items, at: now() });
    for (const [old, { at }] of states)
      if (states.size > KEPT_STATES || now() - at > KEPT_MS) states.delete(old);
  };
  const recall = (key: string): readonly Stored[] | undefined => {
    const state = states.get(key);
    return state !== undefined && now() - state.at <= KEPT_MS ? state.items : undefined;
  };

  return {
    page(storage, namespace, query) {
      const { resource } = storage;
      const selection = select(resource, namespace, query);
      let version = clock.current;
      let items = storage.snapshot();
      let start = '';
      if (query.continue !== '') {
        if (query.resourceVersion !== '' && query.resourceVersion !== '0')
          throw badRequest('specifying resource version is not allowed when using continue');
        const token = decodeToken(query.continue);
        start = token.start;
        if (token.rv >= 0) {
          const state = recall(`${resource.groupResource}@${token.rv}`);
          if (state === undefined)
            throw expired(
              'The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.',
              { continue: encodeToken(-1, start) },
            );
          items = state;
          version = token.rv;
        }
      } else if (query.resourceVersion !== '' && query.resourceVersion !== '0') {
        const asked = Number(query.resourceVersion);
        if (asked > version) throw tooLargeVersion(asked, version);
        if (query.resourceVersionMatch === 'Exact' && asked !== version) {
          const state = recall(`${resource.groupResource}@${asked}`);
          if (state === undefined) throw expired('The resourceVersion for the provided list is too old.');
          items = state;
          version = asked;
        }
      }
      return cut(storage, items, version, { start, namespace, query, selection, remember });
    },
  };
}

interface Cut {
  start: string;
  namespace: string | undefined;
  query: ListQuery;
  selection: Selection;
  remember: (key: string, items: readonly Stored[]) => void;
}

function cut(storage: Storage, items: readonly Stored[], version: number, asked: Cut): Page {
  const { start, namespace, query, selection, remember } = asked;
  const prefix = namespace === undefined ? '' : `${namespace}/`;
  const from = firstAt(items, start > prefix ? start : prefix);
  const found: Stored[] = [];
  let next = -1;
  let index = from;
  for (; index < items.length; index += 1) {
    const stored = items[index] as Stored;
    if (prefix !== '' && !stored.key.startsWith(prefix)) break;
    if (!selection.matches(stored)) continue;
    if (query.limit > 0 && found.length === query.limit) {
      next = index;
      break;
    }
    found.push(stored);
  }
  const metadata: JsonObject = { resourceVersion: String(version) };
  if (next >= 0) {
    remember(`${storage.resource.groupResource}@${version}`, items);
    metadata.continue = encodeToken(version, (items[next] as Stored).key);
    if (!selection.selective) {
      const end = prefix === '' ? items.length : firstAt(items, `${namespace}0`);
      metadata.remainingItemCount = end - next;
    }
  }
  return { items: found, metadata };
}

/** Index of the first object whose key is not before this one. `0` follows `/` in ASCII. */
function firstAt(items: readonly Stored[], key: string): number {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((items[middle] as Stored).key < key) low = middle + 1;
    else high = middle;
  }
  return low;
}

export const tooLargeVersion = (asked: number, current: number): ApiError =>
  new ApiError({
    code: 504,
    reason: 'Timeout',
    message: `Timeout: Too large resource version: ${asked}, current: ${current}`,
    details: {
      causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
      retryAfterSeconds: 1,
    },
    headers: { 'retry-after': '1' },
  });
