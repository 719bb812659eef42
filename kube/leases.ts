/** Leader election on a Lease: one of many processes leads, and knows by its own clocks alone whether it still does. */
import type * as k8s from '@kubernetes/client-node';
import { setMaxListeners } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import type { KubeLog } from './caller.js';
import { KubeError } from './errors.js';
import type { Kube } from './kube.js';
import type { Json, Resource } from './objects.js';

export type Lease = Json<k8s.V1Lease>;

export const LEASES: Resource<Lease> = Object.freeze({
  group: 'coordination.k8s.io',
  version: 'v1',
  plural: 'leases',
  kind: 'Lease',
  namespaced: true,
});

/** The two clocks of a process, in milliseconds. */
export interface Clocks {
  /** Never set back; stands still while the machine sleeps. */
  monotonic(): number;
  /** Goes on while the machine sleeps; may be set. */
  wall(): number;
}

/** A time of leading, from a lease had to a lease lost. */
export interface Leadership {
  /** Fires when the lease is lost or given up. */
  readonly signal: AbortSignal;
  /**
   * Whether nobody else can have the lease yet. To be asked before each act: a process that was stopped for a while learns
   * it here, before any timer of its own has fired.
   */
  holds(): boolean;
}

export interface ElectionOptions {
  kube: Kube;
  namespace: string;
  /** The Lease's name. */
  name: string;
  /** What this process is called in the Lease; no two processes may have the same. */
  identity: string;
  /** Runs while this process leads, and ends soon after the signal fires. What it throws is logged; the lease is then given up. */
  lead(leadership: Leadership): Promise<void>;
  log?: (KubeLog & Record<'info' | 'error', (fields: object, message: string) => void>) | undefined;
  /** How long others wait for a sign of life before they take the lease, in milliseconds. Default 10 000. */
  durationMs?: number | undefined;
  /** How often the leader renews, and others look, in milliseconds. Default 2000. */
  periodMs?: number | undefined;
  clocks?: Clocks | undefined;
}

export interface Election {
  /** Whether this process leads. */
  leading(): boolean;
  /** Who leads, as this process last saw it. */
  readonly holder: string | undefined;
  /** Ends the leading, waits for it, and gives the lease to whoever wants it. */
  stop(): Promise<void>;
}

const CLOCKS: Clocks = { monotonic: () => performance.now(), wall: () => Date.now() };

/** The API's MicroTime has six digits after the second. */
const microTime = (ms: number): string => new Date(ms).toISOString().replace('Z', '000Z');

const isConflict = (error: unknown): boolean => error instanceof KubeError && error.is(409);

