/** Contracts about plugins: programs that register services at a host, which routes the calls between them. */
import { Type } from '@sinclair/typebox';
import type { Static } from '@sinclair/typebox';
import { dnsLabel, dnsSubdomain, namespace, oneOf, stringMap, timeoutSeconds, timestamp } from './common.js';
import { continueToken, limit, withDefault } from './common.js';
import { defineFunction } from './define.js';
import type { Permission, Verb } from './define.js';
import { Deletion, DeletionProgress } from './deployments.js';
import { EnvVar, Probe, Quantities } from './workload.js';

const runtimeId = (description: string) => Type.String({ description });
const serviceType = (description: string) =>
  Type.String({ description, minLength: 1, maxLength: 253, examples: ['storage'] });

export const PluginService = Type.Object(
  {
    type: Type.String({ description: 'What it is: plugins ask for services by it.' }),
    version: Type.String({ description: 'Its version, by semver.' }),
    provider: runtimeId("The runtime id of the plugin that provides it, which the host's routes name."),
    path: Type.String({ description: "Its path at the host; a method's name goes behind it." }),
    targets: Type.Array(Type.String(), {
      description: 'Where calls go: the addresses of its pods, or of its container.',
    }),
    metadata: stringMap('What the plugin says of it beside.'),
    routable: Type.Boolean({ description: 'Whether calls are routed to it now.' }),
  },
  { title: 'PluginService', description: 'A service of a plugin.' },
);
export type PluginService = Static<typeof PluginService>;

export const PluginNeed = Type.Object(
  {
    type: Type.String({ description: 'The type of service.' }),
    min_version: Type.String({ description: 'The least version; empty for any.' }),
    providers: Type.Array(Type.String(), {
      description: 'Runtime ids of the plugins that provide it, in whatever version; none: it is missing.',
    }),
  },
  { title: 'PluginNeed', description: 'A service that a plugin needs.' },
);

export const Plugin = Type.Object(
  {
    runtime_id: runtimeId('Its id at this host, given by the host.'),
    self_id: Type.String({ description: 'What it calls itself.' }),
    self_version: Type.String({ description: 'Its own version.' }),
    origin: oneOf(['unmanaged', 'managed', 'discovered'], {
      description:
        '`unmanaged`: it came by itself. `managed`: the host was configured to see to it. `discovered`: the host found it in the cluster.',
    }),
    health: oneOf(['healthy', 'degraded', 'unhealthy'], {
      description: 'How it says that it is; of several pods the best counts.',
    }),
    reason: Type.Optional(
      Type.String({ description: 'Why it is so, in its own words, and which of its pods are worse.' }),
    ),
    unavailable_dependencies: Type.Array(Type.String(), {
      description: 'Types of services that it misses, by its own account.',
    }),
    routable: Type.Boolean({ description: 'Whether calls are routed to it now.' }),
    unroutable_because: Type.Optional(Type.String({ description: 'Why not.' })),
    services: Type.Array(PluginService, { description: 'What it provides.' }),
    requires: Type.Array(PluginNeed, { description: 'What it needs, as it declared or asked for.' }),
    since: timestamp('When it came.'),
  },
  { title: 'Plugin', description: 'A plugin, as its host knows it.' },
);
export type Plugin = Static<typeof Plugin>;

export const PluginEvent = Type.Object(
  {
    event: oneOf(['plugin', 'gone', 'live'], {
      description:
        '`plugin`: one that is there, came or changed, as it is now. `gone`: it is no longer there. `live`: all that were there at first have been sent.',
    }),
    runtime_id: Type.Optional(runtimeId('Which plugin; absent with `live`.')),
    plugin: Type.Optional(Plugin),
  },
  { title: 'PluginEvent' },
);
export type PluginEvent = Static<typeof PluginEvent>;

