/** What helm and kustomize make of the manifests, for tests. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { loadAll } from 'js-yaml';
import type { Container, Deployment, KubeObject, Pod } from '../../../kube/index.js';

const run = promisify(execFile);

export const CHART = 'k8s-yamls/charts/url-shortener';

type PodSpec = NonNullable<Pod['spec']>;

export interface Rendered {
  readonly objects: readonly KubeObject[];
  /** The objects of a kind. */
  of<T = Spec>(kind: string): (KubeObject & { spec: T })[];
  readonly deployment: Deployment;
  readonly pod: PodSpec;
  container(name: string): Container;
}

/** The parts of Services, budgets and policies that tests look at. */
export interface Spec {
  readonly type?: string;
  readonly clusterIP?: string;
  readonly selector?: Readonly<Record<string, unknown>>;
  readonly podSelector?: { readonly matchLabels?: Readonly<Record<string, string>> };
  readonly maxUnavailable?: number | string;
  readonly ports?: readonly { readonly port: number; readonly targetPort: string }[];
  readonly ingress?: readonly Rule[];
  readonly egress?: readonly Rule[];
}

export interface Rule {
  readonly from?: readonly object[];
  readonly to?: readonly object[];
  readonly ports: readonly { readonly port: number | string }[];
}

const read = (yaml: string): Rendered => {
  const objects = (loadAll(yaml) as (KubeObject | null)[]).filter((object) => object !== null);
  const of = <T>(kind: string) =>
    objects.filter((object) => object.kind === kind) as (KubeObject & { spec: T })[];
  const [deployment] = objects.filter(({ kind }) => kind === 'Deployment') as Deployment[];
  const pod = deployment?.spec?.template.spec;
  if (deployment === undefined || pod === undefined) throw new Error(`there is no Deployment in ${yaml}`);
  return {
    objects,
    of,
    deployment,
    pod,
    container(name) {
      const found = pod.containers.find((one) => one.name === name);
      if (found === undefined) throw new Error(`there is no container ${name}`);
      return found;
    },
  };
};

/** Labels that helm adds, and the one that the example selects by where the chart selects by its release. */
const LABELS_APART = [
  'app',
  'app.kubernetes.io/instance',
  'app.kubernetes.io/managed-by',
  'app.kubernetes.io/version',
  'helm.sh/chart',
];
/** What the API server adds where it is not said: the chart says it, as its values can change it. */
const DEFAULTS = ['imagePullPolicy IfNotPresent', 'type ClusterIP', 'type RollingUpdate'];

/**
 * The objects by kind and name, without what the chart and the example differ in by intent: labels of a release, defaults of the API
 * server, the namespace that kustomize writes, and how more than the example's one replica are spread.
 */
export const comparable = ({ objects }: Rendered): Record<string, unknown> =>
  Object.fromEntries(
    objects.map((object) => [
      `${object.kind} ${object.metadata?.name}`,
      JSON.parse(JSON.stringify(object), (key, value: unknown) =>
        LABELS_APART.includes(key) ||
        DEFAULTS.includes(`${key} ${String(value)}`) ||
        key === 'namespace' ||
        key === 'topologySpreadConstraints'
          ? undefined
          : value,
      ) as unknown,
    ]),
  );

/** `helm template` of the URL shortener's chart. Rejects with helm's words when it refuses. */
export const template = async (
  helm: string,
  args: readonly string[] = [],
  release = 'url-shortener',
): Promise<Rendered> => read((await run(helm, ['template', release, CHART, ...args])).stdout);

/** `kubectl kustomize` of a folder of one Deployment. */
export const kustomized = async (folder: string): Promise<Rendered> =>
  read((await run('kubectl', ['kustomize', folder])).stdout);
