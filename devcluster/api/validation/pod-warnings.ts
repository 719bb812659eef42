/** What the API tells the writer of a pod, or of something that makes pods, though it takes it. */
import { objectAt, objectsAt, stringAt } from '../json.js';
import type { JsonObject } from '../json.js';
import { labelErrors } from '../names.js';
import { parseQuantity } from '../quantity.js';

const UNIT = 1_000_000_000n;

/** The elements that have an identity which one before them has, as index pairs. */
function repeated(items: readonly JsonObject[], idOf: (item: JsonObject) => string): [number, number][] {
  const seen = new Map<string, number>();
  return items.flatMap((item, index): [number, number][] => {
    const before = seen.get(idOf(item));
    if (before !== undefined) return [[index, before]];
    seen.set(idOf(item), index);
    return [];
  });
}

function containerWarnings(container: JsonObject, field: string): string[] {
  const environment = objectsAt(container, 'env');
  const ports = objectsAt(container, 'ports');
  const fractions = (['limits', 'requests'] as const).flatMap((list) =>
    (['memory', 'ephemeral-storage'] as const).flatMap((name) => {
      const value = stringAt(container, 'resources', list, name);
      const nanos = value === undefined ? undefined : parseQuantity(value)?.nanos;
      return nanos !== undefined && nanos % UNIT !== 0n
        ? [
            `${field}.resources.${list}[${name}]: fractional byte value ${JSON.stringify(value)} is invalid, must be an integer`,
          ]
        : [];
    }),
  );
  return [
    ...fractions,
    ...repeated(environment, ({ name }) => String(name)).map(
      ([index]) =>
        `${field}.env[${index}]: hides previous definition of ${JSON.stringify(environment[index]?.name ?? '')}, which may be dropped when using apply`,
    ),
    ...repeated(ports, (port) => `${String(port.containerPort)}/${String(port.protocol)}`).map(
      ([index, before]) =>
        `${field}.ports[${index}]: duplicate port definition with ${field}.ports[${before}]`,
    ),
  ];
}

/** Warnings of a pod's spec at this path. */
const specWarnings = (spec: JsonObject, field: string): string[] => [
  ...objectsAt(spec, 'topologySpreadConstraints').flatMap((constraint, index) =>
    constraint.labelSelector === undefined
      ? [
          `${field}.topologySpreadConstraints[${index}].labelSelector: a null labelSelector results in matching no pod`,
        ]
      : [],
  ),
  ...objectsAt(spec, 'imagePullSecrets').flatMap(({ name }, index) =>
    name ? [] : [`${field}.imagePullSecrets[${index}].name: invalid empty name ""`],
  ),
  ...(['initContainers', 'containers'] as const).flatMap((list) =>
    objectsAt(spec, list).flatMap((container, index) =>
      containerWarnings(container, `${field}.${list}[${index}]`),
    ),
  ),
];

export function podWarnings(pod: JsonObject): string[] {
  const name = stringAt(pod, 'metadata', 'name') ?? '';
  const wrong = labelErrors(name);
  const hostname =
    wrong.length === 0 || stringAt(pod, 'spec', 'hostname')
      ? []
      : [
          `metadata.name: this is used in the Pod's hostname, which can result in surprising behavior; a DNS label is recommended: [${wrong.join(' ')}]`,
        ];
  return [...hostname, ...specWarnings(objectAt(pod, 'spec') ?? {}, 'spec')];
}

/** The same for the pod template at `spec.template`. */
export const templateWarnings = (object: JsonObject): string[] =>
  specWarnings(objectAt(object, 'spec', 'template', 'spec') ?? {}, 'spec.template.spec');