export const PluginAnswer = Type.Object(
  {
    type: Type.String({ description: 'The type of the service called.' }),
    method: Type.String({ description: 'The method called.' }),
    provider: Type.Optional(
      runtimeId('The plugin that answered, where it is known: the one asked for, or the only one.'),
    ),
    status: Type.Optional(
      Type.Integer({ description: 'The HTTP status of its answer. Absent in a dry run.' }),
    ),
    response: Type.Optional(Type.Unknown({ description: 'Its answer, when that is JSON.' })),
    response_text: Type.Optional(Type.String({ description: 'Its answer, when that is other UTF-8 text.' })),
    response_base64: Type.Optional(Type.String({ description: 'Its answer, when that is no text.' })),
    duration_ms: Type.Number({ description: 'How long the answer took, in milliseconds.' }),
  },
  { title: 'PluginAnswer' },
);
export type PluginAnswer = Static<typeof PluginAnswer>;

export const PluginGraphNode = Type.Object(
  {
    runtime_id: runtimeId('Its runtime id.'),
    self_id: Type.String({ description: 'What it calls itself.' }),
    health: Plugin.properties.health,
    routable: Plugin.properties.routable,
    provides: Type.Array(Type.String(), { description: 'Types of the services that it provides.' }),
    missing: Type.Array(Type.String(), {
      description: 'Types of services that it needs and that nobody provides.',
    }),
    affects: Type.Array(Type.String(), {
      description: 'Runtime ids of the plugins that lose a service they need when it goes, directly or not.',
    }),
  },
  { title: 'PluginGraphNode' },
);
export type PluginGraphNode = Static<typeof PluginGraphNode>;

export const PluginGraphEdge = Type.Object(
  {
    from: Type.String({ description: 'The runtime id of the plugin that needs or calls.' }),
    to: Type.String({ description: 'The runtime id of the plugin that provides.' }),
    type: Type.String({ description: 'The type of the service between them.' }),
    required: Type.Boolean({ description: 'Whether the first says that it needs the service.' }),
    calls: Type.Integer({ description: 'Calls that the host routed since it started.' }),
    failures: Type.Integer({ description: 'Those of them that were answered by a status of 400 or more.' }),
    methods: Type.Array(Type.String(), {
      description:
        'Methods that were called, cut to 100 characters; beyond 100 of them the others are counted as `(others)`.',
    }),
  },
  { title: 'PluginGraphEdge' },
);
export type PluginGraphEdge = Static<typeof PluginGraphEdge>;

export const PluginGraph = Type.Object(
  {
    nodes: Type.Array(PluginGraphNode, { description: 'The plugins, by runtime id.' }),
    edges: Type.Array(PluginGraphEdge, { description: 'Who needs or calls whom.' }),
    start_order: Type.Array(Type.String(), {
      description:
        'Runtime ids such that each comes after those that it needs; members of a cycle stand together.',
    }),
    cycles: Type.Array(Type.Array(Type.String()), {
      description: 'Runtime ids of plugins that need one another in a circle.',
    }),
    mermaid: Type.String({ description: 'The same as a flow chart in the language of Mermaid.' }),
  },
  { title: 'PluginGraph', description: 'Who provides what, who needs it, and who calls whom.' },
);
export type PluginGraph = Static<typeof PluginGraph>;

export const PluginContainer = Type.Object(
  {
    name: dnsLabel(
      "The plugin's id, and the name of its container; in a Deployment of its own that one's too.",
      {
        maxLength: 50,
        examples: ['storage'],
      },
    ),
    image: Type.String({ description: 'Its image.', minLength: 1 }),
    port: Type.Integer({
      description: 'The port that it listens on; it gets it as `PORT`.',
      minimum: 1,
      maximum: 65535,
    }),
    command: Type.Optional(
      Type.Array(Type.String(), {
        description: "The program and its first arguments, instead of the image's entrypoint.",
        minItems: 1,
      }),
    ),
    args: Type.Optional(Type.Array(Type.String(), { description: "The arguments, instead of the image's." })),
    env: Type.Optional(
      Type.Array(EnvVar, {
        description: 'The environment beside HOST_URL, PORT and HOSTNAME; these may be named too.',
        maxItems: 1000,
      }),
    ),
    requests: Type.Optional(Quantities),
    limits: Type.Optional(Quantities),
    readiness_probe: Type.Optional(Probe),
  },
  { title: 'PluginContainer', additionalProperties: false },
);
export type PluginContainer = Static<typeof PluginContainer>;

