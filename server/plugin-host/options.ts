/** The settings of `xi-k8s plugin-host`: environment, and a file for what does not fit there. */
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { HOST_OPS_PORT, HOST_PORT } from './names.js';
import { trimmedUrl } from './registry/model.js';
import { plainUrl } from './registry/rules.js';
import type { Place } from '../../place/place.js';
import { ConfigError, POD, describe, readSettings } from '../settings.js';
import type { Environment, SettingDescription } from '../settings.js';

export { ConfigError };

const ADDRESS = /^(\[[0-9a-f:.]+\]|[\w.-]*):(\d{1,5})$/i;

const address = z.string().regex(ADDRESS);
const AN_ADDRESS = { allowed: 'host:port; without a host all addresses' };

const SETTINGS = {
  XI_PLUGIN_HOST_ADDRESS: address
    .default(`127.0.0.1:${HOST_PORT}`)
    .describe('Where plugins reach the host. In a plugin pod its loopback, which only its containers share.')
    .meta(AN_ADDRESS),
  XI_PLUGIN_HOST_OPS: address
    .optional()
    .describe(
      `Where health, readiness and metrics are, and nothing else. Port ${HOST_OPS_PORT}, in a cluster on all addresses, else on loopback.`,
    )
    .meta(AN_ADDRESS),
  XI_PLUGIN_HOST_STATE: z
    .string()
    .optional()
    .describe(
      'File that keeps identities and registrations, so that plugins need not register anew when the host restarts. Without it they do.',
    )
    .meta({ allowed: 'a path' }),
  XI_PLUGIN_HOST_CONFIG: z
    .string()
    .optional()
    .describe(
      'File (YAML or JSON) that names the plugins that the host manages, and what plugins may register. Its plugins are followed while the host runs.',
    )
    .meta({ allowed: 'a path' }),
  XI_LOG_FORMAT: z
    .enum(['text', 'json'])
    .default('text')
    .describe('How lines are logged, on standard output.')
    .meta({ allowed: 'text or json' }),
};

const PLATFORM = {
  ...POD,
  KUBERNETES_SERVICE_HOST: z.string().optional(),
  // The image sets it, for the operator.
  XI_CLUSTER: z.string().optional(),
};

const pluginUrl = z.string().transform((text, context) => {
  const url = plainUrl(text);
  if (url !== undefined) return trimmedUrl(url.href);
  // Without the text: a password may be in it, and this is logged.
  context.addIssue('it must be an http URL such as http://127.0.0.1:8082, without user, query and fragment');
  return z.NEVER;
});
const managedPlugins = z
  .array(z.strictObject({ name: z.string().min(1), url: pluginUrl }))
  .superRefine((plugins, context) => {
    for (const key of ['name', 'url'] as const) {
      const first = new Map<string, number>();
      for (const [i, { [key]: value }] of plugins.entries()) {
        const before = first.get(value);
        if (before === undefined) first.set(value, i);
        else
          context.addIssue({
            code: 'custom',
            path: [i, key],
            message: `${JSON.stringify(value)} is the ${key} of plugins.${before} already; give each plugin a ${key} of its own, or take one of the two out`,
          });
      }
    }
  });
const File = z.strictObject({
  /** Plugins whose start and end are the host's to see to. */
  plugins: managedPlugins.default([]),
  /** Plugin's id → the service types that it may register; without an entry any. */
  allow: z.record(z.string(), z.array(z.string())).optional(),
  /** Service type → how one of several providers is chosen. */
  selection: z.record(z.string(), z.enum(['first', 'round_robin', 'random'])).default({}),
  /** The version of the plugins' own protocol; another one is refused at the handshake. */
  app_protocol_version: z.int().min(0).default(1),
});
export type HostFile = z.output<typeof File>;

export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

export interface HostSettings {
  readonly address: ListenAddress;
  readonly ops: ListenAddress;
  readonly stateFile: string | undefined;
  readonly logFormat: 'text' | 'json';
  readonly file: HostFile;
  /** Reads the file again; undefined when none is named. Rejects with ConfigError. */
  readonly readFile: (() => Promise<HostFile>) | undefined;
}

function parseAddress(text: string, place: Place): ListenAddress {
  const [, host = '', port = ''] = ADDRESS.exec(text) ?? [];
  return { host: place.host(host === '' ? '0.0.0.0' : host.replace(/^\[|\]$/g, '')), port: Number(port) };
}

async function readFileOf(path: string | undefined, place: Place): Promise<HostFile> {
  if (path === undefined) return File.parse({});
  let value: unknown;
  try {
    const { load } = await import('js-yaml');
    value = load(await readFile(place.path(path), 'utf8')) ?? {};
  } catch (error) {
    throw new ConfigError(`XI_PLUGIN_HOST_CONFIG: ${path} cannot be read: ${(error as Error).message}.`);
  }
  const parsed = File.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new ConfigError(
    parsed.error.issues
      .map(
        (issue) => `XI_PLUGIN_HOST_CONFIG: ${path}: ${issue.path.join('.') || 'the file'}: ${issue.message}.`,
      )
      .join('\n'),
  );
}

/** Reads the environment and the file. @throws ConfigError */
export async function readHostSettings(environment: Environment, place: Place): Promise<HostSettings> {
  const values = readSettings(SETTINGS, PLATFORM, environment);
  const readAgain = (): Promise<HostFile> => readFileOf(values.XI_PLUGIN_HOST_CONFIG, place);
  return {
    address: parseAddress(values.XI_PLUGIN_HOST_ADDRESS, place),
    ops: parseAddress(
      values.XI_PLUGIN_HOST_OPS ??
        `${values.KUBERNETES_SERVICE_HOST === undefined ? '127.0.0.1' : ''}:${HOST_OPS_PORT}`,
      place,
    ),
    stateFile: values.XI_PLUGIN_HOST_STATE && place.path(values.XI_PLUGIN_HOST_STATE),
    logFormat: values.XI_LOG_FORMAT,
    file: await readAgain(),
    readFile: values.XI_PLUGIN_HOST_CONFIG === undefined ? undefined : readAgain,
  };
}

/** Every setting, for docs/plugins.md. */
export const describeHostSettings = (): SettingDescription[] => describe(SETTINGS);
