/** What is refused, and in which words: rules of the kinds, unknown fields, bodies and paths that cannot be. */
import { area, del, get, jsonPatch, mergePatch, post, put, setup, strategic, YAML } from '../case.js';
import type { Fields, Step } from '../case.js';
import {
  BUDGETS,
  budget,
  binding,
  BINDINGS,
  claim,
  CLAIMS,
  CONFIG_MAPS,
  configMap,
  CONTAINER,
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
  LEASES,
  lease,
  pod,
  PODS,
  POLICIES,
  policy,
  PRIORITIES,
  priority,
  REPLICA_SETS,
  replicaSet,
  ROLES,
  role,
  SCALERS,
  scaler,
  SECRETS,
  secret,
  service,
  SERVICES,
  SLICES,
  slice,
  STATEFUL_SETS,
  statefulSet,
} from './objects.js';

const refused = (path: string, ...objects: Fields[]): Step[] => objects.map((object) => post(path, object));
/** A pod whose first container has these fields. */
const having = (more: Fields, spec: Fields = {}): Fields =>
  pod('a', { containers: [{ ...CONTAINER, ...more }], ...spec });
/** A pod spec whose container mounts this volume. */
const mounting = (volume: string): Fields => ({
  containers: [{ ...CONTAINER, volumeMounts: [{ name: volume, mountPath: '/data' }] }],
});
const CLAIM = { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } };
const strict = '?fieldValidation=Strict';
const TEXT = '{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"a"}';
const large = (bytes: number): string =>
  `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"large"},"data":{"k":"${'x'.repeat(bytes)}"}}`;

