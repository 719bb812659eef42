/** What is found of a Service: its pods, which of them are the same plugin, and which are to be spoken to. Pure. */
import type { EndpointSlice } from '../../ports.js';
import type { Identity } from '../introduce.js';
import type { Endpoint } from './endpoints.js';

/** Pods that say the same of themselves, of one Service or of Services that have a pod in common. */
export interface Kin extends Identity {
  /** What they say of themselves, as text. */
  readonly says: string;
  /** The Services whose pods they are, or were last. */
  readonly behind: Set<Found>;
  /** Endpoints that have its identity; true when they got it since they are ready, and so have not started anew after it. */
  readonly members: Map<string, boolean>;
  /** Where it is routed to. */
  targets: string;
}

/** A pod that is ready and no plugin. */
export interface LeftAlone {
  readonly why: string;
  /** Milliseconds that it is left alone before it is asked again; for good when unset, as long as its pod stays as it is. */
  readonly waitMs: number | undefined;
  /** When it is asked again, by the clock of `performance.now`. */
  readonly askAt: number;
}

export interface Found {
  /** `namespace/name` */
  readonly service: string;
  /** By the slice's key. */
  readonly slices: Map<string, EndpointSlice>;
  wanted: Map<string, Endpoint>;
  /** Why endpoints are not called, as it was said last; empty when there was nothing to say. */
  leftOut: string;
  /** By the endpoint's key. */
  readonly leftAlone: Map<string, LeftAlone>;
  /** Each that one of its endpoints is a member of, at least. */
  readonly kin: Set<Kin>;
}

/** How soon a pod that is no plugin is asked again at first, and at last, in milliseconds. */
const ASK_AGAIN_MS = { first: 1_000, last: 30_000 };

export const nothingFound = (service: string): Found => ({
  ...{ service, slices: new Map(), wanted: new Map(), leftOut: '', leftAlone: new Map(), kin: new Set() },
});

/** Where calls go: to the members that are ready, or else to those that leave and serve as yet. */
export function targetsOf({ members, behind }: Kin): string[] {
  const at = (state: Endpoint['state']): string[] =>
    [...members.keys()].flatMap((key) => {
      const endpoints = [...behind].map(({ wanted }) => wanted.get(key));
      const endpoint = endpoints.find((one) => one?.state === state);
      return endpoint === undefined ? [] : [endpoint.baseUrl];
    });
  const ready = at('ready');
  return ready.length > 0 ? ready : at('leaving');
}

/** Endpoints of before that no Service has any more, or whose container may have ended: the next one knows nothing. */
export const departed = (at: Found, before: ReadonlyMap<string, Endpoint>): [string, Endpoint][] =>
  [...before].filter(([key, { state }]) => {
    const now = at.wanted.get(key)?.state;
    return now === undefined ? !servesBeside(at, key) : now === 'starting' && state === 'ready';
  });

/** Services that have a plugin in common with this one, itself among them. */
export const relativesOf = (at: Found): ReadonlySet<Found> =>
  new Set([at, ...[...at.kin].flatMap(({ behind }) => [...behind])]);

/** Whether an endpoint serves as another Service has it. */
const servesBeside = (at: Found, key: string): boolean =>
  [...relativesOf(at)].some((other) => {
    const state = other === at ? undefined : other.wanted.get(key)?.state;
    return state === 'ready' || state === 'leaving';
  });

/** Whether a plugin has a member among the endpoints of a Service. */
export const isHere = ({ wanted }: Found, { members }: Kin): boolean =>
  [...members.keys()].some((key) => wanted.has(key));

/** The next wait is twice as long, up to a bound. */
export function leaveAlone(
  before: LeftAlone | undefined,
  { why, forGood, now }: { readonly why: string; readonly forGood: boolean; readonly now: number },
): LeftAlone {
  if (forGood) return { why, waitMs: undefined, askAt: Infinity };
  const { first, last } = ASK_AGAIN_MS;
  const waitMs = before?.waitMs === undefined ? first : Math.min(before.waitMs * 2, last);
  return { why, waitMs, askAt: now + waitMs };
}

/** Endpoints to which there is something to say now. */
export const strangers = (at: Found, now: number): string[] =>
  [...at.wanted.keys()].filter((key) => isStrange(at, key, now));

export function isStrange(at: Found, key: string, now: number): boolean {
  const state = at.wanted.get(key)?.state;
  if (state === undefined || state === 'leaving' || (at.leftAlone.get(key)?.askAt ?? 0) > now) return false;
  const met = [...at.kin].map(({ members }) => members.get(key)).find((one) => one !== undefined);
  return met === undefined || (state === 'ready' && !met);
}

/** Milliseconds until the first of those that are left alone is asked again; undefined when none is. */
export function nextAsking({ leftAlone }: Found, now: number): number | undefined {
  const askAt = Math.min(...[...leftAlone.values()].map((one) => one.askAt));
  return askAt === Infinity ? undefined : Math.max(askAt - now, 1);
}
