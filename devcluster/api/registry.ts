/**
 * The operations on stored objects that all kinds share: create, update, delete, with their preconditions. Each is one
 * synchronous step, so that nothing comes between a read and the write that follows it.
 */
import { randomUUID } from 'node:crypto';
import { contentChanged, isGone, keep, markDeleted, metadataOf } from './deletion.js';
import { alreadyExists, conflict, invalid, MODIFIED, notFound, unexplained } from './errors.js';
import { invalidValue } from './field-errors.js';
import { equal, numberAt, objectAt, stringAt, stringsAt } from './json.js';
import type { JsonObject } from './json.js';
import { generatedName } from './names.js';
import { validateMetadata, validateMetadataUpdate } from './validation/metadata.js';
import type { ApiResource, Resources } from './resources.js';
import { createStorage, keyOf, toObject } from './storage.js';
import type { Clock, Storage, Stored } from './storage.js';
import type { Strategy } from './strategy.js';

export interface WriteOptions {
  readonly dryRun: boolean;
  /** Who owns the fields that this write sets. */
  readonly fieldManager: string;
  /** Which subresource is written, where `part` does not say it. */
  readonly subresource?: string;
  /** Records who manages which fields, instead of what an update records. */
  readonly record?: (object: JsonObject) => void;
  /** The whole object was sent, not a change of it. */
  readonly isReplaced?: boolean;
}

export interface DeleteRequest {
  readonly propagationPolicy: string | undefined;
  readonly gracePeriodSeconds: number | undefined;
  readonly preconditions: { uid?: string | undefined; resourceVersion?: string | undefined };
  readonly dryRun: boolean;
}

export interface At {
  readonly resource: ApiResource;
  readonly namespace: string;
  readonly name: string;
}

/** `binding`: to which node a pod is bound, and what its status says of that. */
export type Part = 'main' | 'status' | 'finalize' | 'binding';

export interface Registry {
  readonly resources: Resources;
  readonly clock: Clock;
  storage(resource: ApiResource): Storage;
  strategy(resource: ApiResource): Strategy;
  /** The stored object; throws 404. */
  get(at: At): Stored;
  read(at: At): JsonObject;
  create(resource: ApiResource, namespace: string, object: JsonObject, options: WriteOptions): JsonObject;
  /** Writes a new state of an object. `change` gets the current one and answers the new one. */
  update(at: At, part: Part, change: (current: JsonObject) => JsonObject, options: WriteOptions): JsonObject;
  /** Answers the object that is gone (`gone: true`) or still goes. */
  delete(at: At, request: DeleteRequest): { object: JsonObject; gone: boolean };
}

export const timestamp = (): string => new Date().toISOString().slice(0, 19) + 'Z';

export interface RegistryDeps {
  resources: Resources;
  clock: Clock;
  /** By group resource. */
  strategies: ReadonlyMap<string, Strategy>;
  /** The status of an object of which nothing is known. */
  emptyStatus: (resource: ApiResource) => JsonObject | undefined;
  /** Records in `object` who manages its fields; `old` is undefined for a new one. */
  recordUpdate: (
    resource: ApiResource,
    old: JsonObject | undefined,
    object: JsonObject,
    by: { manager: string; subresource: string },
  ) => void;
}

const NONE: Strategy = {};