export const errors = [
  ...area('validation', {
    names: [
      ...refused(
        CONFIG_MAPS,
        configMap('A_B'),
        configMap('a/b'),
        configMap('..'),
        configMap('-a'),
        configMap('x'.repeat(254)),
      ),
      ...refused(
        SERVICES,
        service('1a', { spec: { ports: [{ port: 80 }] } }),
        service('a.b', { spec: { ports: [{ port: 80 }] } }),
      ),
      ...refused(ROLES, role('a:b'), role('a/b'), role('%')),
      ...refused(PODS, pod('A')),
      ...refused(CRON_JOBS, cronJob('a'.repeat(53))),
    ],
    'labels and annotations': refused(
      CONFIG_MAPS,
      configMap('a', {}, { labels: { 'a b': 'c' } }),
      configMap('a', {}, { labels: { a: 'b c' } }),
      configMap('a', {}, { labels: { 'A/b/c': 'd' } }),
      configMap('a', {}, { labels: { ['x'.repeat(64)]: 'y' } }),
      configMap('a', {}, { labels: { '': 'd' } }),
      configMap('a', {}, { labels: { a: 'x'.repeat(64) } }),
      configMap('a', {}, { annotations: { 'a b': 'c' } }),
      configMap('a', {}, { annotations: { 'A.com/b': 'c' } }),
    ),
    'keys of ConfigMaps and Secrets': [
      ...refused(
        CONFIG_MAPS,
        configMap('a', { data: { 'a b': '' } }),
        configMap('a', { data: { '..': '' } }),
        configMap('a', { data: { '../../x': '' } }),
        configMap('a', { data: { k: '' }, binaryData: { k: '' } }),
      ),
      ...refused(SECRETS, secret('a', { data: { 'a/b': '' } }), secret('a', { data: { k: '!' } })),
      ...refused(
        SECRETS,
        secret('a', { type: 'kubernetes.io/tls' }),
        secret('a', { type: 'kubernetes.io/dockerconfigjson', data: { '.dockerconfigjson': 'e' } }),
      ),
      ...refused(
        SECRETS,
        secret('a', { type: 'kubernetes.io/service-account-token' }),
        secret('a', { type: 'kubernetes.io/basic-auth' }),
      ),
    ],
    'pods without what they need': refused(
      PODS,
      { metadata: { name: 'a' } },
      pod('a', { containers: [] }),
      pod('a', { containers: [{}] }),
      pod('a', { containers: [{ name: 'a' }] }),
      pod('a', { containers: [{ name: 'A', image: ' x ' }] }),
      pod('a', { containers: [CONTAINER, CONTAINER] }),
      pod('a', { initContainers: [CONTAINER] }),
    ),
    'pods of wrong words': refused(
      PODS,
      pod('a', { restartPolicy: 'Sometimes' }),
      pod('a', { dnsPolicy: 'x' }),
      having({ imagePullPolicy: 'Sometimes' }),
      having({ terminationMessagePolicy: 'x' }),
      pod('a', { terminationGracePeriodSeconds: -1 }),
      pod('a', { activeDeadlineSeconds: 0 }),
      pod('a', { nodeSelector: { 'a b': 'c' } }),
      pod('a', { hostname: 'A.b' }),
      pod('a', { serviceAccountName: 'A_b' }),
      pod('a', { serviceAccountName: 'none' }),
      pod('a', { nodeName: 'A_B' }),
      pod('a', { dnsPolicy: 'None' }),
      pod('a', {
        dnsConfig: { nameservers: ['x', '1.1.1.1', '1.1.1.2', '1.1.1.3'], options: [{ value: '1' }] },
      }),
      pod('a', { readinessGates: [{ conditionType: 'a b' }] }),
      pod('a', { schedulingGates: [{ name: 'a' }, { name: 'a' }, { name: 'a b' }] }),
      pod('a', { hostAliases: [{ ip: 'x', hostnames: ['a b'] }] }),
      pod('a', { os: { name: 'x' } }),
      pod('a', { subdomain: 'A.b' }),
      pod('a', { preemptionPolicy: 'x' }),
      pod('a', { overhead: { cpu: '1' } }),
      pod('a', { runtimeClassName: 'none' }),
      pod('a', { ephemeralContainers: [{ name: 'b', image: 'x' }] }),
    ),
    'where pods run': refused(
      PODS,
      pod('a', {
        tolerations: [
          { key: 'a', operator: 'Other' },
          { key: 'a', operator: 'Exists', value: 'x' },
          { key: 'a', operator: 'Exists', tolerationSeconds: 3 },
          { key: 'a', operator: 'Equal', value: 'a b', effect: 'NoExecute', tolerationSeconds: 3 },
          { key: 'a b', operator: 'Exists', effect: 'Other' },
          { operator: 'Equal', value: 'x' },
        ],
      }),
      pod('a', {
        affinity: {
          nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [] } },
        },
      }),
      pod('a', {
        affinity: {
          nodeAffinity: {
            requiredDuringSchedulingIgnoredDuringExecution: {
              nodeSelectorTerms: [
                {
                  matchExpressions: [
                    { key: 'a b', operator: 'In' },
                    { key: 'a', operator: 'Exists', values: ['x'] },
                    { key: 'a', operator: 'Gt', values: ['1', '2'] },
                    { key: 'a', operator: 'Is' },
                  ],
                },
              ],
            },
            preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 0, preference: {} }],
          },
        },
      }),
      pod('a', {
        affinity: {
          podAffinity: {
            requiredDuringSchedulingIgnoredDuringExecution: [
              { labelSelector: { matchLabels: { 'a b': 'c' } }, topologyKey: 'a b', namespaces: ['A'] },
            ],
          },
          podAntiAffinity: {
            requiredDuringSchedulingIgnoredDuringExecution: [{ labelSelector: {} }],
            preferredDuringSchedulingIgnoredDuringExecution: [
              { weight: 101, podAffinityTerm: { labelSelector: {} } },
            ],
          },
        },
      }),
      pod('a', { topologySpreadConstraints: [{ maxSkew: 0, topologyKey: '', whenUnsatisfiable: 'Other' }] }),
      pod('a', {
        topologySpreadConstraints: [
          {
            maxSkew: 1,
            topologyKey: 'a',
            whenUnsatisfiable: 'ScheduleAnyway',
            labelSelector: {},
            minDomains: 2,
          },
          {
            maxSkew: 1,
            topologyKey: 'a',
            whenUnsatisfiable: 'ScheduleAnyway',
            labelSelector: {},
            minDomains: 0,
          },
        ],
      }),
    ),
    'as whom pods run': refused(
      PODS,
      pod('a', {
        securityContext: { runAsUser: -1, runAsGroup: -1, fsGroup: -1, supplementalGroups: [-1] },
      }),
      pod('a', { securityContext: { fsGroupChangePolicy: 'x', sysctls: [{ name: 'A b', value: 'x' }] } }),
      pod('a', {
        securityContext: { seccompProfile: { type: 'x' }, appArmorProfile: { type: 'Localhost' } },
      }),
      having({ securityContext: { runAsUser: -1, runAsGroup: -1, procMount: 'x' } }),
      having({ securityContext: { privileged: true, allowPrivilegeEscalation: false } }),
      having({
        securityContext: { allowPrivilegeEscalation: false, capabilities: { add: ['CAP_SYS_ADMIN'] } },
      }),
      having({ securityContext: { seccompProfile: { type: 'Localhost' } } }),
    ),
    'ports of containers': refused(
      PODS,
      having({ ports: [{ containerPort: 0 }] }),
      having({ ports: [{ containerPort: 70_000 }, { containerPort: 1, protocol: 'ICMP' }] }),
      having({
        ports: [
          { containerPort: 1, name: 'UPPER' },
          { containerPort: 2, name: 'much-too-long-a-name' },
        ],
      }),
      having({
        ports: [
          { containerPort: 1, name: 'a' },
          { containerPort: 2, name: 'a' },
        ],
      }),
      having({ ports: [{ containerPort: 1, hostPort: 70_000 }] }),
      having({ ports: [{ containerPort: 1, hostPort: 2 }] }, { hostNetwork: true }),
      having({
        ports: [
          { containerPort: 1, hostPort: 2 },
          { containerPort: 3, hostPort: 2 },
        ],
      }),
      having({ ports: [{ containerPort: 1 }, { containerPort: 1 }] }),
    ),
    'environments of containers': refused(
      PODS,
      having({ env: [{ value: 'x' }] }),
      having({ env: [{ name: 'a=b' }] }),
      having({ env: [{ name: 'A', value: 'x', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }] }),
      having({ env: [{ name: 'A', valueFrom: {} }] }),
      having({ env: [{ name: 'A', valueFrom: { fieldRef: { fieldPath: 'spec.none' } } }] }),
      having({ env: [{ name: 'A', valueFrom: { secretKeyRef: { name: 's' } } }] }),
      having({ env: [{ name: 'A', valueFrom: { configMapKeyRef: { key: 'k' } } }] }),
      having({ envFrom: [{}] }),
    ),
    'volumes and mounts': refused(
      PODS,
      having({ volumeMounts: [{ name: 'none', mountPath: '/a' }] }),
      having({ volumeMounts: [{ name: 'v' }] }, { volumes: [{ name: 'v', emptyDir: {} }] }),
      having(
        {
          volumeMounts: [
            { name: 'v', mountPath: '/a' },
            { name: 'v', mountPath: '/a' },
          ],
        },
        { volumes: [{ name: 'v', emptyDir: {} }] },
      ),
      pod('a', {
        volumes: [
          { name: 'v', emptyDir: {} },
          { name: 'v', emptyDir: {} },
        ],
      }),
      pod('a', { volumes: [{ name: 'V', emptyDir: {} }, {}] }),
      pod('a', { volumes: [{ name: 'v', emptyDir: {}, hostPath: { path: '/x' } }] }),
      pod('a', {
        volumes: [
          { name: 'v', hostPath: { path: '' } },
          { name: 'w', secret: {} },
          { name: 'x', configMap: {} },
        ],
      }),
      pod('a', { volumes: [{ name: 'v', persistentVolumeClaim: { claimName: '' } }] }),
      having(
        {
          volumeMounts: [
            { name: 'v', mountPath: '/a', subPath: '../x' },
            { name: 'v', mountPath: '/b', subPath: '/x' },
            { name: 'v', mountPath: '/c', subPathExpr: 'x/../y' },
            { name: 'v', mountPath: '/d', subPath: 'x', subPathExpr: 'y' },
            { name: 'v', mountPath: '/e', mountPropagation: 'x' },
            { name: 'v', mountPath: '/f', mountPropagation: 'Bidirectional' },
            { name: 'v', mountPath: '/g', recursiveReadOnly: 'Enabled' },
          ],
        },
        { volumes: [{ name: 'v', emptyDir: {} }] },
      ),
      pod('a', {
        volumes: [
          {
            name: 'v',
            configMap: {
              name: 'c',
              defaultMode: 9999,
              items: [
                { key: 'k', path: '../x' },
                { key: 'k', path: '/x' },
                { key: 'a/b', path: 'x', mode: 9999 },
                { key: '', path: '' },
                { key: 'k', path: '..x' },
              ],
            },
          },
          { name: 'w', secret: { secretName: 's', defaultMode: -1, items: [{ key: 'k', path: 'a/../b' }] } },
        ],
      }),
      pod('a', {
        volumes: [
          {
            name: 'v',
            projected: {
              defaultMode: 9999,
              sources: [
                { downwardAPI: { items: [{ path: '../x', fieldRef: { fieldPath: 'metadata.name' } }] } },
                { configMap: { items: [{ key: 'k', path: '/x' }] } },
                { secret: { name: 's', items: [{ key: '', path: 'y' }] } },
                { serviceAccountToken: { path: '', expirationSeconds: 5 } },
                { configMap: { name: 'c', items: [{ key: 'k', path: 'y' }] } },
                { configMap: { name: 'c' }, secret: { name: 's' } },
                {},
              ],
            },
          },
          { name: 'w', projected: {} },
        ],
      }),
      pod('a', {
        volumes: [
          {
            name: 'v',
            downwardAPI: {
              defaultMode: 9999,
              items: [
                { path: 'a', fieldRef: { fieldPath: 'metadata.none' } },
                { path: '/b', fieldRef: { fieldPath: 'metadata.name' }, mode: -1 },
                { path: 'c' },
                { path: 'd', fieldRef: { fieldPath: 'status.podIP' } },
                { path: 'e', resourceFieldRef: { resource: 'limits.cpu' } },
                { path: '', fieldRef: { fieldPath: "metadata.labels['a b']" } },
              ],
            },
          },
        ],
      }),
      pod('a', {
        volumes: [
          { name: 'v', hostPath: { path: '/a/../b' } },
          { name: 'w', hostPath: { path: '/a', type: 'Other' } },
          { name: 'x', emptyDir: { sizeLimit: '-1' } },
          { name: 'y', nfs: {} },
        ],
      }),
    ),
    resources: refused(
      PODS,
      having({ resources: { limits: { cpu: '1' }, requests: { cpu: '2' } } }),
      having({ resources: { limits: { cpu: '-1' } } }),
      having({ resources: { limits: { gpu: '1' } } }),
      having({ resources: { requests: { 'example.com/gpu': '1' } } }),
      having({ resources: { limits: { 'example.com/gpu': '0.5' } } }),
      having({
        resources: { limits: { 'example.com/gpu': '2' }, requests: { 'example.com/gpu': '1' } },
      }),
      having({ resources: { limits: { cpu: 'x' } } }),
      having({ resources: { limits: { memory: '' } } }),
      having({ resources: { limits: { memory: '1 Gi' } } }),
      having({ resources: { limits: { memory: '1Gib' } } }),
      having({ resources: { limits: { memory: true } } }),
    ),
    probes: refused(
      PODS,
      having({ livenessProbe: {} }),
      having({ livenessProbe: { exec: {}, httpGet: { port: 80 } } }),
      having({ readinessProbe: { httpGet: { port: 0 } } }),
      having({ readinessProbe: { tcpSocket: { port: 'NOT A NAME' } } }),
      having({ livenessProbe: { exec: { command: ['x'] }, successThreshold: 2, periodSeconds: -1 } }),
      having({ livenessProbe: { httpGet: { port: 80, scheme: 'FTP' } } }),
      having({ lifecycle: { preStop: {} } }),
      having({ lifecycle: { preStop: { sleep: { seconds: -1 } } } }),
      having({ lifecycle: { preStop: { sleep: { seconds: 31 } } } }),
      having({ readinessProbe: { exec: { command: ['x'] }, terminationGracePeriodSeconds: 3 } }),
      having({ livenessProbe: { exec: { command: ['x'] }, terminationGracePeriodSeconds: 0 } }),
      having({ livenessProbe: { grpc: { port: 0 } } }),
      pod('a', {
        initContainers: [
          {
            name: 'init',
            image: 'x',
            lifecycle: { preStop: { exec: { command: ['x'] } } },
            livenessProbe: { exec: { command: ['x'] } },
            readinessProbe: { exec: { command: ['x'] } },
            startupProbe: { exec: { command: ['x'] } },
          },
          { name: 'side', image: 'x', restartPolicy: 'Always', readinessProbe: {} },
          { name: 'never', image: 'x', restartPolicy: 'Other' },
        ],
      }),
    ),
    Deployments: refused(
      DEPLOYMENTS,
      { metadata: { name: 'a' } },
      deployment('a', { selector: {} }),
      deployment('a', { selector: { matchLabels: { app: 'other' } } }),
      deployment('a', { selector: { matchExpressions: [{ key: 'app', operator: 'In' }] } }),
      deployment('a', { selector: { matchExpressions: [{ key: 'app', operator: 'Is', values: ['x'] }] } }),
      deployment('a', { replicas: -1, minReadySeconds: -1, revisionHistoryLimit: -1 }),
      deployment('a', { minReadySeconds: 700 }),
      deployment('a', { strategy: { type: 'Other' } }),
      deployment('a', { strategy: { type: 'Recreate', rollingUpdate: { maxSurge: 1 } } }),
      deployment('a', { strategy: { rollingUpdate: { maxSurge: 0, maxUnavailable: 0 } } }),
      deployment('a', { strategy: { rollingUpdate: { maxSurge: '10', maxUnavailable: '200%' } } }),
      deployment('a', {}, { restartPolicy: 'Never' }),
      deployment('a', {}, { containers: [{ name: 'a' }] }),
      deployment('a', {}, { activeDeadlineSeconds: 5 }),
    ),
    'ReplicaSets, StatefulSets and DaemonSets': [
      ...refused(REPLICA_SETS, replicaSet('a', { selector: {} }), replicaSet('a', { replicas: -1 }), {
        metadata: { name: 'a' },
      }),
      ...refused(
        STATEFUL_SETS,
        statefulSet('a', { serviceName: 'A_b' }),
        statefulSet('a', { podManagementPolicy: 'x', updateStrategy: { type: 'x' } }),
        statefulSet('a', { updateStrategy: { rollingUpdate: { partition: -1 } }, ordinals: { start: -1 } }),
        statefulSet('a', { persistentVolumeClaimRetentionPolicy: { whenDeleted: 'x', whenScaled: 'y' } }),
        statefulSet('a', { selector: { matchLabels: { x: 'y' } } }),
        { metadata: { name: 'a' } },
        statefulSet('a', { volumeClaimTemplates: [claim('data', { spec: CLAIM })] }, mounting('other')),
        statefulSet(
          'a',
          {
            volumeClaimTemplates: [
              claim('data', { spec: { accessModes: ['Foo'], resources: { requests: { storage: '0' } } } }),
              { metadata: { name: 'none' }, spec: {} },
            ],
          },
          mounting('data'),
        ),
      ),
      ...refused(
        DAEMON_SETS,
        daemonSet('a', { updateStrategy: { type: 'x' } }),
        daemonSet('a', { updateStrategy: { rollingUpdate: { maxUnavailable: 0 } } }),
        { metadata: { name: 'a' } },
      ),
    ],
    'Jobs and CronJobs': [
      ...refused(
        JOBS,
        { metadata: { name: 'a' } },
        job('a', {}, { restartPolicy: 'Always' }),
        job('a', {
          parallelism: -1,
          completions: -1,
          backoffLimit: -1,
          activeDeadlineSeconds: -1,
          ttlSecondsAfterFinished: -1,
        }),
        job('a', { completionMode: 'Indexed' }),
        job('a', { completionMode: 'Other' }),
        job('a', { selector: { matchLabels: { a: 'b' } } }),
        job('a', { manualSelector: true }),
        job('a', { backoffLimitPerIndex: 1 }),
        job('a', { podFailurePolicy: { rules: [{ action: 'Other' }] } }),
      ),
      ...refused(
        CRON_JOBS,
        { metadata: { name: 'a' } },
        cronJob('a', {}, { schedule: '' }),
        cronJob('a', {}, { schedule: '* * *' }),
        cronJob('a', {}, { schedule: '61 * * * *' }),
        cronJob('a', {}, { schedule: 'TZ=UTC * * * * *' }),
        cronJob(
          'a',
          {},
          { concurrencyPolicy: 'x', startingDeadlineSeconds: -1, successfulJobsHistoryLimit: -1 },
        ),
        cronJob('a', {}, { timeZone: 'Nowhere/None' }),
        cronJob('a', { restartPolicy: 'Always' }),
      ),
    ],
    Services: refused(
      SERVICES,
      service('a'),
      service('a', { spec: { ports: [] } }),
      service('a', { spec: { ports: [{ port: 0 }] } }),
      service('a', { spec: { ports: [{ port: 80 }, { port: 81 }] } }),
      service('a', {
        spec: {
          ports: [
            { port: 80, name: 'a' },
            { port: 80, name: 'b' },
          ],
        },
      }),
      service('a', { spec: { ports: [{ port: 80, name: 'A', protocol: 'X', targetPort: 'NOT A NAME' }] } }),
      service('a', { spec: { type: 'Other', ports: [{ port: 80 }] } }),
      service('a', { spec: { type: 'ExternalName' } }),
      service('a', { spec: { type: 'ExternalName', externalName: 'A_b' } }),
      service('a', { spec: { clusterIP: 'x', ports: [{ port: 80 }] } }),
      service('a', { spec: { sessionAffinity: 'x', ports: [{ port: 80 }] } }),
      service('a', { spec: { ports: [{ port: 80, nodePort: 30_000 }] } }),
      service('a', { spec: { type: 'NodePort', ports: [{ port: 80, nodePort: 80 }] } }),
      service('a', { spec: { selector: { 'a b': 'c' }, ports: [{ port: 80 }] } }),
      service('a', { spec: { type: 'NodePort', clusterIP: 'None', ports: [{ port: 80 }] } }),
      service('a', { spec: { externalTrafficPolicy: 'Local', ports: [{ port: 80 }] } }),
      service('a', { spec: { externalIPs: ['x'], ports: [{ port: 80 }] } }),
      service('a', { spec: { ipFamilyPolicy: 'RequireDualStack', ports: [{ port: 80 }] } }),
    ),
    claims: refused(
      CLAIMS,
      claim('a'),
      claim('a', { spec: { accessModes: ['Sometimes'], resources: { requests: { storage: '0' } } } }),
      claim('a', {
        spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '-1' } }, volumeMode: 'x' },
      }),
      claim('a', {
        spec: {
          accessModes: ['ReadWriteOnce'],
          storageClassName: 'A_b',
          resources: { requests: { storage: '1' } },
        },
      }),
    ),
    'roles and bindings': [
      ...refused(
        ROLES,
        role('a', { rules: [{ resources: ['pods'], verbs: ['get'] }] }),
        role('a', { rules: [{ apiGroups: [''], resources: ['pods'] }] }),
        role('a', { rules: [{ apiGroups: [''], verbs: ['get'] }] }),
        role('a', { rules: [{ nonResourceURLs: ['/x'], verbs: ['get'] }] }),
      ),
      ...refused(
        BINDINGS,
        binding('a'),
        binding('a', { roleRef: { kind: 'Other', name: '' } }),
        binding('a', { roleRef: { kind: 'Role', name: 'x', apiGroup: 'y' } }),
        binding('a', {
          roleRef: { kind: 'Role', name: 'x' },
          subjects: [
            { kind: 'ServiceAccount', name: 'x' },
            { kind: 'Other', name: 'y' },
            { kind: 'User', name: '' },
          ],
        }),
      ),
    ],
    networking: [
      ...refused(
        INGRESSES,
        ingress('a'),
        ingress('a', { spec: { rules: [{ host: 'A b' }] } }),
        ingress('a', { spec: { rules: [{ http: { paths: [{ path: 'x', backend: {} }] } }] } }),
        ingress('a', { spec: { defaultBackend: { service: { name: 'A_b', port: {} } } } }),
      ),
      ...refused(
        POLICIES,
        policy('a', { spec: { podSelector: { matchLabels: { 'a b': 'c' } } } }),
        policy('a', { spec: { podSelector: {}, ingress: [{ ports: [{ port: 70_000 }], from: [{}] }] } }),
        policy('a', {
          spec: { podSelector: {}, egress: [{ to: [{ ipBlock: { cidr: 'x' } }] }], policyTypes: ['Other'] },
        }),
      ),
      ...refused(
        SLICES,
        slice('a'),
        slice('a', { addressType: 'IPv4', endpoints: [{ addresses: [] }], ports: [] }),
        slice('a', {
          addressType: 'IPv4',
          endpoints: [{ addresses: ['x'] }],
          ports: [{ port: 1 }, { port: 2 }],
        }),
      ),
    ],
    'budgets, autoscalers, leases and events': [
      ...refused(
        BUDGETS,
        budget('a', { spec: { minAvailable: 1, maxUnavailable: 1, selector: {} } }),
        budget('a', { spec: { minAvailable: -1, selector: { matchLabels: { 'a b': 'c' } } } }),
        budget('a', { spec: { minAvailable: '120%' } }),
      ),
      ...refused(
        SCALERS,
        scaler('a', { spec: { maxReplicas: 0, scaleTargetRef: { kind: '', name: '' } } }),
        scaler('a', {
          spec: { maxReplicas: 1, minReplicas: 2, scaleTargetRef: { kind: 'Deployment', name: 'd' } },
        }),
        scaler('a', {
          spec: {
            maxReplicas: 1,
            minReplicas: -1,
            scaleTargetRef: { kind: 'Deployment', name: 'd' },
            metrics: [{ type: 'Other' }],
          },
        }),
      ),
      ...refused(
        LEASES,
        lease('a', { spec: { leaseDurationSeconds: 0, leaseTransitions: -1 } }),
        lease('a', { spec: { renewTime: 'x' } }),
      ),
      ...refused(EVENTS, event('a'), event('a', { involvedObject: { namespace: 'other', kind: 'Pod' } })),
    ],
    'nodes and priority classes': [
      ...refused('/api/v1/nodes?dryRun=All', {
        metadata: { name: '{ns}' },
        spec: {
          taints: [
            { key: 'a', effect: 'Other' },
            { key: 'a b', value: 'c d' },
            { key: 'b', effect: 'NoSchedule' },
            { key: 'b', effect: 'NoSchedule' },
          ],
        },
      }),
      ...refused(
        PRIORITIES + DRY,
        priority('system-x', { value: 3 }),
        priority('{ns}', { value: 2_000_000_000 }),
        priority('{ns}', { preemptionPolicy: 'x' }),
      ),
    ],
    'many at once': refused(
      DEPLOYMENTS,
      deployment(
        'A_B',
        { replicas: -1, selector: { matchLabels: { x: 'y' } } },
        {
          containers: [
            { name: 'A', imagePullPolicy: 'x', ports: [{ containerPort: 0 }] },
            { name: 'A', image: 'x' },
          ],
          volumes: [{ name: 'v', emptyDir: {} }, { name: 'v' }],
        },
      ),
    ),
  }),
  ...area('field validation', {
    'unknown fields': [
      post(CONFIG_MAPS, configMap('a', { dataa: {}, metadata: { name: 'a', lables: {} } })),
      post(CONFIG_MAPS + strict, configMap('b', { dataa: {}, metadata: { name: 'b', lables: {} } })),
      post(`${CONFIG_MAPS}?fieldValidation=Warn`, configMap('c', { dataa: {} })),
      post(`${CONFIG_MAPS}?fieldValidation=Ignore`, configMap('d', { dataa: {} })),
      post(`${CONFIG_MAPS}?fieldValidation=Other`, configMap('e')),
    ],
    'unknown fields in depth': [
      post(
        DEPLOYMENTS + strict,
        deployment(
          'a',
          {},
          { containers: [{ ...CONTAINER, imagee: 'x', ports: [{ port: 1 }] }], nodeselector: {} },
        ),
      ),
      post(
        `${DEPLOYMENTS}?dryRun=All`,
        deployment(
          'a',
          {},
          { containers: [{ ...CONTAINER, imagee: 'x', ports: [{ port: 1, containerPort: 1 }] }] },
        ),
      ),
    ],
    'fields in another case': [
      post(CONFIG_MAPS + strict, { metadata: { name: 'a' }, Data: { k: 'v' } }),
      post(CONFIG_MAPS, { Metadata: { name: 'a' } }),
    ],
    'keys that are there twice': [
      post(CONFIG_MAPS, `${TEXT},"data":{"k":"1","k":"2"}}`),
      post(CONFIG_MAPS + strict, `${TEXT},"data":{"k":"1","k":"2"},"data":{}}`),
      post(
        `${CONFIG_MAPS}?fieldValidation=Ignore&dryRun=All`,
        `{"metadata":{"name":"b"},"data":{"k":"1","k":"2"}}`,
      ),
      post(`${CONFIG_MAPS}?dryRun=All`, '{"metadata":{"name":"c","name":"c"}}'),
    ],
    'keys that are there twice, and unknown ones': [
      post(
        PODS + strict,
        '{"metadata":{"name":"a"},"spec":{"containers":[{"name":"a","name":"b","imagee":"x"}],"x":1,"x":2}}',
      ),
    ],
    'by an update': [
      setup(post(CONFIG_MAPS, configMap('a'))),
      put(`${CONFIG_MAPS}/a`, configMap('a', { dataa: {} })),
      put(`${CONFIG_MAPS}/a${strict}`, configMap('a', { dataa: {} })),
    ],
    'keys that are there twice in patches': [
      setup(post(CONFIG_MAPS, configMap('a'))),
      mergePatch(`${CONFIG_MAPS}/a`, '{"data":{"a":"1","a":"2"}}'),
      mergePatch(`${CONFIG_MAPS}/a${strict}`, '{"data":{"b":"1","b":"2"}}'),
      strategic(`${CONFIG_MAPS}/a${strict}`, '{"data":{"c":"1","c":"2"}}'),
      jsonPatch(`${CONFIG_MAPS}/a${strict}`, '[{"op":"add","op":"add","path":"/data/d","value":"1"}]'),
    ],
    'more warnings than one': [post(PODS, pod('a', { x: 1, y: 2, containers: [{ ...CONTAINER, z: 3 }] }))],
    'a name with quotes': [post(CONFIG_MAPS, { metadata: { name: 'a' }, 'a"b\\c': 1, ü: 2 })],
    'warnings of the server': [
      post(
        PODS + '?dryRun=All',
        pod('a', {
          containers: [
            {
              ...CONTAINER,
              env: [
                { name: 'A', value: '1' },
                { name: 'A', value: '2' },
              ],
            },
          ],
        }),
      ),
      post(
        PODS + '?dryRun=All',
        pod('a', { containers: [{ ...CONTAINER, ports: [{ containerPort: 80 }, { containerPort: 80 }] }] }),
      ),
      post(
        PODS + '?dryRun=All',
        pod('a', { containers: [{ ...CONTAINER, resources: { requests: { memory: '100m' } } }] }),
      ),
      post(PODS + '?dryRun=All', pod('a.b', {})),
      post(PODS + '?dryRun=All', pod('a', { imagePullSecrets: [{}, { name: 'b' }] })),
      post(CONFIG_MAPS, configMap('a', {}, { finalizers: ['noslash'] })),
      post(
        SERVICES,
        service('a', { spec: { type: 'LoadBalancer', loadBalancerIP: '1.2.3.4', ports: [{ port: 80 }] } }),
      ),
    ],
  }),
  ...area('bodies', {
    'that are no JSON': [
      post(CONFIG_MAPS, ''),
      post(CONFIG_MAPS, '{'),
      post(CONFIG_MAPS, 'not json'),
      post(CONFIG_MAPS, `${TEXT},}`),
      post(CONFIG_MAPS, `${TEXT}} x`),
      post(CONFIG_MAPS, `${TEXT},"data":{"k":'v'}}`),
      post(CONFIG_MAPS, `${TEXT},"data":{"k" "v"}}`),
      post(CONFIG_MAPS, `${TEXT},"data":{"k":tru}}`),
      post(CONFIG_MAPS, `${TEXT},"data":[1 2]}`),
      post(CONFIG_MAPS, `${TEXT},"data":{"k":"a\nb"}}`),
      post(CONFIG_MAPS, `${TEXT},"data":{"k":"\\x"}}`),
      post(CONFIG_MAPS, `${TEXT},"data":{"k":01}}`),
      post(CONFIG_MAPS, `${TEXT},"data":{k:"v"}}`),
    ],
    'that are no object': [
      post(CONFIG_MAPS, '[]'),
      post(CONFIG_MAPS, '1'),
      post(CONFIG_MAPS, 'null'),
      post(CONFIG_MAPS, '"text"'),
      post(CONFIG_MAPS, 'true'),
    ],
    'of another kind': [
      post(CONFIG_MAPS, secret('a')),
      post(CONFIG_MAPS, { apiVersion: 'v1', kind: 'None', metadata: { name: 'a' } }),
      post(CONFIG_MAPS, { apiVersion: 'v9', kind: 'ConfigMap', metadata: { name: 'a' } }),
      post(CONFIG_MAPS, { apiVersion: 'apps/v1', kind: 'ConfigMap', metadata: { name: 'a' } }),
      post(CONFIG_MAPS, { apiVersion: 'a/b/c', kind: 'ConfigMap', metadata: { name: 'a' } }),
      post(CONFIG_MAPS, { apiVersion: 1, kind: 'ConfigMap' }),
      post(CONFIG_MAPS, { apiVersion: 'v1', kind: ['ConfigMap'] }),
      post(DEPLOYMENTS, { apiVersion: 'apps/v1beta1', kind: 'Deployment', metadata: { name: 'a' } }),
      post(DEPLOYMENTS, cronJob('a')),
      put(`${CONFIG_MAPS}/a`, secret('a')),
    ],
    'with values of wrong types': [
      post(CONFIG_MAPS, configMap('a', { data: { k: 1 } })),
      post(CONFIG_MAPS, configMap('a', { data: ['x'] })),
      post(CONFIG_MAPS, configMap('a', { data: 'x' })),
      post(CONFIG_MAPS, configMap('a', { immutable: 'yes' })),
      post(CONFIG_MAPS, configMap('a', { metadata: 'x' })),
      post(CONFIG_MAPS, configMap('a', {}, { labels: { a: 1 } })),
      post(CONFIG_MAPS, configMap('a', {}, { creationTimestamp: 'x' })),
      post(CONFIG_MAPS, configMap('a', {}, { creationTimestamp: '2020-13-01T00:00:00Z' })),
      post(CONFIG_MAPS, configMap('a', { binaryData: { k: 'a b' } })),
      post(DEPLOYMENTS, deployment('a', { replicas: '3' })),
      post(DEPLOYMENTS, deployment('a', { replicas: 1.5 })),
      post(DEPLOYMENTS, deployment('a', { replicas: 3_000_000_000 })),
      post(
        DEPLOYMENTS,
        deployment('a', { template: { spec: { containers: [{ ports: [{ containerPort: '80' }] }] } } }),
      ),
      post(
        DEPLOYMENTS,
        deployment('a', { template: { spec: { containers: [{ env: [{ name: 'a', value: 1 }] }] } } }),
      ),
      post(DEPLOYMENTS, deployment('a', { template: { spec: { containers: ['x'] } } })),
      post(DEPLOYMENTS, deployment('a', { template: { spec: { containers: { a: 1 } } } })),
      post(DEPLOYMENTS, deployment('a', { paused: 1 })),
      post(DEPLOYMENTS, deployment('a', { strategy: { rollingUpdate: { maxSurge: true } } })),
      post(SERVICES, service('a', { spec: { ports: [{ port: 80, targetPort: { a: 1 } }] } })),
    ],
    'in YAML': [
      post(CONFIG_MAPS, 'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  k: "1"\n', {
        headers: YAML,
      }),
      post(`${CONFIG_MAPS}?dryRun=All`, 'metadata: {name: b}\ndata: {k: 1}\n', { headers: YAML }),
      post(`${CONFIG_MAPS}?dryRun=All`, 'metadata: {name: b\n', { headers: YAML }),
      post(`${CONFIG_MAPS}?dryRun=All`, 'metadata: {name: b}\nmetadata: {name: c}\n', { headers: YAML }),
      post(
        `${CONFIG_MAPS}?dryRun=All&fieldValidation=Strict`,
        'metadata: {name: b}\ndataa: {}\ndata: {a: "1", a: "2"}\n',
        { headers: YAML },
      ),
      post(`${CONFIG_MAPS}?dryRun=All`, '{"metadata":{"name":"b"},"data":{"k":"v"}}', { headers: YAML }),
      post(`${CONFIG_MAPS}?dryRun=All`, '', { headers: YAML }),
      put(`${CONFIG_MAPS}/a`, 'metadata:\n  name: a\ndata:\n  k: "2"\n', { headers: YAML }),
    ],
    'of media types that are not read': [
      post(CONFIG_MAPS, configMap('a'), { headers: { 'content-type': 'text/plain' } }),
      post(CONFIG_MAPS, configMap('a'), { headers: { 'content-type': 'application/json; charset=utf-8' } }),
      post(CONFIG_MAPS, configMap('b'), { headers: { 'content-type': 'nonsense' } }),
      put(`${CONFIG_MAPS}/a`, configMap('a'), {
        headers: { 'content-type': 'application/merge-patch+json' },
      }),
      { ...mergePatch(`${CONFIG_MAPS}/a`, {}), headers: { 'content-type': 'application/json' } },
      { ...mergePatch(`${CONFIG_MAPS}/a`, {}), headers: { 'content-type': 'text/plain' } },
      del(`${CONFIG_MAPS}/a`, {}, { headers: { 'content-type': 'text/plain' } }),
    ],
    'that are too large': [
      post(CONFIG_MAPS, () => large(1024 * 1024 + 1)),
      post(SECRETS, () =>
        large(1024 * 1024 + 1)
          .replace('ConfigMap', 'Secret')
          .replace('"data"', '"stringData"'),
      ),
      post(CONFIG_MAPS, () => large(3 * 1024 * 1024)),
      { ...mergePatch(`${CONFIG_MAPS}/a`, () => large(3 * 1024 * 1024)) },
      del(`${CONFIG_MAPS}/a`, () => large(3 * 1024 * 1024)),
    ],
    'a patch of too many operations': [
      setup(post(CONFIG_MAPS, configMap('a'))),
      jsonPatch(`${CONFIG_MAPS}/a`, () =>
        JSON.stringify(
          Array.from({ length: 10_001 }, () => ({ op: 'test', path: '/kind', value: 'ConfigMap' })),
        ),
      ),
    ],
  }),
  ...area('paths', {
    'that are not served': [
      get('/nothing'),
      get('/apis/nothing.example.com'),
      get('/apis/nothing.example.com/v1'),
      get('/apis/nothing.example.com/v1/things'),
      get('/apis/nothing.example.com/v1/namespaces/{ns}/things/a'),
      get('/apis/apps/v9/namespaces/{ns}/deployments'),
      get('/api/v9/namespaces/{ns}/pods'),
      get('/api/v1/nothing'),
      get('/api/v1/namespaces/{ns}/nothing'),
      get('/api/v1/namespaces/{ns}/nothing/a'),
      post('/api/v1/namespaces/{ns}/nothing', {}),
      get('/api/v1/namespaces/{ns}/pods/a/nothing'),
      get('/api/v1/namespaces/{ns}/pods/a/log/more'),
      get('/apis/apps/v1/nothing'),
    ],
    'of cluster-wide kinds in a namespace, and the reverse': [
      get('/api/v1/namespaces/{ns}/nodes'),
      get('/api/v1/nodes/none'),
      get('/api/v1/pods/a'),
      post('/api/v1/pods', pod('a')),
      del('/api/v1/pods/a'),
      get('/api/v1/namespaces/{ns}/namespaces'),
    ],
    'with other methods': [
      put(CONFIG_MAPS, configMap('a')),
      { ...mergePatch(CONFIG_MAPS, {}) },
      post(`${CONFIG_MAPS}/a`, configMap('a')),
      { method: 'OPTIONS', path: CONFIG_MAPS },
      post('/api/v1/namespaces/{ns}/finalize', {}),
      post('/version', {}),
    ],
    'with a slash at their end': [get(`${SECRETS}/`)],
    'with escapes': [
      get('/api/v1/namespaces/{ns}/configmaps/a%2Fb'),
      get('/api/v1/namespaces/{ns}/configmaps/a%20b'),
    ],
    'with two slashes': [get('/api/v1//namespaces'), get('//api/v1/namespaces/{ns}')],
  }),
];