/** Takes part in an election until it is stopped. */
export function startElection(options: ElectionOptions): Election {
  const { kube, namespace, name, identity, log, clocks = CLOCKS } = options;
  const { durationMs = 10_000, periodMs = 2_000 } = options;
  // A leader gives up before others may take over, so that two never lead at once.
  const patienceMs = (durationMs * 2) / 3;
  const at = { namespace, name };
  const about = { lease: `${namespace}/${name}`, identity };
  const stopping = new AbortController();
  /** What the Lease said last, and since when by our own clock: nobody else's time is compared with ours. */
  let seen: { spec: string; since: number } | undefined;
  let holder: string | undefined;
  let leads = false;

  /** Milliseconds since now by the clock that saw more of them: it may be wrong only by giving the lease up too early. */
  const stopwatch = (): (() => number) => {
    const monotonic = clocks.monotonic();
    const wall = clocks.wall();
    return () => Math.max(clocks.monotonic() - monotonic, clocks.wall() - wall);
  };

  const specOf = (previous: Lease['spec']): NonNullable<Lease['spec']> => {
    const now = microTime(clocks.wall());
    const kept = previous?.holderIdentity === identity;
    return {
      holderIdentity: identity,
      leaseDurationSeconds: Math.max(1, Math.ceil(durationMs / 1000)),
      acquireTime: kept ? (previous.acquireTime ?? now) : now,
      renewTime: now,
      leaseTransitions: (previous?.leaseTransitions ?? 0) + (kept || previous === undefined ? 0 : 1),
    };
  };

  const read = async (): Promise<Lease | undefined> => {
    try {
      return await kube.get(LEASES, at, { signal: stopping.signal, timeoutMs: periodMs + 1_000 });
    } catch (error) {
      if (error instanceof KubeError && error.is(404)) return undefined;
      throw error;
    }
  };

  /** Whether the lease may be taken, as far as anybody can see: it is ours, nobody's, or its holder gave no sign for too long. */
  const free = (lease: Lease): boolean => {
    const spec = JSON.stringify(lease.spec ?? {});
    if (seen?.spec !== spec) seen = { spec, since: clocks.monotonic() };
    holder = lease.spec?.holderIdentity || undefined;
    if (holder === undefined || holder === identity) return true;
    const theirsMs = (lease.spec?.leaseDurationSeconds ?? 0) * 1000;
    return clocks.monotonic() - seen.since >= Math.max(theirsMs, durationMs);
  };

  /** One try to have or to keep the lease. Answers how long ago it was asked for, or undefined when it is another's. */
  const attempt = async (): Promise<(() => number) | undefined> => {
    const since = stopwatch();
    const lease = await read();
    if (lease !== undefined && !free(lease)) return undefined;
    const body = (previous: Lease | undefined): Lease => ({
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: previous?.metadata ?? at,
      spec: specOf(previous?.spec),
    });
    const call = { signal: stopping.signal, timeoutMs: periodMs + 1_000 };
    try {
      if (lease === undefined) await kube.create(LEASES, namespace, body(undefined), call);
      else await kube.replace(LEASES, at, body(lease), call);
    } catch (error) {
      // Somebody was faster.
      if (isConflict(error)) return undefined;
      throw error;
    }
    holder = identity;
    return since;
  };

  const pause = (ms: number, signal: AbortSignal): Promise<void> =>
    delay(ms, undefined, { signal }).catch(() => {});

  /** Keeps the lease while it leads; returns when it is lost or the signal fires. */
  const keep = async (renewed: { since: () => number }, lost: AbortController): Promise<void> => {
    const { signal } = lost;
    while (!signal.aborted) {
      await pause(periodMs, signal);
      if (signal.aborted) return;
      try {
        const since = await attempt();
        if (since !== undefined) renewed.since = since;
        else if (holder !== identity) lost.abort(new Error(`the lease is now that of ${holder ?? 'nobody'}`));
      } catch (err) {
        if (!stopping.signal.aborted) log?.warn({ ...about, err }, 'the lease could not be renewed');
      }
      if (renewed.since() >= patienceMs) lost.abort(new Error('the lease could not be renewed in time'));
    }
  };

  const lead = async (since: () => number): Promise<void> => {
    const renewed = { since };
    const lost = new AbortController();
    // Every call of the one who leads listens to it; that many are no leak.
    setMaxListeners(0, lost.signal);
    const stop = (): void => lost.abort(new Error('the process stops'));
    stopping.signal.addEventListener('abort', stop, { once: true });
    // A renewal under way may hang: the end of the lease does not wait for it.
    const bound = setInterval(() => {
      if (renewed.since() >= patienceMs) lost.abort(new Error('the lease could not be renewed in time'));
    }, periodMs / 4);
    const holds = (): boolean => !lost.signal.aborted && renewed.since() < patienceMs;
    leads = true;
    log?.info(about, 'leads now');
    const keeping = keep(renewed, lost);
    try {
      await options.lead({ signal: lost.signal, holds });
    } catch (err) {
      if (!lost.signal.aborted) log?.error({ ...about, err }, 'the leading ended with an error');
    }
    leads = false;
    lost.abort(new Error('the leading is over'));
    clearInterval(bound);
    stopping.signal.removeEventListener('abort', stop);
    await keeping;
    log?.info({ ...about, why: String((lost.signal.reason as Error).message) }, 'leads no longer');
    await release();
  };

  /** Leaves the lease to others, if it is still ours; best effort, as it runs out anyhow. */
  const release = async (): Promise<void> => {
    try {
      const call = { timeoutMs: periodMs };
      const lease = await kube.get(LEASES, at, call);
      if (lease.spec?.holderIdentity !== identity) return;
      const spec = { ...specOf(lease.spec), holderIdentity: '', leaseDurationSeconds: 1 };
      await kube.replace(LEASES, at, { ...lease, spec }, call);
      holder = undefined;
    } catch (err) {
      log?.debug({ ...about, err }, 'the lease could not be given up; it runs out');
    }
  };

  const run = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      try {
        const since = await attempt();
        if (since !== undefined && since() < patienceMs) await lead(since);
      } catch (err) {
        if (!stopping.signal.aborted) log?.warn({ ...about, err }, 'the lease could not be asked for');
      }
      // Spread, so that not all ask at once.
      await pause(periodMs * (0.75 + Math.random() / 2), stopping.signal);
    }
  };
  const running = run();

  return {
    leading: () => leads,
    get holder() {
      return holder;
    },
    stop() {
      stopping.abort();
      return running;
    },
  };
}
