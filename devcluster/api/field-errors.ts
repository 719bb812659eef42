/** What is wrong with one field, in the words of the API's 422 answers. */
import type { Json } from './json.js';

export interface FieldError {
  /** FieldValueInvalid, FieldValueRequired, … */
  readonly reason: string;
  readonly field: string;
  readonly message: string;
}

/** The value as it is quoted in a message: strings in quotes, objects as JSON. */
const shown = (value: Json | undefined): string => JSON.stringify(value ?? null);

const make = (reason: string, field: string, head: string, detail: string): FieldError => ({
  reason,
  field,
  message: detail === '' ? head : `${head}: ${detail}`,
});

export const required = (field: string, detail = ''): FieldError =>
  make('FieldValueRequired', field, 'Required value', detail);

export const invalidValue = (field: string, value: Json | undefined, detail: string): FieldError =>
  make('FieldValueInvalid', field, `Invalid value: ${shown(value)}`, detail);

export const notSupported = (field: string, value: Json, allowed: readonly string[]): FieldError =>
  make(
    'FieldValueNotSupported',
    field,
    `Unsupported value: ${shown(value)}`,
    `supported values: ${allowed.map((item) => `"${item}"`).join(', ')}`,
  );

export const duplicate = (field: string, value: Json): FieldError =>
  make('FieldValueDuplicate', field, `Duplicate value: ${shown(value)}`, '');

export const forbiddenField = (field: string, detail: string): FieldError =>
  make('FieldValueForbidden', field, 'Forbidden', detail);

export const notFoundValue = (field: string, value: Json): FieldError =>
  make('FieldValueNotFound', field, `Not found: ${shown(value)}`, '');

export const tooLong = (field: string, max: number): FieldError =>
  make('FieldValueTooLong', field, 'Too long', `may not be more than ${max} bytes`);
