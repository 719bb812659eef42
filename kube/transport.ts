/** The Kube port over HTTP. */
import { watchError } from './answers.js';
import { createCaller } from './caller.js';
import type { Caller, KubeLog } from './caller.js';
import type { Connection } from './connection.js';
import { KubeError } from './errors.js';
import type { ChangeOptions, Kube, ListOptions, ListQuery, Patch, WatchEvent } from './kube.js';
import { createLineSplitter } from './lines.js';
import { PODS } from './objects.js';
import type { KubeObject, Resource, Status, VersionInfo } from './objects.js';
import { createOpener } from './streams/open.js';
import { collectionPath, homePath, objectPath, withQuery } from './paths.js';

export interface KubeOptions {
  /** Milliseconds for a call, and for a stream to open. Default 30 000. */
  defaultTimeoutMs?: number | undefined;
  /** How often a call that may be sent again is sent again. Default 3. */
  retries?: number | undefined;
  /** Manager of the fields that changes set. Default `xi-k8s`. */
  fieldManager?: string | undefined;
  /** Default `xi-k8s`. */
  userAgent?: string | undefined;
  /** Bound on the connections for calls; streams have theirs apart. Default 64. */
  connections?: number | undefined;
  log?: KubeLog | undefined;
}

const PATCH_TYPES: Record<Patch['type'], string> = {
  json: 'application/json-patch+json',
  merge: 'application/merge-patch+json',
  strategic: 'application/strategic-merge-patch+json',
  apply: 'application/apply-patch+yaml',
};

/** Streams of pods are loaded when they are first needed, which in most programs is never. */
const commands = () => import('./streams/command.js');

/** A client of the API server. It connects at the first call. */
export function createKube(connection: Connection, options: KubeOptions = {}): Kube {
  const fieldManager = options.fieldManager ?? 'xi-k8s';
  const { defaultTimeoutMs = 30_000, userAgent = 'xi-k8s' } = options;
  const caller = createCaller(connection, {
    defaultTimeoutMs,
    retries: options.retries ?? 3,
    backoff: { baseMs: 100, maxMs: 2_000 },
    userAgent,
    connections: options.connections ?? 64,
    log: options.log,
  });
  const opener = createOpener(connection, { defaultTimeoutMs, userAgent });

  const changeQuery = (change: ChangeOptions) => ({
    fieldManager: change.fieldManager ?? fieldManager,
    dryRun: change.dryRun === true ? 'All' : undefined,
  });

  return {
    cluster: { how: connection.how, url: connection.url, context: connection.context },

    version: (call) => caller.call<VersionInfo>({ method: 'GET', path: '/version' }, call),

    get: async <T extends KubeObject>(...[resource, at, call]: Parameters<Kube['get']>) =>
      caller.call<T>({ method: 'GET', path: objectPath(resource, at) }, call),

    list: async <T extends KubeObject, P = T>(
      resource: Resource<T>,
      namespace: string | undefined,
      query?: ListQuery,
      options: ListOptions<T, P> = {},
    ) => {
      const path = withQuery(collectionPath(resource, namespace), { ...query });
      const { project = (object: T) => object as unknown as P } = options;
      return caller.list<T, P>({ method: 'GET', path }, project, options);
    },

    create: async <T extends KubeObject>(
      ...[resource, namespace, body, change = {}]: Parameters<Kube['create']>
    ) => {
      const path = withQuery(homePath(resource, namespace), changeQuery(change));
      return caller.call<T>({ method: 'POST', path, body }, change);
    },

    replace: async <T extends KubeObject>(
      ...[resource, at, body, change = {}]: Parameters<Kube['replace']>
    ) => {
      const path = withQuery(objectPath(resource, at, change.subresource), changeQuery(change));
      return caller.call<T>({ method: 'PUT', path, body }, change);
    },

    patch: async <T extends KubeObject>(...[resource, at, patch, change = {}]: Parameters<Kube['patch']>) => {
      const path = withQuery(objectPath(resource, at, change.subresource), {
        ...changeQuery(change),
        force: patch.type === 'apply' ? (patch.force ?? false) : undefined,
      });
      return caller.call<T>(
        { method: 'PATCH', path, contentType: PATCH_TYPES[patch.type], body: patch.body },
        change,
      );
    },

    delete: async <T extends KubeObject>(...[resource, at, change = {}]: Parameters<Kube['delete']>) => {
      const dryRun = change.dryRun === true ? 'All' : undefined;
      const body = {
        apiVersion: 'v1',
        kind: 'DeleteOptions',
        propagationPolicy: change.propagationPolicy,
        gracePeriodSeconds: change.gracePeriodSeconds,
        preconditions: change.preconditions,
        dryRun: dryRun && [dryRun],
      };
      const path = withQuery(objectPath(resource, at), { dryRun });
      return caller.call<T | Status>({ method: 'DELETE', path, body }, change);
    },

    watch: <T extends KubeObject>(...[resource, namespace, query = {}, call]: Parameters<Kube['watch']>) => {
      const { allowBookmarks = true, ...rest } = query;
      return watchEvents<T>(
        caller,
        () =>
          withQuery(collectionPath(resource, namespace), {
            watch: true,
            allowWatchBookmarks: allowBookmarks,
            ...rest,
          }),
        call,
      );
    },

    logs: async function* (at, query, call) {
      const path = withQuery(objectPath(PODS, at, 'log'), { ...query });
      // The answer to `follow` may begin with the container's first line only, however late that is.
      const timeoutMs = call?.timeoutMs ?? (query?.follow === true ? Infinity : undefined);
      yield* caller.stream({ method: 'GET', path }, { ...call, timeoutMs });
    },

    exec: async (at, request, streams, call) => {
      const { runCommand } = await commands();
      return runCommand(opener, { verb: 'exec', at, request }, streams, call);
    },

    attach: async (at, request, streams, call) => {
      const { runCommand } = await commands();
      await runCommand(opener, { verb: 'attach', at, request }, streams, call);
    },

    portForward: async (at, port, call) => {
      const { portForward } = await import('./streams/port-forward.js');
      return portForward(opener, { at, port }, call);
    },

    close: () => {
      opener.close();
      return caller.close();
    },
  };
}

async function* watchEvents<T>(
  caller: Caller,
  pathOf: () => string,
  call: Parameters<Kube['watch']>[3],
): AsyncGenerator<WatchEvent<T>, void, undefined> {
  const path = pathOf();
  const what = `The watch of ${path.split('?', 1)[0]}`;
  const lines = createLineSplitter();
  for await (const chunk of caller.stream({ method: 'GET', path }, call)) {
    for (const line of lines.push(chunk)) {
      const event = parseEvent<T>(what, line);
      if (event.type === 'ERROR') throw watchError(what, event.object);
      yield event as WatchEvent<T>;
    }
  }
  if (lines.unfinished) {
    throw new KubeError(`${what} was cut in the middle of an event.`, {
      reason: 'unreachable',
      outcome: 'not_sent',
    });
  }
}

function parseEvent<T>(what: string, line: Buffer): { type: WatchEvent<T>['type'] | 'ERROR'; object: T } {
  const text = line.toString('utf8');
  try {
    return JSON.parse(text) as { type: WatchEvent<T>['type']; object: T };
  } catch (cause) {
    throw new KubeError(`${what} sent a line that is not JSON: ${text.slice(0, 200)}`, {
      reason: 'bad_answer',
      outcome: 'not_sent',
      cause,
    });
  }
}
