/**
 * What the API server fills in where a client left something out. Most defaults are plain values by type; the others look
 * at the rest of the object.
 */
import { isObject, objectAt, objectsAt, stringAt } from './json.js';
import type { Json, JsonObject } from './json.js';
import { isOutward } from './validation/services.js';

/** Changes an object of its type that has just been decoded. */
type Fill = (object: JsonObject) => void;
type Value = string | number | boolean | (() => Json);

const empty = (): Json => ({});

const VALUES: Readonly<Record<string, Readonly<Record<string, Value>>>> = {
  'core.v1.PodSpec': {
    restartPolicy: 'Always',
    terminationGracePeriodSeconds: 30,
    dnsPolicy: 'ClusterFirst',
    securityContext: empty,
    schedulerName: 'default-scheduler',
  },
  'core.v1.Container': { terminationMessagePath: '/dev/termination-log', terminationMessagePolicy: 'File' },
  'core.v1.EphemeralContainer': {
    terminationMessagePath: '/dev/termination-log',
    terminationMessagePolicy: 'File',
  },
  'core.v1.ContainerPort': { protocol: 'TCP' },
  'core.v1.Probe': { timeoutSeconds: 1, periodSeconds: 10, successThreshold: 1, failureThreshold: 3 },
  'core.v1.HTTPGetAction': { path: '/', scheme: 'HTTP' },
  'core.v1.GRPCAction': { service: '' },
  'core.v1.ObjectFieldSelector': { apiVersion: 'v1' },
  'core.v1.ConfigMapVolumeSource': { defaultMode: 420 },
  'core.v1.SecretVolumeSource': { defaultMode: 420 },
  'core.v1.ProjectedVolumeSource': { defaultMode: 420 },
  'core.v1.DownwardAPIVolumeSource': { defaultMode: 420 },
  'core.v1.HostPathVolumeSource': { type: '' },
  'core.v1.ServiceAccountTokenProjection': { expirationSeconds: 3600 },
  'core.v1.ServiceSpec': { sessionAffinity: 'None', type: 'ClusterIP' },
  'core.v1.ServicePort': { protocol: 'TCP' },
  'core.v1.EndpointPort': { protocol: 'TCP' },
  'core.v1.Secret': { type: 'Opaque' },
  'core.v1.PersistentVolumeSpec': { persistentVolumeReclaimPolicy: 'Retain', volumeMode: 'Filesystem' },
  'core.v1.PersistentVolumeClaimSpec': { volumeMode: 'Filesystem' },
  'apps.v1.DeploymentSpec': { replicas: 1, revisionHistoryLimit: 10, progressDeadlineSeconds: 600 },
  'apps.v1.ReplicaSetSpec': { replicas: 1 },
  'apps.v1.StatefulSetSpec': {
    replicas: 1,
    podManagementPolicy: 'OrderedReady',
    revisionHistoryLimit: 10,
    persistentVolumeClaimRetentionPolicy: () => ({ whenDeleted: 'Retain', whenScaled: 'Retain' }),
  },
  'apps.v1.DaemonSetSpec': { revisionHistoryLimit: 10 },
  'batch.v1.CronJobSpec': {
    concurrencyPolicy: 'Allow',
    suspend: false,
    successfulJobsHistoryLimit: 3,
    failedJobsHistoryLimit: 1,
  },
  'autoscaling.v2.HorizontalPodAutoscalerSpec': { minReplicas: 1 },
  'networking.v1.NetworkPolicyPort': { protocol: 'TCP' },
  'discovery.v1.EndpointPort': { name: '', protocol: 'TCP' },
  'rbac.v1.RoleRef': { apiGroup: 'rbac.authorization.k8s.io' },
  'scheduling.v1.PriorityClass': { preemptionPolicy: 'PreemptLowerPriority' },
  'storage.v1.StorageClass': { reclaimPolicy: 'Delete', volumeBindingMode: 'Immediate' },
};

/** `latest`, spoken or not, is pulled each time; an image by tag or digest when it is not there. */
const pullPolicy: Fill = (container) => {
  if (container.imagePullPolicy !== undefined) return;
  const image = stringAt(container, 'image') ?? '';
  const [name = '', digest] = image.split('@');
  const tag = /:([^/:]+)$/.exec(name)?.[1];
  container.imagePullPolicy =
    (tag ?? (digest === undefined ? 'latest' : '')) === 'latest' ? 'Always' : 'IfNotPresent';
};

const rolling =
  (field: string, values: () => JsonObject): Fill =>
  (spec) => {
    const strategy = objectAt(spec, field) ?? {};
    spec[field] = strategy;
    strategy.type ??= 'RollingUpdate';
    if (strategy.type === 'RollingUpdate')
      strategy.rollingUpdate = { ...values(), ...objectAt(strategy, 'rollingUpdate') };
  };

/** A limit is a request too, where none is made. */
const requestsFromLimits: Fill = (container) => {
  const limits = objectAt(container, 'resources', 'limits');
  const resources = objectAt(container, 'resources');
  if (limits === undefined || resources === undefined) return;
  resources.requests = { ...limits, ...objectAt(resources, 'requests') };
};

