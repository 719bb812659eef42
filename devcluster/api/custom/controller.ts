/**
 * Serves what CustomResourceDefinitions define: their names are accepted or refused, their kinds come and go, and with a
 * definition go its objects.
 */
import { equal, objectAt, objectsAt, stringAt, stringsAt } from '../json.js';
import type { JsonObject } from '../json.js';
import type { Registry } from '../registry.js';
import type { Schema } from '../schema.js';
import { toObject } from '../storage.js';
import { FINALIZER, isTrue, withCondition } from './definition.js';
import { servedKinds } from './kinds.js';
import type { ServedKind } from './kinds.js';

const MANAGER = { dryRun: false, fieldManager: 'kube-apiserver' };
const REMOVAL = {
  propagationPolicy: undefined,
  gracePeriodSeconds: undefined,
  preconditions: {},
  dryRun: false,
};

export interface CustomKinds {
  stop(): void;
}

/** Names as definitions and built-in kinds have them. */
type Names = Readonly<Record<string, unknown>>;

/** What of the wished names no other kind of the group has taken, and why the rest is not accepted. */
function accept(
  definition: JsonObject,
  others: readonly Names[],
): { names: JsonObject; refusal?: JsonObject } {
  const wished = objectAt(definition, 'spec', 'names') ?? {};
  const before = objectAt(definition, 'status', 'acceptedNames') ?? {};
  const taken = others.flatMap(({ plural, singular, shortNames }) => [
    plural,
    singular,
    ...(Array.isArray(shortNames) ? (shortNames as unknown[]) : []),
  ]);
  const kinds = others.flatMap(({ kind, listKind }) => [kind, listKind]);
  const names: JsonObject = { plural: '', kind: '' };
  let refusal: JsonObject | undefined;
  const take = (key: string, used: readonly unknown[], reason: string): void => {
    const value = wished[key];
    if (value === undefined) return;
    const clash = (Array.isArray(value) ? value : [value]).find((name) => used.includes(name));
    if (clash === undefined) names[key] = value;
    else {
      if (before[key] !== undefined) names[key] = before[key];
      refusal = { reason, message: `${JSON.stringify(clash)} is already in use` };
    }
  };
  take('plural', taken, 'PluralConflict');
  take('singular', taken, 'SingularConflict');
  take('shortNames', taken, 'ShortNamesConflict');
  take('kind', kinds, 'KindConflict');
  take('listKind', kinds, 'ListKindConflict');
  if (wished.categories !== undefined) names.categories = wished.categories;
  return { names, ...(refusal && { refusal }) };
}

export interface CustomKindsDeps {
  readonly registry: Registry;
  readonly schema: Schema;
  /** Told of a definition that cannot be served. */
  readonly log: (message: string, error: unknown) => void;
}

