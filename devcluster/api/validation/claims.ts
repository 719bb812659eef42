/** The rules for volume claims. */
import { forbiddenField, invalidValue, required } from '../field-errors.js';
import type { FieldError } from '../field-errors.js';
import { equal, objectAt, stringAt, stringsAt } from '../json.js';
import type { JsonObject } from '../json.js';
import { subdomainErrors } from '../names.js';
import { parseQuantity } from '../quantity.js';
import { oneOf } from './fields.js';

const MODES = ['ReadOnlyMany', 'ReadWriteMany', 'ReadWriteOnce', 'ReadWriteOncePod'];

/** Everything wrong with a claim's spec at this path. */
export function validateClaimSpec(spec: JsonObject, field: string): FieldError[] {
  const modes = stringsAt(spec, 'accessModes');
  const storage = stringAt(spec, 'resources', 'requests', 'storage');
  const storageClass = stringAt(spec, 'storageClassName') ?? '';
  const at = `${field}.resources[storage]`;
  const isPositive = storage === undefined || (parseQuantity(storage)?.nanos ?? 0n) > 0n;
  return [
    ...(modes.length === 0 ? [required(`${field}.accessModes`, 'at least 1 access mode is required')] : []),
    ...modes.flatMap((mode) => oneOf(mode, `${field}.accessModes`, MODES)),
    ...(storage === undefined ? [required(at)] : []),
    ...(isPositive ? [] : [invalidValue(at, storage, 'must be greater than zero')]),
    ...(storageClass === ''
      ? []
      : subdomainErrors(storageClass).map((error) =>
          invalidValue(`${field}.storageClassName`, storageClass, error),
        )),
    ...oneOf(spec.volumeMode, `${field}.volumeMode`, ['Block', 'Filesystem']),
  ];
}

export function validateClaim(claim: JsonObject, old: JsonObject | undefined): FieldError[] {
  const spec = objectAt(claim, 'spec') ?? {};
  const { resources: _resources, volumeName: _volume, ...fixed } = spec;
  const { resources: _oldResources, volumeName: _oldVolume, ...oldFixed } = objectAt(old, 'spec') ?? {};
  return [
    ...validateClaimSpec(spec, 'spec'),
    ...(old === undefined || equal(fixed, oldFixed)
      ? []
      : [
          forbiddenField(
            'spec',
            'spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims',
          ),
        ]),
  ];
}
