/** What one kind does beyond the rules that all kinds share. */
import type { FieldError } from './field-errors.js';
import type { JsonObject } from './json.js';

export interface Strategy {
  /** The status of a new object; `{}` for kinds with a status when absent. */
  readonly initialStatus?: (object: JsonObject) => JsonObject;
  /** What the server itself adds to a new object (addresses, admission). May throw ApiError. */
  readonly prepareCreate?: (object: JsonObject, dryRun: boolean) => void;
  /** What an update may not change and silently keeps. */
  readonly prepareUpdate?: (object: JsonObject, old: JsonObject) => void;
  /** Everything wrong with the object; `old` is there for updates. */
  readonly validate?: (object: JsonObject, old: JsonObject | undefined) => FieldError[];
  /** Refuses a deletion by throwing ApiError. */
  readonly checkDelete?: (object: JsonObject) => void;
  /** Seconds between the deletion and the removal, for kinds that end gracefully; undefined: at once. */
  readonly graceSeconds?: (object: JsonObject, requested: number | undefined) => number | undefined;
  /** True while something else than finalizers of the metadata keeps a deleted object. */
  readonly holds?: (object: JsonObject) => boolean;
  /** Changes an object that begins to go. */
  readonly beginDelete?: (object: JsonObject) => void;
  /** Frees what prepareCreate took. */
  readonly removed?: (object: JsonObject) => void;
}
