/** Contracts about pods and their logs. */
import { Type } from '@sinclair/typebox';
import type { Static } from '@sinclair/typebox';
import {
  allNamespaces,
  continueToken,
  dnsLabel,
  dnsSubdomain,
  fieldSelector,
  labelSelector,
  limit,
  listOf,
  namespace,
  oneOf,
  stringMap,
  timeoutSeconds,
  timestamp,
  wait,
  withDefault,
} from './common.js';
import { defineFunction } from './define.js';
import type { Permission, Verb } from './define.js';
import { Deletion, DeletionProgress } from './deployments.js';

export const ContainerStatus = Type.Object(
  {
    name: Type.String({ description: "The container's name." }),
    image: Type.String({ description: 'Its image.' }),
    init: Type.Boolean({ description: 'Whether it is an init container.' }),
    ready: Type.Boolean({ description: 'Whether it passes its readiness probe.' }),
    restarts: Type.Integer({ description: 'How often it was restarted.' }),
    state: oneOf(['waiting', 'running', 'terminated'], { description: 'What it does.' }),
    reason: Type.Optional(Type.String({ description: 'Why it waits or ended, in a word.' })),
    message: Type.Optional(Type.String({ description: 'Why it waits or ended, in words.' })),
    exit_code: Type.Optional(
      Type.Integer({ description: 'How it ended, now or, when it was restarted, last.' }),
    ),
    started_at: Type.Optional(timestamp('When it started.')),
  },
  { title: 'ContainerStatus' },
);

export const Pod = Type.Object(
  {
    name: Type.String({ description: 'Its name.' }),
    namespace: Type.String({ description: 'Its namespace.' }),
    uid: Type.String({ description: 'Its identity.' }),
    labels: stringMap('Its labels.'),
    status: Type.String({
      description:
        'What kubectl shows as STATUS: `Running`, `Pending`, `CrashLoopBackOff`, `Completed`, `Terminating`, …',
    }),
    phase: Type.String({ description: 'Pending, Running, Succeeded, Failed or Unknown.' }),
    ready: Type.Boolean({ description: 'Whether it takes traffic.' }),
    restarts: Type.Integer({ description: 'Restarts of all its containers.' }),
    images: Type.Array(Type.String(), { description: 'The images of its containers, in order.' }),
    containers: Type.Array(ContainerStatus, { description: 'Its containers, init containers first.' }),
    message: Type.Optional(Type.String({ description: 'Why it is not ready, in words.' })),
    ip: Type.Optional(Type.String({ description: 'Its address.' })),
    kubernetes_node: Type.Optional(Type.String({ description: 'The Kubernetes node that it runs on.' })),
    owner: Type.Optional(
      Type.Object(
        { kind: Type.String({ description: 'Its kind.' }), name: Type.String({ description: 'Its name.' }) },
        { description: 'What made it.' },
      ),
    ),
    created_at: Type.Optional(timestamp('When it was created.')),
    deleting: Type.Boolean({ description: 'Whether it is going.' }),
    resource_version: Type.String({ description: "The API server's version of the object." }),
  },
  { title: 'Pod', description: 'A pod and how it is.' },
);
export type Pod = Static<typeof Pod>;

export const LogItem = Type.Object(
  {
    pod: Type.String({ description: "The pod's name." }),
    container: Type.String({ description: "The container's name." }),
    line: Type.Optional(Type.String({ description: 'A line of the log, without its end.' })),
    time: Type.Optional(
      Type.String({
        description: 'When the line was written, with `timestamps`: RFC 3339 with nanoseconds.',
      }),
    ),
    event: Type.Optional(
      oneOf(['opened', 'waiting', 'ended', 'failed'], {
        description: 'Instead of a line: the log was opened, waits for its container, ended, or broke off.',
      }),
    ),
    message: Type.Optional(Type.String({ description: 'What an event is about.' })),
  },
  { title: 'LogItem', description: 'A line of a log, or something that happened to the log.' },
);

const name = dnsSubdomain("The pod's name.", { examples: ['nginx-deployment-7c5ddbdf54-abcde'] });

const pods = (resource: string, verbs: readonly Verb[], rest: Partial<Permission> = {}): Permission => ({
  group: '',
  resource,
  verbs,
  namespace: 'namespace',
  ...rest,
});
/** Finding the pods of a Deployment. */
const podsOfDeployment: Permission[] = [
  {
    group: 'apps',
    resource: 'deployments',
    verbs: ['get'],
    namespace: 'namespace',
    object: 'deployment',
    when: 'deployment',
  },
];

