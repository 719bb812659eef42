/** A watch: the changes of one resource as a stream of JSON lines. */
import type { ServerResponse } from 'node:http';
import { expired } from './errors.js';
import type { JsonObject } from './json.js';
import { select, tooLargeVersion } from './lists.js';
import type { ListQuery } from './requests.js';
import { withVersion } from './storage.js';
import type { Change, Clock, Storage, Stored } from './storage.js';

/** How an object is shown in an event: as itself, as a Table row, as its metadata. */
export type Shape = (stored: Stored) => string;

export interface WatchDeps {
  readonly clock: Clock;
  readonly storage: Storage;
  readonly shape: Shape;
  /** Milliseconds between bookmarks. Default 10,000. */
  readonly bookmarkMs?: number;
}

export interface WatchRequest {
  readonly namespace: string | undefined;
  readonly query: ListQuery;
}

/** How long before the end of a watch a last bookmark is sent. */
const BEFORE_END_MS = 2_000;

/** Bytes that may wait for a slow reader, beyond what its watch began with, before the watch is cut. */
const MAX_BACKLOG = 8 * 1024 * 1024;

/**
 * Streams events to `response` until the client leaves, the time is over or `end` (the answer) is called. Throws ApiError
 * before anything is sent.
 */
export function watch(deps: WatchDeps, request: WatchRequest, response: ServerResponse): () => void {
  const { clock, storage, shape, bookmarkMs = 10_000 } = deps;
  const { namespace, query } = request;
  const { resource } = storage;
  const { matches } = select(resource, namespace, query);
  const from = query.resourceVersion === '' ? 0 : Number(query.resourceVersion);
  if (from > clock.current) throw tooLargeVersion(from, clock.current);
  const wantsState = query.sendInitialEvents ?? from === 0;
  const missed = wantsState || from === 0 ? [] : storage.since(from);
  // A watch from 0 is marked where its state ends, like one that asked for it.
  const marksState =
    query.allowWatchBookmarks && wantsState && (query.sendInitialEvents ?? query.resourceVersion === '0');

  response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-cache, private' });
  response.flushHeaders();
  let open = true;
  // What a watch begins with may be more than any backlog: it is the state, and cutting the watch would bring it again.
  let mayWait = Infinity;
  const send = (type: string, object: string): void => {
    if (!open) return;
    response.write(`{"type":"${type}","object":${object}}\n`);
    if (response.writableLength > mayWait) response.destroy();
  };
  const bookmark = (annotations?: JsonObject): void =>
    send(
      'BOOKMARK',
      JSON.stringify({
        kind: resource.kind,
        apiVersion: resource.apiVersion,
        metadata: { resourceVersion: String(clock.current), ...(annotations && { annotations }) },
      }),
    );
  const deliver = ({ type, stored, previous }: Change): void => {
    const is = type !== 'DELETED' && matches(stored);
    const was = previous !== undefined && matches(previous);
    if (is) send(was ? 'MODIFIED' : 'ADDED', shape(stored));
    else if (was)
      send('DELETED', shape(type === 'DELETED' ? stored : withVersion(resource, previous, stored.version)));
  };

  const stops: (() => void)[] = [];
  const seconds = Math.max(0, query.timeoutSeconds ?? 0);
  const end = (): void => {
    if (!open) return;
    open = false;
    for (const stop of stops) stop();
    response.end();
  };
  if (missed === undefined) {
    const { status } = expired(`too old resource version: ${from} (${storage.oldest})`);
    send('ERROR', JSON.stringify(status));
    end();
    return end;
  }
  if (wantsState) for (const stored of storage.snapshot()) if (matches(stored)) send('ADDED', shape(stored));
  for (const change of missed) deliver(change);
  mayWait = response.writableLength + MAX_BACKLOG;
  stops.push(storage.subscribe(deliver));
  if (marksState) bookmark({ 'k8s.io/initial-events-end': 'true' });
  if (query.allowWatchBookmarks) {
    const timer = setInterval(bookmark, bookmarkMs);
    const last = setTimeout(bookmark, Math.max(0, seconds * 1_000 - BEFORE_END_MS));
    stops.push(
      () => clearInterval(timer),
      () => clearTimeout(last),
    );
    if (seconds * 1_000 <= BEFORE_END_MS) clearTimeout(last);
  }
  const timeout = setTimeout(end, (seconds > 0 ? seconds : 1_800 + Math.random() * 1_800) * 1_000);
  stops.push(() => clearTimeout(timeout));
  response.once('close', end);
  return end;
}
