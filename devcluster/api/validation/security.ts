/** The rules for the security contexts of pods and containers. */
import { invalidValue, required } from '../field-errors.js';
import type { FieldError } from '../field-errors.js';
import { at as valueAt, numberAt, objectAt, objectsAt, stringAt, stringsAt } from '../json.js';
import type { Json, JsonObject } from '../json.js';
import { oneOf } from './fields.js';

const MAX_ID = 2_147_483_647;

const id = (value: Json | undefined, field: string): FieldError[] =>
  typeof value === 'number' && (value < 0 || value > MAX_ID)
    ? [invalidValue(field, value, `must be between 0 and ${MAX_ID}, inclusive`)]
    : [];

const PROFILES = [
  ['seccompProfile', 'seccomp'],
  ['appArmorProfile', 'AppArmor'],
] as const;

const profiles = (context: JsonObject, field: string): FieldError[] =>
  PROFILES.flatMap(([key, name]) => {
    const type = stringAt(context, key, 'type');
    return [
      ...oneOf(type, `${field}.${key}.type`, ['Localhost', 'RuntimeDefault', 'Unconfined']),
      ...(type === 'Localhost' && !stringAt(context, key, 'localhostProfile')
        ? [required(`${field}.${key}.localhostProfile`, `must be set when ${name} type is Localhost`)]
        : []),
    ];
  });

const SYSCTL = '^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$';
const isSysctl = new RegExp(SYSCTL);

export function validatePodContext(spec: JsonObject, owner: string): FieldError[] {
  const context = objectAt(spec, 'securityContext') ?? {};
  const field = `${owner}.securityContext`;
  const groups = valueAt(context, 'supplementalGroups');
  return [
    ...['fsGroup', 'runAsUser', 'runAsGroup'].flatMap((key) => id(context[key], `${field}.${key}`)),
    ...(Array.isArray(groups)
      ? groups.flatMap((group, index) => id(group, `${field}.supplementalGroups[${index}]`))
      : []),
    ...objectsAt(context, 'sysctls').flatMap(({ name }, index) =>
      isSysctl.test(String(name)) && String(name).length <= 253
        ? []
        : [
            invalidValue(
              `${field}.sysctls[${index}].name`,
              name,
              `must have at most 253 characters and match regex ${SYSCTL}`,
            ),
          ],
    ),
    ...oneOf(context.fsGroupChangePolicy, `${field}.fsGroupChangePolicy`, ['Always', 'OnRootMismatch']),
    ...profiles(context, field),
  ];
}

const FIELDS = [
  'capabilities',
  'privileged',
  'seLinuxOptions',
  'windowsOptions',
  'runAsUser',
  'runAsGroup',
  'runAsNonRoot',
  'readOnlyRootFilesystem',
  'allowPrivilegeEscalation',
  'procMount',
  'seccompProfile',
  'appArmorProfile',
];

/** The context as the API quotes it: its own struct, with the names of its fields. */
const quoted = (context: JsonObject): JsonObject =>
  Object.fromEntries(
    FIELDS.map((name) => {
      const upper = name.startsWith('seLinux')
        ? name.replace('se', 'SE')
        : name.replace(/^./, (c) => c.toUpperCase());
      const { add = null, drop = null } = objectAt(context, 'capabilities') ?? {};
      const value = context[name] ?? null;
      return [upper, name === 'capabilities' && value !== null ? { Add: add, Drop: drop } : value];
    }),
  );

export function validateContainerContext(container: JsonObject, owner: string): FieldError[] {
  const context = objectAt(container, 'securityContext');
  const field = `${owner}.securityContext`;
  if (context === undefined) return [];
  const clash =
    context.allowPrivilegeEscalation !== false
      ? undefined
      : context.privileged === true
        ? '`privileged` to true'
        : stringsAt(context, 'capabilities', 'add').includes('CAP_SYS_ADMIN')
          ? '`capabilities.Add` CAP_SYS_ADMIN'
          : undefined;
  return [
    ...['runAsUser', 'runAsGroup'].flatMap((key) => id(numberAt(context, key), `${field}.${key}`)),
    ...oneOf(context.procMount, `${field}.procMount`, ['Default', 'Unmasked']),
    ...profiles(context, field),
    ...(clash === undefined
      ? []
      : [
          invalidValue(
            field,
            quoted(context),
            `cannot set \`allowPrivilegeEscalation\` to false and ${clash}`,
          ),
        ]),
  ];
}
