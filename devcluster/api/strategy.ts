/** What one kind does beyond the rules that all kinds share. */
import type { FieldError } from './field-errors.js';
import type { JsonObject } from './json.js';

export interface Strategy {
  /** The status of a new object; the empty one of its kind when absent. */
  readonly initialStatus?: (object: JsonObject) => JsonObject | undefined;
  /**
   * Refuses a new object that its namespace is not ready for, by throwing ApiError; may wait a while for what is missing.
   */
  readonly admit?: (object: JsonObject, namespace: string) => Promise<void>;
  /** What the server fills in before it is recorded who set which fields. */
  readonly beforeCreate?: (object: JsonObject) => void;
  /** What the server itself adds to a new object (addresses, admission). May throw ApiError. */
  readonly prepareCreate?: (object: JsonObject) => void;
  /** What an update may not change and silently keeps. */
  readonly prepareUpdate?: (object: JsonObject, old: JsonObject) => void;
  /** Everything wrong with the object; `old` is there for updates. */
  readonly validate?: (object: JsonObject, old: JsonObject | undefined) => FieldError[];
  /** The same for a write of the status. */
  readonly validateStatus?: (object: JsonObject, old: JsonObject) => FieldError[];
  /** What is told to who writes an object that is taken all the same. */
  readonly warnings?: (object: JsonObject) => string[];
  /** Refuses a deletion by throwing ApiError. */
  readonly checkDelete?: (object: JsonObject) => void;
  /** Seconds between the deletion and the removal, for kinds that end gracefully; undefined: at once. */
  readonly graceSeconds?: (object: JsonObject, requested: number | undefined) => number | undefined;
  /** True while something else than finalizers of the metadata keeps a deleted object. */
  readonly holds?: (object: JsonObject) => boolean;
  /** A deletion is no new generation of the object. */
  readonly keepsGeneration?: boolean;
  /** Changes an object that begins to go. */
  readonly beginDelete?: (object: JsonObject) => void;
  /** Takes what the object holds of the server's, and frees what it held before and does not any more. */
  readonly stored?: (object: JsonObject, old: JsonObject | undefined) => void;
  /** Frees what the object held. */
  readonly removed?: (object: JsonObject) => void;
}
