/** The environment, checked: the one place that says which settings there are. */
import { isIP } from 'node:net';
import { z } from 'zod';
import type { Place } from '../place/place.js';
import { isLoopback } from './origin.js';
import { POD, describe, placeFor, readSettings } from './settings.js';
import type { Environment, SettingDescription, Values } from './settings.js';

const HOST_NAME = /^[\w.-]+$/;

const port = z.coerce.number().int().min(0).max(65535);
const seconds = z.coerce.number().positive().max(86_400);
const count = z.coerce.number().int().min(1);
const file = z.string().min(1).optional().meta({ allowed: 'a file' });
const list = z.string().transform((text) =>
  text
    .split(',')
    .map((item) => item.trim())
    .filter((item) => item !== ''),
);

const NAMESPACE = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;
const LABEL_VALUE = /^[a-z0-9A-Z]([-\w.]{0,61}[a-z0-9A-Z])?$/;

/** `id=one,two; other=three,four` as id → namespaces; undefined when it is no such text. */
function sharedNetworks(text: string): Record<string, string[]> | undefined {
  const found: Record<string, string[]> = Object.create(null) as Record<string, string[]>;
  for (const entry of text.split(';').filter((part) => part.trim() !== '')) {
    const [id = '', names = '', ...more] = entry.split('=').map((part) => part.trim());
    const namespaces = names.split(',').map((name) => name.trim());
    const fine =
      LABEL_VALUE.test(id) && namespaces.length > 1 && namespaces.every((name) => NAMESPACE.test(name));
    if (!fine || more.length > 0 || id in found) return undefined;
    found[id] = namespaces;
  }
  return found;
}

