/** The files that a volume of ConfigMaps, Secrets, fields and tokens holds. */
import type { ConfigMap, Pod, Secret } from '../../../kube/index.js';
import { fieldValue, resourceValue } from '../fields.js';
import type { PlacedPod } from '../fields.js';
import type { Configs } from '../references.js';
import type { VolumeFile, VolumeFiles } from './atomic-folder.js';

export type Volume = NonNullable<NonNullable<Pod['spec']>['volumes']>[number];

export interface TokenRequest {
  readonly audience: string | undefined;
  readonly expirationSeconds: number | undefined;
}

export interface FileSources extends PlacedPod {
  readonly configs: Configs;
  /** A token of the pod's ServiceAccount. Rejects with an Error that says why there is none. */
  token(request: TokenRequest): Promise<string>;
}

/** A volume that cannot be made as it is asked for; the message is the kubelet's. */
export class VolumeProblem extends Error {}

interface KeyToPath {
  key: string;
  path: string;
  mode?: number | undefined;
}
type DownwardItem = NonNullable<NonNullable<Volume['downwardAPI']>['items']>[number];

const DEFAULT_MODE = 0o644;

/** Whether a path stays in its folder, and out of what the folder keeps for itself. */
const isLocal = (path: string): boolean =>
  path !== '' &&
  !path.startsWith('/') &&
  !path.split('/').some((part) => part === '' || part.startsWith('..')) &&
  !path.includes('\0');

const bytesOf = (
  object: ConfigMap | Secret | undefined,
  kind: 'configmap' | 'secret',
): Map<string, Uint8Array> => {
  const encoded = (text: string): Uint8Array => Buffer.from(text, 'base64');
  const plain = Object.entries(object?.data ?? {}).map(([key, text]): [string, Uint8Array] => [
    key,
    kind === 'secret' ? encoded(text) : Buffer.from(text),
  ]);
  const binary =
    object !== undefined && 'binaryData' in object ? Object.entries(object.binaryData ?? {}) : [];
  return new Map([...plain, ...binary.map(([key, text]): [string, Uint8Array] => [key, encoded(text)])]);
};

export const volumeFiles = async (volume: Volume, sources: FileSources): Promise<VolumeFiles | undefined> => {
  const { pod, configs } = sources;
  const namespace = pod.metadata?.namespace ?? '';
  const files = new Map<string, VolumeFile>();
  const put = (path: string, data: Uint8Array, mode: number): void => {
    if (!isLocal(path)) throw new VolumeProblem(`the path ${JSON.stringify(path)} leads out of the volume`);
    files.set(path, { data, mode });
  };

  const putKeys = (
    kind: 'configmap' | 'secret',
    name: string,
    {
      items,
      optional,
      mode,
    }: { items: KeyToPath[] | undefined; optional: boolean | undefined; mode: number },
  ): void => {
    const object = configs[kind === 'secret' ? 'secret' : 'configMap'](namespace, name);
    if (object === undefined && optional !== true) throw new VolumeProblem(`${kind} "${name}" not found`);
    const data = bytesOf(object, kind);
    if (items === undefined) for (const [key, bytes] of data) put(key, bytes, mode);
    for (const { key, path, mode: own } of items ?? []) {
      const bytes = data.get(key);
      const what =
        kind === 'secret'
          ? 'references non-existent secret key'
          : 'configmap references non-existent config key';
      if (bytes !== undefined) put(path, bytes, own ?? mode);
      else if (optional !== true) throw new VolumeProblem(`${what}: ${key}`);
    }
  };

  const putFields = (items: DownwardItem[] = [], mode: number): void => {
    for (const { path, fieldRef, resourceFieldRef: resource, mode: own } of items) {
      const of = pod.spec?.containers.find(({ name }) => name === resource?.containerName);
      const text = fieldRef
        ? fieldValue(sources, fieldRef.fieldPath)
        : resource
          ? resourceValue(of, resource)
          : '';
      put(path, Buffer.from(text), own ?? mode);
    }
  };

  const { configMap, secret, downwardAPI, projected } = volume;
  const mode = (configMap ?? secret ?? downwardAPI ?? projected)?.defaultMode ?? DEFAULT_MODE;
  if (configMap)
    putKeys('configmap', configMap.name ?? '', {
      items: configMap.items,
      optional: configMap.optional,
      mode,
    });
  else if (secret)
    putKeys('secret', secret.secretName ?? '', { items: secret.items, optional: secret.optional, mode });
  else if (downwardAPI) putFields(downwardAPI.items, mode);
  else if (!projected) return undefined;
  for (const {
    configMap: map,
    secret: other,
    downwardAPI: fields,
    serviceAccountToken: token,
    ...rest
  } of projected?.sources ?? []) {
    if (map) putKeys('configmap', map.name ?? '', { items: map.items, optional: map.optional, mode });
    else if (other)
      putKeys('secret', other.name ?? '', { items: other.items, optional: other.optional, mode });
    else if (fields) putFields(fields.items, mode);
    else if (token) put(token.path, Buffer.from(await sources.token(token as TokenRequest)), mode);
    else throw new VolumeProblem(`the embedded cluster projects no ${Object.keys(rest).join(' or ')}`);
  }
  return files;
};
