/** The columns of a custom kind's Tables. */
import { objectsAt, stringAt } from '../json.js';
import type { Json, JsonObject } from '../json.js';
import { age } from '../table-cells.js';
import type { Column } from '../table-columns.js';
import { parsePath } from './json-path.js';

const NAME: Column = { name: 'Name', format: 'name', cell: (_object, { name }) => name };
const AGE: Column = {
  name: 'Age',
  type: 'date',
  cell: (object) => age(stringAt(object, 'metadata', 'creationTimestamp')),
};

const text = (value: Json): string => (typeof value === 'string' ? value : JSON.stringify(value));

/** A value as a cell of this type; null where it is none. */
function cellOf(type: string, value: Json | undefined): Json {
  if (value === undefined || value === null) return null;
  switch (type) {
    case 'integer':
      return typeof value === 'number' ? Math.trunc(value) : null;
    case 'number':
      return typeof value === 'number' ? value : null;
    case 'boolean':
      return typeof value === 'boolean' ? value : null;
    case 'date':
      return typeof value !== 'string' ? null : Number.isNaN(Date.parse(value)) ? '<invalid>' : age(value);
    default:
      return text(value);
  }
}

/** The name, and what a version's `additionalPrinterColumns` say; the age where they say nothing. */
export function customColumns(version: JsonObject): readonly Column[] {
  const given = objectsAt(version, 'additionalPrinterColumns').map((column): Column => {
    const type = stringAt(column, 'type') ?? 'string';
    const path = stringAt(column, 'jsonPath') ?? '';
    const read = parsePath(path);
    return {
      name: stringAt(column, 'name') ?? '',
      type,
      format: stringAt(column, 'format') ?? '',
      priority: typeof column.priority === 'number' ? column.priority : 0,
      description:
        stringAt(column, 'description') ?? `Custom resource definition column (in JSONPath format): ${path}`,
      cell: (object) => cellOf(type, read(object)[0]),
    };
  });
  return given.length === 0 ? [NAME, AGE] : [NAME, ...given];
}
