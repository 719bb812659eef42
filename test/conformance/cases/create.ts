/** create, and what the server fills in. */
import { area, del, get, METADATA, post, put, setup, TABLE } from '../case.js';
import type { Step } from '../case.js';
import {
  ACCOUNTS,
  binding,
  BINDINGS,
  budget,
  BUDGETS,
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
  ingress,
  INGRESSES,
  job,
  JOBS,
  lease,
  LEASES,
  namespace,
  NAMESPACES,
  pod,
  PODS,
  policy,
  POLICIES,
  PRIORITIES,
  priority,
  REPLICA_SETS,
  replicaSet,
  role,
  ROLES,
  scaler,
  SCALERS,
  secret,
  SECRETS,
  service,
  serviceAccount,
  SERVICES,
  slice,
  SLICES,
  STATEFUL_SETS,
  statefulSet,
  volume,
  VOLUMES,
} from './objects.js';

/** What the server would make of an object: no controller ever sees it. */
const dry = (path: string, body: Parameters<typeof post>[1]): Step[] => [post(path + DRY, body)];

const CLAIM = { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } };

export const creating = [
  ...area('create', {
    'a ConfigMap': [post(CONFIG_MAPS, configMap('a', { data: { k: 'v' }, binaryData: { b: 'AAE=' } }))],
    'an object that is there': [setup(post(SECRETS, secret('a'))), post(SECRETS, secret('a'))],
    'a generated name': [
      post(CONFIG_MAPS, { metadata: { generateName: 'made-' } }),
      post(CONFIG_MAPS, { metadata: { generateName: 'made-', name: 'named' } }),
      post(CONFIG_MAPS + DRY, { metadata: { generateName: 'made-' } }),
    ],
    'neither name nor prefix': [post(CONFIG_MAPS, { metadata: {} }), post(CONFIG_MAPS, {})],
    'a prefix that no name can begin with': [post(CONFIG_MAPS, { metadata: { generateName: 'Made_' } })],
    'without kind and apiVersion': [post(CONFIG_MAPS, { metadata: { name: 'a' }, data: { k: 'v' } })],
    'in a namespace that is not there': [post('/api/v1/namespaces/none-of-them/secrets', secret('a'))],
    'in another namespace than the path says': [post(SECRETS, secret('a', {}, { namespace: 'other' }))],
    'without a namespace': [post('/api/v1/secrets', secret('a', {}, { namespace: '{ns}' }))],
    'with fields that the server owns': [
      post(
        CONFIG_MAPS,
        configMap(
          'a',
          {},
          {
            uid: '00000000-0000-4000-8000-000000000000',
            creationTimestamp: '2020-01-01T00:00:00Z',
            deletionTimestamp: '2020-01-01T00:00:00Z',
            deletionGracePeriodSeconds: 5,
            generation: 7,
            selfLink: '/x',
          },
        ),
      ),
    ],
    'with a resource version': [post(CONFIG_MAPS, configMap('a', {}, { resourceVersion: '1' }))],
    'a dry run': [
      post(SECRETS + DRY, secret('a', { stringData: { k: 'v' } })),
      get(`${SECRETS}/a`),
      post(`${SECRETS}?dryRun=Some`, secret('a')),
    ],
    "a field manager of one's own": [
      post(`${CONFIG_MAPS}?fieldManager=me`, configMap('a', { data: { k: 'v' } })),
      post(`${CONFIG_MAPS}?fieldManager=${'m'.repeat(129)}`, configMap('b')),
      post(`${CONFIG_MAPS}?fieldManager=a%0Ab`, configMap('b')),
    ],
    'answers as Table and as metadata': [
      post(CONFIG_MAPS, configMap('a'), { headers: TABLE }),
      post(CONFIG_MAPS, configMap('b'), { headers: METADATA }),
    ],
    'stringData of a Secret': [
      post(SECRETS, secret('a', { data: { a: 'YQ==', b: 'Yg==' }, stringData: { b: 'other', c: 'ü' } })),
    ],
    'nulls and empty values': [
      post(CONFIG_MAPS, configMap('a', { data: null, binaryData: {} }, { labels: null, annotations: {} })),
      post(CONFIG_MAPS, configMap('b', { data: { a: '', b: null } })),
    ],
    'owner references': [
      setup(post(CONFIG_MAPS, configMap('owner'), { save: { owner: 'metadata.uid' } })),
      post(
        CONFIG_MAPS,
        configMap(
          'a',
          {},
          {
            ownerReferences: [
              {
                apiVersion: 'v1',
                kind: 'ConfigMap',
                name: 'owner',
                uid: '{owner}',
                controller: true,
                blockOwnerDeletion: true,
              },
            ],
          },
        ),
      ),
      post(CONFIG_MAPS, configMap('b', {}, { ownerReferences: [{ kind: 'ConfigMap', name: 'owner' }] })),
      post(
        CONFIG_MAPS,
        configMap(
          'c',
          {},
          {
            ownerReferences: ['a', 'b'].map((uid) => ({
              apiVersion: 'v1',
              kind: 'ConfigMap',
              name: uid,
              uid,
              controller: true,
            })),
          },
        ),
      ),
      post(
        CONFIG_MAPS,
        configMap('d', {}, { ownerReferences: [{ apiVersion: 'v1', kind: 'Event', name: 'x', uid: 'x' }] }),
      ),
    ],
    'a pod of a priority class': [
      setup(post(PRIORITIES, priority('{ns}', { value: 1000, preemptionPolicy: 'Never' }))),
      post(PODS + DRY, pod('a', { priorityClassName: '{ns}' })),
      post(PODS + DRY, pod('a', { priorityClassName: '{ns}', priority: 5 })),
      post(PODS + DRY, pod('a', { priorityClassName: '{ns}', preemptionPolicy: 'PreemptLowerPriority' })),
      post(PODS + DRY, pod('a', { priorityClassName: 'none-of-them' })),
      post(PODS + DRY, pod('a', { priorityClassName: 'system-node-critical' })),
      post(PODS + DRY, pod('a', { priority: 5 })),
      get(`${PRIORITIES}/system-cluster-critical`, { headers: TABLE }),
      put(`${PRIORITIES}/{ns}`, priority('{ns}', { value: 1001, preemptionPolicy: 'Never' })),
      setup(del(`${PRIORITIES}/{ns}`)),
    ],
    finalizers: [
      post(CONFIG_MAPS + DRY, configMap('a', {}, { finalizers: ['example.com/a', 'example.com/a'] })),
      post(
        CONFIG_MAPS,
        configMap('b', {}, { finalizers: ['a b', 'noslash', 'orphan', 'foregroundDeletion'] }),
      ),
      post(CONFIG_MAPS, configMap('b', {}, { finalizers: ['noslash'] })),
    ],
  }),
  ...area('defaults', {
    Pod: dry(PODS, pod('a')),
    'Pod of everything': dry(
      PODS,
      pod('a', {
        hostNetwork: false,
        initContainers: [
          { name: 'init', image: 'a', command: ['x'] },
          { name: 'side', image: 'b:latest', restartPolicy: 'Always' },
        ],
        containers: [
          {
            name: 'main',
            image: 'host:5000/app@sha256:0123456789012345678901234567890123456789012345678901234567890123',
            ports: [{ containerPort: 80 }, { containerPort: 53, protocol: 'UDP', name: 'dns' }],
            env: [
              { name: 'A', value: 'x' },
              { name: 'EMPTY', value: '' },
              { name: 'B', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
              { name: 'C', valueFrom: { secretKeyRef: { name: 's', key: 'k', optional: true } } },
              { name: 'D', valueFrom: { resourceFieldRef: { resource: 'limits.cpu' } } },
            ],
            envFrom: [{ configMapRef: { name: 'c' } }, { prefix: 'P_', secretRef: { name: 's' } }],
            resources: { limits: { cpu: '1.5', memory: '1024Mi' }, requests: { cpu: '250m' } },
            livenessProbe: { httpGet: { port: 80 } },
            readinessProbe: { tcpSocket: { port: 'dns' }, periodSeconds: 5 },
            startupProbe: { grpc: { port: 9000 } },
            lifecycle: {
              preStop: { httpGet: { port: 80, path: 'bye' } },
              postStart: { exec: { command: ['a'] } },
            },
            securityContext: { runAsNonRoot: true, capabilities: { drop: ['ALL'] } },
            volumeMounts: [
              { name: 'a', mountPath: '/a' },
              { name: 'b', mountPath: '/b', readOnly: true, subPath: 'x' },
            ],
          },
        ],
        volumes: [
          { name: 'a' },
          { name: 'b', configMap: { name: 'c' } },
          { name: 'c', secret: { secretName: 's', items: [{ key: 'k', path: 'p' }] } },
          { name: 'd', hostPath: { path: '/tmp' } },
          { name: 'e', emptyDir: { medium: 'Memory', sizeLimit: '1Gi' } },
          { name: 'f', downwardAPI: { items: [{ path: 'l', fieldRef: { fieldPath: 'metadata.labels' } }] } },
          {
            name: 'g',
            projected: {
              sources: [
                { serviceAccountToken: { path: 't' } },
                { configMap: { name: 'c' } },
                { downwardAPI: { items: [{ path: 'l', fieldRef: { fieldPath: 'metadata.name' } }] } },
              ],
            },
          },
          { name: 'h', persistentVolumeClaim: { claimName: 'x' } },
        ],
        tolerations: [{ key: 'a', operator: 'Exists' }],
        nodeSelector: { a: 'b' },
        affinity: {
          podAntiAffinity: {
            preferredDuringSchedulingIgnoredDuringExecution: [
              {
                weight: 1,
                podAffinityTerm: { topologyKey: 'k', labelSelector: { matchLabels: { a: 'b' } } },
              },
            ],
          },
        },
        topologySpreadConstraints: [{ maxSkew: 1, topologyKey: 'z', whenUnsatisfiable: 'ScheduleAnyway' }],
        hostAliases: [{ ip: '1.2.3.4', hostnames: ['h'] }],
        imagePullSecrets: [{ name: 's' }],
        securityContext: { fsGroup: 1000, seccompProfile: { type: 'RuntimeDefault' } },
      }),
    ),
    "Pod on the host's network": dry(
      PODS,
      pod('a', {
        hostNetwork: true,
        containers: [{ name: 'a', image: 'a', ports: [{ containerPort: 80 }] }],
      }),
    ),
    'Pod with limits alone is Guaranteed': dry(
      PODS,
      pod('a', {
        containers: [{ name: 'a', image: 'a:1', resources: { limits: { cpu: '0.5', memory: '1e3' } } }],
      }),
    ),
    'Pod with the token of its ServiceAccount': dry(PODS, {
      metadata: { name: 'a' },
      spec: { schedulerName: 'nobody', containers: [{ name: 'a', image: 'a' }] },
    }),
    Deployment: dry(DEPLOYMENTS, deployment('a')),
    'Deployment that recreates': dry(
      DEPLOYMENTS,
      deployment('a', { replicas: 3, strategy: { type: 'Recreate' } }),
    ),
    'Deployment with parts of a strategy': dry(
      DEPLOYMENTS,
      deployment('a', { strategy: { rollingUpdate: { maxSurge: 0 } }, paused: true, minReadySeconds: 3 }),
    ),
    ReplicaSet: dry(REPLICA_SETS, replicaSet('a')),
    StatefulSet: dry(
      STATEFUL_SETS,
      statefulSet('a', {
        volumeClaimTemplates: [
          {
            metadata: { name: 'data' },
            spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
          },
        ],
      }),
    ),
    'StatefulSet that mounts its claims': dry(
      STATEFUL_SETS,
      statefulSet(
        'a',
        { volumeClaimTemplates: [claim('data', { spec: CLAIM }), claim('more', { spec: CLAIM })] },
        {
          containers: [
            {
              name: 'main',
              image: 'nginx:1.27',
              volumeMounts: [
                { name: 'data', mountPath: '/data' },
                { name: 'more', mountPath: '/more' },
              ],
            },
          ],
          volumes: [{ name: 'more', emptyDir: {} }],
        },
      ),
    ),
    'StatefulSet updated on deletion': dry(
      STATEFUL_SETS,
      statefulSet('a', { updateStrategy: { type: 'OnDelete' } }),
    ),
    DaemonSet: dry(DAEMON_SETS, daemonSet('a')),
    Job: [post(JOBS + DRY, job('a'))],
    'Job of an index': [
      post(JOBS + DRY, job('a', { completionMode: 'Indexed', completions: 3, backoffLimitPerIndex: 1 })),
      post(JOBS + DRY, job('a', { parallelism: 2, ttlSecondsAfterFinished: 5, suspend: true })),
    ],
    CronJob: dry(CRON_JOBS, cronJob('a')),
    Service: dry(SERVICES, service('a', { spec: { ports: [{ port: 80 }], selector: { a: 'b' } } })),
    'Service without an address': dry(
      SERVICES,
      service('a', { spec: { clusterIP: 'None', ports: [{ port: 80, targetPort: 'web', name: 'http' }] } }),
    ),
    'Service of node ports': dry(
      SERVICES,
      service('a', {
        spec: {
          type: 'NodePort',
          sessionAffinity: 'ClientIP',
          ports: [
            { port: 80, name: 'a' },
            { port: 81, name: 'b' },
          ],
        },
      }),
    ),
    'Service of a load balancer': dry(
      SERVICES,
      service('a', { spec: { type: 'LoadBalancer', ports: [{ port: 80 }], externalTrafficPolicy: 'Local' } }),
    ),
    'Service of an external name': dry(
      SERVICES,
      service('a', { spec: { type: 'ExternalName', externalName: 'example.com' } }),
    ),
    Secret: dry(SECRETS, secret('a')),
    ServiceAccount: dry(ACCOUNTS, serviceAccount('a')),
    Namespace: dry(NAMESPACES, namespace('{ns}-other')),
    PersistentVolumeClaim: [
      post(
        CLAIMS,
        claim('a', {
          spec: {
            storageClassName: 'none',
            accessModes: ['ReadWriteOnce'],
            resources: { requests: { storage: '1G' } },
          },
        }),
      ),
    ],
    PersistentVolume: dry(
      VOLUMES,
      volume('{ns}', {
        spec: { capacity: { storage: '1Gi' }, accessModes: ['ReadWriteMany'], hostPath: { path: '/tmp/x' } },
      }),
    ),
    Role: [
      post(ROLES, role('a', { rules: [{ apiGroups: [''], resources: ['pods'], verbs: ['get'] }] })),
      post(ROLES, role('b')),
    ],
    RoleBinding: [
      post(
        BINDINGS,
        binding('a', {
          roleRef: { kind: 'ClusterRole', name: 'view' },
          subjects: [
            { kind: 'ServiceAccount', name: 'x', namespace: 'y' },
            { kind: 'User', name: 'z' },
          ],
        }),
      ),
    ],
    Lease: [
      post(LEASES, lease('a')),
      post(
        LEASES,
        lease('b', {
          spec: {
            holderIdentity: 'me',
            leaseDurationSeconds: 15,
            acquireTime: '2020-01-01T00:00:00.123456Z',
            renewTime: '2020-01-01T00:00:00Z',
            leaseTransitions: 0,
          },
        }),
      ),
    ],
    Event: [
      post(EVENTS, event('a', { involvedObject: { namespace: '{ns}' } })),
      post(
        EVENTS,
        event('b', {
          involvedObject: { kind: 'Pod', name: 'p', namespace: '{ns}', apiVersion: 'v1' },
          reason: 'Because',
          message: 'it is so',
          type: 'Normal',
          count: 2,
          source: { component: 'me' },
          firstTimestamp: '2020-01-01T00:00:00Z',
          lastTimestamp: '2020-01-01T00:00:01+01:00',
        }),
      ),
    ],
    EndpointSlice: [
      post(
        SLICES,
        slice('a', { addressType: 'IPv4', endpoints: [{ addresses: ['1.2.3.4'] }], ports: [{ port: 80 }] }),
      ),
    ],
    Ingress: [
      post(
        INGRESSES,
        ingress('a', {
          spec: {
            rules: [
              {
                host: 'example.com',
                http: {
                  paths: [
                    {
                      path: '/',
                      pathType: 'Prefix',
                      backend: { service: { name: 's', port: { number: 80 } } },
                    },
                  ],
                },
              },
            ],
            tls: [{ hosts: ['example.com'], secretName: 's' }],
          },
        }),
      ),
    ],
    NetworkPolicy: [
      post(
        POLICIES,
        policy('a', {
          spec: {
            podSelector: {},
            ingress: [{ from: [{ podSelector: { matchLabels: { a: 'b' } } }], ports: [{ port: 80 }] }],
          },
        }),
      ),
      post(POLICIES, policy('b', { spec: { podSelector: {}, egress: [{}] } })),
      post(POLICIES, policy('c', { spec: { podSelector: {} } })),
    ],
    PodDisruptionBudget: dry(
      BUDGETS,
      budget('a', { spec: { minAvailable: 1, selector: { matchLabels: { a: 'b' } } } }),
    ),
    HorizontalPodAutoscaler: dry(
      SCALERS,
      scaler('a', {
        spec: {
          maxReplicas: 3,
          scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'd' },
          metrics: [
            {
              type: 'Resource',
              resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 50 } },
            },
          ],
        },
      }),
    ),
    'HorizontalPodAutoscaler without metrics': dry(
      SCALERS,
      scaler('a', { spec: { maxReplicas: 3, scaleTargetRef: { kind: 'Deployment', name: 'd' } } }),
    ),
  }),
];
