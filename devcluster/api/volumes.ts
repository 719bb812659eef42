/** What the server itself adds to volume claims and volumes. */
import { objectAt, stringAt, stringsAt } from './json.js';
import type { JsonObject } from './json.js';
import { timestamp } from './registry.js';
import type { Registry } from './registry.js';
import type { ApiResource } from './resources.js';
import { toObject } from './storage.js';
import type { Strategy } from './strategy.js';

const DEFAULT_CLASS = [
  'storageclass.kubernetes.io/is-default-class',
  'storageclass.beta.kubernetes.io/is-default-class',
];

/** The newest class that is marked as default; undefined where none is. */
function defaultClass(registry: Registry): string | undefined {
  const resource = registry.resources.find('storage.k8s.io', 'v1', 'storageclasses') as ApiResource;
  const marked = registry
    .storage(resource)
    .snapshot()
    .filter(({ item }) => DEFAULT_CLASS.some((annotation) => item.includes(annotation)))
    .map((stored) => toObject(resource, stored))
    .filter((object) =>
      DEFAULT_CLASS.some((annotation) => stringAt(object, 'metadata', 'annotations', annotation) === 'true'),
    )
    .sort((a, b) => {
      const [first, second] = [a, b].map((object) => stringAt(object, 'metadata', 'creationTimestamp') ?? '');
      return (first as string) < (second as string) ? 1 : -1;
    });
  return stringAt(marked[0], 'metadata', 'name');
}

/** Keeps an object that is deleted until whoever watches over its use lets it go. */
const protect = (object: JsonObject, finalizer: string): void => {
  const metadata = objectAt(object, 'metadata');
  const finalizers = stringsAt(metadata, 'finalizers');
  if (metadata !== undefined && !finalizers.includes(finalizer))
    metadata.finalizers = [...finalizers, finalizer];
};

export const createClaimStrategy = (registry: () => Registry): Strategy => ({
  initialStatus: () => ({ phase: 'Pending' }),
  prepareCreate(claim) {
    const spec = objectAt(claim, 'spec');
    const named =
      spec?.storageClassName ??
      stringAt(claim, 'metadata', 'annotations', 'volume.beta.kubernetes.io/storage-class');
    const standard = named === undefined ? defaultClass(registry()) : undefined;
    if (spec !== undefined && standard !== undefined) spec.storageClassName = standard;
    protect(claim, 'kubernetes.io/pvc-protection');
  },
});

export const volumeStrategy: Strategy = {
  initialStatus: () => ({ phase: 'Pending', lastPhaseTransitionTime: timestamp() }),
  prepareCreate: (volume) => protect(volume, 'kubernetes.io/pv-protection'),
};