export const PluginDeployment = Type.Object(
  {
    name: Type.String({ description: "The Deployment's name." }),
    namespace: Type.String({ description: 'Its namespace.' }),
    plugins: Type.Array(Type.String(), { description: 'The plugins whose containers are in its pods.' }),
    images: Type.Array(Type.String(), { description: 'The images of its containers, in order.' }),
    replicas: Type.Integer({ description: 'How many pods are asked for.' }),
    ready: Type.Integer({ description: 'How many of them are ready.' }),
    service: Type.Optional(
      Type.String({ description: 'The Service by which the host finds its pods, when it has one.' }),
    ),
  },
  { title: 'PluginDeployment' },
);
export type PluginDeployment = Static<typeof PluginDeployment>;

export const PluginProgress = Type.Object(
  {
    message: Type.String({ description: 'How far it is, in words.' }),
    done: Type.Integer({ description: 'Deployments that are rolled out.' }),
    total: Type.Integer({ description: 'Deployments in all.' }),
  },
  { title: 'PluginProgress' },
);
export type PluginProgress = Static<typeof PluginProgress>;

const apps = (verbs: readonly Verb[], rest: Partial<Permission> = {}): Permission => ({
  group: 'apps',
  resource: 'deployments',
  verbs,
  namespace: 'namespace',
  ...rest,
});
const core = (resource: string, verbs: readonly Verb[], rest: Partial<Permission> = {}): Permission => ({
  group: '',
  resource,
  verbs,
  namespace: 'namespace',
  ...rest,
});
/** A pod's host listens on the pod's loopback, where a caller gets by port-forward. */
const reach = [core('pods/portforward', ['create'], { object: 'pod', when: 'pod' })];

const atHost = {
  namespace: Type.Optional(
    dnsLabel("The namespace of `pod`, and none without one. The server's default namespace when absent.", {
      examples: ['default'],
    }),
  ),
  pod: Type.Optional(
    dnsSubdomain("A pod with a host of its own, whose plugins are meant; without it the operator's host.", {
      examples: ['url-shortener-64f4f8f7b-qrj66'],
    }),
  ),
};
const plugin = Type.String({
  description: "The plugin's runtime id, or what it calls itself where only one does.",
  minLength: 1,
  maxLength: 253,
  examples: ['storage-plugin-bafe', 'storage'],
});
const ofType = Type.Optional(serviceType('Only those of this type.'));

const page = <T extends typeof Plugin | typeof PluginService>(item: T, title: string, order: string) =>
  Type.Object(
    {
      items: Type.Array(item, { description: order }),
      continue: Type.Optional(
        Type.String({ description: 'Set while there are more: pass it as `continue` for the next page.' }),
      ),
    },
    { title },
  );

export const list_plugins = defineFunction({
  name: 'list_plugins',
  summary: 'List the plugins of a host',
  description: `Answers the plugins that are registered at the operator's host, or at the host of a pod: how they are, what they
provide and what they need. What the operator itself calls them as is not among them.`,
  effect: 'read',
  params: {
    ...atHost,
    type: Type.Optional(serviceType('Only those that provide this type of service.')),
    limit,
    continue: continueToken,
  },
  result: page(Plugin, 'PluginList', 'The plugins, by runtime id.'),
  permissions: reach,
  examples: [
    { title: "Those of the operator's host", params: {} },
    { title: "Those of a pod's host", params: { pod: 'url-shortener-64f4f8f7b-qrj66' } },
  ],
});

export const get_plugin = defineFunction({
  name: 'get_plugin',
  summary: 'Show a plugin',
  description: `Answers one plugin of the operator's host, or of the host of a pod, by its runtime id or by what it calls itself.`,
  effect: 'read',
  params: { ...atHost, plugin },
  result: Plugin,
  permissions: reach,
  aplite: ['plugin'],
  examples: [{ title: 'One plugin', params: { plugin: 'storage' } }],
});

