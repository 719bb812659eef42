/** The classic Endpoints object, which tools still read: a pure function from a Service's backends. */
import type { Endpoints, Service } from '../../../kube/objects.js';
import type { Backend } from './endpoints.js';
import { headlessLabel, portsKey } from './plan.js';

/** Addresses in all, at most. */
const LARGEST = 1000;
const EXCESS = 'endpoints.kubernetes.io/over-capacity';

/** The classic object: the same backends without those on their way out, grouped by their ports. */
export const endpointsOf = (
  service: Service,
  backends: readonly Backend[],
  before: Endpoints | undefined,
): Endpoints => {
  const { name = '', labels } = service.metadata ?? {};
  const publishes = service.spec?.publishNotReadyAddresses === true;
  const takesNoPorts = (service.spec?.ports ?? []).length === 0 && service.spec?.clusterIP === 'None';
  const all = backends
    .filter(({ endpoint }) => publishes || endpoint.conditions?.terminating !== true)
    .filter(({ ports }) => takesNoPorts || ports.length > 0)
    .sort((a, b) => Number(b.endpoint.conditions?.ready) - Number(a.endpoint.conditions?.ready));
  const shown = all.slice(0, LARGEST);
  const byPorts = new Map<string, Backend[]>();
  for (const backend of shown) {
    const key = portsKey(backend.ports);
    byPorts.set(key, [...(byPorts.get(key) ?? []), backend]);
  }
  const addresses = (group: readonly Backend[], ready: boolean) =>
    group
      .filter(({ endpoint }) => endpoint.conditions?.ready === ready)
      .map(
        ({
          endpoint: {
            addresses: [ip = ''],
            hostname,
            nodeName,
            targetRef,
          },
        }) => ({
          ip,
          ...(hostname === undefined ? {} : { hostname }),
          ...(nodeName === undefined ? {} : { nodeName }),
          ...(targetRef === undefined ? {} : { targetRef }),
        }),
      );
  const list = <K extends string, T>(key: K, items: T[]): { [P in K]?: T[] } =>
    (items.length === 0 ? {} : { [key]: items }) as { [P in K]?: T[] };
  const subsets = [...byPorts.values()].map((group) => ({
    ...list('addresses', addresses(group, true)),
    ...list('notReadyAddresses', addresses(group, false)),
    ...list(
      'ports',
      (group[0]?.ports ?? []).map(({ name: portName, port = 0, ...more }) => ({
        ...(portName ? { name: portName } : {}),
        port,
        ...more,
      })),
    ),
  }));
  const { [EXCESS]: _old, ...annotations } = before?.metadata?.annotations ?? {};
  if (all.length > shown.length) annotations[EXCESS] = 'truncated';
  return {
    apiVersion: 'v1',
    kind: 'Endpoints',
    metadata: {
      ...before?.metadata,
      name,
      labels: {
        ...labels,
        'endpoints.kubernetes.io/managed-by': 'endpoint-controller',
        ...headlessLabel(service),
      },
      ...(Object.keys(annotations).length === 0 ? { annotations: undefined } : { annotations }),
    } as NonNullable<Endpoints['metadata']>,
    ...list('subsets', subsets),
  };
};