const FILLS: Readonly<Record<string, Fill>> = {
  'core.v1.Container': pullPolicy,
  'core.v1.EphemeralContainer': pullPolicy,
  'core.v1.PodSpec': (spec) => {
    if (typeof spec.terminationGracePeriodSeconds === 'number' && spec.terminationGracePeriodSeconds < 0)
      spec.terminationGracePeriodSeconds = 1;
    // The old name of serviceAccountName is kept equal.
    const account = spec.serviceAccountName ?? spec.serviceAccount;
    if (account !== undefined) spec.serviceAccountName = spec.serviceAccount = account;
    if (spec.hostNetwork === true)
      for (const container of [...objectsAt(spec, 'containers'), ...objectsAt(spec, 'initContainers')])
        for (const port of objectsAt(container, 'ports')) port.hostPort ??= port.containerPort;
  },
  'core.v1.Pod': (pod) => {
    const spec = objectAt(pod, 'spec');
    if (spec === undefined) return;
    spec.enableServiceLinks ??= true;
    for (const container of [...objectsAt(spec, 'containers'), ...objectsAt(spec, 'initContainers')])
      requestsFromLimits(container);
  },
  'core.v1.Volume': (volume) => {
    if (Object.keys(volume).length === 1 && volume.name !== undefined) volume.emptyDir = {};
  },
  // stringData is another way to write data, and is never read back.
  'core.v1.Secret': (secret) => {
    const text = objectAt(secret, 'stringData');
    delete secret.stringData;
    if (text === undefined) return;
    const data = objectAt(secret, 'data') ?? {};
    for (const [key, value] of Object.entries(text))
      data[key] = Buffer.from(String(value)).toString('base64');
    secret.data = data;
  },
  'core.v1.ServicePort': (port) => {
    if (port.targetPort === undefined || port.targetPort === 0 || port.targetPort === '')
      port.targetPort = port.port ?? 0;
  },
  'core.v1.ServiceSpec': (spec) => {
    if (isOutward(spec)) spec.externalTrafficPolicy ??= 'Cluster';
    if (spec.type === 'LoadBalancer') spec.allocateLoadBalancerNodePorts ??= true;
    if (spec.type !== 'ExternalName') spec.internalTrafficPolicy ??= 'Cluster';
    if (spec.sessionAffinity === 'ClientIP')
      spec.sessionAffinityConfig ??= { clientIP: { timeoutSeconds: 10_800 } };
  },
  'core.v1.Namespace': (namespace) => {
    const metadata = objectAt(namespace, 'metadata');
    const name = stringAt(metadata, 'name');
    if (metadata !== undefined && name)
      metadata.labels = { ...objectAt(metadata, 'labels'), 'kubernetes.io/metadata.name': name };
  },
  'apps.v1.DeploymentSpec': rolling('strategy', () => ({ maxUnavailable: '25%', maxSurge: '25%' })),
  'apps.v1.DaemonSetSpec': rolling('updateStrategy', () => ({ maxUnavailable: 1, maxSurge: 0 })),
  'apps.v1.StatefulSetSpec': (spec) => {
    rolling('updateStrategy', () => ({ partition: 0 }))(spec);
    for (const claim of objectsAt(spec, 'volumeClaimTemplates')) {
      claim.apiVersion = 'v1';
      claim.kind = 'PersistentVolumeClaim';
      claim.status = { phase: 'Pending', ...objectAt(claim, 'status') };
    }
  },
  // The Job that a CronJob makes gets these when it is made.
  'batch.v1.Job': (job) => {
    const spec = objectAt(job, 'spec');
    if (spec === undefined) return;
    if (spec.completions === undefined && spec.parallelism === undefined) spec.completions = 1;
    spec.parallelism ??= 1;
    spec.backoffLimit ??= spec.backoffLimitPerIndex === undefined ? 6 : 2 ** 31 - 1;
    spec.completionMode ??= 'NonIndexed';
    spec.manualSelector ??= false;
    spec.podReplacementPolicy ??= spec.podFailurePolicy === undefined ? 'TerminatingOrFailed' : 'Failed';
    spec.suspend ??= false;
  },
  'networking.v1.NetworkPolicySpec': (spec) => {
    spec.policyTypes ??= spec.egress === undefined ? ['Ingress'] : ['Ingress', 'Egress'];
  },
  'autoscaling.v2.HorizontalPodAutoscalerSpec': (spec) => {
    spec.metrics ??= [
      {
        type: 'Resource',
        resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 80 } },
      },
    ];
  },
  'apiextensions.v1.CustomResourceDefinitionSpec': (spec) => {
    const names = objectAt(spec, 'names') ?? {};
    const kind = stringAt(names, 'kind') ?? '';
    if (kind !== '') {
      names.singular ??= kind.toLowerCase();
      names.listKind ??= `${kind}List`;
    }
    spec.conversion ??= { strategy: 'None' };
  },
  'rbac.v1.Subject': (subject) => {
    if (subject.apiGroup === undefined && (subject.kind === 'User' || subject.kind === 'Group'))
      subject.apiGroup = 'rbac.authorization.k8s.io';
  },
};

/** Fills the defaults of one object of this type; those inside it have theirs already. */
export function fillDefaults(type: string, object: JsonObject): void {
  const values = VALUES[type];
  if (values !== undefined)
    for (const [field, value] of Object.entries(values))
      // An empty text that is shown is what was left out.
      if (object[field] === undefined || (object[field] === '' && value !== ''))
        object[field] = typeof value === 'function' ? value() : value;
  const fill = FILLS[type];
  if (fill !== undefined && isObject(object)) fill(object);
}

/** The plain default of a field, such as the protocol of a port. */
export function defaultOf(type: string, field: string): Json | undefined {
  const value = VALUES[type]?.[field];
  return typeof value === 'function' ? value() : value;
}
