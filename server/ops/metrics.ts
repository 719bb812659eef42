/** Numbers about the running server, in Prometheus' text exposition format (version 0.0.4). */
import type { Labels, Metrics } from '../ports.js';

export interface Registry extends Metrics {
  /** All metrics as text. */
  render(): string;
}

export const METRICS_CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

const NAME = /^[a-z_:][a-z0-9_:]*$/i;
const LABEL = /^[a-z_][a-z0-9_]*$/i;

const quoted = (value: string): string =>
  `"${value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')}"`;

/** Of labels that cannot change: who counts often keeps them. */
const texts = new WeakMap<Labels, string>();

/** Labels as they stand in a line, in the order of their names, so that equal ones are the same text. */
function labelText(labels: Labels | undefined): string {
  if (labels === undefined) return '';
  let text = texts.get(labels);
  if (text === undefined) {
    text = made(labels);
    if (Object.isFrozen(labels)) texts.set(labels, text);
  }
  return text;
}

function made(labels: Labels): string {
  const entries = Object.entries(labels);
  for (const [name] of entries) if (!LABEL.test(name)) throw new TypeError(`${name} is no name of a label`);
  return entries
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, value]) => `${name}=${quoted(value)}`)
    .join(',');
}

const number = (value: number): string =>
  value === Infinity ? '+Inf' : value === -Infinity ? '-Inf' : Number.isNaN(value) ? 'NaN' : String(value);

const line = (name: string, labels: string, value: number): string =>
  `${name}${labels === '' ? '' : `{${labels}}`} ${number(value)}\n`;

export function createMetrics(): Registry {
  const families = new Map<string, () => string>();

  const family = (name: string, type: string, help: string, body: () => string): void => {
    if (!NAME.test(name)) throw new TypeError(`${name} is no name of a metric`);
    if (families.has(name)) throw new TypeError(`there are two metrics of the name ${name}`);
    const head = `# HELP ${name} ${help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}\n# TYPE ${name} ${type}\n`;
    families.set(name, () => head + body());
  };
  const values = (name: string, type: string, help: string): Map<string, number> => {
    const known = new Map<string, number>();
    family(name, type, help, () => [...known].map(([labels, value]) => line(name, labels, value)).join(''));
    return known;
  };

  return {
    counter(name, help) {
      const known = values(name, 'counter', help);
      return {
        add(labels, by = 1) {
          if (!(by >= 0)) throw new RangeError(`${name} counts up only, not by ${by}`);
          const key = labelText(labels);
          known.set(key, (known.get(key) ?? 0) + by);
        },
        remove: (labels) => void known.delete(labelText(labels)),
      };
    },
    gauge(name, help) {
      const known = values(name, 'gauge', help);
      return { set: (value, labels) => void known.set(labelText(labels), value) };
    },
    observed(name, help, read) {
      family(name, 'gauge', help, () =>
        [...read()].map(([value, labels]) => line(name, labelText(labels), value)).join(''),
      );
    },
    histogram(name, help, bounds) {
      const known = new Map<string, { counts: number[]; sum: number; count: number }>();
      family(name, 'histogram', help, () =>
        [...known]
          .map(([labels, { counts, sum, count }]) => {
            const comma = labels === '' ? '' : `${labels},`;
            const buckets = [...bounds, Infinity].map((bound, i) =>
              line(`${name}_bucket`, `${comma}le="${number(bound)}"`, counts[i] ?? count),
            );
            return buckets.join('') + line(`${name}_sum`, labels, sum) + line(`${name}_count`, labels, count);
          })
          .join(''),
      );
      return {
        observe(value, labels) {
          const key = labelText(labels);
          const kept = known.get(key) ?? { counts: bounds.map(() => 0), sum: 0, count: 0 };
          known.set(key, kept);
          // Buckets are cumulative: each counts what is below its bound.
          bounds.forEach((bound, i) => {
            if (value <= bound) kept.counts[i]!++;
          });
          kept.sum += value;
          kept.count++;
        },
        remove: (labels) => void known.delete(labelText(labels)),
      };
    },
    render: () => [...families.values()].map((text) => text()).join(''),
  };
}