export const list_plugin_services = defineFunction({
  name: 'list_plugin_services',
  summary: 'List the services that plugins provide',
  description: `Answers every service of every plugin of the operator's host, or of the host of a pod: who provides which type in which
version, where calls go, and whether it is routed.`,
  effect: 'read',
  params: { ...atHost, type: ofType, limit, continue: continueToken },
  result: page(PluginService, 'PluginServiceList', 'The services, by type and provider.'),
  permissions: reach,
  examples: [{ title: 'Who provides storage', params: { type: 'storage' } }],
});

export const call_plugin_service = defineFunction({
  name: 'call_plugin_service',
  summary: 'Call a method of a service of a plugin',
  description: `Sends a request as JSON to a method of a service, through the host's router and by its rules, and answers what the
plugin does. Without \`provider\` the host picks one of those that provide the type. The call is the operator's own: the router's log
and its numbers name it \`xi-k8s\`.

An error of the plugin's is the error of this call. When the connection breaks after the request was sent, the method may have run
all the same: the error then says \`outcome: "unknown"\`. A dry run only looks whether somebody provides the service.`,
  effect: 'execute',
  params: {
    ...atHost,
    type: serviceType('The type of the service.'),
    method: Type.String({
      description: "The method's name, as it stands behind the service's path.",
      minLength: 1,
      maxLength: 500,
      pattern: '^(?!.*(^|/)\\.{1,2}(/|$))[A-Za-z0-9_.~-]+(/[A-Za-z0-9_.~-]+)*$',
      'x-rule': "letters, digits, '_', '.', '~' and '-', with '/' between them and no '.' or '..' as a part",
      examples: ['Store'],
    }),
    provider: Type.Optional(
      Type.String({
        description:
          'The runtime id of the plugin that is to be called; whichever the host picks when absent.',
        minLength: 1,
        maxLength: 253,
      }),
    ),
    request: Type.Optional(
      Type.Unknown({
        description: "The method's request: any JSON; `{}` when absent.",
        examples: [{ code: 'abc' }],
      }),
    ),
  },
  result: PluginAnswer,
  permissions: reach,
  aplite: ['type', 'method'],
  examples: [
    { title: 'Read a code', params: { type: 'storage', method: 'Get', request: { code: 'abc123' } } },
  ],
});

export const watch_plugins = defineFunction({
  name: 'watch_plugins',
  summary: 'Follow the plugins of a host as they come, change and go',
  description: `Streams the plugins of the operator's host, or of the host of a pod: first all that are there, then \`live\`, then each
that comes, changes or goes. Several changes of one plugin may come as its newest state. It ends when the caller leaves or the time
is over.`,
  effect: 'read',
  mode: 'stream',
  params: {
    ...atHost,
    timeout_seconds: Type.Optional(
      Type.Integer({ description: 'Ends after so long; never when absent.', minimum: 1, maximum: 86400 }),
    ),
  },
  item: PluginEvent,
  permissions: reach,
  examples: [{ title: "Those of the operator's host", params: {} }],
});

export const get_plugin_graph = defineFunction({
  name: 'get_plugin_graph',
  summary: 'Show which plugins need and call one another',
  description: `Answers the plugins of the operator's host, or of the host of a pod, as a graph: who provides what, who needs it, who
called whom how often since the host started, who breaks when one goes, an order to start them in, and circles. \`mermaid\` is the
same as a picture.`,
  effect: 'read',
  params: atHost,
  result: PluginGraph,
  permissions: reach,
  examples: [{ title: "The operator's host", params: {} }],
});

