/** The columns of each kind and how their cells are made. */
import { at, numberAt, objectAt, objectsAt, stringAt, stringsAt } from './json.js';
import type { Json, JsonObject } from './json.js';
import { selectorText } from './scale.js';
import type { Stored } from './storage.js';
import { age, duration } from './table-cells.js';
import { podCells } from './table-pods.js';

export interface Column {
  readonly name: string;
  /** Default string. */
  readonly type?: string;
  readonly format?: string;
  /** 1 for columns of the wide output. */
  readonly priority?: number;
  readonly cell: (object: JsonObject, stored: Stored) => Json | undefined;
}

type Cell = Column['cell'];

const NONE = '<none>';
const text = (name: string, cell: Cell, priority = 0): Column => ({ name, cell, priority });
const count = (name: string, ...path: string[]): Column => ({
  name,
  type: 'integer',
  cell: (object) => numberAt(object, ...path) ?? 0,
});
const NAME: Column = { name: 'Name', format: 'name', cell: (_object, { name }) => name };
const AGE = text('Age', (object) => age(at(object, 'metadata', 'creationTimestamp')));
const string = (name: string, ...path: string[]): Column =>
  text(name, (object) => stringAt(object, ...path) ?? '');
const size = (name: string, ...path: string[]): Column =>
  text(name, (object) => Object.keys(objectAt(object, ...path) ?? {}).length);

const labels = (given: JsonObject | undefined): string =>
  Object.entries(given ?? {})
    .map(([key, value]) => `${key}=${String(value)}`)
    .sort()
    .join(',') || NONE;

/** Containers, images and selector, as workloads show them when wide. */
const workload = (template: string[], selector: string[]): Column[] => {
  const containers =
    (key: string): Cell =>
    (object) =>
      objectsAt(object, ...template, 'spec', 'containers')
        .map((container) => stringAt(container, key) ?? '')
        .join(',');
  return [
    text('Containers', containers('name'), 1),
    text('Images', containers('image'), 1),
    text('Selector', (object) => selectorText(objectAt(object, ...selector)) || NONE, 1),
  ];
};
const WORKLOAD = workload(['spec', 'template'], ['spec', 'selector']);

const condition = (object: JsonObject, type: string): JsonObject | undefined =>
  objectsAt(object, 'status', 'conditions').find((item) => item.type === type);

const jobStatus: Cell = (job) => {
  for (const [type, shown] of [
    ['Complete', 'Complete'],
    ['Failed', 'Failed'],
  ] as const)
    if (condition(job, type)?.status === 'True') return shown;
  if (stringAt(job, 'metadata', 'deletionTimestamp')) return 'Terminating';
  return condition(job, 'Suspended')?.status === 'True' ? 'Suspended' : 'Running';
};
const jobCompletions: Cell = (job) => {
  const succeeded = numberAt(job, 'status', 'succeeded') ?? 0;
  const completions = numberAt(job, 'spec', 'completions');
  const parallelism = numberAt(job, 'spec', 'parallelism') ?? 0;
  if (completions !== undefined) return `${succeeded}/${completions}`;
  return parallelism > 1 ? `${succeeded}/1 of ${parallelism}` : `${succeeded}/1`;
};
const jobDuration: Cell = (job) => {
  const start = stringAt(job, 'status', 'startTime');
  const end = stringAt(job, 'status', 'completionTime');
  if (start === undefined) return '';
  return duration(((end === undefined ? Date.now() : Date.parse(end)) - Date.parse(start)) / 1_000);
};

const servicePorts: Cell = (service) =>
  objectsAt(service, 'spec', 'ports')
    .map(({ port, nodePort, protocol }) =>
      nodePort
        ? `${String(port)}:${String(nodePort)}/${String(protocol)}`
        : `${String(port)}/${String(protocol)}`,
    )
    .join(',') || NONE;
