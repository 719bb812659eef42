/** Who needs whom: the order to start in, cycles, and who breaks when one goes. Pure functions over what plugins said. */
import { isCompatible } from './versions.js';

/** A plugin as the graph sees it. */
export interface GraphItem {
  readonly id: string;
  readonly provides: readonly { readonly type: string; readonly version: string }[];
  /** Service type → minimum version, empty for any. */
  readonly requires: Readonly<Record<string, string>>;
}

export interface GraphEdge {
  readonly from: string;
  readonly type: string;
  readonly minVersion: string;
  /** Every plugin that provides it in a fitting version; none when it is missing. */
  readonly to: readonly string[];
}

export interface DependencyGraph {
  readonly edges: readonly GraphEdge[];
  /** Requirements that nobody meets. */
  readonly missing: readonly { readonly id: string; readonly type: string; readonly minVersion: string }[];
  /** All ids, each after those that it needs; members of a cycle stand together. */
  readonly startOrder: readonly string[];
  /** Ids that need one another, so that none can be first. */
  readonly cycles: readonly (readonly string[])[];
}

function append<T>(groups: Map<string, T[]>, key: string, item: T): void {
  const known = groups.get(key);
  if (known === undefined) groups.set(key, [item]);
  else known.push(item);
}

function edgesOf(items: readonly GraphItem[]): GraphEdge[] {
  const providers = new Map<string, { id: string; version: string }[]>();
  for (const { id, provides } of items)
    for (const { type, version } of provides) append(providers, type, { id, version });
  return items.flatMap(({ id, requires }) =>
    Object.entries(requires).map(([type, minVersion]) => ({
      from: id,
      type,
      minVersion,
      to: (providers.get(type) ?? [])
        .filter(({ version }) => isCompatible(version, minVersion))
        .map((provider) => provider.id),
    })),
  );
}

interface Visit {
  readonly id: string;
  readonly needs: readonly string[];
  next: number;
}

/** Strongly connected components, each after those that it needs (Tarjan's, without recursion). */
function components(ids: readonly string[], needsOf: (id: string) => readonly string[]): string[][] {
  const found: string[][] = [];
  const index = new Map<string, number>();
  const low = new Map<string, number>();
  const open: string[] = [];
  const isOpen = new Set<string>();
  const path: Visit[] = [];
  const lower = (id: string, to: number): void => void low.set(id, Math.min(low.get(id) ?? to, to));

  function enter(id: string): void {
    index.set(id, index.size);
    low.set(id, index.size - 1);
    open.push(id);
    isOpen.add(id);
    path.push({ id, needs: needsOf(id), next: 0 });
  }

  function leave(id: string): void {
    path.pop();
    const parent = path.at(-1);
    if (parent !== undefined) lower(parent.id, low.get(id) ?? 0);
    if (low.get(id) !== index.get(id)) return;
    const component = open.splice(open.lastIndexOf(id));
    for (const member of component) isOpen.delete(member);
    found.push(component);
  }

  for (const start of ids) {
    if (!index.has(start)) enter(start);
    for (let visit = path.at(-1); visit !== undefined; visit = path.at(-1)) {
      const need = visit.needs[visit.next++];
      if (need === undefined) leave(visit.id);
      else if (!index.has(need)) enter(need);
      else if (isOpen.has(need)) lower(visit.id, index.get(need) ?? 0);
    }
  }
  return found;
}

export function dependencyGraph(items: readonly GraphItem[]): DependencyGraph {
  const edges = edgesOf(items);
  const needs = new Map<string, string[]>();
  for (const { from, to } of edges) for (const id of to) append(needs, from, id);
  const needsOf = (id: string): string[] => needs.get(id) ?? [];
  const sorted = components(
    items.map(({ id }) => id),
    needsOf,
  );
  return {
    edges,
    missing: edges
      .filter(({ to }) => to.length === 0)
      .map(({ from, type, minVersion }) => ({ id: from, type, minVersion })),
    startOrder: sorted.flat(),
    cycles: sorted.filter(([first = '', ...more]) => more.length > 0 || needsOf(first).includes(first)),
  };
}

/**
 * Answers who breaks when one goes: those that need what only it, or only others that break, provide. Nearest first. What it takes is
 * in proportion to the needs of those that break.
 */
export function breakage({ edges }: DependencyGraph): (gone: string) => string[] {
  /** Provider → the needs that it meets, each with how many meet it. */
  const met = new Map<string, { readonly from: string; readonly providers: number }[]>();
  for (const { from, to } of edges) {
    const providers = new Set(to);
    const need = { from, providers: providers.size };
    for (const id of providers) append(met, id, need);
  }
  return (gone) => {
    const broken = new Set([gone]);
    const lost = new Map<object, number>();
    // A set is gone through in the order of adding, with what is added meanwhile.
    for (const id of broken)
      for (const need of met.get(id) ?? []) {
        const losses = (lost.get(need) ?? 0) + 1;
        lost.set(need, losses);
        if (losses === need.providers) broken.add(need.from);
      }
    broken.delete(gone);
    return [...broken];
  };
}
