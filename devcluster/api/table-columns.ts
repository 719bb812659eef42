/** The columns of each kind and how their cells are made. */
import type { Json, JsonObject } from './json.js';
import type { Stored } from './storage.js';

export interface Column {
  readonly name: string;
  /** Default string. */
  readonly type?: string;
  readonly format?: string;
  /** 1 for columns of the wide output. */
  readonly priority?: number;
  readonly cell: (object: JsonObject, stored: Stored) => Json | undefined;
}

export const COLUMNS: Readonly<Record<string, readonly Column[]>> = {};
