/** Fields of a pod and resources of its containers as variables and files show them. */
import type { Container, Pod } from '../../kube/index.js';
import { parseQuantity } from '../api/quantity.js';
import { RESOURCES } from './node.js';

/** A pod with the address that it will have: its status may not tell it yet. */
export interface PlacedPod {
  readonly pod: Pod;
  readonly ip: string;
}

export const HOST_IP = '127.0.0.1';

const SUBSCRIPT = /^metadata\.(labels|annotations)\['(.*)'\]$/;

const lines = (map: Record<string, string> = {}): string =>
  Object.entries(map)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${JSON.stringify(value)}`)
    .join('\n');

/** The value at a path such as `metadata.name`; empty where there is none. */
export const fieldValue = ({ pod, ip }: PlacedPod, path: string): string => {
  const { metadata = {}, spec } = pod;
  const subscript = SUBSCRIPT.exec(path);
  if (subscript !== null)
    return metadata[subscript[1] as 'labels' | 'annotations']?.[subscript[2] ?? ''] ?? '';
  switch (path) {
    case 'metadata.name':
      return metadata.name ?? '';
    case 'metadata.namespace':
      return metadata.namespace ?? '';
    case 'metadata.uid':
      return metadata.uid ?? '';
    case 'metadata.labels':
      return lines(metadata.labels);
    case 'metadata.annotations':
      return lines(metadata.annotations);
    case 'spec.nodeName':
      return spec?.nodeName ?? '';
    case 'spec.serviceAccountName':
      return spec?.serviceAccountName ?? '';
    case 'status.hostIP':
    case 'status.hostIPs':
      return HOST_IP;
    case 'status.podIP':
    case 'status.podIPs':
      return ip;
    default:
      return '';
  }
};

/** The amount of `limits.cpu` or the like, in units of the divisor, rounded up. What has no limit has all of the node. */
export const resourceValue = (
  container: Container | undefined,
  { resource, divisor = '1' }: { resource: string; divisor?: string | undefined },
): string => {
  const [kind, name = ''] = resource.split(/\.(.*)/s);
  const asked = container?.resources?.[kind === 'limits' ? 'limits' : 'requests']?.[name];
  const all = kind === 'limits' ? (RESOURCES as Record<string, string>)[name] : undefined;
  const nanos = parseQuantity(asked ?? all ?? '0')?.nanos ?? 0n;
  const unit = parseQuantity(divisor)?.nanos || 1_000_000_000n;
  return String((nanos + unit - 1n) / unit);
};
