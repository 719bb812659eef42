/** Whether the cluster answers, asked at most so often. */
import type { Kube } from '../kube/kube.js';

export type Reached = { readonly version: string; readonly fault?: undefined } | { readonly fault: string };
export type ClusterProbe = () => Promise<Reached>;

/** How old an answer may be, and how long the API server may take for one, in milliseconds. */
const FRESH_MS = 2_000;
const PATIENCE_MS = 2_000;

export function createProbe(kube: Kube): ClusterProbe {
  let known: { at: number; answer: Promise<Reached> } | undefined;
  return () => {
    if (known === undefined || performance.now() - known.at > FRESH_MS)
      known = {
        at: performance.now(),
        answer: kube.version({ timeoutMs: PATIENCE_MS }).then(
          ({ gitVersion }) => ({ version: gitVersion }),
          (error: unknown) => ({ fault: error instanceof Error ? error.message : String(error) }),
        ),
      };
    return known.answer;
  };
}
