/** The rules for roles and their bindings. */
import { invalidValue, notSupported, required } from '../field-errors.js';
import type { FieldError } from '../field-errors.js';
import { equal, objectAt, objectsAt, stringsAt } from '../json.js';
import type { JsonObject } from '../json.js';

const RBAC = 'rbac.authorization.k8s.io';

/** `isNamespaced`: the role of one namespace, which says nothing of other paths. */
export const validateRole =
  (isNamespaced: boolean) =>
  (role: JsonObject): FieldError[] =>
    objectsAt(role, 'rules').flatMap((rule, index) => {
      const field = `rules[${index}]`;
      const has = (key: string): boolean => stringsAt(rule, key).length > 0;
      const verbs = has('verbs') ? [] : [required(`${field}.verbs`, 'verbs must contain at least one value')];
      if (has('nonResourceURLs')) {
        if (isNamespaced)
          return [
            ...verbs,
            invalidValue(
              `${field}.nonResourceURLs`,
              stringsAt(rule, 'nonResourceURLs'),
              'namespaced rules cannot apply to non-resource URLs',
            ),
          ];
        return verbs;
      }
      return [
        ...verbs,
        ...(has('apiGroups')
          ? []
          : [required(`${field}.apiGroups`, 'resource rules must supply at least one api group')]),
        ...(has('resources')
          ? []
          : [required(`${field}.resources`, 'resource rules must supply at least one resource')]),
      ];
    });

/** A reference as the server itself calls its fields. */
const goNames = ({ apiGroup, kind, name }: JsonObject): JsonObject => ({
  APIGroup: apiGroup,
  Kind: kind,
  Name: name,
});

function validateSubject(subject: JsonObject, field: string, isClusterWide: boolean): FieldError[] {
  const kind = String(subject.kind ?? '');
  const kinds = ['ServiceAccount', 'User', 'Group'];
  return [
    ...(subject.name ? [] : [required(`${field}.name`)]),
    ...(kinds.includes(kind) ? [] : [notSupported(`${field}.kind`, kind, kinds)]),
    ...(isClusterWide && kind === 'ServiceAccount' && !subject.namespace
      ? [required(`${field}.namespace`)]
      : []),
  ];
}

/** `kinds` are those of the roles that may be bound; in one namespace a ServiceAccount need not name its own. */
export const validateBinding =
  (kinds: readonly string[], isClusterWide: boolean) =>
  (binding: JsonObject, old: JsonObject | undefined): FieldError[] => {
    const role = objectAt(binding, 'roleRef') ?? {};
    const kind = String(role.kind ?? '');
    return [
      ...(role.apiGroup === RBAC
        ? []
        : [notSupported('roleRef.apiGroup', String(role.apiGroup ?? ''), [RBAC])]),
      ...(kinds.includes(kind) ? [] : [notSupported('roleRef.kind', kind, kinds)]),
      ...(role.name ? [] : [required('roleRef.name')]),
      ...objectsAt(binding, 'subjects').flatMap((subject, index) =>
        validateSubject(subject, `subjects[${index}]`, isClusterWide),
      ),
      ...(old === undefined || equal(binding.roleRef, old.roleRef)
        ? []
        : [invalidValue('roleRef', goNames(role), 'cannot change roleRef')]),
    ];
  };
