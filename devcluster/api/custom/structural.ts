/** Whether a schema of a custom kind is structural: every field has a type, and what is said beside types says no more. */
import { forbiddenField, invalidValue, notSupported, required } from '../field-errors.js';
import type { FieldError } from '../field-errors.js';
import { isObject, objectAt, objectsAt, stringAt, stringsAt } from '../json.js';
import type { JsonObject } from '../json.js';
import { isEmbedded, isIntOrString, isOpen } from './structs.js';
import { validateValue } from './validate.js';

const TYPES = ['array', 'boolean', 'integer', 'number', 'object', 'string'];
const WHERE: Readonly<Record<string, string>> = {
  root: 'must not be empty at the root',
  field: 'must not be empty for specified object fields',
  item: 'must not be empty for specified array items',
};
const LIST_TYPES = ['atomic', 'map', 'set'];

/** What only the structure itself may say. */
const STRUCTURAL = [
  'type',
  'additionalProperties',
  'default',
  'nullable',
  'title',
  'description',
  'x-kubernetes-preserve-unknown-fields',
  'x-kubernetes-embedded-resource',
];

/** Schemas that stand beside the structure narrow it, and declare nothing. */
const beside = (props: JsonObject, field: string, isInIntOrString: boolean): FieldError[] => [
  ...STRUCTURAL.filter((key) => props[key] !== undefined && !(key === 'type' && isInIntOrString)).map((key) =>
    forbiddenField(`${field}.${key}`, 'must be empty to be structural'),
  ),
  ...Object.entries(objectAt(props, 'properties') ?? {}).flatMap(([key, value]) =>
    isObject(value) ? beside(value, `${field}.properties[${key}]`, isInIntOrString) : [],
  ),
  ...combined(props, field, isInIntOrString),
];
const combined = (props: JsonObject, field: string, isInIntOrString: boolean): FieldError[] => [
  ...['allOf', 'anyOf', 'oneOf'].flatMap((key) =>
    objectsAt(props, key).flatMap((item, index) =>
      beside(item, `${field}.${key}[${index}]`, isInIntOrString),
    ),
  ),
  ...(isObject(props.not) ? beside(props.not, `${field}.not`, isInIntOrString) : []),
];

function lists(props: JsonObject, field: string): FieldError[] {
  const errors: FieldError[] = [];
  const type = stringAt(props, 'x-kubernetes-list-type');
  const keys = stringsAt(props, 'x-kubernetes-list-map-keys');
  if (type !== undefined && !LIST_TYPES.includes(type))
    errors.push(notSupported(`${field}.x-kubernetes-list-type`, type, LIST_TYPES));
  if (type === 'map' && keys.length === 0)
    errors.push(
      required(`${field}.x-kubernetes-list-map-keys`, 'must not be empty if x-kubernetes-list-type is map'),
    );
  if (type !== 'map' && keys.length > 0)
    errors.push(
      invalidValue(
        `${field}.x-kubernetes-list-type`,
        type ?? null,
        'must be map if x-kubernetes-list-map-keys is non-empty',
      ),
    );
  const items = objectAt(props, 'items');
  if (type === 'map' && items !== undefined)
    for (const key of keys) {
      const own = objectAt(items, 'properties', key);
      if (own === undefined)
        errors.push(
          invalidValue(
            `${field}.x-kubernetes-list-map-keys`,
            keys,
            'entries must all be names of item properties',
          ),
        );
      else if (!stringsAt(items, 'required').includes(key) && own.default === undefined)
        errors.push(
          required(
            `${field}.items.properties[${key}].default`,
            'this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property',
          ),
        );
    }
  return errors;
}

function walk(props: JsonObject, field: string, where: 'root' | 'field' | 'item'): FieldError[] {
  const errors: FieldError[] = [];
  const type = stringAt(props, 'type') ?? '';
  const { additionalProperties, properties, items } = props;
  if (type === '' && !isIntOrString(props) && !(where !== 'root' && isOpen(props)))
    errors.push(required(`${field}.type`, WHERE[where]));
  else if (type !== '' && !TYPES.includes(type)) errors.push(notSupported(`${field}.type`, type, TYPES));
  else if (where === 'root' && type !== 'object')
    errors.push(invalidValue(`${field}.type`, type, 'must be object at the root'));
  if (isEmbedded(props) && type !== 'object')
    errors.push(
      invalidValue(`${field}.type`, type, 'must be object if x-kubernetes-embedded-resource is true'),
    );
  if (isEmbedded(props) && !isOpen(props) && properties === undefined)
    errors.push(
      required(
        `${field}.properties`,
        'must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields',
      ),
    );
  if (isObject(properties) && additionalProperties !== undefined)
    errors.push(
      forbiddenField(
        `${field}.additionalProperties`,
        'additionalProperties and properties are mutual exclusive',
      ),
    );
  if (type === 'array' && items === undefined) errors.push(required(`${field}.items`, 'must be specified'));
  if (props.default !== undefined)
    errors.push(
      ...validateValue(props, props.default).map((error) => ({
        ...error,
        field: `${field}.default${error.field === '' || error.field === '<nil>' ? '' : `.${error.field}`}`,
      })),
    );
  for (const key of ['$ref', 'definitions', 'dependencies', 'patternProperties', 'additionalItems'])
    if (props[key] !== undefined) errors.push(forbiddenField(`${field}.${key}`, `${key} is not supported`));
  if (props.uniqueItems === true)
    errors.push(
      forbiddenField(
        `${field}.uniqueItems`,
        'uniqueItems cannot be set to true since the runtime complexity becomes quadratic',
      ),
    );
  errors.push(...lists(props, field), ...combined(props, field, isIntOrString(props)));
  for (const [key, value] of Object.entries(isObject(properties) ? properties : {}))
    if (isObject(value)) errors.push(...walk(value, `${field}.properties[${key}]`, 'field'));
  if (isObject(items)) errors.push(...walk(items, `${field}.items`, 'item'));
  if (isObject(additionalProperties))
    errors.push(...walk(additionalProperties, `${field}.additionalProperties`, 'field'));
  return errors;
}

/** Everything wrong with the schema that stands at `field`. What `metadata` says of itself is no part of the structure. */
export function validateSchema(schema: JsonObject, field: string): FieldError[] {
  const {
    metadata: _metadata,
    apiVersion: _version,
    kind: _kind,
    ...properties
  } = objectAt(schema, 'properties') ?? {};
  return walk({ ...schema, ...(schema.properties !== undefined && { properties }) }, field, 'root');
}
