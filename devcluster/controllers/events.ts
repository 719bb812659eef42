/** Writes Events, so that `kubectl describe` and `kubectl get events` tell what happened. */
import { EVENTS, KubeError, createWorkQueue } from '../../kube/index.js';
import type { Kube, KubeEvent, KubeLog, KubeObject, Resource } from '../../kube/index.js';
import { apiVersionOf, timestamp } from './meta.js';

export interface EventInit {
  type: 'Normal' | 'Warning';
  reason: string;
  message: string;
  /** The part of the object that it is about, such as `spec.containers{web}`. */
  fieldPath?: string | undefined;
}

export interface EventRecorder {
  /** Returns at once; what cannot be written is logged. A repeated event bumps the count of the first. */
  record(resource: Resource, object: KubeObject, event: EventInit): void;
  stop(): Promise<void>;
}

/** How many events are remembered for counting, per recorder. */
const REMEMBERED = 4096;

interface Entry {
  event: KubeEvent;
  stored: boolean;
}

export const createEventRecorder = ({
  kube,
  log,
  component,
  host,
  clock = Date.now,
}: {
  kube: Kube;
  log?: KubeLog | undefined;
  component: string;
  host?: string;
  clock?: () => number;
}): EventRecorder => {
  const entries = new Map<string, Entry>();
  let latest = 0n;
  /** Nanoseconds, as events are named after, made up below a millisecond: names sort in the order of the events. */
  const serial = (): string => {
    const now = BigInt(clock()) * 1_000_000n + BigInt(Math.floor(Math.random() * 500_000));
    latest = now > latest ? now : latest + 1n + BigInt(Math.floor(Math.random() * 1_000));
    return latest.toString(16);
  };

  const create = (
    { apiVersion, kind, namespace, name, uid, resourceVersion }: Record<string, string>,
    init: EventInit,
  ): KubeEvent => {
    const time = timestamp(clock());
    return {
      metadata: {
        name: `${name}.${serial()}`,
        namespace: namespace || 'default',
      },
      involvedObject: {
        ...{ apiVersion, kind, name, uid, resourceVersion },
        ...(namespace ? { namespace } : {}),
        ...(init.fieldPath === undefined ? {} : { fieldPath: init.fieldPath }),
      } as KubeEvent['involvedObject'],
      type: init.type,
      reason: init.reason,
      message: init.message,
      count: 1,
      firstTimestamp: time,
      lastTimestamp: time,
      source: { component, ...(host === undefined ? {} : { host }) },
      reportingComponent: component,
      reportingInstance: host ?? '',
    };
  };

  const queue = createWorkQueue<string>({
    // Few at once: telling the story must not slow down what it tells of.
    concurrency: 2,
    backoff: { baseMs: 200, maxMs: 5_000 },
    isTerminal: (error) => error instanceof KubeError && error.reason === 'status',
    reconcile: async (key, signal) => {
      const entry = entries.get(key);
      if (entry === undefined) return;
      const { event, stored } = entry;
      const { name = '', namespace } = event.metadata;
      if (!stored) {
        entry.stored = true;
        await kube.create(EVENTS, namespace, event, { signal });
        return;
      }
      const body = { count: event.count, lastTimestamp: event.lastTimestamp };
      await kube.patch(EVENTS, { namespace, name }, { type: 'merge', body }, { signal });
    },
    onError: (key, err, retryInMs) => {
      // Unwritten or deleted meanwhile: the next one like it starts anew.
      if (retryInMs === undefined) entries.delete(key);
      else entries.set(key, { ...(entries.get(key) as Entry), stored: false });
      log?.debug({ err, component, retryInMs }, 'an event was not written');
    },
  });

  return {
    record: (resource, object, init) => {
      const { namespace = '', name = '', uid = '', resourceVersion = '' } = object.metadata ?? {};
      const key = JSON.stringify([uid, init.type, init.reason, init.message, init.fieldPath]);
      const known = entries.get(key);
      // The latest are kept at the end.
      entries.delete(key);
      if (known !== undefined) {
        const event = {
          ...known.event,
          count: (known.event.count ?? 1) + 1,
          lastTimestamp: timestamp(clock()),
        };
        entries.set(key, { ...known, event });
      } else {
        const about = {
          apiVersion: apiVersionOf(resource),
          kind: resource.kind,
          namespace,
          name,
          uid,
          resourceVersion,
        };
        entries.set(key, { event: create(about, init), stored: false });
        for (const [oldest, { stored }] of entries) {
          if (entries.size <= REMEMBERED || !stored) break;
          entries.delete(oldest);
        }
      }
      queue.add(key);
    },
    stop: () => queue.stop(),
  };
};
