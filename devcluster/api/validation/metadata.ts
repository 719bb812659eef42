/** The rules for metadata that every kind keeps. */
import { forbiddenField, invalidValue, required } from '../field-errors.js';
import type { FieldError } from '../field-errors.js';
import { objectAt, objectsAt, stringAt, stringsAt } from '../json.js';
import type { JsonObject } from '../json.js';
import { labelKeyErrors, labelValueErrors, nameErrors } from '../names.js';
import type { ApiResource } from '../resources.js';

const STANDARD_FINALIZERS = ['kubernetes', 'foregroundDeletion', 'orphan'];

export function validateLabels(labels: JsonObject | undefined, field: string): FieldError[] {
  return Object.entries(labels ?? {}).flatMap(([key, value]) => [
    ...labelKeyErrors(key, 'a valid label key').map((error) => invalidValue(field, key, error)),
    ...labelValueErrors(String(value)).map((error) => invalidValue(field, String(value), error)),
  ]);
}

export function validateAnnotations(annotations: JsonObject | undefined, field: string): FieldError[] {
  const entries = Object.entries(annotations ?? {});
  const size = entries.reduce((sum, [key, value]) => sum + key.length + String(value).length, 0);
  return [
    ...entries.flatMap(([key]) =>
      labelKeyErrors(key.toLowerCase()).map((error) => invalidValue(field, key, error)),
    ),
    ...(size > 262_144
      ? [{ reason: 'FieldValueTooLong', field, message: 'Too long: may not be more than 262144 bytes' }]
      : []),
  ];
}

/** Kinds of extensions are free in the names of their finalizers. */
const isFree = ({ custom, group }: ApiResource): boolean =>
  custom !== undefined || group === 'apiextensions.k8s.io';

function common(metadata: JsonObject): FieldError[] {
  const owners = objectsAt(metadata, 'ownerReferences');
  return [
    ...validateLabels(objectAt(metadata, 'labels'), 'metadata.labels'),
    ...validateAnnotations(objectAt(metadata, 'annotations'), 'metadata.annotations'),
    ...owners.flatMap((owner) =>
      (['apiVersion', 'kind', 'name', 'uid'] as const)
        .filter((key) => !owner[key])
        .map((key) =>
          invalidValue(
            `metadata.ownerReferences.${key}`,
            '',
            key === 'apiVersion' ? 'version must not be empty' : 'must not be empty',
          ),
        ),
    ),
    ...owners
      .filter(
        ({ apiVersion, kind }) =>
          (apiVersion === 'v1' || apiVersion === 'events.k8s.io/v1') && kind === 'Event',
      )
      .map((owner) => {
        const [version = '', group = ''] = String(owner.apiVersion).split('/').reverse();
        return invalidValue(
          'metadata.ownerReferences',
          owner,
          `${group}/${version}, Kind=${String(owner.kind)} is disallowed from being an owner`,
        );
      }),
    ...secondController(owners),
  ];
}

function finalizerErrors(resource: ApiResource, finalizers: readonly string[]): FieldError[] {
  const isBoth = ['orphan', 'foregroundDeletion'].every((name) => finalizers.includes(name));
  return [
    ...finalizers.flatMap((finalizer) =>
      labelKeyErrors(finalizer).map((error) => invalidValue('metadata.finalizers', finalizer, error)),
    ),
    ...(isBoth
      ? [
          invalidValue(
            'metadata.finalizers',
            [...finalizers],
            'finalizer orphan and foregroundDeletion cannot be both set',
          ),
        ]
      : []),
    ...[...finalizers.entries()]
      .filter(([, name]) => !name.includes('/') && !isFree(resource) && !STANDARD_FINALIZERS.includes(name))
      .map(([index, name]) =>
        invalidValue(
          `metadata.finalizers[${index}]`,
          name,
          'name is neither a standard finalizer name nor is it fully qualified',
        ),
      ),
  ];
}

function secondController(owners: JsonObject[]): FieldError[] {
  const [first, second] = owners
    .filter(({ controller }) => controller === true)
    .map(({ kind, name }) => `${String(kind)}/${String(name)}`);
  if (second === undefined) return [];
  return [
    invalidValue(
      'metadata.ownerReferences',
      owners,
      `Only one reference can have Controller set to true. Found "true" in references for ${first} and ${second}`,
    ),
  ];
}

/** Everything wrong with the metadata of a new object. */
export function validateMetadata(resource: ApiResource, metadata: JsonObject): FieldError[] {
  const rule = resource.nameRule ?? 'subdomain';
  const name = stringAt(metadata, 'name') ?? '';
  const prefix = stringAt(metadata, 'generateName') ?? '';
  return [
    ...(prefix === ''
      ? []
      : nameErrors(rule, prefix, true).map((error) => invalidValue('metadata.generateName', prefix, error))),
    ...(name === ''
      ? [required('metadata.name', 'name or generateName is required')]
      : nameErrors(rule, name).map((error) => invalidValue('metadata.name', name, error))),
    ...common(metadata),
    ...finalizerErrors(resource, stringsAt(metadata, 'finalizers')),
  ];
}

/** Everything wrong with the metadata of a changed object, as often as the API says it. */
export function validateMetadataUpdate(
  resource: ApiResource,
  metadata: JsonObject,
  old: JsonObject,
): FieldError[] {
  const fixed = ['uid', 'deletionTimestamp'].flatMap((key) =>
    metadata[key] === old[key] ? [] : [invalidValue(`metadata.${key}`, metadata[key], 'field is immutable')],
  );
  const content = common(metadata);
  const update = [...newFinalizers(metadata, old), ...fixed, ...content];
  return [...content, ...finalizerErrors(resource, stringsAt(metadata, 'finalizers')), ...update, ...update];
}

/** Finalizers cannot be added to what goes already. */
function newFinalizers(metadata: JsonObject, old: JsonObject): FieldError[] {
  if (old.deletionTimestamp === undefined) return [];
  const known = new Set(stringsAt(old, 'finalizers'));
  const added = stringsAt(metadata, 'finalizers').filter((finalizer) => !known.has(finalizer));
  if (added.length === 0) return [];
  return [
    forbiddenField(
      'metadata.finalizers',
      `no new finalizers can be added if the object is being deleted, found new finalizers []string{${added.map((item) => JSON.stringify(item)).join(', ')}}`,
    ),
  ];
}
