/** The rules of CustomResourceDefinitions themselves. */
import { invalidValue, notSupported, required } from '../field-errors.js';
import type { FieldError } from '../field-errors.js';
import { equal, isObject, objectAt, objectsAt, stringAt, stringsAt } from '../json.js';
import type { Json, JsonObject } from '../json.js';
import { label1035Errors, subdomainErrors } from '../names.js';
import { timestamp } from '../registry.js';
import type { Strategy } from '../strategy.js';
import { parsePath } from './json-path.js';
import { validateSchema } from './structural.js';

export const FINALIZER = 'customresourcecleanup.apiextensions.k8s.io';

const names = (definition: JsonObject | undefined): JsonObject => objectAt(definition, 'spec', 'names') ?? {};
const versionsOf = (definition: JsonObject | undefined): JsonObject[] =>
  objectsAt(definition, 'spec', 'versions');
const nameOf = (version: JsonObject): string => stringAt(version, 'name') ?? '';
const storageVersion = (definition: JsonObject): string | undefined =>
  versionsOf(definition)
    .filter(({ storage }) => storage === true)
    .map(nameOf)[0];

export const isTrue = (definition: JsonObject | undefined, type: string): boolean =>
  objectsAt(definition, 'status', 'conditions').some(
    (condition) => condition.type === type && condition.status === 'True',
  );

/** The conditions with this one; its time changes with its status alone. */
export function withCondition(conditions: JsonObject[], next: JsonObject): JsonObject[] {
  const old = conditions.find(({ type }) => type === next.type);
  const since = old?.status === next.status ? old?.lastTransitionTime : undefined;
  const condition = { lastTransitionTime: since ?? timestamp(), ...next };
  return old === undefined
    ? [...conditions, condition]
    : conditions.map((item) => (item === old ? condition : item));
}

function validateNames(definition: JsonObject): FieldError[] {
  const { plural, singular, kind, listKind } = names(definition);
  const label = (field: string, value: Json | undefined): FieldError[] =>
    value
      ? label1035Errors(String(value)).map((error) => invalidValue(`spec.names.${field}`, value, error))
      : [required(`spec.names.${field}`)];
  const mixed = (field: string, value: Json | undefined): FieldError[] =>
    value
      ? label1035Errors(String(value).toLowerCase()).map((error) =>
          invalidValue(
            `spec.names.${field}`,
            value,
            `may have mixed case, but should otherwise match: ${error}`,
          ),
        )
      : [required(`spec.names.${field}`)];
  return [
    ...label('plural', plural),
    ...label('singular', singular),
    ...mixed('kind', kind),
    ...mixed('listKind', listKind),
    ...(kind && kind === listKind
      ? [invalidValue('spec.names.listKind', listKind, 'kind and listKind may not be the same')]
      : []),
    ...stringsAt(definition, 'spec', 'names', 'shortNames').flatMap((name, index) =>
      label1035Errors(name).map((error) => invalidValue(`spec.names.shortNames[${index}]`, name, error)),
    ),
  ];
}

const COLUMN_TYPES = ['boolean', 'date', 'integer', 'number', 'string'];

const isPath = (path: string): boolean => {
  if (!path.startsWith('.')) return false;
  try {
    parsePath(path);
    return true;
  } catch {
    return false;
  }
};

function validateColumns(version: JsonObject, field: string): FieldError[] {
  return objectsAt(version, 'additionalPrinterColumns').flatMap((column, index) => {
    const at = `${field}.additionalPrinterColumns[${index}]`;
    const type = stringAt(column, 'type') ?? '';
    const path = stringAt(column, 'jsonPath') ?? '';
    return [
      ...(stringAt(column, 'name') ? [] : [required(`${at}.name`)]),
      ...(COLUMN_TYPES.includes(type)
        ? []
        : [
            type === ''
              ? required(`${at}.type`, `must be one of ${COLUMN_TYPES.join(',')}`)
              : invalidValue(`${at}.type`, type, `must be one of ${COLUMN_TYPES.join(',')}`),
          ]),
      ...(path === ''
        ? [required(`${at}.JSONPath`)]
        : isPath(path)
          ? []
          : [invalidValue(`${at}.JSONPath`, path, 'must be a simple json path starting with .')]),
    ];
  });
}

function validateScale(version: JsonObject, field: string): FieldError[] {
  const scale = objectAt(version, 'subresources', 'scale');
  if (scale === undefined) return [];
  const paths: [string, RegExp, string, boolean][] = [
    ['specReplicasPath', /^\.spec(\.\w+)+$/, '.spec', true],
    ['statusReplicasPath', /^\.status(\.\w+)+$/, '.status', true],
    ['labelSelectorPath', /^\.(spec|status)(\.\w+)+$/, '.spec or .status', false],
  ];
  return paths.flatMap(([key, pattern, root, isRequired]) => {
    const at = `${field}.subresources.scale.${key}`;
    const path = stringAt(scale, key);
    if (path === undefined || path === '') return isRequired ? [required(at)] : [];
    if (!/^(\.\w+)+$/.test(path))
      return [invalidValue(at, path, 'must be a simple json path starting with .')];
    return pattern.test(path) ? [] : [invalidValue(at, path, `should be a json path under ${root}`)];
  });
}

