/** What kubectl get shows: Tables of several kinds. */
import { area, del, get, post, setup, strategic, mergePatch, TABLE } from '../case.js';
import type { Fields, Step } from '../case.js';
import {
  ACCOUNTS,
  BINDINGS,
  binding,
  BUDGETS,
  budget,
  claim,
  CLAIMS,
  CONFIG_MAPS,
  configMap,
  CRON_JOBS,
  cronJob,
  DAEMON_SETS,
  daemonSet,
  deployment,
  DEPLOYMENTS,
  DRY,
  event,
  EVENTS,
  INGRESSES,
  ingress,
  job,
  JOBS,
  lease,
  LEASES,
  NAMESPACES,
  pod,
  PODS,
  POLICIES,
  policy,
  REPLICA_SETS,
  replicaSet,
  ROLES,
  role,
  SCALERS,
  scaler,
  SECRETS,
  secret,
  service,
  serviceAccount,
  SERVICES,
  SLICES,
  slice,
  STATEFUL_SETS,
  statefulSet,
  VOLUMES,
  volume,
} from './objects.js';

const headers = TABLE;
/** Made and shown as a row; then the list. */
const shown = (path: string, ...objects: Fields[]): Step[] => [
  ...objects.map((object) => setup(post(path, object))),
  get(`${path}?labelSelector=!none&includeObject=None`, { headers }),
];
/** Shown by a dry run: kinds whose controllers would change them at once. */
const dry = (path: string, object: Fields): Step => post(path + DRY, object, { headers });
const POD = `${PODS}/a`;
/** A pod with this status. */
const inState = (status: Fields, spec: Fields = {}): Step[] => [
  setup(post(PODS, pod('a', spec))),
  setup(strategic(`${POD}/status`, { status })),
  get(`${POD}?includeObject=None`, { headers }),
];
const container = (name: string, more: Fields): Fields => ({
  name,
  image: 'x',
  imageID: 'x',
  ready: false,
  restartCount: 0,
  ...more,
});

