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
    ...secondController(owners),
    ...stringsAt(metadata, 'finalizers').flatMap((finalizer, index) => [
      ...labelKeyErrors(finalizer).map((error) => invalidValue('metadata.finalizers', finalizer, error)),
      ...(finalizer.includes('/') || STANDARD_FINALIZERS.includes(finalizer)
        ? []
        : [
            invalidValue(
              `metadata.finalizers[${index}]`,
              finalizer,
              'name is neither a standard finalizer name nor is it fully qualified',
            ),
          ]),
    ]),
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
  ];
}

/** Everything wrong with the metadata of a changed object. */
export function validateMetadataUpdate(metadata: JsonObject, old: JsonObject): FieldError[] {
  const errors = common(metadata);
  if (old.deletionTimestamp !== undefined) {
    const known = new Set(stringsAt(old, 'finalizers'));
    const added = stringsAt(metadata, 'finalizers').filter((finalizer) => !known.has(finalizer));
    if (added.length > 0)
      errors.push(
        forbiddenField(
          'metadata.finalizers',
          `no new finalizers can be added if the object is being deleted, found new finalizers []string{${added.map((item) => JSON.stringify(item)).join(', ')}}`,
        ),
      );
  }
  return errors;
}
