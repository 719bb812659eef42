/** The plugins of a host as a graph, and as a picture. Pure. */
import type { PluginGraph, PluginGraphEdge, PluginGraphNode } from '../../schemas/plugins.js';
import { breakage, dependencyGraph } from '../plugin-host/registry/graph.js';
import type { DependencyGraph } from '../plugin-host/registry/graph.js';
import type { HostStatus, StatusPlugin } from '../plugin-host/status.js';

type Edge = { -readonly [K in keyof PluginGraphEdge]: PluginGraphEdge[K] };

/** Who needs and who calls whom, one edge for each pair and type of service. */
function edgesOf(status: HostStatus, graph: DependencyGraph): PluginGraphEdge[] {
  const edges = new Map<string, Edge>();
  const edge = (from: string, to: string, type: string): Edge => {
    const key = JSON.stringify([from, to, type]);
    const known = edges.get(key) ?? { from, to, type, required: false, calls: 0, failures: 0, methods: [] };
    edges.set(key, known);
    return known;
  };
  for (const { from, to, type } of graph.edges) for (const id of to) edge(from, id, type).required = true;
  for (const { caller, provider, type, method, calls, failures } of status.calls) {
    const called = edge(caller, provider, type);
    called.calls += calls;
    called.failures += failures;
    if (!called.methods.includes(method)) called.methods.push(method);
  }
  return [...edges].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, one]) => one);
}

const typesOf = ({ services }: StatusPlugin): string[] =>
  [...new Set(services.map(({ type }) => type))].sort();

function nodesOf(plugins: readonly StatusPlugin[], graph: DependencyGraph): PluginGraphNode[] {
  const missing = new Map(plugins.map(({ runtimeId }): [string, string[]] => [runtimeId, []]));
  for (const { id, type } of graph.missing) missing.get(id)?.push(type);
  const brokenWithout = breakage(graph);
  return plugins.map((plugin) => ({
    runtime_id: plugin.runtimeId,
    self_id: plugin.selfId,
    health: plugin.health,
    routable: plugin.routable,
    provides: typesOf(plugin),
    missing: missing.get(plugin.runtimeId)?.sort() ?? [],
    affects: brokenWithout(plugin.runtimeId),
  }));
}

/** A text as a label of Mermaid's; quotes and what it takes for markup are its own entities. */
const label = (text: string): string =>
  `"${text.replace(/[^\p{L}\p{N} .,:;/_()-]/gu, (character) => (character === '\n' ? '<br/>' : `#${character.codePointAt(0)};`))}"`;

const callsText = ({ type, calls, failures }: PluginGraphEdge): string =>
  calls === 0
    ? type
    : `${type}: ${calls} call${calls === 1 ? '' : 's'}${failures === 0 ? '' : `, ${failures} failed`}`;

/** The flow chart. A dotted line is a need that was never called by; a plugin out of service is dashed. */
function mermaidOf(nodes: readonly PluginGraphNode[], edges: readonly PluginGraphEdge[]): string {
  const ids = new Map<string, string>();
  const idOf = (runtimeId: string): string => {
    const id = ids.get(runtimeId) ?? `p${ids.size}`;
    ids.set(runtimeId, id);
    return id;
  };
  const lines = ['flowchart LR'];
  for (const { runtime_id: runtimeId, provides, health, routable, missing } of nodes) {
    const state = routable ? (health === 'healthy' ? '' : health) : 'out of service';
    const text = [runtimeId, provides.join(', '), state].filter((part) => part !== '').join('\n');
    lines.push(`  ${idOf(runtimeId)}[${label(text)}]${routable ? '' : ':::out'}`);
    for (const type of missing)
      lines.push(
        `  ${idOf(runtimeId)} -.-> ${idOf(`missing ${type}`)}{{${label(`${type} is missing`)}}}:::out`,
      );
  }
  for (const edge of edges) {
    // Of a plugin that has gone only its calls are left.
    for (const id of [edge.from, edge.to])
      if (!ids.has(id)) lines.push(`  ${idOf(id)}[${label(`${id}\ngone`)}]:::out`);
    lines.push(
      `  ${idOf(edge.from)} ${edge.calls === 0 ? '-.->' : '-->'}|${label(callsText(edge))}| ${idOf(edge.to)}`,
    );
  }
  if (lines.some((line) => line.includes(':::out'))) lines.push('  classDef out stroke-dasharray: 4');
  return `${lines.join('\n')}\n`;
}

export function graphOf(status: HostStatus): PluginGraph {
  const plugins = [...status.plugins].sort((a, b) => (a.runtimeId < b.runtimeId ? -1 : 1));
  const graph = dependencyGraph(
    plugins.map(({ runtimeId, services, requires }) => ({ id: runtimeId, provides: services, requires })),
  );
  const nodes = nodesOf(plugins, graph);
  const edges = edgesOf(status, graph);
  return {
    nodes,
    edges,
    start_order: [...graph.startOrder],
    cycles: graph.cycles.map((cycle) => [...cycle]),
    mermaid: mermaidOf(nodes, edges),
  };
}