export const deploy_plugins = defineFunction({
  name: 'deploy_plugins',
  summary: 'Deploy plugins, in one pod with a host or each by itself',
  description: `Applies Deployments of plugins, by server-side apply: asked again, it changes what differs. What our other functions
changed meanwhile, as \`set_deployment_image\`, it sets as it is asked to; what others changed it overwrites with \`force\` only. A
Deployment or Service that it did not make, or made under another \`name\`, is refused.

\`model\` \`pod\` makes one Deployment \`name\`: a host's container and one for each plugin, which reach one another on the pod's
loopback. Each gets HOST_URL, PORT and HOSTNAME, and registers by itself.

\`model\` \`separate\` makes a Deployment and a Service for each plugin, named after it. The operator's host, which it has
where XI_PLUGIN_HOST is \`on\`, finds them by the Service's label \`xi-k8s.dev/plugin\`, gives each pod its identity and routes to
those that are ready; such a plugin answers GetPluginInfo and SetRuntimeIdentity. What an earlier call made and this one does not
name stays: \`remove_plugin\` takes it away.

A plugin without a \`readiness_probe\` is ready when it takes connections at its port, by the pod's address; one that listens on
loopback alone needs one, a \`command\`. A pod takes an earlier one's place when all its plugins are ready.

All containers get the security context of a restricted namespace: they run as user 1000, write to no file of their image and have no
token of the API server.`,
  effect: 'create',
  mode: 'progress',
  params: {
    namespace,
    name: dnsLabel("The Deployment's name in the model `pod`, and the label `app` in both.", {
      maxLength: 50,
      examples: ['url-shortener'],
    }),
    model: withDefault(
      oneOf(['pod', 'separate'], { description: 'One pod with a host, or a Deployment for each plugin.' }),
      'pod',
    ),
    plugins: Type.Array(PluginContainer, { description: 'The plugins.', minItems: 1, maxItems: 100 }),
    replicas: Type.Optional(
      Type.Integer({
        description:
          'How many pods of each Deployment. When absent: what scaled it since then keeps its number, and 1 where nothing did.',
        minimum: 0,
        maximum: 1000,
      }),
    ),
    host_image: Type.Optional(
      Type.String({
        description:
          "The image of the host's container; the operator's own by its configuration when absent.",
        minLength: 1,
      }),
    ),
    force: withDefault(
      Type.Boolean({
        description:
          'Take over fields that others set meanwhile, as with `kubectl edit`, rather than be refused.',
      }),
      false,
    ),
    wait: withDefault(Type.Boolean({ description: 'Answer only when all are rolled out.' }), true),
    timeout_seconds: timeoutSeconds,
  },
  item: PluginProgress,
  result: Type.Object(
    {
      model: oneOf(['pod', 'separate'], { description: 'The model.' }),
      deployments: Type.Array(PluginDeployment, { description: 'What was applied.' }),
      warnings: Type.Optional(
        Type.Array(Type.String(), {
          description: 'What keeps the plugins from being called, where something does.',
        }),
      ),
    },
    { title: 'PluginsDeployed' },
  ),
  permissions: [
    apps(['get', 'create', 'patch']),
    core('services', ['get', 'create', 'patch']),
    apps(['list', 'watch'], { when: 'wait' }),
    core('pods', ['list', 'watch'], { when: 'wait' }),
  ],
  examples: [
    {
      title: 'Two plugins in a pod with their host',
      params: {
        name: 'shop',
        plugins: [
          { name: 'logger', image: 'registry.example/logger:1', port: 8081 },
          { name: 'storage', image: 'registry.example/storage:1', port: 8082 },
        ],
      },
    },
    {
      title: 'A plugin by itself',
      params: {
        name: 'shop',
        model: 'separate',
        plugins: [{ name: 'storage', image: 'registry.example/storage:1', port: 8082 }],
        replicas: 2,
      },
    },
  ],
});

export const remove_plugin = defineFunction({
  name: 'remove_plugin',
  summary: 'Remove plugins that were deployed',
  description: `Deletes a Deployment that \`deploy_plugins\` made, with its pods and its Service; another one is refused. Its plugins finish
their calls and are gone from the host with their pods.`,
  effect: 'delete',
  mode: 'progress',
  params: {
    namespace,
    deployment: dnsSubdomain('A Deployment that `deploy_plugins` made.', { examples: ['storage'] }),
    wait: withDefault(Type.Boolean({ description: 'Answer only when it and its pods are gone.' }), false),
    timeout_seconds: timeoutSeconds,
  },
  item: DeletionProgress,
  result: Deletion,
  permissions: [
    apps(['get', 'delete'], { object: 'deployment' }),
    apps(['list', 'watch'], { when: 'wait' }),
    core('pods', ['list', 'watch'], { when: 'wait' }),
  ],
  aplite: ['deployment'],
  examples: [{ title: 'A Deployment', params: { deployment: 'storage' } }],
});