export function startCustomKinds({ registry, schema, log }: CustomKindsDeps): CustomKinds {
  const { resources } = registry;
  const found = resources.find('apiextensions.k8s.io', 'v1', 'customresourcedefinitions');
  if (found === undefined) return { stop: () => undefined };
  const definitions = found;
  const served = new Map<string, ServedKind[]>();
  const emptied = new Map<string, () => void>();
  const waiting = new Set<string>();
  let scheduled: NodeJS.Immediate | undefined;

  const all = (): JsonObject[] =>
    registry
      .storage(definitions)
      .snapshot()
      .map((stored) => toObject(definitions, stored));

  const stopServing = (name: string): void => {
    const before = served.get(name);
    if (before === undefined) return;
    served.delete(name);
    emptied.get(name)?.();
    emptied.delete(name);
    for (const { resource } of before) schema.forget(resource);
    resources.serve(name, []);
  };
  const serve = (name: string, definition: JsonObject): void => {
    const next = servedKinds(schema, definition, objectAt(definition, 'status', 'acceptedNames') ?? {});
    for (const { resource } of served.get(name) ?? []) schema.forget(resource);
    for (const { resource, struct, structs } of next) schema.define(resource, struct, structs);
    served.set(name, next);
    resources.serve(
      name,
      next.map(({ resource }) => resource),
    );
  };

  const writeStatus = (name: string, change: (status: JsonObject) => JsonObject): void => {
    const at = { resource: definitions, namespace: '', name };
    registry.update(
      at,
      'status',
      (current) => ({ ...current, status: change(objectAt(current, 'status') ?? {}) }),
      MANAGER,
    );
  };

  const establish = (name: string, definition: JsonObject): void => {
    const group = stringAt(definition, 'spec', 'group');
    const custom = all()
      .filter((other) => stringAt(other, 'metadata', 'name') !== name)
      .filter((other) => stringAt(other, 'spec', 'group') === group)
      .map((other) => objectAt(other, 'status', 'acceptedNames') ?? {});
    const builtIn = resources.all.filter((row) => row.custom === undefined && row.group === group);
    const { names, refusal } = accept(definition, [
      ...custom,
      ...builtIn.map((row) => ({ ...row, listKind: `${row.kind}List` })),
    ]);
    const isEstablished = refusal === undefined || isTrue(definition, 'Established');
    let conditions = withCondition(objectsAt(definition, 'status', 'conditions'), {
      type: 'NamesAccepted',
      status: refusal === undefined ? 'True' : 'False',
      ...(refusal ?? { reason: 'NoConflicts', message: 'no conflicts found' }),
    });
    conditions = withCondition(conditions, {
      type: 'Established',
      status: isEstablished ? 'True' : 'False',
      reason: isEstablished ? 'InitialNamesAccepted' : 'NotAccepted',
      message: isEstablished ? 'the initial names have been accepted' : 'not all names are accepted',
    });
    const status = objectAt(definition, 'status') ?? {};
    if (!equal(status.acceptedNames, names) || !equal(status.conditions, conditions))
      writeStatus(name, (current) => ({ ...current, acceptedNames: names, conditions }));
    if (isEstablished) serve(name, registry.read({ resource: definitions, namespace: '', name }));
  };

  /** Deletes the objects, and lets the definition go when there are none left. */
  const remove = (name: string, definition: JsonObject): void => {
    if (!stringsAt(definition, 'metadata', 'finalizers').includes(FINALIZER)) return;
    if (served.has(name)) serve(name, definition);
    const resource = served.get(name)?.[0]?.resource;
    const storage = resource && registry.storage(resource);
    if (storage !== undefined && resource !== undefined)
      for (const { namespace, name: object, item } of storage.snapshot())
        if (!item.includes('"deletionTimestamp"'))
          registry.delete({ resource, namespace, name: object }, REMOVAL);
    if (storage !== undefined && storage.size > 0) {
      if (!emptied.has(name))
        emptied.set(
          name,
          storage.subscribe(() => storage.size === 0 && look(name)),
        );
      const conditions = withCondition(objectsAt(definition, 'status', 'conditions'), {
        type: 'Terminating',
        status: 'True',
        reason: 'InstanceDeletionInProgress',
        message: 'CustomResource deletion is in progress',
      });
      if (!equal(conditions, objectAt(definition, 'status')?.conditions ?? null))
        writeStatus(name, (status) => ({ ...status, conditions }));
      return;
    }
    stopServing(name);
    registry.update(
      { resource: definitions, namespace: '', name },
      'main',
      (current) => {
        const metadata = objectAt(current, 'metadata') ?? {};
        const finalizers = stringsAt(metadata, 'finalizers').filter((item) => item !== FINALIZER);
        return { ...current, metadata: { ...metadata, finalizers } };
      },
      MANAGER,
    );
  };

  const handle = (name: string): void => {
    const stored = registry.storage(definitions).get(name);
    const definition = stored && toObject(definitions, stored);
    if (definition === undefined) {
      stopServing(name);
      // Names that it had may be free for others now.
      for (const other of all())
        if (!isTrue(other, 'NamesAccepted')) look(stringAt(other, 'metadata', 'name') ?? '');
    } else if (stringAt(definition, 'metadata', 'deletionTimestamp') !== undefined) remove(name, definition);
    else establish(name, definition);
  };
  const sweep = (): void => {
    scheduled = undefined;
    const names = [...waiting];
    waiting.clear();
    for (const name of names)
      try {
        handle(name);
      } catch (error) {
        log(`the CustomResourceDefinition ${name} cannot be served`, error);
      }
  };
  const look = (name: string): void => {
    waiting.add(name);
    scheduled ??= setImmediate(sweep);
  };

  const unsubscribe = registry.storage(definitions).subscribe(({ stored, previous }) => {
    // Its own status is no news.
    if (previous === undefined || changed(stored.item, previous.item)) look(stored.name);
  });
  return {
    stop() {
      unsubscribe();
      for (const end of emptied.values()) end();
      if (scheduled !== undefined) clearImmediate(scheduled);
    },
  };
}

/** Whether something but the status and the version differs. */
function changed(now: Buffer, before: Buffer): boolean {
  const content = (item: Buffer): JsonObject => {
    const { metadata, spec } = JSON.parse(item.toString()) as { metadata: JsonObject; spec: JsonObject };
    return { spec, deleted: metadata.deletionTimestamp, finalizers: metadata.finalizers };
  };
  return !equal(content(now), content(before));
}
