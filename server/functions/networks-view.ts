/** Networks as callers see them, and how their pods are found. */
import type { Network, NetworkBlock, NetworkMember, NetworkSummary } from '../../schemas/networks.js';
import { AppError } from '../errors.js';
import type { Call } from '../library/implementation.js';
import { nearest } from '../library/nearest.js';
import { NETWORK_LABEL, peerPodOf } from '../networks/peer-pod.js';
import type { PeerPod } from '../networks/peer-pod.js';
import { PODS } from '../ports.js';
import type { Deps, NetworkRef, PeerBlock, Plan, Pod } from '../ports.js';
import { allOf } from './list.js';
import { defined } from './views.js';

type Standing = Plan['standings'][number];

/** The place of the foremost chain among the members. */
const foremost = (standings: readonly Standing[]): number =>
  Math.max(
    0,
    ...standings.map(({ state, report }) =>
      state === 'member' && report?.kind === 'status' ? report.height : 0,
    ),
  );

export function memberView({ pod, state, why, report }: Standing, height: number): NetworkMember {
  const status = report?.kind === 'status' ? report : undefined;
  return defined({
    pod: pod.name,
    namespace: pod.namespace,
    state,
    reason: why,
    address: pod.address,
    speaks:
      status !== undefined
        ? ('xi-k8s' as const)
        : report?.kind === 'mute'
          ? ('reference' as const)
          : undefined,
    version: status?.version || undefined,
    head: status?.head || undefined,
    height: status?.height,
    blocks: status?.blocks,
    lag: status !== undefined && state === 'member' ? height - status.height : undefined,
    trouble: status?.trouble,
  });
}

export const membersView = (standings: readonly Standing[]): NetworkMember[] => {
  const height = foremost(standings);
  return standings
    .map((standing) => memberView(standing, height))
    .sort((a, b) => (`${a.namespace}/${a.pod}` < `${b.namespace}/${b.pod}` ? -1 : 1));
};

export function networkView(ref: NetworkRef, { standings, contacts }: Plan): Network {
  const members = membersView(standings);
  const heads = members.filter(({ state, head }) => state === 'member' && head !== undefined);
  const contact = contacts[0];
  return {
    network: ref.id,
    namespaces: [...ref.namespaces],
    shared: ref.namespaces.length > 1,
    ...(contact === undefined
      ? {}
      : { contact: { pod: contact.name, namespace: contact.namespace, address: contact.address ?? '' } }),
    members,
    complete: standings.every(({ pod, state }) => pod.phase !== 'running' || state === 'member'),
    in_step: new Set(heads.map(({ head }) => head)).size <= 1,
  };
}

/** Networks of some pods, by name and namespace. */
export function summaries(deps: Deps, pods: Iterable<PeerPod>): NetworkSummary[] {
  const found = new Map<string, NetworkSummary>();
  for (const { namespace, id, phase } of pods) {
    const ref = deps.networks.networkOf(namespace, id);
    const summary = found.get(ref.key) ?? {
      network: id,
      namespaces: [...ref.namespaces],
      shared: ref.namespaces.length > 1,
      pods: { total: 0, running: 0, waiting: 0, over: 0 },
    };
    summary.pods.total++;
    summary.pods[phase]++;
    found.set(ref.key, summary);
  }
  return [...found].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, summary]) => summary);
}

/** Those that have the label, as peers. */
export const peersOf = (pods: Iterable<Pod>): PeerPod[] =>
  [...pods].map(peerPodOf).filter((peer) => peer !== undefined);

/** All pods with a network's label, where it may have some. */
export async function podsOfNetwork(deps: Deps, call: Call, ref: NetworkRef): Promise<Pod[]> {
  const pods: Pod[] = [];
  for (const namespace of ref.namespaces)
    for await (const pod of allOf(deps, call, PODS, {
      namespace,
      labelSelector: `${NETWORK_LABEL}=${ref.id}`,
    }))
      pods.push(pod);
  return pods;
}

/** The answer for a network that no pod belongs to: with the one that comes nearest. */
export async function noSuchNetwork(deps: Deps, call: Call, ref: NetworkRef): Promise<AppError> {
  const known = new Set<string>();
  for (const namespace of ref.namespaces)
    for await (const pod of allOf(deps, call, PODS, { namespace, labelSelector: NETWORK_LABEL })) {
      const id = peerPodOf(pod)?.id;
      if (id !== undefined) known.add(id);
    }
  const near = nearest(ref.id, known);
  const there = [...known].sort().slice(0, 20).join(', ');
  return new AppError(
    'not_found',
    `No pod in ${ref.namespaces.join(', ')} has the label ${NETWORK_LABEL}=${ref.id}. ${
      near !== undefined
        ? `Did you mean ${near}?`
        : known.size === 0
          ? 'There is no network there; join_network makes one.'
          : `The networks there are ${there}.`
    }`,
    near === undefined ? {} : { suggestion: near },
  );
}

/** Asks a network that must exist. */
export async function surveyOf(
  deps: Deps,
  call: Call,
  { namespace, network }: { namespace: string; network: string },
): Promise<{ ref: NetworkRef; plan: Plan }> {
  const ref = deps.networks.networkOf(namespace, network);
  const pods = await podsOfNetwork(deps, call, ref);
  if (pods.length === 0) throw await noSuchNetwork(deps, call, ref);
  return { ref, plan: await deps.networks.survey(ref, peersOf(pods), call.io()) };
}

/** The members that can be asked for a network's state. @throws when there are none, with why. */
export function contactsOf(ref: NetworkRef, { contacts, standings }: Plan): readonly PeerPod[] {
  if (contacts.length > 0) return contacts;
  const whys = standings.map(({ pod, why = '' }) => `${pod.namespace}/${pod.name}: ${why}`);
  const more = whys.length > 5 ? `; and ${whys.length - 5} more` : '';
  throw new AppError(
    'conflict',
    `Network ${ref.id} has no peer that can be reached. ${whys.slice(0, 5).join('; ')}${more}`,
  );
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

export function blockView({ payload, id, path, deleted, height, at }: PeerBlock): NetworkBlock {
  let text: string | undefined;
  try {
    text = utf8.decode(payload);
  } catch {
    // Told as base64.
  }
  return defined({
    payload: text,
    payload_base64: text === undefined ? Buffer.from(payload).toString('base64') : undefined,
    size_bytes: payload.byteLength,
    id,
    path,
    deleted,
    height,
    made_at: at?.toISOString(),
  });
}
