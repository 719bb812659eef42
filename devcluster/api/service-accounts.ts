/** Admission of pods by their ServiceAccount: it must be there, and its token is mounted. */
import { forbidden } from './errors.js';
import { objectAt, objectsAt, stringAt } from './json.js';
import type { JsonObject } from './json.js';
import { generatedName } from './names.js';
import type { Registry } from './registry.js';
import type { ApiResource } from './resources.js';
import { toObject } from './storage.js';

const PODS = { group: '', plural: 'pods', kind: 'Pod' };
const DEFAULT = 'default';
const MOUNT_PATH = '/var/run/secrets/kubernetes.io/serviceaccount';
const VOLUME_PREFIX = 'kube-api-access-';
/** How long a pod waits for the account that its namespace is about to get. */
const PATIENCE_MS = 1_000;

const accountName = (pod: JsonObject): string =>
  stringAt(pod, 'spec', 'serviceAccountName') || stringAt(pod, 'spec', 'serviceAccount') || DEFAULT;

const tokenVolume = (name: string): JsonObject => ({
  name,
  projected: {
    defaultMode: 0o644,
    sources: [
      { serviceAccountToken: { expirationSeconds: 3_607, path: 'token' } },
      { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
      {
        downwardAPI: {
          items: [{ path: 'namespace', fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.namespace' } }],
        },
      },
    ],
  },
});

/** Mounts the token wherever nothing else is mounted in its place. */
function mountToken(spec: JsonObject): void {
  const volumes = objectsAt(spec, 'volumes');
  const known = volumes.find((volume) => stringAt(volume, 'name')?.startsWith(VOLUME_PREFIX));
  const name = stringAt(known, 'name') ?? generatedName(VOLUME_PREFIX);
  const bare = [...objectsAt(spec, 'initContainers'), ...objectsAt(spec, 'containers')].filter(
    (container) => !objectsAt(container, 'volumeMounts').some(({ mountPath }) => mountPath === MOUNT_PATH),
  );
  for (const container of bare)
    container.volumeMounts = [
      ...objectsAt(container, 'volumeMounts'),
      { name, readOnly: true, mountPath: MOUNT_PATH },
    ];
  if (known === undefined && bare.length > 0) spec.volumes = [...volumes, tokenVolume(name)];
}

export interface ServiceAccountAdmission {
  /** Throws 403 where the pod's account is not there; waits a second for `default`, as new namespaces get it soon. */
  admit(pod: JsonObject, namespace: string): Promise<void>;
  /** Sets the account's name, mounts its token, and adds its pull secrets. */
  prepare(pod: JsonObject): void;
}

export function createServiceAccountAdmission(registry: () => Registry): ServiceAccountAdmission {
  const storage = () => {
    const resource = registry().resources.find('', 'v1', 'serviceaccounts') as ApiResource;
    return registry().storage(resource);
  };
  const appears = (key: string): Promise<boolean> =>
    new Promise((resolve) => {
      const end = (found: boolean): void => {
        clearTimeout(timer);
        stop();
        resolve(found);
      };
      const timer = setTimeout(() => end(false), PATIENCE_MS);
      const stop = storage().subscribe(({ stored }) => {
        if (stored.key === key) end(true);
      });
    });

  return {
    async admit(pod, namespace) {
      const name = accountName(pod);
      const key = `${namespace}/${name}`;
      if (storage().get(key) !== undefined) return;
      if (name === DEFAULT && (await appears(key))) return;
      throw forbidden(
        PODS,
        stringAt(pod, 'metadata', 'name') || stringAt(pod, 'metadata', 'generateName') || '',
        `error looking up service account ${key}: serviceaccount "${name}" not found`,
      );
    },
    prepare(pod) {
      const spec = objectAt(pod, 'spec');
      if (spec === undefined) return;
      spec.serviceAccountName = accountName(pod);
      spec.serviceAccount = spec.serviceAccountName;
      const stored = storage().get(
        `${stringAt(pod, 'metadata', 'namespace') ?? ''}/${spec.serviceAccountName}`,
      );
      const account = stored && toObject(storage().resource, stored);
      if (spec.automountServiceAccountToken ?? account?.automountServiceAccountToken ?? true)
        mountToken(spec);
      const secrets = objectsAt(account, 'imagePullSecrets');
      if (objectsAt(spec, 'imagePullSecrets').length === 0 && secrets.length > 0)
        spec.imagePullSecrets = secrets.map(({ name }) => ({ name }));
    },
  };
}
