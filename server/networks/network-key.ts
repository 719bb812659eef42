/** Which network a label means. Pure. */

/** A network: an id in one namespace, or in those that the operator's own configuration unites. */
export interface NetworkRef {
  /** Unique among all networks: `namespace/id`, or `/id` for a shared one. */
  readonly key: string;
  readonly id: string;
  /** Where its pods may be, sorted. */
  readonly namespaces: readonly string[];
}

/** Network id → namespaces that share it. */
export type SharedNetworks = Readonly<Record<string, readonly string[]>>;

/**
 * The network that a label in a namespace means. It spans namespaces only where the configuration says so: a label alone never
 * opens another tenant's state.
 */
export function networkOf(shared: SharedNetworks, namespace: string, id: string): NetworkRef {
  const namespaces = Object.hasOwn(shared, id) ? shared[id] : undefined;
  return namespaces?.includes(namespace) === true
    ? { key: `/${id}`, id, namespaces: [...namespaces].sort() }
    : { key: `${namespace}/${id}`, id, namespaces: [namespace] };
}

/** Where the pods of the network with that key may be. */
export const namespacesOf = (shared: SharedNetworks, key: string): readonly string[] =>
  key.startsWith('/') ? (shared[key.slice(1)] ?? []) : [key.slice(0, key.indexOf('/'))];

/** Who has the network with that key, among those who share our attention: its namespace, or a shared one itself. */
export const ownerOf = (key: string): string => (key.startsWith('/') ? key : key.slice(0, key.indexOf('/')));

/** A network's key as a key of a ConfigMap, where a slash may not be and no namespace holds an underscore. */
export const ledgerKey = (key: string): string => key.replace('/', '_');
