/** The kinds that the embedded API serves: what the OpenAPI document does not say about them, as data. */

export type Subresource =
  | 'status'
  | 'scale'
  | 'log'
  | 'attach'
  | 'exec'
  | 'portforward'
  | 'binding'
  | 'eviction'
  | 'finalize'
  | 'token';

export interface KindRow {
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly singular: string;
  readonly kind: string;
  readonly namespaced: boolean;
  readonly shortNames?: readonly string[];
  readonly categories?: readonly string[];
  /** Subresources that change or show the object in another way. */
  readonly subresources?: readonly Subresource[];
  /** Which rule names of this kind keep; see names.ts. Default subdomain. */
  readonly nameRule?: 'subdomain' | 'label' | 'label1035' | 'path';
  /** Field selectors beside metadata.name and metadata.namespace. */
  readonly fieldLabels?: readonly string[];
  /** Every update must say from which version. */
  readonly versionedUpdates?: boolean;
  /** A PUT creates an object that is not there. */
  readonly createOnUpdate?: boolean;
  /** False where a collection cannot be deleted at once. */
  readonly deleteCollection?: boolean;
  /** A deletion answers the deleted object instead of a Status. */
  readonly returnsDeleted?: boolean;
  /** Sent with every answer: the version is deprecated. */
  readonly deprecation?: string | undefined;
  /** Kinds without a spec/status split have no generation. */
  readonly generation?: boolean;
}

const kind = (
  groupVersion: string,
  names: string,
  kindName: string,
  more: Partial<Omit<KindRow, 'group' | 'version' | 'plural' | 'singular' | 'kind'>> = {},
): KindRow => {
  const [version = '', group = ''] = groupVersion.split('/').reverse();
  const [plural = '', singular = kindName.toLowerCase()] = names.split(' ');
  return { group, version, plural, singular, kind: kindName, namespaced: true, ...more };
};

const ALL = { categories: ['all'] } as const;
const STATUS = ['status'] as const;
const SCALED = ['status', 'scale'] as const;
const CLUSTER = { namespaced: false } as const;

