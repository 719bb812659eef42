/**
 * Who called whom, and how often. Methods are what callers write into a path, so each may be long and there may be any number: both are
 * bounded here, and what is counted takes a few MiB at most.
 */
import type { HostMetrics } from './port.js';
import type { CallCount } from './status.js';

/** Bounds of the counts. */
export interface CountBounds {
  /** Callers, providers and methods counted apart; those not called for the longest time are forgotten first. */
  readonly counts: number;
  /** Methods of one caller at one service of a provider that are counted apart; the others are counted as one. */
  readonly methods: number;
}

const BOUNDS: CountBounds = { counts: 20_000, methods: 100 };

/** Characters of a method that are kept. */
const LONGEST = 100;

/** What stands for those that are not counted apart. */
export const OTHERS = '(others)';

type Routed = Parameters<HostMetrics['routed']>[0];

/** Counts calls. */
export interface CallCounts {
  /** Counts a call. Answers what its method is counted as. */
  routed(call: Routed): string;
  all(): CallCount[];
}

interface Counted {
  readonly count: { -readonly [K in keyof CallCount]: CallCount[K] };
  readonly pair: string;
}

/** A copy of its own: a part of a request's path would keep the whole path in memory, with its query. */
const ownCopy = (text: string): string => Buffer.from(text).toString();

const nameOf = (method: string): string =>
  ownCopy(method.length > LONGEST ? `${method.slice(0, LONGEST - 1)}…` : method);

/** @param bounds the program's own by default */
export function createCallCounts(bounds: CountBounds = BOUNDS): CallCounts {
  const counted = new Map<string, Counted>();
  /** How many methods each caller has at each service. */
  const methods = new Map<string, number>();

  // None of the parts has a space, as they stand in a URL.
  const pairOf = ({ caller, provider, type }: Routed): string => `${caller} ${provider} ${type}`;

  function forget(key: string, { pair }: Counted): void {
    counted.delete(key);
    const left = (methods.get(pair) ?? 0) - 1;
    if (left > 0) methods.set(pair, left);
    else methods.delete(pair);
  }

  /** Of a call whose path is not counted yet: its method may be one that is, once it is cut. */
  function place(call: Routed): [string, Counted] {
    const { caller, provider, type } = call;
    const pair = pairOf(call);
    const asWritten = nameOf(call.method);
    const known = counted.get(`${pair} ${asWritten}`);
    if (known !== undefined) return [`${pair} ${asWritten}`, known];
    const many = methods.get(pair) ?? 0;
    const method = many < bounds.methods ? asWritten : OTHERS;
    const key = `${pair} ${method}`;
    const before = counted.get(key);
    if (before !== undefined) return [key, before];
    methods.set(pair, many + 1);
    return [key, { pair, count: { caller, provider, type, method, calls: 0, failures: 0 } }];
  }

  return {
    routed(call) {
      let key = `${pairOf(call)} ${call.method}`;
      let entry = counted.get(key);
      if (entry === undefined) [key, entry] = place(call);
      const { count } = entry;
      count.calls++;
      if (call.status >= 400) count.failures++;
      if (counted.size >= bounds.counts) {
        // To the end: what is called stays.
        counted.delete(key);
        const [oldest] = counted;
        if (counted.size >= bounds.counts && oldest !== undefined) forget(...oldest);
      }
      counted.set(key, entry);
      return count.method;
    },
    all: () => [...counted.values()].map(({ count }) => ({ ...count })),
  };
}
