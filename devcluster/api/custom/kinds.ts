/** What a CustomResourceDefinition has the server serve: one resource a version, with the schema of its objects. */
import { byVersion } from '../discovery-lists.js';
import type { KindRow, Subresource } from '../../data/kinds.js';
import { decode } from '../decode.js';
import { ApiError } from '../errors.js';
import type { FieldError } from '../field-errors.js';
import { objectAt, objectsAt, stringAt, stringsAt } from '../json.js';
import type { JsonObject } from '../json.js';
import { toResource } from '../resources.js';
import type { ApiResource, ScalePaths } from '../resources.js';
import type { Schema, Struct } from '../schema.js';
import type { Strategy } from '../strategy.js';
import { customColumns } from './columns.js';
import { validateScaled } from './scale.js';
import { customStructs } from './structs.js';
import { validateValue } from './validate.js';

export interface ServedKind {
  readonly resource: ApiResource;
  readonly struct: string;
  readonly structs: readonly Struct[];
}

const pathOf = (text: string): string[] => text.split('.').slice(1);

function scalePaths(subresources: JsonObject | undefined): ScalePaths | undefined {
  const scale = objectAt(subresources, 'scale');
  if (scale === undefined) return undefined;
  const selector = stringAt(scale, 'labelSelectorPath');
  return {
    spec: pathOf(stringAt(scale, 'specReplicasPath') ?? ''),
    status: pathOf(stringAt(scale, 'statusReplicasPath') ?? ''),
    selector: selector === undefined ? undefined : pathOf(selector),
  };
}

const terminating = (resource: { plural: string; group: string }, name: string): ApiError =>
  new ApiError({
    code: 403,
    reason: 'Forbidden',
    message: `${resource.plural}.${resource.group} "${name}" is forbidden: create not allowed while custom resource definition is terminating`,
    details: { name, group: resource.group, kind: resource.plural },
  });

/** The first served version that is newer and not deprecated, as the warning of a deprecated one names it. */
function deprecation(definition: JsonObject, version: JsonObject): string | undefined {
  if (version.deprecated !== true) return undefined;
  const own = stringAt(version, 'deprecationWarning');
  if (own !== undefined) return own;
  const group = stringAt(definition, 'spec', 'group') ?? '';
  const kind = stringAt(definition, 'spec', 'names', 'kind') ?? '';
  const name = stringAt(version, 'name') ?? '';
  const [better] = objectsAt(definition, 'spec', 'versions')
    .filter(({ served, deprecated }) => served === true && deprecated !== true)
    .map((item) => stringAt(item, 'name') ?? '')
    .sort(byVersion);
  const use = better === undefined || byVersion(better, name) > 0 ? '' : `; use ${group}/${better} ${kind}`;
  return `${group}/${name} ${kind} is deprecated${use}`;
}

/** The versions of a definition that are served. `names` are the accepted ones. */
export function servedKinds(schema: Schema, definition: JsonObject, names: JsonObject): ServedKind[] {
  const group = stringAt(definition, 'spec', 'group') ?? '';
  const kind = stringAt(names, 'kind') ?? '';
  const plural = stringAt(names, 'plural') ?? '';
  const versions = objectsAt(definition, 'spec', 'versions');
  const isGoing = stringAt(definition, 'metadata', 'deletionTimestamp') !== undefined;
  // Stored by another version, or before a change of the schema.
  const mayDiffer = versions.length > 1 || objectAt(definition, 'metadata')?.generation !== 1;
  return versions
    .filter(({ served }) => served === true)
    .map((version) => {
      const name = stringAt(version, 'name') ?? '';
      const struct = [...group.split('.').reverse(), name, kind].join('.');
      const props = objectAt(version, 'schema', 'openAPIV3Schema') ?? {};
      const subresources = objectAt(version, 'subresources');
      const scale = scalePaths(subresources);
      const row: KindRow = {
        group,
        version: name,
        plural,
        singular: stringAt(names, 'singular') ?? '',
        kind,
        namespaced: stringAt(definition, 'spec', 'scope') === 'Namespaced',
        shortNames: stringsAt(names, 'shortNames'),
        categories: stringsAt(names, 'categories'),
        subresources: [
          ...(subresources?.status === undefined ? [] : ['status' as const]),
          ...(scale === undefined ? [] : ['scale' as const]),
        ] satisfies Subresource[],
        fieldLabels: [],
        versionedUpdates: true,
        generation: true,
      };
      const statusProps = objectAt(props, 'properties', 'status') ?? {};
      const validate = (object: JsonObject): FieldError[] => [
        ...validateValue(props, object),
        ...validateScaled(object, scale),
      ];
      const strategy: Strategy = {
        initialStatus: () => undefined,
        ...(isGoing && {
          prepareCreate: (object) => {
            throw terminating(row, stringAt(object, 'metadata', 'name') ?? '');
          },
        }),
        validate,
        validateStatus: ({ status, ...object }) => [
          ...(status === undefined
            ? []
            : // The words are about the status alone; the field is the object's.
              validateValue(statusProps, status).map((error) => ({
                ...error,
                field: error.field === '' ? 'status' : `status.${error.field}`,
              }))),
          ...validateScaled({ ...object, status }, scale),
        ],
      };
      const show = (object: JsonObject): JsonObject => decode(schema, struct, object).object;
      return {
        struct,
        structs: customStructs(struct, props),
        resource: toResource(
          { ...row, deprecation: deprecation(definition, version) },
          {
            listKind: stringAt(names, 'listKind') ?? `${kind}List`,
            strategy,
            columns: customColumns(version),
            scale,
            show: mayDiffer ? show : undefined,
          },
        ),
      };
    });
}
