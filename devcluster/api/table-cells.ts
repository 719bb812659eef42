/** Values of table cells in the form that kubectl's users know. */
import { at, numberAt, objectAt, objectsAt, stringAt, stringsAt } from './json.js';
import type { Json, JsonObject } from './json.js';
import type { Stored } from './storage.js';

/** Seconds as `12s`, `5m3s`, `47h`, `12d`, `3y40d`. */
export function duration(seconds: number): string {
  const s = Math.floor(seconds);
  if (s < -1) return '<invalid>';
  if (s < 0) return '0s';
  if (s < 120) return `${s}s`;
  const minutes = Math.floor(s / 60);
  if (minutes < 10) return s % 60 === 0 ? `${minutes}m` : `${minutes}m${s % 60}s`;
  if (minutes < 180) return `${minutes}m`;
  const hours = Math.floor(minutes / 60);
  if (hours < 8) return minutes % 60 === 0 ? `${hours}h` : `${hours}h${minutes % 60}m`;
  if (hours < 48) return `${hours}h`;
  const days = Math.floor(hours / 24);
  if (hours < 192) return hours % 24 === 0 ? `${days}d` : `${days}d${hours % 24}h`;
  if (days < 730) return `${days}d`;
  const years = Math.floor(days / 365);
  if (days < 365 * 8) return days % 365 === 0 ? `${years}y` : `${years}y${days % 365}d`;
  return `${years}y`;
}

/** How long ago a time was, or `<unknown>`. */
export function age(time: unknown): string {
  if (typeof time !== 'string') return '<unknown>';
  const milliseconds = Date.parse(time);
  return Number.isNaN(milliseconds) ? '<unknown>' : duration((Date.now() - milliseconds) / 1_000);
}

export type Cell = (object: JsonObject, stored: Stored) => Json | undefined;

/** Shown where there is nothing. */
export const NONE = '<none>';

/** What an autoscaler aims at. Nothing measures here, so that what there is is not known. */
export const scalerTargets: Cell = (scaler) => {
  const texts = objectsAt(scaler, 'spec', 'metrics').map((metric) => {
    const type = stringAt(metric, 'type') ?? '';
    const source = objectAt(metric, type.charAt(0).toLowerCase() + type.slice(1));
    const { averageUtilization, averageValue, value } = objectAt(source, 'target') ?? {};
    const name = stringAt(source, 'name');
    const wanted =
      averageUtilization === undefined ? String(averageValue ?? value) : `${String(averageUtilization)}%`;
    return `${name === undefined ? '' : `${name}: `}<unknown>/${wanted}`;
  });
  if (texts.length === 0) return NONE;
  return texts.slice(0, 2).join(', ') + (texts.length > 2 ? ` + ${texts.length - 2} more...` : '');
};

const condition = (object: JsonObject, type: string): JsonObject | undefined =>
  objectsAt(object, 'status', 'conditions').find((item) => item.type === type);

export const jobStatus: Cell = (job) => {
  for (const [type, shown] of [
    ['Complete', 'Complete'],
    ['Failed', 'Failed'],
  ] as const)
    if (condition(job, type)?.status === 'True') return shown;
  if (stringAt(job, 'metadata', 'deletionTimestamp')) return 'Terminating';
  return condition(job, 'Suspended')?.status === 'True' ? 'Suspended' : 'Running';
};
export const jobCompletions: Cell = (job) => {
  const succeeded = numberAt(job, 'status', 'succeeded') ?? 0;
  const completions = numberAt(job, 'spec', 'completions');
  const parallelism = numberAt(job, 'spec', 'parallelism') ?? 0;
  if (completions !== undefined) return `${succeeded}/${completions}`;
  return parallelism > 1 ? `${succeeded}/1 of ${parallelism}` : `${succeeded}/1`;
};
export const jobDuration: Cell = (job) => {
  const start = stringAt(job, 'status', 'startTime');
  const end = stringAt(job, 'status', 'completionTime');
  if (start === undefined) return '';
  return duration(((end === undefined ? Date.now() : Date.parse(end)) - Date.parse(start)) / 1_000);
};

export const servicePorts: Cell = (service) =>
  objectsAt(service, 'spec', 'ports')
    .map(({ port, nodePort, protocol }) =>
      nodePort
        ? `${String(port)}:${String(nodePort)}/${String(protocol)}`
        : `${String(port)}/${String(protocol)}`,
    )
    .join(',') || NONE;
