/** What makes a configuration one that cannot be applied: values of other types than the schema's, in the merger's words. */
import { equal, isObject } from './json.js';
import type { Json, JsonObject } from './json.js';
import { goText } from './patch-strategic.js';
import type { Field, Schema, Type } from './schema.js';

const SCALARS: Readonly<Record<string, { name: string; is: (value: Json) => boolean }>> = {
  s: { name: 'string', is: (value) => typeof value === 'string' },
  y: { name: 'string', is: (value) => typeof value === 'string' },
  i: { name: 'numeric (int or float)', is: (value) => typeof value === 'number' },
  l: { name: 'numeric (int or float)', is: (value) => typeof value === 'number' },
  d: { name: 'numeric (int or float)', is: (value) => typeof value === 'number' },
  b: { name: 'boolean', is: (value) => typeof value === 'boolean' },
};

/** The first thing that is wrong with `value` as the struct of this name, such as `.data.a: expected string, got …`. */
export function typedError(schema: Schema, struct: string, value: JsonObject): string | undefined {
  const check = (type: Type, item: Json, path: string, field?: Field): string | undefined => {
    if (item === null) return undefined;
    switch (type.code) {
      case '@':
        return isObject(item)
          ? checkStruct(type.name, item, path)
          : `${path}: expected map, got &{${goText(item)}}`;
      case '{':
        if (!isObject(item)) return `${path}: expected map, got &{${goText(item)}}`;
        return first(Object.entries(item), ([key, inner]) =>
          inner === undefined ? undefined : check(type.item, inner, `${path}.${key}`),
        );
      case '[':
        if (!Array.isArray(item)) return `${path}: expected list, got &{${goText(item)}}`;
        return checkList(type.item, item, path, field);
      default: {
        const scalar = SCALARS[type.code];
        return scalar === undefined || scalar.is(item)
          ? undefined
          : `${path}: expected ${scalar.name}, got &value.valueUnstructured{Value:${
              typeof item === 'string' ? JSON.stringify(item) : goText(item)
            }}`;
      }
    }
  };

  const checkList = (type: Type, items: Json[], path: string, field?: Field): string | undefined => {
    const keys = field?.listType === 'map' ? field.listKeys : [];
    const seen: JsonObject[] = [];
    return first([...items.entries()], ([index, item]) => {
      if (keys.length === 0) return check(type, item, `${path}[${index}]`);
      if (!isObject(item))
        return `${path}: element ${index}: associative list with keys may not have non-map elements`;
      const key: JsonObject = Object.fromEntries(keys.map((name) => [name, item[name]]));
      // A key that is left out has a default or is refused where elements are told apart.
      const isWhole = keys.every((name) => item[name] !== undefined);
      const shown = `[${keys.map((name) => `${name}=${JSON.stringify(item[name])}`).join(',')}]`;
      if (isWhole && seen.some((other) => equal(other, key)))
        return `${path}: duplicate entries for key ${shown}`;
      seen.push(key);
      return check(type, item, `${path}${shown}`);
    });
  };

  const checkStruct = (name: string, item: JsonObject, path: string): string | undefined => {
    const { fields, custom } = schema.struct(name);
    return first(Object.entries(item), ([key, inner]) => {
      const field = fields.get(key);
      if (inner === undefined) return undefined;
      if (field !== undefined) return check(field.type, inner, `${path}.${key}`, field);
      return custom?.open === true ? undefined : `${path}.${key}: field not declared in schema`;
    });
  };
  return checkStruct(struct, value, '');
}

function first<T>(items: readonly T[], test: (item: T) => string | undefined): string | undefined {
  for (const item of items) {
    const found = test(item);
    if (found !== undefined) return found;
  }
  return undefined;
}
