/** Contracts about Deployments. */
import { Type } from '@sinclair/typebox';
import type { Static } from '@sinclair/typebox';
import {
  Condition,
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
import { containerParams } from './workload.js';

export const Replicas = Type.Object(
  {
    desired: Type.Integer({ description: 'How many are asked for.' }),
    updated: Type.Integer({ description: 'How many have the newest template.' }),
    ready: Type.Integer({ description: 'How many are ready.' }),
    available: Type.Integer({ description: 'How many have been ready for long enough to count on.' }),
  },
  { title: 'Replicas' },
);

export const Deployment = Type.Object(
  {
    name: Type.String({ description: 'Its name.' }),
    namespace: Type.String({ description: 'Its namespace.' }),
    uid: Type.String({
      description: 'Its identity, which a later Deployment of the same name does not share.',
    }),
    labels: stringMap('Its labels.'),
    images: Type.Array(Type.String(), { description: 'The images of its containers, in order.' }),
    replicas: Replicas,
    conditions: Type.Array(Condition, { description: 'What the Deployment controller says of it.' }),
    paused: Type.Boolean({ description: 'Whether roll-outs are paused.' }),
    revision: Type.Optional(
      Type.Integer({ description: 'The revision of its template, counted by roll-outs.' }),
    ),
    selector: stringMap('The labels by which it knows its pods.'),
    created_at: Type.Optional(timestamp('When it was created.')),
    deleting: Type.Boolean({ description: 'Whether it is going.' }),
    resource_version: Type.String({ description: "The API server's version of the object." }),
  },
  { title: 'Deployment', description: 'A Deployment and how far it is.' },
);
export type Deployment = Static<typeof Deployment>;

export const StuckPod = Type.Object(
  {
    pod: Type.String({ description: "The pod's name." }),
    container: Type.Optional(Type.String({ description: 'The container that is stuck.' })),
    reason: Type.String({
      description:
        'Why, in a word: `ImagePullBackOff`, `Unschedulable`, `CrashLoopBackOff`, `CreateContainerConfigError`, …',
    }),
    message: Type.Optional(Type.String({ description: 'Why, in words.' })),
    restarts: Type.Optional(Type.Integer({ description: 'How often the container was restarted.' })),
    exit_code: Type.Optional(Type.Integer({ description: 'How the container ended last.' })),
  },
  { title: 'StuckPod' },
);

export const RolloutProgress = Type.Object(
  {
    message: Type.String({
      description: 'How far it is, in words: `2 of 3 updated replicas are available`.',
    }),
    replicas: Replicas,
    conditions: Type.Array(Condition, { description: 'What the Deployment controller says of it.' }),
    stuck: Type.Array(StuckPod, { description: 'Pods that do not become ready, and why.' }),
    done: Type.Boolean({ description: 'Whether the roll-out is complete.' }),
  },
  { title: 'RolloutProgress' },
);

export const DeletionProgress = Type.Object(
  {
    message: Type.String({ description: 'What is still there, in words.' }),
    object_gone: Type.Boolean({ description: 'Whether the object itself is gone.' }),
    pods_left: Type.Optional(
      Type.Integer({ description: 'How many of its pods are left, when their going is waited for.' }),
    ),
  },
  { title: 'DeletionProgress' },
);

export const Deletion = Type.Object(
  {
    name: Type.String({ description: "The object's name." }),
    namespace: Type.String({ description: "The object's namespace." }),
    uid: Type.Optional(Type.String({ description: "The object's identity." })),
    gone: Type.Boolean({ description: 'False while it still goes: finalizers, or its grace period.' }),
  },
  { title: 'Deletion' },
);

const name = dnsSubdomain("The Deployment's name.", { examples: ['nginx-deployment'] });

const on = (resource: string, verbs: readonly Verb[], rest: Partial<Permission> = {}): Permission => ({
  group: 'apps',
  resource,
  verbs,
  namespace: 'namespace',
  ...rest,
});
const deployment = (...verbs: Verb[]): Permission => on('deployments', verbs, { object: 'name' });
/** What waiting for a roll-out takes: the Deployment's changes, and its pods to say why it is stuck. */
const rollout = (when?: string): Permission[] => {
  const condition = when === undefined ? {} : { when };
  return [
    on('deployments', ['list', 'watch'], condition),
    on('pods', ['list', 'watch'], { group: '', ...condition }),
  ];
};

export const create_deployment = defineFunction({
  name: 'create_deployment',
  summary: 'Create a Deployment',
  description: `Creates a Deployment with one container and answers it as the API server made it.

Without any param it makes the Deployment of the Aplite reference: \`nginx-deployment\` with 3 replicas of
\`nginx:1.15.4\` that listen on port 80, requests 100m CPU and 200Mi memory, limits 500m and 500Mi. An omitted \`name\`,
\`image\` or \`replicas\` takes the reference's value one by one; its port and resources come only when \`image\` is
omitted. What else is not given is left to the API server.

The selector is the label \`app\` with the Deployment's name as its value (\`nginx\` when \`name\` is omitted), so that two
Deployments never share pods. With \`wait\` the answer comes when all replicas are available.`,
  effect: 'create',
  mode: 'progress',
  params: {
    namespace,
    name: withDefault(
      dnsSubdomain("The Deployment's name.", { maxLength: 63, examples: ['web'] }),
      'nginx-deployment',
    ),
    image: withDefault(Type.String({ description: "The container's image.", minLength: 1 }), 'nginx:1.15.4'),
    replicas: withDefault(
      Type.Integer({ description: 'How many pods.', minimum: 0, maximum: 2147483647 }),
      3,
    ),
    labels: Type.Optional(stringMap('More labels, for the Deployment and its pods. `app` is fixed.')),
    annotations: Type.Optional(stringMap("The Deployment's annotations.")),
    ...containerParams,
    wait: wait('all replicas are available'),
    timeout_seconds: timeoutSeconds,
  },
  item: RolloutProgress,
  result: Deployment,
  permissions: [on('deployments', ['create'], { object: 'name' }), ...rollout('wait')],
  examples: [
    { title: 'The Deployment of the Aplite reference', params: {} },
    {
      title: 'A web server with two replicas, answered when they run',
      params: { name: 'web', image: 'nginx:1.27', replicas: 2, ports: [{ container_port: 80 }], wait: true },
    },
    {
      title: 'Environment, resources, a probe and a volume',
      params: {
        name: 'api',
        image: 'ghcr.io/example/api:2.0',
        env: [
          { name: 'MODE', value: 'production' },
          { name: 'LEVEL', config_map: { name: 'api', key: 'level', optional: true } },
        ],
        requests: { cpu: '100m', memory: '64Mi' },
        limits: { memory: '128Mi' },
        readiness_probe: { http_get: { path: '/ready', port: 8080 }, period_seconds: 5 },
        volumes: [{ name: 'cache', mount_path: '/cache', empty_dir: {} }],
      },
    },
  ],
});

export const get_deployment = defineFunction({
  name: 'get_deployment',
  summary: 'Show a Deployment',
  description: 'Answers one Deployment.',
  effect: 'read',
  params: { namespace, name },
  result: Deployment,
  permissions: [deployment('get')],
  aplite: ['name'],
  examples: [{ title: 'One Deployment', params: { name: 'nginx-deployment' } }],
});

export const list_deployments = defineFunction({
  name: 'list_deployments',
  summary: 'List Deployments',
  description: 'Answers the Deployments of a namespace, or of all, page by page.',
  effect: 'read',
  params: {
    namespace,
    all_namespaces: allNamespaces,
    label_selector: labelSelector,
    field_selector: fieldSelector,
    limit,
    continue: continueToken,
  },
  result: listOf(Deployment, 'DeploymentList'),
  permissions: [on('deployments', ['list'])],
  examples: [
    { title: 'All of the default namespace', params: {} },
    { title: 'By label, in all namespaces', params: { all_namespaces: true, label_selector: 'app=nginx' } },
  ],
});

export const scale_deployment = defineFunction({
  name: 'scale_deployment',
  summary: 'Set the number of replicas',
  description: 'Sets how many pods a Deployment has; 0 stops it. With `wait` the answer comes when it is so.',
  effect: 'update',
  mode: 'progress',
  params: {
    namespace,
    name,
    replicas: Type.Integer({ description: 'How many pods.', minimum: 0, maximum: 2147483647 }),
    wait: wait('all replicas are available and those too many are gone'),
    timeout_seconds: timeoutSeconds,
  },
  item: RolloutProgress,
  result: Deployment,
  permissions: [deployment('patch'), ...rollout('wait')],
  aplite: ['name', 'replicas'],
  examples: [{ title: 'Five replicas', params: { name: 'nginx-deployment', replicas: 5 } }],
});

export const set_deployment_image = defineFunction({
  name: 'set_deployment_image',
  summary: 'Roll out another image',
  description: `Sets the image of one container, which starts a roll-out. A Deployment with several containers needs
\`container\`. With \`wait\` the answer comes when the roll-out is complete.`,
  effect: 'update',
  mode: 'progress',
  params: {
    namespace,
    name,
    image: Type.String({ description: 'The new image.', minLength: 1, examples: ['nginx:1.27'] }),
    container: Type.Optional(dnsLabel('The container; the only one when absent.')),
    wait: wait('the roll-out is complete'),
    timeout_seconds: timeoutSeconds,
  },
  item: RolloutProgress,
  result: Deployment,
  permissions: [deployment('get', 'patch'), ...rollout('wait')],
  aplite: ['name', 'image'],
  examples: [{ title: 'A newer nginx', params: { name: 'nginx-deployment', image: 'nginx:1.27' } }],
});

export const restart_deployment = defineFunction({
  name: 'restart_deployment',
  summary: 'Replace all pods, a few at a time',
  description: `Restarts the pods by a roll-out of the same template, as \`kubectl rollout restart\` does. A paused
Deployment is refused.`,
  effect: 'update',
  mode: 'progress',
  params: { namespace, name, wait: wait('the roll-out is complete'), timeout_seconds: timeoutSeconds },
  item: RolloutProgress,
  result: Deployment,
  permissions: [deployment('get', 'patch'), ...rollout('wait')],
  aplite: ['name'],
  examples: [{ title: 'Restart', params: { name: 'nginx-deployment' } }],
});

export const rollback_deployment = defineFunction({
  name: 'rollback_deployment',
  summary: 'Go back to an earlier revision',
  description: `Rolls the template of an earlier revision out again, the one before the present when \`to_revision\` is
absent. A revision that is no longer kept is a 404 that names those that are; a paused Deployment is refused.`,
  effect: 'update',
  mode: 'progress',
  params: {
    namespace,
    name,
    to_revision: Type.Optional(
      Type.Integer({ description: 'The revision; the previous one when absent.', minimum: 1 }),
    ),
    wait: wait('the roll-out is complete'),
    timeout_seconds: timeoutSeconds,
  },
  item: RolloutProgress,
  result: Deployment,
  permissions: [deployment('get', 'patch'), on('replicasets', ['list']), ...rollout('wait')],
  aplite: ['name'],
  examples: [{ title: 'The revision before', params: { name: 'nginx-deployment' } }],
});

export const wait_for_deployment = defineFunction({
  name: 'wait_for_deployment',
  summary: 'Follow a roll-out until it is complete',
  description: `Streams how far a roll-out is: replicas updated, ready and available, the conditions, and the pods that are
stuck with the reason why. It ends when the roll-out is complete, and fails when its time or the Deployment's progress
deadline is over or the Deployment is deleted.`,
  effect: 'read',
  mode: 'stream',
  params: { namespace, name, timeout_seconds: timeoutSeconds },
  item: RolloutProgress,
  result: Deployment,
  permissions: [deployment('get'), ...rollout()],
  aplite: ['name'],
  examples: [{ title: 'Until the pods are ready', params: { name: 'nginx-deployment' } }],
});

export const delete_deployment = defineFunction({
  name: 'delete_deployment',
  summary: 'Delete a Deployment',
  description: `Deletes a Deployment. Its pods go with it, after it (\`background\`) or before it (\`foreground\`), or stay
(\`orphan\`). With \`wait\` the answer comes when the Deployment and, but for \`orphan\`, its pods are gone.`,
  effect: 'delete',
  mode: 'progress',
  params: {
    namespace,
    name,
    propagation_policy: withDefault(
      oneOf(['background', 'foreground', 'orphan'], { description: 'What becomes of its pods.' }),
      'background',
    ),
    wait: wait('it and its pods are gone'),
    timeout_seconds: timeoutSeconds,
  },
  item: DeletionProgress,
  result: Deletion,
  permissions: [
    deployment('delete'),
    on('deployments', ['get'], { object: 'name', when: 'wait' }),
    on('deployments', ['list', 'watch'], { when: 'wait' }),
    on('pods', ['list', 'watch'], { group: '', when: 'wait' }),
  ],
  aplite: ['name'],
  examples: [{ title: 'Delete it and its pods', params: { name: 'nginx-deployment', wait: true } }],
});
