/** The columns of each kind and how their cells are made. */
import { at, numberAt, objectAt, objectsAt, stringAt, stringsAt } from './json.js';
import type { JsonObject } from './json.js';
import { selectorText } from './scale.js';
import {
  age,
  NONE,
  roleOf,
  SLICE_ENDPOINTS,
  SLICE_PORTS,
  claimStatus,
  scalerTargets,
  eventSource,
  eventTarget,
  firstSeen,
  jobCompletions,
  jobDuration,
  jobStatus,
  lastSeen,
  modes,
  nodeAddress,
  nodeInfo,
  nodeRoles,
  nodeStatus,
  ofReady,
  serviceAddress,
  servicePorts,
  subsets,
} from './table-cells.js';
import type { Cell } from './table-cells.js';
import { podCells } from './table-pods.js';

export interface Column {
  readonly name: string;
  /** Default string. */
  readonly type?: string;
  readonly format?: string;
  /** Default none. */
  readonly description?: string;
  /** 1 for columns of the wide output. */
  readonly priority?: number;
  readonly cell: Cell;
}

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

const POD_COLUMNS: Column[] = (['ready', 'status', 'restarts'] as const).map((key) =>
  text(key[0]?.toUpperCase() + key.slice(1), (pod) => podCells(pod)[key]),
);
const orNone = (name: string, ...path: string[]): Column =>
  text(name, (object) => stringAt(object, ...path) || NONE, 1);

/** How many of a pod's readiness gates are open. */
function readinessGates(pod: JsonObject): string {
  const gates = objectsAt(pod, 'spec', 'readinessGates').map(({ conditionType }) => conditionType);
  if (gates.length === 0) return NONE;
  const open = new Set(
    objectsAt(pod, 'status', 'conditions')
      .filter(({ status }) => status === 'True')
      .map(({ type }) => type),
  );
  return `${gates.filter((gate) => open.has(gate)).length}/${gates.length}`;
}

/** The names of a binding's subjects of one kind. */
const subjects =
  (kind: string) =>
  (binding: JsonObject): string =>
    objectsAt(binding, 'subjects')
      .filter((subject) => subject.kind === kind)
      .map(({ namespace, name }) =>
        kind === 'ServiceAccount' ? `${String(namespace ?? '')}/${String(name)}` : String(name),
      )
      .join(', ');
const BINDING: readonly Column[] = [
  NAME,
  text('Role', roleOf),
  AGE,
  text('Users', subjects('User'), 1),
  text('Groups', subjects('Group'), 1),
  text('ServiceAccounts', subjects('ServiceAccount'), 1),
];

export const COLUMNS: Readonly<Record<string, readonly Column[]>> = {
  pods: [
    NAME,
    ...POD_COLUMNS,
    AGE,
    orNone('IP', 'status', 'podIP'),
    orNone('Node', 'spec', 'nodeName'),
    orNone('Nominated Node', 'status', 'nominatedNodeName'),
    text('Readiness Gates', readinessGates, 1),
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
  'horizontalpodautoscalers.autoscaling': [
    NAME,
    text('Reference', (scaler) => {
      const { kind, name } = objectAt(scaler, 'spec', 'scaleTargetRef') ?? {};
      return `${String(kind)}/${String(name)}`;
    }),
    text('Targets', scalerTargets),
    text('MinPods', (scaler) => String(at(scaler, 'spec', 'minReplicas') ?? '<unset>')),
    text('MaxPods', (scaler) => numberAt(scaler, 'spec', 'maxReplicas') ?? 0),
    text('Replicas', (scaler) => numberAt(scaler, 'status', 'currentReplicas') ?? 0),
    AGE,
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
  'storageclasses.storage.k8s.io': [
    NAME,
    string('Provisioner', 'provisioner'),
    string('ReclaimPolicy', 'reclaimPolicy'),
    string('VolumeBindingMode', 'volumeBindingMode'),
    text('AllowVolumeExpansion', (object) => object.allowVolumeExpansion === true),
    AGE,
  ],
  'ingresses.networking.k8s.io': [
    NAME,
    text('Class', (object) => stringAt(object, 'spec', 'ingressClassName') ?? NONE),
    text('Hosts', (object) => {
      const hosts = objectsAt(object, 'spec', 'rules').flatMap(({ host }) =>
        typeof host === 'string' ? [host] : [],
      );
      return hosts.join(',') || '*';
    }),
    text('Address', (object) =>
      objectsAt(object, 'status', 'loadBalancer', 'ingress')
        .map(({ ip, hostname }) => String(ip ?? hostname))
        .join(','),
    ),
    text('Ports', (object) => (objectsAt(object, 'spec', 'tls').length > 0 ? '80, 443' : '80')),
    AGE,
  ],
  'ingressclasses.networking.k8s.io': [
    NAME,
    string('Controller', 'spec', 'controller'),
    text('Parameters', (ingressClass) => {
      const { kind, apiGroup, name } = objectAt(ingressClass, 'spec', 'parameters') ?? {};
      if (kind === undefined) return NONE;
      return `${String(kind)}${typeof apiGroup === 'string' ? `.${apiGroup}` : ''}/${String(name)}`;
    }),
    AGE,
  ],
  'priorityclasses.scheduling.k8s.io': [
    NAME,
    count('Value', 'value'),
    { name: 'Global-Default', type: 'boolean', cell: (object) => object.globalDefault === true },
    AGE,
    string('PreemptionPolicy', 'preemptionPolicy'),
  ],
  'poddisruptionbudgets.policy': [
    NAME,
    text('Min Available', (object) => String(at(object, 'spec', 'minAvailable') ?? 'N/A')),
    text('Max Unavailable', (object) => String(at(object, 'spec', 'maxUnavailable') ?? 'N/A')),
    count('Allowed Disruptions', 'status', 'disruptionsAllowed'),
    AGE,
  ],
  'leases.coordination.k8s.io': [NAME, string('Holder', 'spec', 'holderIdentity'), AGE],
  'networkpolicies.networking.k8s.io': [
    NAME,
    text('Pod-Selector', (policy) => selectorText(objectAt(policy, 'spec', 'podSelector')) || NONE),
    AGE,
  ],
  'rolebindings.rbac.authorization.k8s.io': BINDING,
  'clusterrolebindings.rbac.authorization.k8s.io': BINDING,
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