/** What all versions have alike is told of once, as if it stood beside them. */
function validateVersions(definition: JsonObject): FieldError[] {
  const versions = versionsOf(definition);
  const found = versions.map(nameOf);
  const shared = (...path: string[]): boolean => {
    const [first, ...others] = versions.map((version) => objectAt(version, ...path));
    return first !== undefined && others.every((other) => equal(other, first));
  };
  const errors: FieldError[] = [];
  const isShared = shared('schema');
  versions.forEach((version, index) => {
    const at = `spec.versions[${index}]`;
    const field = isShared ? 'spec.validation.openAPIV3Schema' : `${at}.schema.openAPIV3Schema`;
    const schema = objectAt(version, 'schema', 'openAPIV3Schema');
    const beside = versions.length === 1 ? 'spec' : at;
    errors.push(
      ...label1035Errors(nameOf(version)).map((error) => invalidValue(`${at}.name`, nameOf(version), error)),
      ...(schema === undefined
        ? [required(`${at}.schema.openAPIV3Schema`)]
        : isShared && index > 0
          ? []
          : validateSchema(schema, field)),
      ...validateScale(version, beside),
      ...validateColumns(version, beside),
    );
  });
  if (new Set(found).size < found.length)
    errors.push(invalidValue('spec.versions', versions, 'must contain unique version names'));
  if (versions.filter(({ storage }) => storage === true).length !== 1)
    errors.push(
      invalidValue('spec.versions', versions, 'must have exactly one version marked as storage version'),
    );
  return errors;
}

function validateUpdate(definition: JsonObject, old: JsonObject): FieldError[] {
  const fixed = ['spec.group', 'spec.names.plural'];
  if (isTrue(old, 'Established')) fixed.push('spec.scope', 'spec.names.kind');
  const stored = stringsAt(old, 'status', 'storedVersions');
  const there = versionsOf(definition).map(nameOf);
  return [
    ...fixed.flatMap((field) => {
      const path = field.split('.');
      const value = stringAt(definition, ...path);
      return value === stringAt(old, ...path) ? [] : [invalidValue(field, value, 'field is immutable')];
    }),
    ...stored.flatMap((version, index) =>
      there.includes(version)
        ? []
        : [invalidValue(`status.storedVersions[${index}]`, version, 'must appear in spec.versions')],
    ),
  ];
}

const PROTECTED = /(^|\.)(k8s|kubernetes)\.io$/;
const APPROVAL = 'api-approved.kubernetes.io';

function validate(definition: JsonObject, old: JsonObject | undefined): FieldError[] {
  const name = stringAt(definition, 'metadata', 'name') ?? '';
  const group = stringAt(definition, 'spec', 'group') ?? '';
  const plural = stringAt(names(definition), 'plural') ?? '';
  const scope = stringAt(definition, 'spec', 'scope') ?? '';
  const strategy = stringAt(definition, 'spec', 'conversion', 'strategy') ?? 'None';
  const errors: FieldError[] = [];
  if (name !== `${plural}.${group}`)
    errors.push(invalidValue('metadata.name', name, 'must be spec.names.plural+"."+spec.group'));
  if (group === '') errors.push(required('spec.group'));
  else {
    const wrong = subdomainErrors(group);
    errors.push(...wrong.map((error) => invalidValue('spec.group', group, error)));
    if (wrong.length === 0 && !group.includes('.'))
      errors.push(invalidValue('spec.group', group, 'should be a domain with at least one dot'));
  }
  if (PROTECTED.test(group) && !stringAt(definition, 'metadata', 'annotations', APPROVAL))
    errors.push(
      required(
        `metadata.annotations[${APPROVAL}]`,
        `protected groups must have approval annotation "${APPROVAL}", see https://github.com/kubernetes/enhancements/pull/1111`,
      ),
    );
  if (scope === '') errors.push(required('spec.scope'));
  else if (scope !== 'Cluster' && scope !== 'Namespaced')
    errors.push(notSupported('spec.scope', scope, ['Cluster', 'Namespaced']));
  if (strategy !== 'None') errors.push(notSupported('spec.conversion.strategy', strategy, ['None']));
  errors.push(...validateVersions(definition), ...validateNames(definition));
  if (old !== undefined) errors.push(...validateUpdate(definition, old));
  return errors;
}

/** Whether some part of a schema has rules in CEL. */
const hasRules = (value: Json | undefined): boolean =>
  Array.isArray(value)
    ? value.some(hasRules)
    : isObject(value) && ('x-kubernetes-validations' in value || Object.values(value).some(hasRules));

export const definitionStrategy: Strategy = {
  keepsGeneration: true,
  initialStatus: (definition) => {
    const version = storageVersion(definition);
    return {
      conditions: null,
      acceptedNames: { plural: '', kind: '' },
      storedVersions: version === undefined ? null : [version],
    };
  },
  prepareUpdate(definition) {
    const version = storageVersion(definition);
    const status = objectAt(definition, 'status');
    const stored = stringsAt(status, 'storedVersions');
    if (version !== undefined && !stored.includes(version))
      definition.status = { ...status, storedVersions: [...stored, version] };
  },
  validate,
  beginDelete(definition) {
    const metadata = objectAt(definition, 'metadata') ?? {};
    const finalizers = stringsAt(metadata, 'finalizers');
    if (!finalizers.includes(FINALIZER)) metadata.finalizers = [...finalizers, FINALIZER];
    definition.status = {
      ...objectAt(definition, 'status'),
      conditions: withCondition(objectsAt(definition, 'status', 'conditions'), {
        type: 'Terminating',
        status: 'True',
        reason: 'InstanceDeletionPending',
        message: 'CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon',
      }),
    };
  },
  warnings: (definition) =>
    versionsOf(definition).some(hasRules)
      ? [
          'the embedded cluster does not evaluate x-kubernetes-validations: its rules (CEL) refuse nothing here',
        ]
      : [],
};
