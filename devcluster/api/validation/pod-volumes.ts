/** The rules for the volumes of pods, and for paths within them. */
import { forbiddenField, invalidValue, notSupported, required } from '../field-errors.js';
import type { FieldError } from '../field-errors.js';
import { numberAt, objectAt, objectsAt, stringAt } from '../json.js';
import type { JsonObject } from '../json.js';
import { labelKeyErrors } from '../names.js';
import { parseQuantity } from '../quantity.js';
import { oneOf, uniqueLabel } from './fields.js';

const noStepsUp = (path: string, field: string): FieldError[] =>
  path.split('/').includes('..') ? [invalidValue(field, path, "must not contain '..'")] : [];

/** A path within a volume. */
export const relativePath = (path: string, field: string): FieldError[] => [
  ...(path.startsWith('/') ? [invalidValue(field, path, 'must be a relative path')] : []),
  ...noStepsUp(path, field),
];

/** A path of a file that is written for the pod: a name that begins with two dots is the writer's own. */
function filePath(path: string, field: string): FieldError[] {
  if (path === '') return [required(field)];
  return [
    ...relativePath(path, field),
    ...(/^\.\.[^/]/.test(path) ? [invalidValue(field, path, "must not start with '..'")] : []),
  ];
}

function fileMode(owner: JsonObject, key: string, field: string): FieldError[] {
  const mode = numberAt(owner, key);
  return mode !== undefined && (mode < 0 || mode > 0o777)
    ? [invalidValue(`${field}.${key}`, mode, 'must be a number between 0 and 0777 (octal), both inclusive')]
    : [];
}

const keysAsFiles = (source: JsonObject, field: string): FieldError[] =>
  objectsAt(source, 'items').flatMap((item, index) => {
    const at = `${field}.items[${index}]`;
    return [
      ...(stringAt(item, 'key') ? [] : [required(`${at}.key`)]),
      ...filePath(stringAt(item, 'path') ?? '', `${at}.path`),
      ...fileMode(item, 'mode', at),
    ];
  });

const FILE_FIELDS = ['annotations', 'labels', 'name', 'namespace', 'uid'].map((name) => `metadata.${name}`);
/** Fields of a pod that have a path at all. */
const POD_FIELD =
  /^(metadata\.(annotations|labels|name|namespace|uid)|spec\.(nodeName|restartPolicy|schedulerName|serviceAccountName)|status\.(phase|hostIPs?|podIPs?))$/;

function fieldReference(path: string, field: string): FieldError[] {
  const [, list, key] = /^(metadata\.(?:labels|annotations))\['(.*)'\]$/.exec(path) ?? [];
  if (list !== undefined && key !== undefined)
    return labelKeyErrors(list.endsWith('labels') ? key : key.toLowerCase()).map((error) =>
      invalidValue(field, key, error),
    );
  const at = `${field}.fieldPath`;
  if (path === '') return [required(at)];
  if (!POD_FIELD.test(path))
    return [invalidValue(at, path, `error converting fieldPath: field label not supported: ${path}`)];
  return FILE_FIELDS.includes(path) ? [] : [notSupported(at, path, FILE_FIELDS)];
}

/** The API names no index here. */
const podFieldsAsFiles = (source: JsonObject, field: string): FieldError[] =>
  objectsAt(source, 'items').flatMap((item) => {
    const fieldRef = objectAt(item, 'fieldRef');
    const resourceRef = objectAt(item, 'resourceFieldRef');
    const from =
      fieldRef !== undefined
        ? fieldReference(stringAt(fieldRef, 'fieldPath') ?? '', `${field}.fieldRef`)
        : resourceRef === undefined
          ? [required(field, 'one of fieldRef and resourceFieldRef is required')]
          : stringAt(resourceRef, 'containerName')
            ? []
            : [required(`${field}.resourceFieldRef.containerName`)];
    return [
      ...filePath(stringAt(item, 'path') ?? '', `${field}.path`),
      ...from,
      ...fileMode(item, 'mode', field),
    ];
  });

const TOKEN_SECONDS = 600;

