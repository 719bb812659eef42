/** The variables by which a container finds Services. */
import type { Service } from '../../kube/index.js';

const variable = (name: string): string => name.toUpperCase().replaceAll('-', '_');

interface Linked {
  name: string;
  address: string;
  ports: readonly { name?: string | undefined; port: number; protocol?: string | undefined }[];
}

function* linkVariables({ name, address, ports }: Linked): Generator<[string, string]> {
  const prefix = variable(name);
  const [first] = ports;
  if (first === undefined) return;
  yield [`${prefix}_SERVICE_HOST`, address];
  yield [`${prefix}_SERVICE_PORT`, String(first.port)];
  for (const port of ports)
    if (port.name) yield [`${prefix}_SERVICE_PORT_${variable(port.name)}`, String(port.port)];
  for (const { port, protocol = 'TCP' } of ports) {
    const url = `${protocol.toLowerCase()}://${address}:${port}`;
    const link = `${prefix}_PORT_${port}_${protocol}`;
    if (port === first.port) yield [`${prefix}_PORT`, url];
    yield [link, url];
    yield [`${link}_PROTO`, protocol.toLowerCase()];
    yield [`${link}_PORT`, String(port)];
    yield [`${link}_ADDR`, address];
  }
}

/**
 * Of the Services of the pod's namespace, unless it wants none, and always of the API.
 * @param api the API's URL, which is the address of the Service `kubernetes`.
 */
export const serviceVariables = (
  services: Iterable<Service>,
  { namespace, links, api }: { namespace: string; links: boolean; api: string },
): Map<string, string> => {
  const { hostname, port } = new URL(api);
  const kubernetes: Linked = {
    name: 'kubernetes',
    address: hostname.replace(/^\[|\]$/g, ''),
    ports: [{ name: 'https', port: Number(port) }],
  };
  const linked: Linked[] = [];
  if (links)
    for (const { metadata, spec } of services) {
      const { name = '', namespace: home } = metadata ?? {};
      const address = spec?.clusterIP ?? '';
      if (home !== namespace || address === '' || address === 'None') continue;
      if (name !== kubernetes.name) linked.push({ name, address, ports: spec?.ports ?? [] });
    }
  linked.push(kubernetes);
  return new Map(linked.flatMap((service) => [...linkVariables(service)]));
};