export const serviceAddress: Cell = (service) => {
  const own = stringsAt(service, 'spec', 'externalIPs');
  switch (stringAt(service, 'spec', 'type')) {
    case 'ExternalName':
      return stringAt(service, 'spec', 'externalName') ?? '';
    case 'LoadBalancer': {
      const given = objectsAt(service, 'status', 'loadBalancer', 'ingress').map(({ ip, hostname }) =>
        String(ip ?? hostname),
      );
      return [...given, ...own].join(',') || '<pending>';
    }
    default:
      return own.join(',') || NONE;
  }
};

export const nodeStatus: Cell = (node) => {
  const ready = condition(node, 'Ready');
  const status = ready === undefined ? 'Unknown' : ready.status === 'True' ? 'Ready' : 'NotReady';
  return at(node, 'spec', 'unschedulable') === true ? `${status},SchedulingDisabled` : status;
};
const ROLE = 'node-role.kubernetes.io/';
export const nodeRoles: Cell = (node) =>
  Object.keys(objectAt(node, 'metadata', 'labels') ?? {})
    .filter((key) => key.startsWith(ROLE))
    .map((key) => key.slice(ROLE.length))
    .sort()
    .join(',') || NONE;
export const nodeAddress =
  (type: string): Cell =>
  (node) =>
    stringAt(
      objectsAt(node, 'status', 'addresses').find((item) => item.type === type),
      'address',
    ) ?? NONE;
export const nodeInfo =
  (key: string): Cell =>
  (node) =>
    stringAt(node, 'status', 'nodeInfo', key) ?? '<unknown>';

export const firstSeen: Cell = (event) => age(event.firstTimestamp ?? event.eventTime);
export const lastSeen: Cell = (event) =>
  age(
    at(event, 'series', 'lastObservedTime') ?? event.lastTimestamp ?? event.firstTimestamp ?? event.eventTime,
  );
export const eventTarget: Cell = (event) => {
  const kind = (stringAt(event, 'involvedObject', 'kind') ?? '').toLowerCase();
  const name = stringAt(event, 'involvedObject', 'name') ?? '';
  return name === '' ? kind : `${kind}/${name}`;
};
export const eventSource: Cell = (event) =>
  [
    stringAt(event, 'source', 'component') || stringAt(event, 'reportingComponent'),
    stringAt(event, 'source', 'host') || stringAt(event, 'reportingInstance'),
  ]
    .filter((part) => part !== undefined && part !== '')
    .join(', ');

const MODES: Readonly<Record<string, string>> = {
  ReadWriteOnce: 'RWO',
  ReadOnlyMany: 'ROX',
  ReadWriteMany: 'RWX',
  ReadWriteOncePod: 'RWOP',
};
export const modes =
  (...path: string[]): Cell =>
  (object) =>
    stringsAt(object, ...path)
      .map((mode) => MODES[mode] ?? mode)
      .join(',');

export const claimStatus: Cell = (claim) =>
  stringAt(claim, 'metadata', 'deletionTimestamp')
    ? 'Terminating'
    : (stringAt(claim, 'status', 'phase') ?? '');

export const subsets: Cell = (endpoints) =>
  objectsAt(endpoints, 'subsets')
    .flatMap((subset) =>
      objectsAt(subset, 'addresses').flatMap(({ ip }) => {
        const ports = objectsAt(subset, 'ports');
        return ports.length === 0 ? [String(ip)] : ports.map(({ port }) => `${String(ip)}:${String(port)}`);
      }),
    )
    .join(',') || NONE;

export const ofReady =
  (ready: string, desired: string): Cell =>
  (object) =>
    `${numberAt(object, 'status', ready) ?? 0}/${numberAt(object, 'spec', desired) ?? 0}`;

export const SLICE_ENDPOINTS: Cell = (slice) =>
  objectsAt(slice, 'endpoints')
    .flatMap((endpoint) => stringsAt(endpoint, 'addresses'))
    .join(',') || '<unset>';
export const SLICE_PORTS: Cell = (slice) =>
  objectsAt(slice, 'ports')
    .map(({ port }) => String(port))
    .join(',') || '<unset>';

export function roleOf(binding: JsonObject): string {
  return `${stringAt(binding, 'roleRef', 'kind') ?? ''}/${stringAt(binding, 'roleRef', 'name') ?? ''}`;
}