export const KINDS: readonly KindRow[] = [
  kind('v1', 'configmaps', 'ConfigMap', { shortNames: ['cm'] }),
  kind('v1', 'endpoints endpoints', 'Endpoints', {
    shortNames: ['ep'],
    createOnUpdate: true,
    deprecation: 'v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice',
  }),
  kind('v1', 'events', 'Event', {
    shortNames: ['ev'],
    createOnUpdate: true,
    fieldLabels: [
      'involvedObject.kind',
      'involvedObject.namespace',
      'involvedObject.name',
      'involvedObject.uid',
      'involvedObject.apiVersion',
      'involvedObject.resourceVersion',
      'involvedObject.fieldPath',
      'reason',
      'reportingComponent',
      'type',
    ],
  }),
  kind('v1', 'namespaces', 'Namespace', {
    returnsDeleted: true,
    deleteCollection: false,
    ...CLUSTER,
    shortNames: ['ns'],
    subresources: ['status', 'finalize'],
    nameRule: 'label',
    fieldLabels: ['status.phase'],
  }),
  kind('v1', 'nodes', 'Node', {
    ...CLUSTER,
    shortNames: ['no'],
    subresources: STATUS,
    fieldLabels: ['spec.unschedulable'],
  }),
  kind('v1', 'persistentvolumeclaims', 'PersistentVolumeClaim', {
    returnsDeleted: true,
    shortNames: ['pvc'],
    subresources: STATUS,
  }),
  kind('v1', 'persistentvolumes', 'PersistentVolume', {
    returnsDeleted: true,
    ...CLUSTER,
    shortNames: ['pv'],
    subresources: STATUS,
  }),
  kind('v1', 'pods', 'Pod', {
    returnsDeleted: true,
    ...ALL,
    shortNames: ['po'],
    subresources: ['status', 'log', 'attach', 'exec', 'portforward', 'binding', 'eviction'],
    fieldLabels: [
      'spec.nodeName',
      'spec.restartPolicy',
      'spec.schedulerName',
      'spec.serviceAccountName',
      'spec.hostNetwork',
      'status.phase',
      'status.podIP',
      'status.nominatedNodeName',
    ],
    generation: true,
  }),
  kind('v1', 'secrets', 'Secret', { fieldLabels: ['type'] }),
  kind('v1', 'serviceaccounts', 'ServiceAccount', {
    returnsDeleted: true,
    shortNames: ['sa'],
    subresources: ['token'],
  }),
  kind('v1', 'services', 'Service', {
    returnsDeleted: true,
    ...ALL,
    shortNames: ['svc'],
    subresources: STATUS,
    nameRule: 'label1035',
    fieldLabels: ['spec.clusterIP', 'spec.type'],
  }),
  kind('apiextensions.k8s.io/v1', 'customresourcedefinitions', 'CustomResourceDefinition', {
    returnsDeleted: true,
    ...CLUSTER,
    categories: ['api-extensions'],
    shortNames: ['crd', 'crds'],
    subresources: STATUS,
    generation: true,
  }),
  kind('apps/v1', 'controllerrevisions', 'ControllerRevision'),
  kind('apps/v1', 'daemonsets', 'DaemonSet', {
    ...ALL,
    shortNames: ['ds'],
    subresources: STATUS,
    generation: true,
  }),
  kind('apps/v1', 'deployments', 'Deployment', {
    ...ALL,
    shortNames: ['deploy'],
    subresources: SCALED,
    generation: true,
  }),
  kind('apps/v1', 'replicasets', 'ReplicaSet', {
    ...ALL,
    shortNames: ['rs'],
    subresources: SCALED,
    fieldLabels: ['status.replicas'],
    generation: true,
  }),
  kind('apps/v1', 'statefulsets', 'StatefulSet', {
    ...ALL,
    shortNames: ['sts'],
    subresources: SCALED,
    generation: true,
  }),
  kind('autoscaling/v2', 'horizontalpodautoscalers', 'HorizontalPodAutoscaler', {
    ...ALL,
    shortNames: ['hpa'],
    subresources: STATUS,
  }),
  kind('batch/v1', 'cronjobs', 'CronJob', {
    ...ALL,
    shortNames: ['cj'],
    subresources: STATUS,
    generation: true,
  }),
  kind('batch/v1', 'jobs', 'Job', {
    ...ALL,
    subresources: STATUS,
    fieldLabels: ['status.successful'],
    generation: true,
  }),
  kind('coordination.k8s.io/v1', 'leases', 'Lease', { versionedUpdates: true, createOnUpdate: true }),
  kind('discovery.k8s.io/v1', 'endpointslices', 'EndpointSlice', { generation: true }),
  kind('networking.k8s.io/v1', 'ingressclasses', 'IngressClass', { ...CLUSTER, generation: true }),
  kind('networking.k8s.io/v1', 'ingresses', 'Ingress', {
    shortNames: ['ing'],
    subresources: STATUS,
    generation: true,
  }),
  kind('networking.k8s.io/v1', 'networkpolicies', 'NetworkPolicy', {
    shortNames: ['netpol'],
    generation: true,
  }),
  kind('policy/v1', 'poddisruptionbudgets', 'PodDisruptionBudget', {
    shortNames: ['pdb'],
    versionedUpdates: true,
    subresources: STATUS,
    generation: true,
  }),
  kind('rbac.authorization.k8s.io/v1', 'clusterrolebindings', 'ClusterRoleBinding', {
    ...CLUSTER,
    nameRule: 'path',
    createOnUpdate: true,
  }),
  kind('rbac.authorization.k8s.io/v1', 'clusterroles', 'ClusterRole', {
    ...CLUSTER,
    nameRule: 'path',
    createOnUpdate: true,
  }),
  kind('rbac.authorization.k8s.io/v1', 'rolebindings', 'RoleBinding', {
    nameRule: 'path',
    createOnUpdate: true,
  }),
  kind('rbac.authorization.k8s.io/v1', 'roles', 'Role', { nameRule: 'path', createOnUpdate: true }),
  kind('scheduling.k8s.io/v1', 'priorityclasses', 'PriorityClass', {
    ...CLUSTER,
    shortNames: ['pc'],
    generation: true,
  }),
  kind('storage.k8s.io/v1', 'storageclasses', 'StorageClass', {
    returnsDeleted: true,
    ...CLUSTER,
    shortNames: ['sc'],
  }),
];

/** Kinds that are sent and answered but not stored, by the path segment that creates them. */
export const UNSTORED_KINDS: readonly KindRow[] = [
  kind('authentication.k8s.io/v1', 'selfsubjectreviews', 'SelfSubjectReview', CLUSTER),
  kind('authentication.k8s.io/v1', 'tokenreviews', 'TokenReview', CLUSTER),
  kind('authorization.k8s.io/v1', 'localsubjectaccessreviews', 'LocalSubjectAccessReview'),
  kind('authorization.k8s.io/v1', 'selfsubjectaccessreviews', 'SelfSubjectAccessReview', CLUSTER),
  kind('authorization.k8s.io/v1', 'selfsubjectrulesreviews', 'SelfSubjectRulesReview', CLUSTER),
  kind('authorization.k8s.io/v1', 'subjectaccessreviews', 'SubjectAccessReview', CLUSTER),
];
