/** The ConfigMaps and Secrets that a pod needs, and what is wrong with them. */
import type { ConfigMap, Container, Pod, Secret } from '../../kube/index.js';

export interface Configs {
  configMap(namespace: string, name: string): ConfigMap | undefined;
  secret(namespace: string, name: string): Secret | undefined;
}

interface Reference {
  kind: 'configMap' | 'secret';
  name: string;
  /** The key that must be there; any when absent. */
  key?: string | undefined;
  optional: boolean | undefined;
}

const WORDS = {
  configMap: { small: 'configmap', large: 'ConfigMap' },
  secret: { small: 'secret', large: 'Secret' },
};

/** The kubelet's message about the first reference that cannot be met. */
const problem = (
  references: Iterable<Reference>,
  namespace: string,
  configs: Configs,
): string | undefined => {
  for (const { kind, name, key, optional } of references) {
    if (optional === true) continue;
    const found = configs[kind](namespace, name);
    if (found === undefined) return `${WORDS[kind].small} "${name}" not found`;
    const keys = { ...found.data, ...('binaryData' in found ? found.binaryData : {}) };
    if (key !== undefined && !Object.hasOwn(keys, key)) {
      return `couldn't find key ${key} in ${WORDS[kind].large} ${namespace}/${name}`;
    }
  }
  return undefined;
};

function* environmentReferences(container: Container): Generator<Reference> {
  for (const { configMapRef, secretRef } of container.envFrom ?? []) {
    if (configMapRef?.name)
      yield { kind: 'configMap', name: configMapRef.name, optional: configMapRef.optional };
    if (secretRef?.name) yield { kind: 'secret', name: secretRef.name, optional: secretRef.optional };
  }
  for (const { valueFrom } of container.env ?? []) {
    const { configMapKeyRef: map, secretKeyRef: secret } = valueFrom ?? {};
    if (map?.name) yield { kind: 'configMap', name: map.name, key: map.key, optional: map.optional };
    if (secret?.name) yield { kind: 'secret', name: secret.name, key: secret.key, optional: secret.optional };
  }
}

type Volume = NonNullable<NonNullable<Pod['spec']>['volumes']>[number];

function* volumeReferences({ configMap, secret, projected }: Volume): Generator<Reference> {
  if (configMap?.name) yield { kind: 'configMap', name: configMap.name, optional: configMap.optional };
  if (secret?.secretName) yield { kind: 'secret', name: secret.secretName, optional: secret.optional };
  for (const source of projected?.sources ?? []) {
    const { configMap: map, secret: other } = source;
    if (map?.name) yield { kind: 'configMap', name: map.name, optional: map.optional };
    if (other?.name) yield { kind: 'secret', name: other.name, optional: other.optional };
  }
}

/** Why a container's environment cannot be made; undefined when it can. */
export const environmentProblem = (
  container: Container,
  namespace: string,
  configs: Configs,
): string | undefined => problem(environmentReferences(container), namespace, configs);

/** Which of a pod's volumes cannot be mounted, and why. */
export const volumeProblems = (pod: Pod, configs: Configs): string[] =>
  (pod.spec?.volumes ?? []).flatMap((volume) => {
    const why = problem(volumeReferences(volume), pod.metadata?.namespace ?? '', configs);
    return why === undefined ? [] : [`MountVolume.SetUp failed for volume "${volume.name}" : ${why}`];
  });