export function createRegistry({
  resources,
  clock,
  strategies,
  emptyStatus,
  recordUpdate,
}: RegistryDeps): Registry {
  // One for all versions of a kind.
  const storages = new Map<string, Storage>();
  const storage = (resource: ApiResource): Storage => {
    const id = `${resource.groupResource} ${resource.namespaced}`;
    let found = storages.get(id);
    if (found === undefined) storages.set(id, (found = createStorage(resource, clock)));
    return found;
  };

  const get = ({ resource, namespace, name }: At): Stored => {
    const stored = storage(resource).get(keyOf(resource, namespace, name));
    if (stored === undefined) throw notFound(resource, name);
    return stored;
  };
  const read = (at: At): JsonObject => toObject(at.resource, get(at));

  const registry: Registry = {
    resources,
    clock,
    storage,
    strategy: (resource) => resource.custom?.strategy ?? strategies.get(resource.groupResource) ?? NONE,
    get,
    read,

    create(resource, namespace, object, { dryRun, fieldManager, record }) {
      const strategy = registry.strategy(resource);
      const metadata = metadataOf(object);
      for (const key of [
        'uid',
        'creationTimestamp',
        'deletionTimestamp',
        'deletionGracePeriodSeconds',
        'selfLink',
      ])
        delete metadata[key];
      if (stringAt(metadata, 'resourceVersion'))
        throw unexplained('resourceVersion should not be set on objects to be created');
      if (resource.namespaced) metadata.namespace = namespace;
      else delete metadata.namespace;
      const prefix = stringAt(metadata, 'generateName');
      if (!metadata.name && prefix) metadata.name = generatedName(prefix);
      metadata.uid = randomUUID();
      metadata.creationTimestamp = timestamp();
      if (resource.generation === true) metadata.generation = 1;

      strategy.beforeCreate?.(object);
      const initial = strategy.initialStatus?.(object) ?? emptyStatus(resource);
      const hasStatus = resource.subresources?.includes('status') === true;
      if (hasStatus) delete object.status;
      if (record === undefined)
        recordUpdate(resource, undefined, object, { manager: fieldManager, subresource: '' });
      else record(object);
      if (hasStatus) object.status = initial;
      strategy.prepareCreate?.(object);
      const errors = [
        ...validateMetadata(resource, metadata),
        ...(strategy.validate?.(object, undefined) ?? []),
      ];
      if (errors.length > 0) throw invalid(resource, stringAt(metadata, 'name') ?? '', errors);

      const name = stringAt(metadata, 'name') ?? '';
      const key = keyOf(resource, namespace, name);
      const existing = storage(resource).get(key);
      if (existing !== undefined)
        throw alreadyExists(resource, name, existing.item.includes('"deletionTimestamp"'));
      if (!dryRun) {
        storage(resource).put(key, object);
        strategy.stored?.(object, undefined);
      }
      return object;
    },

    update(
      at,
      part,
      change,
      { dryRun, fieldManager, record, subresource = part === 'main' ? '' : part, isReplaced = false },
    ) {
      const { resource, name } = at;
      const stored = get(at);
      const strategy = registry.strategy(resource);
      const old = toObject(resource, stored);
      const changed = change(toObject(resource, stored));
      const metadata = metadataOf(changed);
      const oldMetadata = metadataOf(old);
      if (isReplaced && metadata.uid !== undefined && metadata.uid !== oldMetadata.uid)
        throw conflict(
          resource,
          name,
          `StorageError: invalid object, Code: 4, Key: /registry/${resource.plural}/${stored.key}, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: ${String(metadata.uid)}, UID in object meta: ${stored.uid}`,
        );
      const version = stringAt(metadata, 'resourceVersion') ?? '';
      if (version === '' && resource.versionedUpdates === true)
        throw invalid({ group: resource.group, kind: resource.plural }, name, [
          invalidValue('metadata.resourceVersion', 0, 'must be specified for an update'),
        ]);
      if (version !== '' && !/^\d+$/.test(version))
        throw unexplained(`strconv.ParseUint: parsing ${JSON.stringify(version)}: invalid syntax`);
      if (version !== '' && version !== '0' && version !== String(stored.version))
        throw conflict(resource, name, MODIFIED);

      const track =
        record ??
        ((next: JsonObject) => recordUpdate(resource, old, next, { manager: fieldManager, subresource }));
      let object = changed;
      for (const key of [
        'creationTimestamp',
        'resourceVersion',
        'namespace',
        'name',
        'generation',
        'generateName',
      ])
        keep(metadata, oldMetadata, key);
      metadata.uid ??= oldMetadata.uid;
      if (oldMetadata.deletionTimestamp !== undefined)
        metadata.deletionTimestamp = oldMetadata.deletionTimestamp;
      if (metadata.deletionGracePeriodSeconds === undefined)
        keep(metadata, oldMetadata, 'deletionGracePeriodSeconds');
      if (part === 'main') {
        if (resource.subresources?.includes('status') === true) keep(object, old, 'status');
        track(object);
        strategy.prepareUpdate?.(object, old);
      } else {
        if (resource.custom !== undefined || resource.groupResource === 'deployments.apps')
          keep(metadata, oldMetadata, 'labels');
        keep(metadata, oldMetadata, 'ownerReferences');
        object = { ...old, metadata };
        if (part === 'status') keep(object, changed, 'status');
        else if (part === 'binding') {
          object.spec = { ...objectAt(old, 'spec'), nodeName: stringAt(changed, 'spec', 'nodeName') ?? '' };
          keep(object, changed, 'status');
        } else {
          const { finalizers: _old, ...spec } = objectAt(old, 'spec') ?? {};
          const finalizers = stringsAt(changed, 'spec', 'finalizers');
          object.spec = finalizers.length === 0 ? spec : { ...spec, finalizers };
        }
        track(object);
      }
      const errors = [
        ...validateMetadataUpdate(resource, metadata, oldMetadata),
        ...((part === 'main' ? strategy.validate : strategy.validateStatus)?.(object, old) ?? []),
      ];
      if (errors.length > 0) throw invalid(resource, name, errors);
      if (equal(object, old)) return old;
      const ownStatus = resource.custom === undefined || resource.subresources?.includes('status') === true;
      if (part === 'main' && resource.generation === true && contentChanged(object, old, ownStatus))
        metadata.generation = (numberAt(oldMetadata, 'generation') ?? 0) + 1;
      if (dryRun) return object;
      if (isGone(object, strategy)) {
        strategy.removed?.(object);
        // Watches are shown the last state that was stored.
        storage(resource).remove(stored.key);
      } else {
        storage(resource).put(stored.key, object);
        strategy.stored?.(object, old);
      }
      return object;
    },

    delete(at, { propagationPolicy, gracePeriodSeconds, preconditions, dryRun }) {
      const { resource, name } = at;
      const stored = get(at);
      const strategy = registry.strategy(resource);
      const object = toObject(resource, stored);
      const metadata = metadataOf(object);
      // These two refusals name the kind where others name the resource.
      const byKind = { ...resource, plural: resource.kind };
      if (preconditions.uid !== undefined && preconditions.uid !== stored.uid)
        throw conflict(
          byKind,
          name,
          `the UID in the precondition (${preconditions.uid}) does not match the UID in record (${stored.uid}). The object might have been deleted and then recreated`,
        );
      if (
        preconditions.resourceVersion !== undefined &&
        preconditions.resourceVersion !== String(stored.version)
      )
        throw conflict(
          byKind,
          name,
          `the ResourceVersion in the precondition (${preconditions.resourceVersion}) does not match the ResourceVersion in record (${stored.version}). The object might have been modified`,
        );
      strategy.checkDelete?.(object);

      const { wasGoing } = markDeleted(object, strategy, { propagationPolicy, gracePeriodSeconds });
      if (isGone(object, strategy)) {
        if (!wasGoing && strategy.graceSeconds === undefined) {
          // An object that goes at once is shown as it was, without the marks of a deletion.
          delete metadata.deletionTimestamp;
          delete metadata.deletionGracePeriodSeconds;
          keep(metadata, metadataOf(toObject(resource, stored)), 'generation');
        }
        if (!dryRun) {
          strategy.removed?.(object);
          storage(resource).remove(stored.key, object);
        }
        return { object, gone: true };
      }
      if (!dryRun && !equal(object, toObject(resource, stored))) storage(resource).put(stored.key, object);
      return { object, gone: false };
    },
  };
  return registry;
}
