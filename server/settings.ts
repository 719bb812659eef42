/** Settings by environment: how a program says which there are, and what it answers to those that are not allowed. */
import { z } from 'zod';
import { placeOf } from '../place/place.js';
import type { Place } from '../place/place.js';
import { nearest } from './library/nearest.js';

export type Environment = Readonly<Record<string, string | undefined>>;

/** Variable → its schema. `describe` is its line in the documents, `meta.allowed` what is allowed in words. */
export type Settings = Readonly<Record<string, z.ZodType>>;

export type Values<S extends Settings> = { readonly [K in keyof S]: z.output<S[K]> };

/** A setting that is not allowed; the message names each variable, its value, and what is allowed. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

/** What is allowed for a variable, in words. */
const allowed = (schema: z.ZodType): string => String(schema.meta()?.['allowed'] ?? 'another value');

/**
 * Checks an environment. Empty variables count as absent. An unknown `XI_…` variable is a mistake, most likely of typing.
 * @param settings those of this program.
 * @param platform variables that the platform sets; read, not ours to document.
 * @throws ConfigError
 */
export function readSettings<S extends Settings, P extends Settings>(
  settings: S,
  platform: P,
  environment: Environment,
): Values<S & P> {
  const faults: string[] = [];
  for (const name of Object.keys(environment)) {
    if (!name.startsWith('XI_') || name in settings || name in platform || !environment[name]) continue;
    const near = nearest(name, Object.keys(settings));
    faults.push(
      `${name} is not a setting; ${near === undefined ? `there are ${Object.keys(settings).join(', ')}.` : `did you mean ${near}?`}`,
    );
  }
  const values: Record<string, unknown> = {};
  for (const [name, schema] of [...Object.entries(platform), ...Object.entries(settings)]) {
    const given = environment[name] || undefined;
    const parsed = schema.safeParse(given);
    if (parsed.success) values[name] = parsed.data;
    else faults.push(`${name} is ${JSON.stringify(given)}; allowed is ${allowed(schema)}.`);
  }
  if (faults.length > 0) throw new ConfigError(faults.join('\n'));
  return values as Values<S & P>;
}

/** What the embedded cluster's kubelet tells its pods; place/place.ts reads them. */
export const POD = {
  XI_POD_ROOT: z.string().optional(),
  XI_POD_IP: z.string().optional(),
  XI_POD_API: z.string().optional(),
  XI_POD_PARENT_FD: z.string().optional(),
};

/** Where we run. @throws ConfigError */
export function placeFor(environment: Environment): Place {
  try {
    return placeOf(environment);
  } catch (error) {
    throw new ConfigError((error as Error).message);
  }
}

export interface SettingDescription {
  name: string;
  description: string;
  allowed: string;
  /** The default as one would write it; undefined where the program decides. */
  default: string | undefined;
}

/** Every setting, for the documents. */
export const describe = (settings: Settings): SettingDescription[] =>
  Object.entries(settings).map(([name, schema]) => {
    const value: unknown = schema.safeParse(undefined).data;
    return {
      name,
      description: schema.description ?? '',
      allowed: allowed(schema),
      // Lists and maps are empty by default.
      default: value === undefined ? undefined : typeof value === 'object' ? '' : String(value),
    };
  });
