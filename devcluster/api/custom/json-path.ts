/** JSONPath as printer columns use it: fields, indexes, slices, wildcards, recursion and filters. */
import { isObject } from '../json.js';
import type { Json } from '../json.js';

type Step = (values: Json[]) => Json[];

const keyed = (key: string): Step => {
  return (values) =>
    values.flatMap((value) => {
      const found = isObject(value) && Object.hasOwn(value, key) ? value[key] : undefined;
      return found === undefined ? [] : [found];
    });
};
const inner = (value: Json): Json[] => {
  if (Array.isArray(value)) return value;
  return isObject(value) ? Object.values(value).filter((item): item is Json => item !== undefined) : [];
};
const everything = (value: Json): Json[] => [value, ...inner(value).flatMap(everything)];

function sliced(text: string): Step {
  const [from, to, by] = text.split(':').map((part) => (part === '' ? undefined : Number(part)));
  return (values) =>
    values.flatMap((value) => {
      if (!Array.isArray(value)) return [];
      if (!text.includes(':')) {
        const found = value.at(from ?? 0);
        return found === undefined ? [] : [found];
      }
      return value.slice(from, to).filter((_item, index) => index % (by ?? 1) === 0);
    });
}

/** The operand of a filter: a quoted string, a literal, or a path below the element. */
function operand(text: string): (element: Json) => Json | undefined {
  const quoted = /^(['"])(.*)\1$/s.exec(text);
  if (quoted !== null) return () => quoted[2] ?? '';
  if (text.startsWith('@')) {
    const path = parsePath(text.slice(1));
    return (element) => path(element)[0];
  }
  const literal: Json = text === 'true' || text === 'false' ? text === 'true' : Number(text);
  return () => literal;
}

const COMPARE: Readonly<Record<string, (a: Json, b: Json) => boolean>> = {
  '==': (a, b) => a === b,
  '!=': (a, b) => a !== b,
  '<=': (a, b) => (a ?? '') <= (b ?? ''),
  '>=': (a, b) => (a ?? '') >= (b ?? ''),
  '<': (a, b) => (a ?? '') < (b ?? ''),
  '>': (a, b) => (a ?? '') > (b ?? ''),
};

function filtered(text: string): Step {
  const [, left = text, operator, right = ''] = /^(.*?)\s*(==|!=|<=|>=|<|>)\s*(.*)$/s.exec(text) ?? [];
  const first = operand(left.trim());
  const second = operand(right.trim());
  const compare = operator === undefined ? undefined : COMPARE[operator];
  return (values) =>
    values.flatMap(inner).filter((element) => {
      const value = first(element);
      if (compare === undefined) return value !== undefined;
      const other = second(element);
      return value !== undefined && other !== undefined && compare(value, other);
    });
}

const TOKEN =
  /\.\.|\.((?:\\.|[^.[\\])+)|\[\?\((.*?)\)\]|\[(['"])(.*?)\3\]|\[(-?\d*(?::-?\d*){0,2})\]|\[(\*)\]|\./;

/** Parses a path such as `.spec.ports[?(@.name=='http')].port`; throws for one that is none. */
export function parsePath(path: string): (value: Json) => Json[] {
  const steps: Step[] = [];
  const tokens = new RegExp(TOKEN, 'gsy');
  let end = 0;
  for (let match = tokens.exec(path); match !== null; match = tokens.exec(path)) {
    const [token, name, filter, , quoted, index, wild] = match;
    end = tokens.lastIndex;
    if (token === '..') {
      steps.push((values) => values.flatMap(everything));
      // The second dot begins what is looked for.
      tokens.lastIndex -= 1;
    } else if (name === '*' || wild !== undefined) steps.push((values) => values.flatMap(inner));
    else if (name !== undefined) steps.push(keyed(name.replace(/\\(.)/g, '$1')));
    else if (filter !== undefined) steps.push(filtered(filter));
    else if (quoted !== undefined) steps.push(keyed(quoted));
    else if (index !== undefined && index !== '') steps.push(sliced(index));
  }
  if (end !== path.length) throw new Error(`${JSON.stringify(path)} is no JSONPath at position ${end}`);
  return (value) => steps.reduce<Json[]>((values, step) => step(values), [value]);
}