export const tables = area('tables', {
  ConfigMaps: [
    setup(post(CONFIG_MAPS, configMap('a', { data: { a: '', b: '' }, binaryData: { c: '' } }))),
    get(`${CONFIG_MAPS}/a`, { headers }),
    get(`${CONFIG_MAPS}/a?includeObject=Object`, { headers }),
    get(`${CONFIG_MAPS}/a?includeObject=None`, { headers }),
    get(`${CONFIG_MAPS}/a?includeObject=Other`, { headers }),
  ],
  'of a version that is not served': [
    setup(post(CONFIG_MAPS, configMap('a'))),
    get(`${CONFIG_MAPS}/a`, { headers: { accept: 'application/json;as=Table;v=v9;g=meta.k8s.io' } }),
    get(`${CONFIG_MAPS}/a`, { headers: { accept: 'application/json;as=Other;v=v1;g=meta.k8s.io' } }),
  ],
  nothing: [get(SECRETS, { headers }), get(`${PODS}?limit=5`, { headers })],
  'in pages': [
    ...['a', 'b', 'c'].map((name) => setup(post(SECRETS, secret(name)))),
    get(`${SECRETS}?limit=2&includeObject=None`, { headers, save: { next: 'metadata.continue' } }),
    get(`${SECRETS}?limit=2&includeObject=None&continue={next}`, { headers }),
  ],
  Secrets: shown(SECRETS, secret('a', { data: { a: 'YQ==' } }), secret('b', { type: 'example.com/x' })),
  ServiceAccounts: [dry(ACCOUNTS, serviceAccount('a', { secrets: [{ name: 'x' }] }))],
  Services: [
    ...shown(
      SERVICES,
      service('a', {
        spec: {
          ports: [{ port: 80 }, { port: 53, protocol: 'UDP', name: 'x' }].map((port, i) => ({
            name: `p${i}`,
            ...port,
          })),
          selector: { a: 'b', c: 'd' },
        },
      }),
      service('b', { spec: { clusterIP: 'None', ports: [{ port: 80 }] } }),
      service('c', { spec: { type: 'ExternalName', externalName: 'example.com' } }),
      service('d', {
        spec: { type: 'LoadBalancer', ports: [{ port: 80 }], externalIPs: ['1.2.3.4'] },
      }),
    ),
    setup(mergePatch(`${SERVICES}/d/status`, { status: { loadBalancer: { ingress: [{ ip: '1.2.3.5' }] } } })),
    get(`${SERVICES}/d?includeObject=None`, { headers }),
  ],
  Pods: shown(
    PODS,
    pod('a'),
    pod('b', {
      containers: [
        { name: 'x', image: 'x' },
        { name: 'y', image: 'y' },
      ],
    }),
  ),
  'a pod that runs': inState({
    phase: 'Running',
    podIP: '1.2.3.4',
    podIPs: [{ ip: '1.2.3.4' }],
    startTime: '2020-01-01T00:00:00Z',
    conditions: [{ type: 'Ready', status: 'True' }],
    containerStatuses: [container('main', { ready: true, state: { running: {} } })],
  }),
  'a pod that cannot get its image': inState({
    phase: 'Pending',
    containerStatuses: [container('main', { state: { waiting: { reason: 'ImagePullBackOff' } } })],
  }),
  'a pod that crashed': inState({
    phase: 'Running',
    containerStatuses: [
      container('main', {
        restartCount: 3,
        state: { waiting: { reason: 'CrashLoopBackOff' } },
        lastState: { terminated: { exitCode: 1 } },
      }),
    ],
  }),
  'a pod that ended': inState({
    phase: 'Succeeded',
    containerStatuses: [container('main', { state: { terminated: { exitCode: 0, reason: 'Completed' } } })],
  }),
  'a pod that was killed by a signal': inState({
    phase: 'Failed',
    containerStatuses: [container('main', { state: { terminated: { exitCode: 137, signal: 9 } } })],
  }),
  'a pod that was evicted': inState({ phase: 'Failed', reason: 'Evicted', message: 'x' }),
  'a pod at its init containers': inState(
    {
      phase: 'Pending',
      initContainerStatuses: [
        container('one', { state: { terminated: { exitCode: 0 } } }),
        container('two', { state: { running: {} } }),
      ],
    },
    {
      initContainers: [
        { name: 'one', image: 'x' },
        { name: 'two', image: 'x' },
      ],
    },
  ),
  'a pod whose init container failed': inState(
    {
      phase: 'Pending',
      initContainerStatuses: [container('one', { state: { terminated: { exitCode: 2 } } })],
    },
    { initContainers: [{ name: 'one', image: 'x' }] },
  ),
  'a pod with readiness gates': inState(
    { phase: 'Running', conditions: [{ type: 'example.com/x', status: 'True' }], nominatedNodeName: 'n' },
    { readinessGates: [{ conditionType: 'example.com/x' }, { conditionType: 'example.com/y' }] },
  ),
  'a pod that goes': [
    setup(post(PODS, pod('a', {}, { finalizers: ['example.com/wait'] }))),
    setup(del(POD)),
    get(`${POD}?includeObject=None`, { headers }),
    setup(mergePatch(POD, { metadata: { finalizers: null } })),
  ],
  Deployments: [
    dry(
      DEPLOYMENTS,
      deployment('a', {
        replicas: 3,
        template: {
          metadata: { labels: { app: 'a' } },
          spec: {
            containers: [
              { name: 'a', image: 'a:1' },
              { name: 'b', image: 'b:1' },
            ],
          },
        },
      }),
    ),
  ],
  ReplicaSets: [dry(REPLICA_SETS, replicaSet('a'))],
  StatefulSets: [dry(STATEFUL_SETS, statefulSet('a', { replicas: 2 }))],
  DaemonSets: [
    post(`${DAEMON_SETS}${DRY}&includeObject=None`, daemonSet('a', {}, { nodeSelector: { a: 'b' } }), {
      headers,
    }),
  ],
  Jobs: [
    dry(JOBS, job('a')),
    dry(JOBS, job('a', { completions: 3, parallelism: 2 })),
    setup(post(JOBS, job('b'))),
    setup(mergePatch(`${JOBS}/b/status`, { status: { startTime: '2020-01-01T00:00:00Z', active: 1 } })),
    get(`${JOBS}/b?includeObject=None`, { headers }),
  ],
  CronJobs: [...shown(CRON_JOBS, cronJob('a'), cronJob('b', {}, { timeZone: 'Etc/UTC' }))],
  Leases: shown(LEASES, lease('a', { spec: { holderIdentity: 'me' } }), lease('b')),
  Events: shown(
    EVENTS,
    event('a', {
      involvedObject: { kind: 'Pod', name: 'p', namespace: '{ns}', fieldPath: 'spec.containers{x}' },
      reason: 'Because',
      message: ' it is so ',
      type: 'Warning',
      count: 2,
      source: { component: 'me', host: 'here' },
    }),
  ),
  EndpointSlices: shown(
    SLICES,
    slice('a', {
      addressType: 'IPv4',
      endpoints: [{ addresses: ['1.2.3.4'] }, { addresses: ['1.2.3.5'] }],
      ports: [
        { port: 80, name: 'a' },
        { port: 81, name: 'b' },
      ],
    }),
    slice('b', { addressType: 'IPv4', endpoints: [], ports: [] }),
  ),
  Ingresses: shown(
    INGRESSES,
    ingress('a', {
      spec: {
        ingressClassName: 'x',
        tls: [{}],
        rules: [{ host: 'a.example.com' }, { host: 'b.example.com' }],
      },
    }),
    ingress('b', { spec: { defaultBackend: { service: { name: 's', port: { name: 'p' } } } } }),
  ),
  NetworkPolicies: shown(
    POLICIES,
    policy('a', {
      spec: {
        podSelector: {
          matchLabels: { a: 'b' },
          matchExpressions: [{ key: 'c', operator: 'In', values: ['d', 'e'] }],
        },
      },
    }),
    policy('b', { spec: { podSelector: {} } }),
  ),
  PodDisruptionBudgets: [
    dry(BUDGETS, budget('a', { spec: { minAvailable: '50%', selector: {} } })),
    dry(BUDGETS, budget('b', { spec: { maxUnavailable: 1, selector: {} } })),
  ],
  HorizontalPodAutoscalers: [
    dry(
      SCALERS,
      scaler('a', {
        spec: {
          maxReplicas: 3,
          minReplicas: 2,
          scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'd' },
        },
      }),
    ),
  ],
  Roles: shown(ROLES, role('a')),
  RoleBindings: shown(
    BINDINGS,
    binding('a', {
      roleRef: { kind: 'ClusterRole', name: 'view' },
      subjects: [
        { kind: 'ServiceAccount', name: 'x', namespace: 'y' },
        { kind: 'User', name: 'z' },
        { kind: 'Group', name: 'g' },
      ],
    }),
  ),
  'claims and volumes': [
    ...shown(
      CLAIMS,
      claim('a', {
        spec: {
          storageClassName: 'none',
          accessModes: ['ReadWriteOnce', 'ReadOnlyMany'],
          resources: { requests: { storage: '1G' } },
        },
      }),
    ),
    dry(
      VOLUMES,
      volume('{ns}', {
        spec: {
          capacity: { storage: '1Gi' },
          accessModes: ['ReadWriteMany'],
          hostPath: { path: '/x' },
          storageClassName: 'x',
          claimRef: { namespace: 'a', name: 'b' },
        },
      }),
    ),
  ],
  namespaces: [get(`${NAMESPACES}/{ns}?includeObject=None`, { headers })],
});
