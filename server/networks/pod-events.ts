/** Events on pods: what the controller did with their peers, and why it could not. Few, and never twice in a row. */
import { randomBytes } from 'node:crypto';
import { EVENTS } from '../ports.js';
import type { Counter, Kube, KubeEvent, Log } from '../ports.js';
import type { PeerPod } from './peer-pod.js';

export type Reason =
  'JoinedNetwork' | 'MergedNetworks' | 'LeftNetwork' | 'PeerUnreachable' | 'PeerUnfit' | 'JoinFailed';

export interface PodEvents {
  /** Writes an Event soon, unless the pod has the same one already or there are too many. */
  tell(pod: PeerPod, type: 'Normal' | 'Warning', reason: Reason, message: string): void;
  /** All is well again with the pod: the same trouble is told again when it comes back. */
  recovered(pod: PeerPod): void;
  /** Pods that are no more. */
  forget(uid: string): void;
}

interface Options {
  readonly kube: Kube;
  readonly log: Log;
  readonly signal: AbortSignal;
  /** Counts what was not written, by reason. */
  readonly dropped: Counter;
  /** The name of this process. */
  readonly instance: string;
}

/** The API server takes 1024 characters. */
const MAX_MESSAGE = 1000;
/** So many in one go, and so many a second after that, over all pods. */
const BURST = 100;
const PER_SECOND = 10;
/** The same Event is written again after so long, in milliseconds. */
const REPEAT_MS = 600_000;

export function createPodEvents({ kube, log, signal, dropped, instance }: Options): PodEvents {
  /** uid → reason → what was told last, and when. */
  const told = new Map<string, Map<Reason, { message: string; at: number }>>();
  let tokens = BURST;
  let filledAt = performance.now();

  const allowed = (): boolean => {
    const now = performance.now();
    tokens = Math.min(BURST, tokens + ((now - filledAt) / 1000) * PER_SECOND);
    filledAt = now;
    if (tokens < 1) return false;
    tokens--;
    return true;
  };

  return {
    tell(pod, type, reason, message) {
      const known = told.get(pod.uid) ?? new Map<Reason, { message: string; at: number }>();
      told.set(pod.uid, known);
      const last = known.get(reason);
      const now = performance.now();
      if (last !== undefined && last.message === message && now - last.at < REPEAT_MS) return;
      if (!allowed()) {
        dropped.add({ reason });
        return;
      }
      known.set(reason, { message, at: now });
      const time = new Date().toISOString().replace(/\.\d+/, '');
      const event: KubeEvent = {
        apiVersion: 'v1',
        kind: 'Event',
        metadata: {
          name: `${pod.name.slice(0, 200).replace(/[-.]+$/, '')}.${randomBytes(8).toString('hex')}`,
          namespace: pod.namespace,
        },
        involvedObject: {
          apiVersion: 'v1',
          kind: 'Pod',
          namespace: pod.namespace,
          name: pod.name,
          uid: pod.uid,
        },
        type,
        reason,
        message: message.slice(0, MAX_MESSAGE),
        source: { component: 'xi-k8s' },
        reportingComponent: 'xi-k8s',
        reportingInstance: instance,
        firstTimestamp: time,
        lastTimestamp: time,
        count: 1,
      };
      kube.create(EVENTS, pod.namespace, event, { signal }).catch((err: unknown) => {
        dropped.add({ reason });
        if (!signal.aborted)
          log.debug({ err, pod: `${pod.namespace}/${pod.name}`, reason }, 'an Event was not written');
      });
    },
    recovered(pod) {
      for (const reason of ['PeerUnreachable', 'PeerUnfit', 'JoinFailed'] as const)
        told.get(pod.uid)?.delete(reason);
    },
    forget: (uid) => void told.delete(uid),
  };
}