function projection(source: JsonObject, field: string, owner: string): FieldError[] {
  const named = (['secret', 'configMap'] as const).flatMap((key) => {
    const given = objectAt(source, key);
    if (given === undefined) return [];
    const at = `${field}.${key}`;
    return [...(stringAt(given, 'name') ? [] : [required(`${at}.name`)]), ...keysAsFiles(given, at)];
  });
  const token = objectAt(source, 'serviceAccountToken');
  const seconds = numberAt(token, 'expirationSeconds') ?? TOKEN_SECONDS;
  return [
    ...named,
    ...podFieldsAsFiles(objectAt(source, 'downwardAPI') ?? {}, `${field}.downwardAPI`),
    ...(seconds < TOKEN_SECONDS
      ? [
          invalidValue(
            `${field}.serviceAccountToken.expirationSeconds`,
            seconds,
            'may not specify a duration less than 10 minutes',
          ),
        ]
      : []),
    ...(token === undefined ? [] : filePath(stringAt(token, 'path') ?? '', `${owner}.path`)),
  ];
}

function projected(volume: JsonObject, field: string): FieldError[] {
  const paths = new Set<string>();
  const sources = objectsAt(volume, 'sources').flatMap((source, index) => {
    const at = `${field}.sources[${index}]`;
    if (Object.keys(source).length > 1)
      return [forbiddenField(at, 'may not specify more than 1 volume type per source')];
    const errors = projection(source, at, field);
    for (const one of Object.values(source)) {
      const files = stringAt(one, 'path') === undefined ? objectsAt(one, 'items') : [one];
      for (const path of files.map((file) => stringAt(file, 'path') ?? '')) {
        if (path !== '' && paths.has(path))
          errors.push(invalidValue(field, stringAt(one, 'name') ?? path, 'conflicting duplicate paths'));
        paths.add(path);
      }
    }
    return errors;
  });
  return [...fileMode(volume, 'defaultMode', field), ...sources];
}

const HOST_PATHS = [
  '',
  'BlockDevice',
  'CharDevice',
  'Directory',
  'DirectoryOrCreate',
  'File',
  'FileOrCreate',
  'Socket',
];

/** Names what the source cannot be without, then what else is wrong with it. */
const needs =
  (key: string, more: (source: JsonObject, field: string) => FieldError[] = () => []) =>
  (source: JsonObject, field: string): FieldError[] => [
    ...(stringAt(source, key) ? [] : [required(`${field}.${key}`)]),
    ...more(source, field),
  ];

const files = (source: JsonObject, field: string): FieldError[] => [
  ...fileMode(source, 'defaultMode', field),
  ...keysAsFiles(source, field),
];

const SOURCES: Readonly<Record<string, (source: JsonObject, field: string) => FieldError[]>> = {
  configMap: needs('name', files),
  secret: needs('secretName', files),
  persistentVolumeClaim: needs('claimName'),
  hostPath: needs('path', (source, field) => [
    ...noStepsUp(stringAt(source, 'path') ?? '', `${field}.path`),
    ...oneOf(source.type, `${field}.type`, HOST_PATHS),
  ]),
  emptyDir: (source, field) =>
    (parseQuantity(stringAt(source, 'sizeLimit') ?? '0')?.nanos ?? 0n) < 0n
      ? [forbiddenField(`${field}.sizeLimit`, 'SizeLimit field must be a valid resource quantity')]
      : [],
  nfs: needs('server', (source, field) => {
    const path = stringAt(source, 'path') ?? '';
    return [
      ...(path === '' ? [required(`${field}.path`)] : []),
      ...(path.startsWith('/') ? [] : [invalidValue(`${field}.path`, path, 'must be an absolute path')]),
    ];
  }),
  downwardAPI: (source, field) => [
    ...fileMode(source, 'defaultMode', field),
    ...podFieldsAsFiles(source, field),
  ],
  projected,
};

export function validateVolumes(spec: JsonObject, field: string): FieldError[] {
  const seen = new Set<string>();
  return objectsAt(spec, 'volumes').flatMap((volume, index) => {
    const at = `${field}.volumes[${index}]`;
    const sources = Object.keys(volume).filter((key) => key !== 'name');
    return [
      ...sources
        .slice(1)
        .map((source) => forbiddenField(`${at}.${source}`, 'may not specify more than 1 volume type')),
      ...sources.flatMap((key) => SOURCES[key]?.(objectAt(volume, key) ?? {}, `${at}.${key}`) ?? []),
      ...uniqueLabel(stringAt(volume, 'name') ?? '', seen, `${at}.name`),
    ];
  });
}
