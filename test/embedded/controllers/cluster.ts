/** An embedded cluster of a test, and what its tests ask of it again and again. */
import type { Test } from 'tap';
import { startDevcluster } from '../../../devcluster/devcluster.js';
import type { DevclusterOptions } from '../../../devcluster/devcluster.js';
import { DEPLOYMENTS, EVENTS, PODS, REPLICA_SETS, createKube, plainConnection } from '../../../kube/index.js';
import type { Deployment, Kube, KubeObject, Pod, ReplicaSet, Resource } from '../../../kube/index.js';
import { eventually } from '../../helpers/eventually.js';

export const NAMESPACE = 'default';

export interface Cluster {
  url: string;
  kube: Kube;
  deployment(name: string): Promise<Deployment>;
  replicaSets(app: string): Promise<ReplicaSet[]>;
  pods(app: string): Promise<Pod[]>;
  /** `reason: message (count)` of the object's events, sorted. */
  events(name: string): Promise<string[]>;
  exists(resource: Resource, name: string): Promise<boolean>;
  /** What the controllers and the kubelet warned of so far. */
  readonly warnings: readonly object[];
  /** Waits until what is read passes; fails with what was read last. */
  eventually<T>(read: () => Promise<T>, passes: (value: T) => boolean, what: string): Promise<T>;
}

export const startCluster = async (t: Test, options: DevclusterOptions = {}): Promise<Cluster> => {
  const warnings: object[] = [];
  const devcluster = await startDevcluster({
    podStartMillis: [20, 60],
    ...options,
    log: { debug: () => undefined, warn: (fields, text) => warnings.push({ text, ...fields }) },
  });
  const kube = createKube(plainConnection({ url: devcluster.url, how: 'embedded' }));
  t.teardown(async () => {
    await kube.close();
    await devcluster.close();
  });

  const listed = async <T extends KubeObject>(resource: Resource<T>, query: object): Promise<T[]> =>
    (await kube.list(resource, NAMESPACE, query)).items;
  return {
    url: devcluster.url,
    kube,
    warnings,
    deployment: (name) => kube.get(DEPLOYMENTS, { namespace: NAMESPACE, name }),
    replicaSets: (app) => listed(REPLICA_SETS, { labelSelector: `app=${app}` }),
    pods: (app) => listed(PODS, { labelSelector: `app=${app}` }),
    events: async (name) =>
      (await listed(EVENTS, {}))
        .filter(({ involvedObject }) => involvedObject.name === name)
        .map(({ reason, message, count }) => `${reason}: ${message} (${count})`)
        .sort(),
    exists: async (resource, name) =>
      (await listed(resource, {})).some(({ metadata }) => metadata?.name === name),
    eventually: (read, passes, what) => eventually(read, passes, { what }),
  };
};

type PodSpec = NonNullable<Pod['spec']>;
type Spec = NonNullable<Deployment['spec']>;

export const podSpec = (image = 'nginx:1.15.4', more: Partial<PodSpec> = {}): PodSpec => ({
  containers: [{ name: 'main', image }],
  ...more,
});

export const deploymentOf = (
  name: string,
  replicas: number,
  template: PodSpec = podSpec(),
  more: Partial<Spec> = {},
): Deployment => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name, namespace: NAMESPACE },
  spec: {
    replicas,
    selector: { matchLabels: { app: name } },
    template: { metadata: { labels: { app: name } }, spec: template },
    progressDeadlineSeconds: 600,
    revisionHistoryLimit: 10,
    strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: '25%', maxUnavailable: '25%' } },
    ...more,
  },
});

export const podOf = (name: string, spec: PodSpec): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace: NAMESPACE, labels: { app: name } },
  spec,
});

export const isComplete = ({ metadata, spec, status }: Deployment): boolean =>
  status?.observedGeneration === metadata?.generation &&
  (status?.replicas ?? 0) === spec?.replicas &&
  (status?.updatedReplicas ?? 0) === spec?.replicas &&
  (status?.availableReplicas ?? 0) === spec?.replicas;

/** The reason why the first container of a pod waits. */
export const waitsFor = (pod: Pod | undefined): string | undefined =>
  pod?.status?.containerStatuses?.[0]?.state?.waiting?.reason;