export const list_pods = defineFunction({
  name: 'list_pods',
  summary: 'List pods',
  description: 'Answers the pods of a namespace, of all, or of one Deployment, page by page.',
  effect: 'read',
  params: {
    namespace,
    all_namespaces: allNamespaces,
    deployment: Type.Optional(
      dnsSubdomain(
        'Only the pods of this Deployment; `label_selector` and `all_namespaces` must then be absent.',
      ),
    ),
    label_selector: labelSelector,
    field_selector: fieldSelector,
    limit,
    continue: continueToken,
  },
  result: listOf(Pod, 'PodList'),
  permissions: [pods('pods', ['list']), ...podsOfDeployment],
  examples: [
    { title: 'All of the default namespace', params: {} },
    { title: 'Those of a Deployment', params: { deployment: 'nginx-deployment' } },
    {
      title: 'Those that run, in all namespaces',
      params: { all_namespaces: true, field_selector: 'status.phase=Running' },
    },
  ],
});

export const get_pod = defineFunction({
  name: 'get_pod',
  summary: 'Show a pod',
  description: 'Answers one pod.',
  effect: 'read',
  params: { namespace, name },
  result: Pod,
  permissions: [pods('pods', ['get'], { object: 'name' })],
  aplite: ['name'],
  examples: [{ title: 'One pod', params: { name: 'nginx-deployment-7c5ddbdf54-abcde' } }],
});

export const delete_pod = defineFunction({
  name: 'delete_pod',
  summary: 'Delete a pod',
  description: `Deletes a pod; what made it makes another. With \`wait\` the answer comes when it is gone.`,
  effect: 'delete',
  mode: 'progress',
  params: {
    namespace,
    name,
    grace_period_seconds: Type.Optional(
      Type.Integer({
        description:
          "Seconds that its containers have to stop; the pod's own number when absent, 0 removes it at once.",
        minimum: 0,
      }),
    ),
    wait: wait('it is gone'),
    timeout_seconds: timeoutSeconds,
  },
  item: DeletionProgress,
  result: Deletion,
  permissions: [
    pods('pods', ['delete'], { object: 'name' }),
    pods('pods', ['get'], { object: 'name', when: 'wait' }),
    pods('pods', ['list', 'watch'], { when: 'wait' }),
  ],
  aplite: ['name'],
  examples: [{ title: 'Delete a pod', params: { name: 'nginx-deployment-7c5ddbdf54-abcde' } }],
});

export const pod_logs = defineFunction({
  name: 'pod_logs',
  summary: "Read or follow containers' logs",
  description: `Streams the lines of a container's log, of all containers of a pod, or of all pods of a Deployment or a
label selector at once, each line with its pod and container. Exactly one of \`pod\`, \`deployment\`, \`label_selector\` is
given. With \`follow\` it goes on until the containers end, and takes in pods that appear meanwhile.

The first item of each container has \`event: "opened"\`; a pod with several containers needs \`container\` or
\`all_containers\`.`,
  effect: 'read',
  mode: 'stream',
  params: {
    namespace,
    pod: Type.Optional(dnsSubdomain('One pod.')),
    deployment: Type.Optional(dnsSubdomain('All pods of this Deployment.')),
    label_selector: labelSelector,
    container: Type.Optional(dnsLabel('The container; the only one when absent.')),
    all_containers: withDefault(Type.Boolean({ description: 'All containers, init containers too.' }), false),
    follow: withDefault(Type.Boolean({ description: 'Go on as the log grows.' }), false),
    previous: withDefault(
      Type.Boolean({
        description: "The log of the container's run before its last restart.",
      }),
      false,
    ),
    timestamps: withDefault(Type.Boolean({ description: 'Say when each line was written.' }), false),
    tail_lines: Type.Optional(
      Type.Integer({ description: 'Only so many lines from the end, of each container.', minimum: 0 }),
    ),
    since_seconds: Type.Optional(
      Type.Integer({ description: 'Only lines of the last so many seconds.', minimum: 1 }),
    ),
    since_time: Type.Optional(
      Type.String({
        description: 'Only lines since then (RFC 3339). Not together with `since_seconds`.',
        pattern: '^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}(\\.\\d+)?(Z|[+-]\\d{2}:\\d{2})$',
        'x-rule': 'an RFC 3339 time: `2026-01-31T12:00:00Z`',
      }),
    ),
    limit_bytes: Type.Optional(
      Type.Integer({ description: 'At most so many bytes of each container.', minimum: 1 }),
    ),
  },
  item: LogItem,
  permissions: [
    pods('pods', ['get'], { object: 'pod', when: 'pod' }),
    pods('pods', ['list'], { when: 'deployment' }),
    pods('pods', ['list'], { when: 'label_selector' }),
    pods('pods', ['list', 'watch'], { when: 'follow' }),
    pods('pods/log', ['get'], { object: 'pod' }),
    ...podsOfDeployment,
  ],
  aplite: ['pod'],
  examples: [
    { title: 'Follow all pods of a Deployment', params: { deployment: 'nginx-deployment', follow: true } },
    {
      title: 'The last lines before a crash',
      params: { pod: 'nginx-deployment-7c5ddbdf54-abcde', previous: true, tail_lines: 20 },
    },
  ],
});
