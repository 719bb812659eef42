/** The bodies that `POST /` takes, and what is done about each. */
import { AppError } from '../../errors.js';
import { nearest } from '../../library/nearest.js';
import type { Registry } from './registry.js';
import type { Context, Values } from './values.js';

export type AskedFor =
  | { readonly kind: 'reg_id'; readonly name: string }
  | { readonly kind: 'read'; readonly id: number | bigint }
  | { readonly kind: 'run'; readonly id: number | bigint }
  | { readonly kind: 'apply'; readonly id: number | bigint; readonly arg: unknown };

const SHAPES =
  '{"request_type":"reg_id","var_name":NAME}, {"remote_ident":ID}, {"remote_ident":ID,"arg":ARG} or {"remote_ident":ID,"IO":true}';

/** @throws AppError `invalid_params` that names the field. */
export function readRequest(body: unknown): AskedFor {
  const refuse = (field: string, message: string, suggestion?: string): never => {
    throw new AppError(
      'invalid_params',
      `${field === '' ? 'The body' : field} ${message}. An Aplite request is ${SHAPES}.`,
      { errors: [{ field, message, ...(suggestion === undefined ? {} : { suggestion }) }] },
    );
  };
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    return refuse('', 'must be a JSON object');
  const fields = body as Record<string, unknown>;
  const allow = (...known: string[]): void => {
    for (const key of Object.keys(fields)) {
      if (known.includes(key)) continue;
      const near = nearest(key, known);
      refuse(
        key.slice(0, 100),
        `is not known here${near === undefined ? '' : `; did you mean ${near}?`}`,
        near,
      );
    }
  };

  if ('request_type' in fields) {
    allow('request_type', 'var_name');
    if (fields['request_type'] !== 'reg_id') refuse('request_type', 'must be "reg_id"');
    const name = fields['var_name'];
    return typeof name === 'string' ? { kind: 'reg_id', name } : refuse('var_name', 'must be text');
  }
  allow('remote_ident', 'arg', 'IO');
  const id = fields['remote_ident'];
  if (typeof id !== 'bigint' && !Number.isInteger(id))
    return refuse('remote_ident', id === undefined ? 'is required' : 'must be an id: a whole number');
  const known = id as number | bigint;
  if ('arg' in fields && 'IO' in fields)
    return refuse('IO', 'and arg exclude each other: apply first, then run');
  if ('arg' in fields) return { kind: 'apply', id: known, arg: fields['arg'] };
  if (!('IO' in fields)) return { kind: 'read', id: known };
  return fields['IO'] === true ? { kind: 'run', id: known } : refuse('IO', 'must be true');
}

/** Answers requests: the text to send, or an AppError. */
export function createAnswerer(
  registry: Registry,
  values: Values,
): (body: unknown, context: Context) => Promise<string> {
  return async (body, context) => {
    const asked = readRequest(body);
    if (asked.kind === 'reg_id') return String(registry.idOf(asked.name));
    const entry = registry.find(asked.id);
    switch (asked.kind) {
      case 'read':
        return values.read(entry);
      case 'run':
        return values.run(entry, context);
      case 'apply':
        return values.apply(entry, asked.arg, context);
    }
  };
}
