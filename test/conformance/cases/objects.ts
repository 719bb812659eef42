/** Objects that the cases share. */
import type { Fields, Json } from '../case.js';

export const CONFIG_MAPS = '/api/v1/namespaces/{ns}/configmaps';
export const PODS = '/api/v1/namespaces/{ns}/pods';
export const SECRETS = '/api/v1/namespaces/{ns}/secrets';
export const SERVICES = '/api/v1/namespaces/{ns}/services';
export const ACCOUNTS = '/api/v1/namespaces/{ns}/serviceaccounts';
export const CLAIMS = '/api/v1/namespaces/{ns}/persistentvolumeclaims';
export const EVENTS = '/api/v1/namespaces/{ns}/events';
export const VOLUMES = '/api/v1/persistentvolumes';
export const NAMESPACES = '/api/v1/namespaces';
export const DEPLOYMENTS = '/apis/apps/v1/namespaces/{ns}/deployments';
export const REPLICA_SETS = '/apis/apps/v1/namespaces/{ns}/replicasets';
export const STATEFUL_SETS = '/apis/apps/v1/namespaces/{ns}/statefulsets';
export const DAEMON_SETS = '/apis/apps/v1/namespaces/{ns}/daemonsets';
export const JOBS = '/apis/batch/v1/namespaces/{ns}/jobs';
export const CRON_JOBS = '/apis/batch/v1/namespaces/{ns}/cronjobs';
export const LEASES = '/apis/coordination.k8s.io/v1/namespaces/{ns}/leases';
export const SLICES = '/apis/discovery.k8s.io/v1/namespaces/{ns}/endpointslices';
export const INGRESSES = '/apis/networking.k8s.io/v1/namespaces/{ns}/ingresses';
export const POLICIES = '/apis/networking.k8s.io/v1/namespaces/{ns}/networkpolicies';
export const BUDGETS = '/apis/policy/v1/namespaces/{ns}/poddisruptionbudgets';
export const SCALERS = '/apis/autoscaling/v2/namespaces/{ns}/horizontalpodautoscalers';
export const ROLES = '/apis/rbac.authorization.k8s.io/v1/namespaces/{ns}/roles';
export const BINDINGS = '/apis/rbac.authorization.k8s.io/v1/namespaces/{ns}/rolebindings';
export const CLUSTER_ROLES = '/apis/rbac.authorization.k8s.io/v1/clusterroles';
export const PRIORITIES = '/apis/scheduling.k8s.io/v1/priorityclasses';
export const DRY = '?dryRun=All';

const object =
  (apiVersion: string, kind: string) =>
  (name: string, more: Fields = {}, metadata: Fields = {}): Fields => ({
    apiVersion,
    kind,
    metadata: { name, ...metadata },
    ...more,
  });

/** `configMap('a', { data: … }, { labels: … })`: an object of the kind, its other fields, its other metadata. */
export const configMap = object('v1', 'ConfigMap');
export const secret = object('v1', 'Secret');
export const service = object('v1', 'Service');
export const serviceAccount = object('v1', 'ServiceAccount');
export const claim = object('v1', 'PersistentVolumeClaim');
export const volume = object('v1', 'PersistentVolume');
export const namespace = object('v1', 'Namespace');
export const event = object('v1', 'Event');
export const lease = object('coordination.k8s.io/v1', 'Lease');
export const slice = object('discovery.k8s.io/v1', 'EndpointSlice');
export const ingress = object('networking.k8s.io/v1', 'Ingress');
export const policy = object('networking.k8s.io/v1', 'NetworkPolicy');
export const budget = object('policy/v1', 'PodDisruptionBudget');
export const scaler = object('autoscaling/v2', 'HorizontalPodAutoscaler');
export const role = object('rbac.authorization.k8s.io/v1', 'Role');
export const binding = object('rbac.authorization.k8s.io/v1', 'RoleBinding');
export const priority = object('scheduling.k8s.io/v1', 'PriorityClass');
const podKind = object('v1', 'Pod');
const jobKind = object('batch/v1', 'Job');
const cronKind = object('batch/v1', 'CronJob');

export const CONTAINER: Fields = { name: 'main', image: 'example.com/app:1' };

/** A pod that no scheduler takes: nobody but the case changes it. */
export const pod = (name: string, spec: Fields = {}, metadata: Fields = {}): Fields =>
  podKind(
    name,
    {
      spec: {
        schedulerName: 'nobody',
        automountServiceAccountToken: false,
        containers: [CONTAINER],
        ...spec,
      },
    },
    metadata,
  );

const template = (name: string, podSpec: Fields): Fields => ({
  metadata: { labels: { app: name } },
  spec: { containers: [CONTAINER], ...podSpec },
});

const workload =
  (kind: string, base: Fields = {}) =>
  (name: string, spec: Fields = {}, podSpec: Fields = {}): Fields =>
    object('apps/v1', kind)(name, {
      spec: {
        ...base,
        selector: { matchLabels: { app: name } },
        template: template(name, podSpec),
        ...spec,
      },
    });

export const deployment = workload('Deployment', { replicas: 0 });
export const replicaSet = workload('ReplicaSet', { replicas: 0 });
export const statefulSet = workload('StatefulSet', { replicas: 0, serviceName: 'none' });
export const daemonSet = workload('DaemonSet');

/** A Job that the Job controller leaves alone. */
export const job = (name: string, spec: Fields = {}, podSpec: Fields = {}): Fields =>
  jobKind(name, {
    spec: {
      managedBy: 'example.com/nobody',
      template: { spec: { restartPolicy: 'Never', containers: [CONTAINER], ...podSpec } },
      ...spec,
    },
  });

/** A suspended CronJob: no controller changes it, and its pod template may be changed at will. */
export const cronJob = (name: string, podSpec: Fields = {}, spec: Fields = {}): Fields =>
  cronKind(name, {
    spec: {
      schedule: '0 0 1 1 *',
      suspend: true,
      jobTemplate: {
        spec: { template: { spec: { restartPolicy: 'Never', containers: [CONTAINER], ...podSpec } } },
      },
      ...spec,
    },
  });

/** A patch of a CronJob's pods. */
export const cronPods = (podSpec: Fields, templateMetadata?: Json): Fields => ({
  spec: {
    jobTemplate: {
      spec: {
        template: { ...(templateMetadata !== undefined && { metadata: templateMetadata }), spec: podSpec },
      },
    },
  },
});