/** Variable → its schema. `describe` is its line in the README, `meta.allowed` what is allowed in words. */
const SETTINGS = {
  XI_HOST: z
    .string()
    .refine(isLoopback)
    .default('127.0.0.1')
    .describe('Loopback address of the listener for port-forward.')
    .meta({ allowed: 'a loopback address: 127.0.0.0/8, ::1 or localhost' }),
  XI_PORT: port
    .default(8080)
    .describe('Port of that listener; 0 takes a free one.')
    .meta({ allowed: 'a whole number from 0 to 65535' }),
  XI_OPS_HOST: z
    .string()
    .refine((host) => isIP(host) !== 0)
    .optional()
    .describe('Address of health and readiness. In a cluster all addresses, else loopback.')
    .meta({ allowed: 'an IP address' }),
  XI_OPS_PORT: port
    .default(9090)
    .describe('Port of health and readiness; 0 takes a free one.')
    .meta({ allowed: 'a whole number from 0 to 65535' }),
  XI_ALLOWED_HOSTS: list
    .refine((hosts) => hosts.every((host) => HOST_NAME.test(host)))
    .default([])
    .describe('More names that the Host header may have, by commas.')
    .meta({ allowed: 'names or addresses without scheme and port, by commas' }),
  XI_CLUSTER: z
    .enum(['auto', 'in-cluster', 'kubeconfig', 'embedded'])
    .default('auto')
    .describe('Which cluster to act on. `auto`: that of the pod, else the embedded one; never a kubeconfig.')
    .meta({ allowed: 'auto, in-cluster, kubeconfig or embedded' }),
  XI_CONTEXT: z
    .string()
    .min(1)
    .optional()
    .describe("The kubeconfig's context; its current one when absent.")
    .meta({ allowed: 'the name of a context' }),
  XI_NAMESPACE: z
    .string()
    .regex(/^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/)
    .max(63)
    .optional()
    .describe("Namespace of calls that name none; that of the kubeconfig's context, else `default`.")
    .meta({ allowed: "lower case letters, digits and '-', at most 63 characters" }),
  XI_EMBEDDED_PORT: port
    .default(6480)
    .describe("Port of the embedded cluster's API; 0 takes a free one.")
    .meta({ allowed: 'a whole number from 0 to 65535' }),
  XI_BODY_LIMIT_BYTES: count
    .max(1 << 30)
    .default(3 << 20)
    .describe('Largest body of a request.')
    .meta({ allowed: 'a whole number of bytes from 1 to 1073741824' }),
  XI_TIMEOUT_SECONDS: seconds
    .default(30)
    .describe('How long a call may take when the caller names no deadline.')
    .meta({ allowed: 'a number above 0, at most 86400' }),
  XI_IDLE_TIMEOUT_SECONDS: seconds
    .default(3600)
    .describe('How long a stream may go without an item before it ends.')
    .meta({ allowed: 'a number above 0, at most 86400' }),
  XI_HEARTBEAT_SECONDS: seconds
    .default(15)
    .describe('How often a silent stream says that it lives.')
    .meta({ allowed: 'a number above 0, at most 86400' }),
  XI_SHUTDOWN_SECONDS: seconds
    .default(10)
    .describe('How long running calls may go on after SIGTERM.')
    .meta({ allowed: 'a number above 0, at most 86400' }),
  XI_APLITE_CALLBACK: z
    .union([z.literal('off'), z.url({ protocol: /^https?$/ })])
    .optional()
    .describe(
      "Where Aplite arguments given as ids are resolved: the program's own server. Outside a pod `http://localhost:5000`, in a pod `off`.",
    )
    .meta({ allowed: 'an http or https URL, or off' }),
  XI_APLITE_IDS: count
    .max(10_000_000)
    .default(10_000)
    .describe('How many Aplite values are kept at once; the oldest go first.')
    .meta({ allowed: 'a whole number from 1 to 10000000' }),
  XI_APLITE_ID_SECONDS: seconds
    .default(3600)
    .describe('How long an Aplite value is kept after its last use.')
    .meta({ allowed: 'a number above 0, at most 86400' }),
  XI_NETWORK_CONTROLLER: z
    .enum(['auto', 'on', 'off'])
    .default('auto')
    .describe(
      'Whether this process may join labelled pods to networks. `auto`: in a cluster and with the embedded one, but not from outside by a kubeconfig.',
    )
    .meta({ allowed: 'auto, on or off' }),
  XI_NETWORK_NAMESPACES: list
    .refine((names) => names.every((name) => NAMESPACE.test(name)))
    .default([])
    .describe('Namespaces whose labelled pods are joined, by commas; all when empty.')
    .meta({ allowed: 'names of namespaces, by commas' }),
  XI_SHARED_NETWORKS: z
    .string()
    .refine((text) => sharedNetworks(text) !== undefined)
    .transform((text) => sharedNetworks(text) ?? {})
    .default({})
    .describe('Networks that span namespaces; any other is one namespace’s own.')
    .meta({ allowed: 'id=namespace,namespace; id=… with each id once and two namespaces at least' }),
  XI_NETWORK_HEALTH_SECONDS: seconds
    .default(10)
    .describe('How often the peers of a network are asked how they are.')
    .meta({ allowed: 'a number above 0, at most 86400' }),
  XI_OWN_NAMESPACE: z
    .string()
    .regex(NAMESPACE)
    .optional()
    .describe("Namespace of the operator's own Lease and ConfigMap. That of its pod; elsewhere `default`.")
    .meta({ allowed: "lower case letters, digits and '-', at most 63 characters" }),
  XI_PEER_TLS_CA: file.describe(
    'Who certified the peers that speak TLS: a file of PEM certificates, read anew for each connection.',
  ),
  XI_PEER_TLS_CERT: file.describe('The certificate that the operator shows to such peers.'),
  XI_PEER_TLS_KEY: file.describe('The key of that certificate.'),
  XI_LIGHTPEER_IMAGE: z
    .string()
    .min(1)
    .optional()
    .describe('Image of the sidecar that `add_lightpeer` adds when the caller names none.')
    .meta({ allowed: 'an image' }),
  XI_PLUGIN_HOST: z
    .enum(['on', 'off'])
    .default('off')
    .describe('Whether the operator hosts plugins of other pods; see docs/plugins.md.')
    .meta({ allowed: 'on or off' }),
  XI_PLUGIN_PORT: port
    .default(8444)
    .describe('Port of that host, on all addresses in a cluster, else on loopback; 0 takes a free one.')
    .meta({ allowed: 'a whole number from 0 to 65535' }),
  XI_PLUGIN_URL: z
    .url({ protocol: /^http$/ })
    .optional()
    .describe('The URL that plugins reach that host at. In a cluster that of its Service.')
    .meta({ allowed: 'an http URL' }),
  XI_PLUGIN_NAMESPACES: list
    .refine((names) => names.every((name) => NAMESPACE.test(name)))
    .default([])
    .describe('Namespaces whose plugins it takes, by commas; all when empty.')
    .meta({ allowed: 'names of namespaces, by commas' }),
  XI_PLUGIN_AUDIENCE: z
    .string()
    .min(1)
    .max(253)
    .optional()
    .describe('The audience of the tokens that plugins prove themselves with; `xi-k8s-plugin-host`.')
    .meta({ allowed: 'a text' }),
  XI_LOG_LEVEL: z
    .enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'])
    .default('info')
    .describe('How much is logged, as JSON lines on standard error.')
    .meta({ allowed: 'trace, debug, info, warn, error, fatal or silent' }),
};

/** Variables that the platform sets; read, not ours to document. */
const PLATFORM = {
  ...POD,
  KUBERNETES_SERVICE_HOST: z.string().optional(),
  KUBERNETES_SERVICE_PORT: z.string().optional(),
  KUBECONFIG: z.string().optional(),
  HOME: z.string().optional(),
  HOSTNAME: z.string().optional(),
  USERPROFILE: z.string().optional(),
  HTTPS_PROXY: z.string().optional(),
  https_proxy: z.string().optional(),
  NO_PROXY: z.string().optional(),
  no_proxy: z.string().optional(),
};

export interface Config extends Values<typeof SETTINGS & typeof PLATFORM> {
  /** Addresses above are as the place wants them already. */
  readonly place: Place;
}

/** Checks the operator's environment. @throws ConfigError */
export function readConfig(environment: Environment): Config {
  const { XI_HOST, XI_OPS_HOST, XI_APLITE_CALLBACK, ...rest } = readSettings(SETTINGS, PLATFORM, environment);
  const place = placeFor(environment);
  return Object.freeze({
    ...rest,
    XI_HOST: place.host(XI_HOST),
    XI_OPS_HOST: XI_OPS_HOST && place.host(XI_OPS_HOST),
    XI_APLITE_CALLBACK: XI_APLITE_CALLBACK && place.address(XI_APLITE_CALLBACK),
    place,
  });
}

/** Every setting, for the README. */
export const describeSettings = (): SettingDescription[] => describe(SETTINGS);
