/** The parts of a pod template, as callers give them: ports, environment, resources, probes, volumes. */
import { Type } from '@sinclair/typebox';
import type { SchemaOptions } from '@sinclair/typebox';
import { dnsLabel, dnsSubdomain, oneOf, stringMap } from './common.js';

/** More of a kind than any pod has; what a body can hold otherwise keeps the server busy for seconds. */
const MAX_ITEMS = 1000;

const portNumber = (description: string) => Type.Integer({ description, minimum: 1, maximum: 65535 });

export const ContainerPort = Type.Object(
  {
    container_port: portNumber('The port that the container listens on.'),
    name: Type.Optional(
      Type.String({
        description: 'A name for probes and Services.',
        pattern: '^(?=.*[a-z])[a-z0-9]([-a-z0-9]*[a-z0-9])?$',
        maxLength: 15,
        'x-rule': "lower case letters, digits and '-', at least one letter, at most 15 characters",
      }),
    ),
    protocol: Type.Optional(oneOf(['TCP', 'UDP', 'SCTP'], { description: 'The protocol; TCP when absent.' })),
  },
  { title: 'ContainerPort', additionalProperties: false },
);

const KeyRef = (kind: string) =>
  Type.Object(
    {
      name: dnsSubdomain(`The ${kind}'s name, in the same namespace.`),
      key: Type.String({ description: `The key in the ${kind}.`, minLength: 1 }),
      optional: Type.Optional(
        Type.Boolean({ description: 'Start the container also when it does not exist; false when absent.' }),
      ),
    },
    { additionalProperties: false, description: `The value of a key of a ${kind}.` },
  );

export const EnvVar = Type.Object(
  {
    name: Type.String({
      description: 'The name of the variable.',
      minLength: 1,
      pattern: '^[^=]+$',
      'x-rule': "any characters but '='",
    }),
    value: Type.Optional(Type.String({ description: 'The value itself.' })),
    config_map: Type.Optional(KeyRef('ConfigMap')),
    secret: Type.Optional(KeyRef('Secret')),
  },
  {
    title: 'EnvVar',
    additionalProperties: false,
    description: 'One environment variable; exactly one of `value`, `config_map`, `secret`.',
  },
);

const quantity = (options: SchemaOptions = {}) =>
  Type.String({
    pattern: '^[0-9]+(\\.[0-9]+)?([numkMGTPE]|[KMGTPE]i|[eE][-+]?[0-9]+)?$',
    'x-rule': 'a Kubernetes quantity: `500m`, `0.5`, `200Mi`',
    ...options,
  });

export const Quantities = Type.Record(Type.String(), quantity(), {
  description: 'Resource → quantity: `{ "cpu": "500m", "memory": "200Mi" }`.',
});

const seconds = (description: string, minimum: number) =>
  Type.Optional(Type.Integer({ description, minimum }));

export const Probe = Type.Object(
  {
    http_get: Type.Optional(
      Type.Object(
        {
          path: Type.Optional(Type.String({ description: 'The path; `/` when absent.' })),
          port: portNumber('The port.'),
          scheme: Type.Optional(oneOf(['HTTP', 'HTTPS'], { description: 'HTTP when absent.' })),
        },
        { additionalProperties: false, description: 'Healthy when a GET answers 200 to 399.' },
      ),
    ),
    tcp_port: Type.Optional(portNumber('Healthy when a connection to this port opens.')),
    grpc_port: Type.Optional(portNumber('Healthy when the gRPC health service on this port says so.')),
    command: Type.Optional(
      Type.Array(Type.String(), {
        description: 'Healthy when this command, run in the container, exits with 0.',
        minItems: 1,
      }),
    ),
    initial_delay_seconds: seconds('Seconds before the first probe.', 0),
    period_seconds: seconds('Seconds between probes.', 1),
    timeout_seconds: seconds('Seconds until a probe has failed.', 1),
    success_threshold: seconds('Successes in a row that make it healthy.', 1),
    failure_threshold: seconds('Failures in a row that make it unhealthy.', 1),
  },
  {
    title: 'Probe',
    additionalProperties: false,
    description: 'A health check; exactly one of `http_get`, `tcp_port`, `grpc_port`, `command`.',
  },
);

export const Volume = Type.Object(
  {
    name: dnsLabel('The name of the volume.'),
    mount_path: Type.String({
      description: 'Where the container sees it.',
      pattern: '^/[^:]*$',
      'x-rule': "an absolute path without ':'",
    }),
    read_only: Type.Optional(Type.Boolean({ description: 'Mounted for reading only; false when absent.' })),
    sub_path: Type.Optional(Type.String({ description: 'Only this path inside the volume.', minLength: 1 })),
    empty_dir: Type.Optional(
      Type.Object(
        {
          medium: Type.Optional(oneOf(['Memory'], { description: 'In memory instead of on disk.' })),
          size_limit: Type.Optional(quantity({ description: 'At most so much: `1Gi`.' })),
        },
        { additionalProperties: false, description: 'An empty folder that lives as long as the pod.' },
      ),
    ),
    config_map: Type.Optional(dnsSubdomain('The files of this ConfigMap.')),
    secret: Type.Optional(dnsSubdomain('The files of this Secret.')),
    claim: Type.Optional(dnsSubdomain('The volume of this PersistentVolumeClaim.')),
  },
  {
    title: 'Volume',
    additionalProperties: false,
    description:
      'A volume and where it is mounted; exactly one of `empty_dir`, `config_map`, `secret`, `claim`.',
  },
);

/** The params of a workload with one container; which of them have defaults is the function's own word. */
export const containerParams = {
  container_name: Type.Optional(
    dnsLabel("The container's name; the last part of the image's name when absent."),
  ),
  ports: Type.Optional(
    Type.Array(ContainerPort, {
      description: 'The ports that the container listens on.',
      maxItems: MAX_ITEMS,
    }),
  ),
  env: Type.Optional(Type.Array(EnvVar, { description: 'The environment.', maxItems: MAX_ITEMS })),
  command: Type.Optional(
    Type.Array(Type.String(), {
      description: "The program and its first arguments, instead of the image's entrypoint.",
      minItems: 1,
    }),
  ),
  args: Type.Optional(Type.Array(Type.String(), { description: "The arguments, instead of the image's." })),
  requests: Type.Optional(Quantities),
  limits: Type.Optional(Quantities),
  liveness_probe: Type.Optional(Probe),
  readiness_probe: Type.Optional(Probe),
  startup_probe: Type.Optional(Probe),
  volumes: Type.Optional(
    Type.Array(Volume, { description: 'Volumes and where they are mounted.', maxItems: MAX_ITEMS }),
  ),
  service_account: Type.Optional(dnsSubdomain('The ServiceAccount that the pods run as.')),
  image_pull_secrets: Type.Optional(
    Type.Array(dnsSubdomain('A Secret.'), {
      description: 'Secrets with the credentials of a private registry.',
    }),
  ),
  node_selector: Type.Optional(stringMap('Only Kubernetes nodes with these labels.')),
};
