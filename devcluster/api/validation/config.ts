/** The rules for ConfigMaps and Secrets. */
import { forbiddenField, invalidValue, required } from '../field-errors.js';
import type { FieldError } from '../field-errors.js';
import { equal, objectAt, stringAt } from '../json.js';
import type { JsonObject } from '../json.js';
import { configKeyErrors } from '../names.js';

const MAX_BYTES = 1_048_576;

const keys = (object: JsonObject, field: string): FieldError[] =>
  Object.keys(objectAt(object, field) ?? {}).flatMap((key) =>
    configKeyErrors(key).map((error) => invalidValue(`${field}[${key}]`, key, error)),
  );

const size = (object: JsonObject, field: string, unit: number): number =>
  Object.values(objectAt(object, field) ?? {}).reduce<number>(
    (sum, value) => sum + Buffer.byteLength(String(value)) * unit,
    0,
  );

function frozen(object: JsonObject, old: JsonObject | undefined, fields: readonly string[]): FieldError[] {
  if (old?.immutable !== true) return [];
  const why = 'field is immutable when `immutable` is set';
  return [
    ...(object.immutable === true ? [] : [forbiddenField('immutable', why)]),
    ...fields.filter((field) => !equal(object[field], old[field])).map((field) => forbiddenField(field, why)),
  ];
}

export function validateConfigMap(map: JsonObject, old: JsonObject | undefined): FieldError[] {
  const binary = objectAt(map, 'binaryData') ?? {};
  const total = size(map, 'data', 1) + size(map, 'binaryData', 0.75);
  return [
    ...frozen(map, old, ['data', 'binaryData']),
    ...keys(map, 'data'),
    ...Object.keys(objectAt(map, 'data') ?? {})
      .filter((key) => Object.hasOwn(binary, key))
      .map((key) => invalidValue(`data[${key}]`, key, 'duplicate of key present in binaryData')),
    ...keys(map, 'binaryData'),
    ...(total > MAX_BYTES
      ? [
          {
            reason: 'FieldValueTooLong',
            field: '[]',
            message: `Too long: may not be more than ${MAX_BYTES} bytes`,
          },
        ]
      : []),
  ];
}

const REQUIRED: Readonly<Record<string, readonly string[]>> = {
  'kubernetes.io/tls': ['tls.crt', 'tls.key'],
  'kubernetes.io/dockerconfigjson': ['.dockerconfigjson'],
  'kubernetes.io/dockercfg': ['.dockercfg'],
  'kubernetes.io/ssh-auth': ['ssh-privatekey'],
  'kubernetes.io/basic-auth': ['username', 'password'],
};

const ACCOUNT_NAME = 'kubernetes.io/service-account.name';

/** Keys that a Secret of this type lacks; of basic-auth it needs one alone. */
function missing(type: string, data: JsonObject): readonly string[] {
  const keys = (REQUIRED[type] ?? []).filter((key) => !Object.hasOwn(data, key));
  return type === 'kubernetes.io/basic-auth' && keys.length < 2 ? [] : keys;
}

export function validateSecret(secret: JsonObject, old: JsonObject | undefined): FieldError[] {
  const data = objectAt(secret, 'data') ?? {};
  return [
    ...(old !== undefined && secret.type !== old.type
      ? [invalidValue('type', secret.type, 'field is immutable')]
      : []),
    ...frozen(secret, old, ['data']),
    ...keys(secret, 'data'),
    ...(size(secret, 'data', 0.75) > MAX_BYTES
      ? [
          {
            reason: 'FieldValueTooLong',
            field: 'data',
            message: `Too long: may not be more than ${MAX_BYTES} bytes`,
          },
        ]
      : []),
    ...(secret.type === 'kubernetes.io/service-account-token' &&
    !stringAt(secret, 'metadata', 'annotations', ACCOUNT_NAME)
      ? [required(`metadata.annotations[${ACCOUNT_NAME}]`)]
      : []),
    ...missing(String(secret.type), data).map((key) => required(`data[${key}]`)),
  ];
}
