/** What pods mean for each other's nodes: host ports, and affinity between pods. Pure functions. */
import type { Node, Pod } from '../../../kube/objects.js';
import { selectsAny } from '../selector.js';
import type { Labels, LabelSelector } from '../selector.js';

/** A pod on its node. */
export interface Placed {
  readonly pod: Pod;
  readonly node: string;
}

/** A reason that keeps a pod from a node. */
export interface Obstacle {
  reason: string;
  /** Whether the node would take the pod if other pods left it. */
  mends: boolean;
}

interface Term {
  labelSelector?: LabelSelector;
  namespaceSelector?: LabelSelector;
  namespaces?: string[];
  topologyKey: string;
}

/** What is there already. */
export interface Neighbours {
  all(): Iterable<Placed>;
  /** Those that keep others away from where they are: the ones that `isChoosy`. */
  choosy(): Iterable<Placed>;
  /** The labels of a namespace. */
  labelsOf(namespace: string): Labels;
}

const wanted = ({ spec }: Pod): Term[] =>
  spec?.affinity?.podAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? [];
const shunned = ({ spec }: Pod): Term[] =>
  spec?.affinity?.podAntiAffinity?.requiredDuringSchedulingIgnoredDuringExecution ?? [];

/** Whether another pod must be there for this one. */
export const wantsCompany = (pod: Pod): boolean => wanted(pod).length > 0;

interface Port {
  port: number;
  protocol: string;
  ip: string;
}

const ANY_IP = '0.0.0.0';

const hostPorts = ({ spec }: Pod): Port[] =>
  [
    ...(spec?.containers ?? []),
    ...(spec?.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === 'Always'),
  ].flatMap(({ ports = [] }) =>
    ports.flatMap(({ hostPort = 0, protocol = 'TCP', hostIP }) =>
      hostPort > 0 ? [{ port: hostPort, protocol, ip: hostIP || ANY_IP }] : [],
    ),
  );

const clash = (a: Port, b: Port): boolean =>
  a.port === b.port && a.protocol === b.protocol && (a.ip === b.ip || a.ip === ANY_IP || b.ip === ANY_IP);

/** Whether others may have to go elsewhere for the sake of a pod. */
export const isChoosy = (pod: Pod): boolean => shunned(pod).length > 0 || hostPorts(pod).length > 0;

/** Whether a term of `owner` is about `other`. */
const isAbout = (term: Term, owner: Pod, other: Pod, { labelsOf }: Neighbours): boolean => {
  const { namespaces = [], namespaceSelector, labelSelector } = term;
  const namespace = other.metadata?.namespace ?? '';
  const isThere =
    namespaces.length === 0 && namespaceSelector === undefined
      ? namespace === owner.metadata?.namespace
      : namespaces.includes(namespace) || selectsAny(namespaceSelector, labelsOf(namespace));
  return isThere && selectsAny(labelSelector, other.metadata?.labels);
};

export interface NeighbourRules {
  /** Why the ports that a pod wants of a node are not free. */
  ports(node: Node): Obstacle[];
  /** Why a node's neighbourhood is not for the pod, or the pod not for it. */
  company(node: Node): Obstacle[];
}

const PORTS = { reason: "node(s) didn't have free ports for the requested pod ports", mends: true };
const AFFINITY = { reason: "node(s) didn't match pod affinity rules", mends: false };
const ANTI_AFFINITY = { reason: "node(s) didn't match pod anti-affinity rules", mends: true };
const EXISTING = { reason: "node(s) didn't satisfy existing pods anti-affinity rules", mends: true };

/** What a pod's neighbours mean for it, in the scheduler's words. */
export const neighbourRules = (pod: Pod, nodes: Iterable<Node>, neighbours: Neighbours): NeighbourRules => {
  const labels = new Map([...nodes].map(({ metadata }) => [metadata?.name ?? '', metadata?.labels ?? {}]));
  /** Whether both nodes are in one place, as a term sees it. */
  const near = ({ topologyKey }: Term, a: string, b: string): boolean => {
    const place = labels.get(a)?.[topologyKey];
    return place !== undefined && place === labels.get(b)?.[topologyKey];
  };
  const choosy = [...neighbours.choosy()];
  const ports = hostPorts(pod);
  const [wants, shuns] = [wanted(pod), shunned(pod)];
  const matching = (terms: Term[], other: Pod): boolean =>
    terms.every((term) => isAbout(term, pod, other, neighbours));
  const all = wants.length + shuns.length > 0 ? [...neighbours.all()] : [];
  const friends = wants.length > 0 ? all.filter((other) => matching(wants, other.pod)) : [];
  // The first of those that want each other goes anywhere.
  const isFirst = friends.length === 0 && matching(wants, pod);
  const shunnedBy = (term: Term): Placed[] =>
    all.filter((other) => isAbout(term, pod, other.pod, neighbours));
  const foes = shuns.map((term) => ({ term, pods: shunnedBy(term) }));
  const shunners = choosy.flatMap(({ pod: other, node }) =>
    shunned(other)
      .filter((term) => isAbout(term, other, pod, neighbours))
      .map((term) => ({ term, node })),
  );
  return {
    ports: ({ metadata }) => {
      if (ports.length === 0) return [];
      const taken = choosy.filter(({ node }) => node === metadata?.name);
      const isTaken = taken.flatMap((one) => hostPorts(one.pod)).some((a) => ports.some((b) => clash(a, b)));
      return isTaken ? [PORTS] : [];
    },
    company: ({ metadata }) => {
      const name = metadata?.name ?? '';
      const isMet = (term: Term): boolean =>
        isFirst ? near(term, name, name) : friends.some(({ node }) => near(term, name, node));
      if (!wants.every(isMet)) return [AFFINITY];
      if (foes.some(({ term, pods }) => pods.some(({ node }) => near(term, name, node))))
        return [ANTI_AFFINITY];
      return shunners.some(({ term, node }) => near(term, name, node)) ? [EXISTING] : [];
    },
  };
};
