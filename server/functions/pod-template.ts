/** A workload's params as a pod template. Pure: what is not given is left to the API server. */
import type { Static } from '@sinclair/typebox';
import type { EnvVar, Probe, Volume } from '../../schemas/workload.js';
import type { FieldError } from '../errors.js';
import type * as ports from '../ports.js';
import type { Filled } from '../library/implementation.js';
import type { Contracts } from '../../schemas/index.js';
import { defined } from './views.js';

type WorkloadParams = Pick<
  Filled<Contracts['create_deployment']>,
  | 'image'
  | 'container_name'
  | 'ports'
  | 'env'
  | 'command'
  | 'args'
  | 'requests'
  | 'limits'
  | 'liveness_probe'
  | 'readiness_probe'
  | 'startup_probe'
  | 'volumes'
  | 'service_account'
  | 'image_pull_secrets'
  | 'node_selector'
>;

/** Adds an error to `errors` unless exactly one of `keys` is given. */
function exactlyOne(field: string, value: object, keys: readonly string[], errors: FieldError[]): void {
  const given = keys.filter((key) => (value as Record<string, unknown>)[key] !== undefined);
  if (given.length !== 1)
    errors.push({
      field,
      message: `needs exactly one of ${keys.join(', ')}, and has ${given.length === 0 ? 'none' : given.join(' and ')}`,
    });
}

/** Adds an error to `errors` for each item whose name an earlier one has: the API server merges such lists by their names. */
function noneTwice(field: string, items: readonly { name: string }[] = [], errors: FieldError[]): void {
  const names = new Set<string>();
  items.forEach(({ name }, i) => {
    if (names.has(name)) errors.push({ field: `${field}[${i}].name`, message: `repeats the name ${name}` });
    names.add(name);
  });
}

/** The faults of params that a schema cannot state. */
export function workloadErrors(params: WorkloadParams): FieldError[] {
  const errors: FieldError[] = [];
  params.env?.forEach((variable, i) =>
    exactlyOne(`env[${i}]`, variable, ['value', 'config_map', 'secret'], errors),
  );
  noneTwice('env', params.env, errors);
  params.volumes?.forEach((volume, i) =>
    exactlyOne(`volumes[${i}]`, volume, ['empty_dir', 'config_map', 'secret', 'claim'], errors),
  );
  noneTwice('volumes', params.volumes, errors);
  for (const key of ['liveness_probe', 'readiness_probe', 'startup_probe'] as const) {
    const probe = params[key];
    if (probe !== undefined) exactlyOne(key, probe, ['http_get', 'tcp_port', 'grpc_port', 'command'], errors);
  }
  return errors;
}

/** The last part of an image's name, without registry, tag and digest, as a container's name: kubectl's rule. */
export function containerNameOf(image: string): string {
  const base = image.split('@')[0]!.split('/').at(-1)!.split(':')[0]!;
  const name = base
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, 63)
    .replace(/^-+|-+$/g, '');
  return name === '' ? 'main' : name;
}

function envVar({ name, value, config_map, secret }: Static<typeof EnvVar>) {
  if (config_map !== undefined) return { name, valueFrom: { configMapKeyRef: defined(config_map) } };
  if (secret !== undefined) return { name, valueFrom: { secretKeyRef: defined(secret) } };
  return { name, value: value ?? '' };
}

function probe(given: Static<typeof Probe> | undefined): ports.Probe | undefined {
  if (given === undefined) return undefined;
  const { http_get, tcp_port, grpc_port, command } = given;
  return defined({
    httpGet: http_get && defined({ path: http_get.path, port: http_get.port, scheme: http_get.scheme }),
    tcpSocket: tcp_port === undefined ? undefined : { port: tcp_port },
    grpc: grpc_port === undefined ? undefined : { port: grpc_port },
    exec: command === undefined ? undefined : { command },
    initialDelaySeconds: given.initial_delay_seconds,
    periodSeconds: given.period_seconds,
    timeoutSeconds: given.timeout_seconds,
    successThreshold: given.success_threshold,
    failureThreshold: given.failure_threshold,
  });
}

function volumeSource({ empty_dir, config_map, secret, claim }: Static<typeof Volume>) {
  if (config_map !== undefined) return { configMap: { name: config_map } };
  if (secret !== undefined) return { secret: { secretName: secret } };
  if (claim !== undefined) return { persistentVolumeClaim: { claimName: claim } };
  return { emptyDir: defined({ medium: empty_dir?.medium, sizeLimit: empty_dir?.size_limit }) };
}

export function podTemplate(params: WorkloadParams, labels: Record<string, string>): ports.PodTemplateSpec {
  const resources = defined({ requests: params.requests, limits: params.limits });
  const container = defined({
    name: params.container_name ?? containerNameOf(params.image),
    image: params.image,
    command: params.command,
    args: params.args,
    ports: params.ports?.map(({ container_port, name, protocol }) =>
      defined({ containerPort: container_port, name, protocol }),
    ),
    env: params.env?.map(envVar),
    resources: Object.keys(resources).length === 0 ? undefined : resources,
    livenessProbe: probe(params.liveness_probe),
    readinessProbe: probe(params.readiness_probe),
    startupProbe: probe(params.startup_probe),
    volumeMounts: params.volumes?.map(({ name, mount_path, read_only, sub_path }) =>
      defined({ name, mountPath: mount_path, readOnly: read_only, subPath: sub_path }),
    ),
  });
  return {
    metadata: { labels },
    spec: defined({
      containers: [container],
      volumes: params.volumes?.map((volume) => ({ name: volume.name, ...volumeSource(volume) })),
      serviceAccountName: params.service_account,
      imagePullSecrets: params.image_pull_secrets?.map((name) => ({ name })),
      nodeSelector: params.node_selector,
    }),
  };
}