const serviceAddress: Cell = (service) => {
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

const nodeStatus: Cell = (node) => {
  const ready = condition(node, 'Ready');
  const status = ready === undefined ? 'Unknown' : ready.status === 'True' ? 'Ready' : 'NotReady';
  return at(node, 'spec', 'unschedulable') === true ? `${status},SchedulingDisabled` : status;
};
const ROLE = 'node-role.kubernetes.io/';
const nodeRoles: Cell = (node) =>
  Object.keys(objectAt(node, 'metadata', 'labels') ?? {})
    .filter((key) => key.startsWith(ROLE))
    .map((key) => key.slice(ROLE.length))
    .sort()
    .join(',') || NONE;
const nodeAddress =
  (type: string): Cell =>
  (node) =>
    stringAt(
      objectsAt(node, 'status', 'addresses').find((item) => item.type === type),
      'address',
    ) ?? NONE;
const nodeInfo =
  (key: string): Cell =>
  (node) =>
    stringAt(node, 'status', 'nodeInfo', key) ?? '<unknown>';

const firstSeen: Cell = (event) => age(event.firstTimestamp ?? event.eventTime);
const lastSeen: Cell = (event) =>
  age(
    at(event, 'series', 'lastObservedTime') ?? event.lastTimestamp ?? event.firstTimestamp ?? event.eventTime,
  );
const eventTarget: Cell = (event) => {
  const kind = (stringAt(event, 'involvedObject', 'kind') ?? '').toLowerCase();
  const name = stringAt(event, 'involvedObject', 'name') ?? '';
  return name === '' ? kind : `${kind}/${name}`;
};
const eventSource: Cell = (event) =>
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
const modes =
  (...path: string[]): Cell =>
  (object) =>
    stringsAt(object, ...path)
      .map((mode) => MODES[mode] ?? mode)
      .join(',');

const claimStatus: Cell = (claim) =>
  stringAt(claim, 'metadata', 'deletionTimestamp')
    ? 'Terminating'
    : (stringAt(claim, 'status', 'phase') ?? '');

const subsets: Cell = (endpoints) =>
  objectsAt(endpoints, 'subsets')
    .flatMap((subset) =>
      objectsAt(subset, 'addresses').flatMap(({ ip }) => {
        const ports = objectsAt(subset, 'ports');
        return ports.length === 0 ? [String(ip)] : ports.map(({ port }) => `${String(ip)}:${String(port)}`);
      }),
    )
    .join(',') || NONE;

const ofReady =
  (ready: string, desired: string): Cell =>
  (object) =>
    `${numberAt(object, 'status', ready) ?? 0}/${numberAt(object, 'spec', desired) ?? 0}`;

const SLICE_ENDPOINTS: Cell = (slice) =>
  objectsAt(slice, 'endpoints')
    .flatMap((endpoint) => stringsAt(endpoint, 'addresses'))
    .join(',') || '<unset>';
const SLICE_PORTS: Cell = (slice) =>
  objectsAt(slice, 'ports')
    .map(({ port }) => String(port))
    .join(',') || '<unset>';

const POD_COLUMNS: Column[] = (['ready', 'status', 'restarts'] as const).map((key) =>
  text(key[0]?.toUpperCase() + key.slice(1), (pod) => podCells(pod)[key]),
);
const orNone = (name: string, ...path: string[]): Column =>
  text(name, (object) => stringAt(object, ...path) || NONE, 1);

export const COLUMNS: Readonly<Record<string, readonly Column[]>> = {
  pods: [
    NAME,
    ...POD_COLUMNS,
    AGE,
    orNone('IP', 'status', 'podIP'),
    orNone('Node', 'spec', 'nodeName'),
    orNone('Nominated Node', 'status', 'nominatedNodeName'),
    text('Readiness Gates', () => NONE, 1),
  ],
  'deployments.apps': [
    NAME,
    text('Ready', ofReady('readyReplicas', 'replicas')),
    text('Up-to-date', (object) => numberAt(object, 'status', 'updatedReplicas') ?? 0),
    text('Available', (object) => numberAt(object, 'status', 'availableReplicas') ?? 0),
    AGE,
    ...WORKLOAD,
  ],
  'replicasets.apps': [
    NAME,
    count('Desired', 'spec', 'replicas'),
    count('Current', 'status', 'replicas'),
    count('Ready', 'status', 'readyReplicas'),
    AGE,
    ...WORKLOAD,
  ],
  'statefulsets.apps': [
    NAME,
    text('Ready', ofReady('readyReplicas', 'replicas')),
    AGE,
    ...WORKLOAD.slice(0, 2),
  ],
  'daemonsets.apps': [
    NAME,
    count('Desired', 'status', 'desiredNumberScheduled'),
    count('Current', 'status', 'currentNumberScheduled'),
    count('Ready', 'status', 'numberReady'),
    count('Up-to-date', 'status', 'updatedNumberScheduled'),
    count('Available', 'status', 'numberAvailable'),
    text('Node Selector', (object) => labels(objectAt(object, 'spec', 'template', 'spec', 'nodeSelector'))),
    AGE,
    ...WORKLOAD,
  ],
  'jobs.batch': [
    NAME,
    text('Status', jobStatus),
    text('Completions', jobCompletions),
    text('Duration', jobDuration),
    AGE,
    ...WORKLOAD,
  ],
  'cronjobs.batch': [
    NAME,
    string('Schedule', 'spec', 'schedule'),
    text('Timezone', (object) => stringAt(object, 'spec', 'timeZone') ?? NONE),
    {
      name: 'Suspend',
      type: 'boolean',
      cell: (object) => (at(object, 'spec', 'suspend') === true ? 'True' : 'False'),
    },
    { name: 'Active', type: 'integer', cell: (object) => objectsAt(object, 'status', 'active').length },
    text('Last Schedule', (object) => {
      const time = stringAt(object, 'status', 'lastScheduleTime');
      return time === undefined ? NONE : age(time);
    }),
    AGE,
    ...workload(['spec', 'jobTemplate', 'spec', 'template'], ['spec', 'jobTemplate', 'spec', 'selector']),
  ],
  namespaces: [NAME, string('Status', 'status', 'phase'), AGE],
  nodes: [
    NAME,
    text('Status', nodeStatus),
    text('Roles', nodeRoles),
    AGE,
    text('Version', nodeInfo('kubeletVersion')),
    text('Internal-IP', nodeAddress('InternalIP'), 1),
    text('External-IP', nodeAddress('ExternalIP'), 1),
    text('OS-Image', nodeInfo('osImage'), 1),
    text('Kernel-Version', nodeInfo('kernelVersion'), 1),
    text('Container-Runtime', nodeInfo('containerRuntimeVersion'), 1),
  ],
  services: [
    NAME,
    string('Type', 'spec', 'type'),
    text('Cluster-IP', (object) => stringsAt(object, 'spec', 'clusterIPs')[0] ?? NONE),
    text('External-IP', serviceAddress),
    text('Port(s)', servicePorts),
    AGE,
    text('Selector', (object) => labels(objectAt(object, 'spec', 'selector')), 1),
  ],
  endpoints: [NAME, text('Endpoints', subsets), AGE],
  'endpointslices.discovery.k8s.io': [
    NAME,
    string('AddressType', 'addressType'),
    text('Ports', SLICE_PORTS),
    text('Endpoints', SLICE_ENDPOINTS),
    AGE,
  ],
  events: [
    text('Last Seen', lastSeen),
    string('Type', 'type'),
    string('Reason', 'reason'),
    text('Object', eventTarget),
    text('Subobject', (event) => stringAt(event, 'involvedObject', 'fieldPath') ?? '', 1),
    text('Source', eventSource, 1),
    text('Message', (event) => (stringAt(event, 'message') ?? '').trim()),
    text('First Seen', firstSeen, 1),
    text('Count', (event) => numberAt(event, 'series', 'count') ?? numberAt(event, 'count') ?? 1, 1),
    { ...NAME, priority: 1 },
  ],
  configmaps: [
    NAME,
    text(
      'Data',
      (map) =>
        Object.keys(objectAt(map, 'data') ?? {}).length +
        Object.keys(objectAt(map, 'binaryData') ?? {}).length,
    ),
    AGE,
  ],
  secrets: [NAME, string('Type', 'type'), size('Data', 'data'), AGE],
  serviceaccounts: [NAME, AGE],
  persistentvolumeclaims: [
    NAME,
    text('Status', claimStatus),
    string('Volume', 'spec', 'volumeName'),
    string('Capacity', 'status', 'capacity', 'storage'),
    text('Access Modes', modes('status', 'accessModes')),
    string('StorageClass', 'spec', 'storageClassName'),
    text('VolumeAttributesClass', () => '<unset>'),
    AGE,
    string('VolumeMode', 'spec', 'volumeMode'),
  ].map((column) => (column.name === 'VolumeMode' ? { ...column, priority: 1 } : column)),
  persistentvolumes: [
    NAME,
    string('Capacity', 'spec', 'capacity', 'storage'),
    text('Access Modes', modes('spec', 'accessModes')),
    string('Reclaim Policy', 'spec', 'persistentVolumeReclaimPolicy'),
    text('Status', claimStatus),
    text('Claim', (volume) => {
      const claim = objectAt(volume, 'spec', 'claimRef');
      return claim === undefined ? '' : `${String(claim.namespace)}/${String(claim.name)}`;
    }),
    string('StorageClass', 'spec', 'storageClassName'),
    text('VolumeAttributesClass', () => '<unset>'),
    string('Reason', 'status', 'reason'),
    AGE,
    { ...string('VolumeMode', 'spec', 'volumeMode'), priority: 1 },
  ],
  'leases.coordination.k8s.io': [NAME, string('Holder', 'spec', 'holderIdentity'), AGE],
  'networkpolicies.networking.k8s.io': [
    NAME,
    text('Pod-Selector', (policy) => selectorText(objectAt(policy, 'spec', 'podSelector')) || NONE),
    AGE,
  ],
  'rolebindings.rbac.authorization.k8s.io': [NAME, text('Role', roleOf), AGE],
  'clusterrolebindings.rbac.authorization.k8s.io': [NAME, text('Role', roleOf), AGE],
  'controllerrevisions.apps': [
    NAME,
    text('Controller', (revision) => {
      const owner = objectsAt(revision, 'metadata', 'ownerReferences').find(
        (item) => item.controller === true,
      );
      return owner === undefined ? NONE : `${String(owner.kind).toLowerCase()}/${String(owner.name)}`;
    }),
    text('Revision', (revision) => numberAt(revision, 'revision') ?? 0),
    AGE,
  ],
};

function roleOf(binding: JsonObject): string {
  return `${stringAt(binding, 'roleRef', 'kind') ?? ''}/${stringAt(binding, 'roleRef', 'name') ?? ''}`;
}
