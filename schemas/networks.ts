/** Contracts about lightchain networks: pods that share state by their label. */
import { Type } from '@sinclair/typebox';
import type { Static } from '@sinclair/typebox';
import {
  allNamespaces,
  continueToken,
  dnsLabel,
  dnsSubdomain,
  labelSelector,
  limit,
  listOf,
  namespace,
  oneOf,
  timeoutSeconds,
  timestamp,
  withDefault,
} from './common.js';
import { defineFunction } from './define.js';
import type { Permission, Verb } from './define.js';

/** Largest payload of a block: gRPC's usual limit of a message, less 64 KiB for the rest of it. */
export const MAX_PAYLOAD_BYTES = (4 << 20) - (64 << 10);

const network = Type.String({
  description: "The network's id: the value of the pods' label `klight.networkId`.",
  minLength: 1,
  maxLength: 63,
  pattern: '^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$',
  'x-rule':
    "a label's value: letters, digits, '-', '_' and '.', starting and ending with a letter or digit, at most 63 characters",
  examples: ['k8sPodNetwork'],
});

export const NetworkSummary = Type.Object(
  {
    network: Type.String({ description: 'Its id.' }),
    namespaces: Type.Array(Type.String(), {
      description: 'Where its pods are: its own namespace, or those that share it.',
    }),
    shared: Type.Boolean({ description: "Whether the operator's configuration lets it span namespaces." }),
    pods: Type.Object(
      {
        total: Type.Integer({ description: 'Pods with its label.' }),
        running: Type.Integer({ description: 'Those that run.' }),
        waiting: Type.Integer({ description: 'Those that have not started yet.' }),
        over: Type.Integer({ description: 'Those that ended or are being deleted.' }),
      },
      { description: 'Its pods, as the API server has them; their peers are not asked.' },
    ),
  },
  { title: 'NetworkSummary' },
);
export type NetworkSummary = Static<typeof NetworkSummary>;

export const NetworkMember = Type.Object(
  {
    pod: Type.String({ description: "The pod's name." }),
    namespace: Type.String({ description: "The pod's namespace." }),
    state: oneOf(['member', 'apart', 'unreachable', 'waiting', 'over'], {
      description:
        'Whether it belongs to the network by now; `apart`: its peer is well, and still to be joined.',
    }),
    reason: Type.Optional(Type.String({ description: 'Why it is no member, in words.' })),
    address: Type.Optional(Type.String({ description: 'Where its peer is: `ip:port`.' })),
    speaks: Type.Optional(
      oneOf(['xi-k8s', 'reference'], {
        description: 'Which protocol its peer knows; one of the reference cannot say what its chain holds.',
      }),
    ),
    version: Type.Optional(Type.String({ description: "The peer's version." })),
    head: Type.Optional(Type.String({ description: 'The id of the newest block of its chain.' })),
    height: Type.Optional(Type.Integer({ description: 'The place of that block in the chain.' })),
    blocks: Type.Optional(Type.Integer({ description: 'How many blocks of programs its chain has.' })),
    lag: Type.Optional(Type.Integer({ description: 'How many blocks it is behind the foremost.' })),
    trouble: Type.Optional(Type.String({ description: 'What is wrong with it although it answers.' })),
  },
  { title: 'NetworkMember', description: 'A pod with the label, and how it stands to the network.' },
);
export type NetworkMember = Static<typeof NetworkMember>;

export const Network = Type.Object(
  {
    network: Type.String({ description: 'Its id.' }),
    namespaces: Type.Array(Type.String(), {
      description: 'Where its pods are: its own namespace, or those that share it.',
    }),
    shared: Type.Boolean({ description: "Whether the operator's configuration lets it span namespaces." }),
    contact: Type.Optional(
      Type.Object(
        {
          pod: Type.String({ description: "The pod's name." }),
          namespace: Type.String({ description: "The pod's namespace." }),
          address: Type.String({ description: 'Where its peer is.' }),
        },
        {
          description:
            'The member that is asked first, and that the next pod would join by: one that is well and not behind. Absent when nobody is reached.',
        },
      ),
    ),
    members: Type.Array(NetworkMember, { description: 'All pods with its label, by namespace and name.' }),
    complete: Type.Boolean({ description: 'Whether all pods that run are members.' }),
    in_step: Type.Boolean({ description: 'Whether the chains of all members that can be asked are equal.' }),
  },
  { title: 'Network', description: 'A network, asked of its peers now.' },
);
export type Network = Static<typeof Network>;

export const NetworkChange = Type.Object(
  {
    network: Type.String({ description: "The network's id; absent when pods were taken out of several." }),
    namespace: Type.String({ description: 'The namespace.' }),
    changed: Type.Array(Type.String(), {
      description: 'What got or lost the label: `pod/a`, `deployment/b`. What had it already is not here.',
    }),
    pods: Type.Array(NetworkMember, { description: 'The pods that it is about, and how they stand.' }),
  },
  { title: 'NetworkChange' },
);
export const NetworkProgress = Type.Object(
  {
    message: Type.String({ description: 'How far it is, in words.' }),
    done: Type.Integer({ description: 'Pods that are as they should be.' }),
    total: Type.Integer({ description: 'Pods that it is about.' }),
  },
  { title: 'NetworkProgress' },
);

const blockFields = {
  payload: Type.Optional(Type.String({ description: 'What it holds, when that is UTF-8 text.' })),
  payload_base64: Type.Optional(Type.String({ description: 'What it holds, when that is no text.' })),
  size_bytes: Type.Integer({ description: 'How large that is.' }),
  id: Type.Optional(Type.String({ description: "The block's id. Absent from peers of the reference." })),
  path: Type.Optional(
    Type.String({ description: 'Which state it is, where peers share a folder: the path of a file in it.' }),
  ),
  deleted: Type.Optional(Type.Boolean({ description: 'Whether that file was deleted.' })),
  height: Type.Optional(Type.Integer({ description: 'The place in the chain.' })),
  made_at: Type.Optional(timestamp("When it was made, by its maker's clock.")),
};
export const NetworkBlock = Type.Object(blockFields, {
  title: 'NetworkBlock',
  description: 'A block of a program: one state of the network.',
});
export type NetworkBlock = Static<typeof NetworkBlock>;

export const NetworkStateItem = Type.Object(
  {
    event: oneOf(['block', 'rewound', 'live', 'switched'], {
      description:
        '`block`: the next block. `live`: all that there were have been sent. `rewound`: two networks became one, and blocks come again in their new order. `switched`: the peer was lost, and another goes on.',
    }),
    ...Type.Partial(Type.Object(blockFields)).properties,
    pod: Type.Optional(Type.String({ description: 'With `switched`: the pod whose peer goes on.' })),
    cursor: Type.Optional(
      Type.String({ description: 'Given to another call as `cursor`, the stream goes on after this.' }),
    ),
  },
  { title: 'NetworkStateItem' },
);

export const Persisted = Type.Object(
  {
    network: Type.String({ description: "The network's id." }),
    namespace: Type.String({ description: 'The namespace.' }),
    pod: Type.String({ description: 'The pod whose peer took it.' }),
    id: Type.Optional(Type.String({ description: "The block's id, when the peer is one of ours." })),
    size_bytes: Type.Integer({ description: 'How large the payload is.' }),
  },
  { title: 'Persisted' },
);

export const Sidecar = Type.Object(
  {
    kind: Type.String({ description: 'Deployment, StatefulSet or DaemonSet.' }),
    name: Type.String({ description: 'Its name.' }),
    namespace: Type.String({ description: 'Its namespace.' }),
    network: Type.Optional(
      Type.String({ description: 'The network that its pods belong to, by their label.' }),
    ),
    image: Type.String({ description: "The sidecar's image." }),
    mount_path: Type.String({ description: 'Where the shared folder is.' }),
    state_file: Type.Optional(
      Type.String({ description: 'The one file of it that is shared. Absent: every file.' }),
    ),
    containers: Type.Array(Type.String(), { description: 'The containers that see the folder.' }),
  },
  { title: 'Sidecar' },
);

const core = (resource: string, verbs: readonly Verb[], rest: Partial<Permission> = {}): Permission => ({
  group: '',
  resource,
  verbs,
  namespace: 'namespace',
  ...rest,
});
const apps = (resource: string, verbs: readonly Verb[], rest: Partial<Permission>): Permission => ({
  ...core(resource, verbs, rest),
  group: 'apps',
});
/** Reaching a peer: a caller could do as much by port-forward, and must be allowed to. */
const reach = (when?: string): Permission =>
  core('pods/portforward', ['create'], { outside: true, ...(when === undefined ? {} : { when }) });
const asked = [core('pods', ['list']), reach()];

export const list_networks = defineFunction({
  name: 'list_networks',
  summary: 'List lightchain networks',
  description: `Answers the networks that pods of a namespace, or of all, belong to by their label \`klight.networkId\`, with
how many pods each has. A network is an id in one namespace, unless the operator's configuration shares it. The peers are not
asked: \`get_network\` does.`,
  effect: 'read',
  params: { namespace, all_namespaces: allNamespaces, limit, continue: continueToken },
  result: listOf(NetworkSummary, 'NetworkList'),
  permissions: [core('pods', ['list'])],
  examples: [{ title: 'Those of all namespaces', params: { all_namespaces: true } }],
});

export const get_network = defineFunction({
  name: 'get_network',
  summary: 'Show a network, its members and their chains',
  description: `Asks the peers of all pods of a network how they are: which are members and which are not yet, and why; by whom
the next one would join; the head of each chain, and who lags.`,
  effect: 'read',
  params: { namespace, network },
  result: Network,
  permissions: asked,
  aplite: ['network'],
  examples: [{ title: 'One network', params: { network: 'k8sPodNetwork' } }],
});

export const watch_network = defineFunction({
  name: 'watch_network',
  summary: 'Follow a network as its pods come, join and go',
  description: `Streams the network whenever a pod or a chain of it changes, and at first as it is. It goes on when the network
has no pods for a while, and ends when the caller leaves or the time is over.`,
  effect: 'read',
  mode: 'stream',
  params: {
    namespace,
    network,
    timeout_seconds: Type.Optional(
      Type.Integer({ description: 'Ends after so long; never when absent.', minimum: 1, maximum: 86400 }),
    ),
  },
  item: Network,
  permissions: [core('pods', ['list', 'watch']), reach()],
  aplite: ['network'],
  examples: [{ title: 'One network', params: { network: 'k8sPodNetwork' } }],
});

const target = {
  pod: Type.Optional(dnsSubdomain('One pod.', { examples: ['lightwriter'] })),
  label_selector: labelSelector,
  deployment: Type.Optional(
    dnsSubdomain('A Deployment: the label goes to its template, so that its pods are replaced.'),
  ),
};
const onTarget = (...verbs: Verb[]): Permission[] => [
  core('pods', ['get', ...verbs], { object: 'pod', when: 'pod' }),
  core('pods', ['list', ...verbs], { when: 'label_selector' }),
  apps('deployments', ['get', ...verbs], { object: 'deployment', when: 'deployment' }),
];
const waiting = (until: string) =>
  withDefault(Type.Boolean({ description: `Answer only when ${until}.` }), true);

export const join_network = defineFunction({
  name: 'join_network',
  summary: 'Put pods into a network, and wait until they are',
  description: `Gives the label \`klight.networkId\` to a pod, to the pods of a selector, or to the template of a Deployment, whose
pods are replaced then. Exactly one of \`pod\`, \`label_selector\`, \`deployment\` is given. The controller joins their peers; the
answer comes when all are members, unless \`wait\` is false.

A pod that runs no lightpeer never becomes a member: \`add_lightpeer\` gives a workload one. A pod that is in another network is
refused unless \`move\` is true: it leaves that one then and forgets its state. The last
to go bring it along where the new network has none.`,
  effect: 'update',
  mode: 'progress',
  params: {
    namespace,
    network,
    ...target,
    move: withDefault(
      Type.Boolean({
        description: 'Take pods out of the network that they are in: they forget its state.',
      }),
      false,
    ),
    wait: waiting('all of them are members'),
    timeout_seconds: timeoutSeconds,
  },
  item: NetworkProgress,
  result: NetworkChange,
  permissions: [...onTarget('patch'), core('pods', ['list'], { when: 'wait' }), reach('wait')],
  aplite: ['network', 'pod'],
  examples: [
    { title: 'A pod', params: { network: 'k8sPodNetwork', pod: 'lightwriter' } },
    { title: 'A Deployment', params: { network: 'k8sPodNetwork', deployment: 'shared' } },
  ],
});

export const leave_network = defineFunction({
  name: 'leave_network',
  summary: 'Take pods out of their network, and wait until they are',
  description: `Takes the label \`klight.networkId\` from a pod, from the pods of a selector, or from the template of a Deployment,
whose pods are replaced then. Exactly one of \`pod\`, \`label_selector\`, \`deployment\` is given; with \`network\`, only what is in
that one. The peers of the pods leave and are alone, and the others drop them; the answer comes when that is so, unless \`wait\`
is false.`,
  effect: 'update',
  mode: 'progress',
  params: {
    namespace,
    ...target,
    network: Type.Optional(network),
    wait: waiting('they have left'),
    timeout_seconds: timeoutSeconds,
  },
  item: NetworkProgress,
  result: Type.Object(
    { ...NetworkChange.properties, network: Type.Optional(NetworkChange.properties.network) },
    { title: 'NetworkLeft' },
  ),
  permissions: [...onTarget('patch'), core('pods', ['list'], { when: 'wait' }), reach('wait')],
  aplite: ['pod'],
  examples: [{ title: 'A pod', params: { pod: 'lightwriter' } }],
});

export const query_network = defineFunction({
  name: 'query_network',
  summary: 'Read the blocks of a network, newest first',
  description: `Answers the blocks of programs that a network's chain holds, newest first, page by page. The first block is the
present state of a network that shares one file; where peers share a folder, the first block of each \`path\` is that file's.`,
  effect: 'read',
  params: {
    namespace,
    network,
    limit: withDefault(
      Type.Integer({ description: 'At most so many blocks in this answer.', minimum: 1, maximum: 1000 }),
      100,
    ),
    continue: continueToken,
  },
  result: Type.Object(
    {
      items: Type.Array(NetworkBlock, { description: 'The blocks, newest first.' }),
      continue: Type.Optional(
        Type.String({
          description: 'Set while there are older ones: pass it as `continue` for the next page.',
        }),
      ),
    },
    { title: 'NetworkBlockList' },
  ),
  permissions: asked,
  aplite: ['network'],
  examples: [{ title: 'The newest state', params: { network: 'k8sPodNetwork', limit: 1 } }],
});

/** What a peer takes for a file of its folder: lightpeer/state/paths.ts. */
const STATE_PART =
  '(?!\\.)(?![^/]*(?:~|\\.(?:[tT][mM][pP]|[sS][wW][pPxX]|[pP][aA][rR][tT]))(?:/|$))[^/\\u0000\\\\]{1,255}';
const STATE_PATH = `^(?![A-Za-z]:)${STATE_PART}(?:/${STATE_PART})*$`;

/** lightpeer/chain/bounds.ts. */
const BLOCK_ID = '^[A-Za-z0-9][A-Za-z0-9_:-]{0,199}$';

export const persist_to_network = defineFunction({
  name: 'persist_to_network',
  summary: 'Add a block to a network',
  description: `Adds a block to a network's chain, as a program beside a peer would: the peers of the network write its payload
to their state file: where they share one file a block without \`path\`, where they share a folder one with it; others are in the
chain alone. Exactly one of \`payload\`, \`payload_base64\`, \`deleted\` is given, at most ${MAX_PAYLOAD_BYTES} bytes, and no more than a
request may hold (\`XI_BODY_LIMIT_BYTES\`; base64 takes a third more). The answer
comes when every member of ours has the block on disk. When it fails late the block may be there all the same: a call again with
the same \`id\` and content adds it once; other content under an id that the chain has is refused.`,
  effect: 'update',
  params: {
    namespace,
    network,
    payload: Type.Optional(Type.String({ description: 'What the block holds, as text.' })),
    payload_base64: Type.Optional(
      Type.String({
        description: 'What the block holds, as base64.',
        pattern: '^[A-Za-z0-9+/]*={0,2}$',
        'x-rule': 'base64: letters, digits, + and /, filled up with =',
      }),
    ),
    path: Type.Optional(
      Type.String({
        description: 'Which file of a shared folder it is. Absent: the only state.',
        minLength: 1,
        maxLength: 1024,
        pattern: STATE_PATH,
        'x-rule':
          "a path inside the folder, whose parts are not empty, do not begin with '.' and do not end as unfinished files do ('~', '.tmp', '.swp', '.swx', '.part'), of at most 255 bytes each, without '\\\\' and drive",
      }),
    ),
    deleted: Type.Optional(Type.Boolean({ description: 'The file at `path` is gone.' })),
    id: Type.Optional(
      Type.String({
        description:
          "The block's id; a random one when absent. The reference's peers keep a block in a file of that name.",
        pattern: BLOCK_ID,
        'x-rule': "1 to 200 letters, digits, '_', ':' and '-', the first a letter or a digit",
      }),
    ),
  },
  result: Persisted,
  permissions: asked,
  aplite: ['network', 'payload'],
  examples: [{ title: 'A line of text', params: { network: 'k8sPodNetwork', payload: 'hello' } }],
});

export const watch_network_state = defineFunction({
  name: 'watch_network_state',
  summary: 'Follow the blocks of a network as they come',
  description: `Streams the blocks of a network's chain, oldest first, then each as it comes. When the peer that it reads from goes,
or its disk refuses to write, another goes on where it was. After \`cursor\` only later ones come.`,
  effect: 'read',
  mode: 'stream',
  params: {
    namespace,
    network,
    cursor: Type.Optional(
      Type.String({ description: 'The `cursor` of an item of another call.', minLength: 1 }),
    ),
    timeout_seconds: Type.Optional(
      Type.Integer({ description: 'Ends after so long; never when absent.', minimum: 1, maximum: 86400 }),
    ),
  },
  item: NetworkStateItem,
  permissions: asked,
  aplite: ['network'],
  examples: [{ title: 'From the start', params: { network: 'k8sPodNetwork' } }],
});

export const add_lightpeer = defineFunction({
  name: 'add_lightpeer',
  summary: 'Give the pods of a workload a lightpeer',
  description: `Adds the container \`klightpeer\` and a folder that it shares with the others to the pod template of a Deployment,
a StatefulSet or a DaemonSet, by server-side apply; its pods are replaced then. Exactly one of \`deployment\`, \`stateful_set\`,
\`daemon_set\` is given. With \`network\` the template gets the label too. Asked again, it changes what is given and differs; what is
not given stays.

A volume of the workload's own named \`lightchain\`, \`lightchain-chain\` or \`lightchain-tls\` is a conflict: what it holds would be
shared.`,
  effect: 'update',
  params: {
    namespace,
    deployment: Type.Optional(dnsSubdomain('A Deployment.')),
    stateful_set: Type.Optional(dnsSubdomain('A StatefulSet.')),
    daemon_set: Type.Optional(dnsSubdomain('A DaemonSet.')),
    network: Type.Optional(network),
    image: Type.Optional(
      Type.String({
        description: "The sidecar's image; that of the operator's configuration when absent.",
        minLength: 1,
      }),
    ),
    mount_path: Type.Optional(
      Type.String({
        description:
          'Where the containers see the shared folder. Absent: where they do already, `/lightchain` at first.',
        pattern: '^/[^:]*$',
        'x-rule': "an absolute path without ':', neither in nor around a folder of the sidecar's own",
      }),
    ),
    state_file: Type.Optional(
      Type.String({
        description:
          'Share this one file of the folder; empty: every file of it. Absent: as it is already, every file at first.',
        pattern: '^(?!\\.{1,2}$)[^/\\u0000]*$',
        'x-rule': "a file's name, without '/'",
        maxLength: 255,
      }),
    ),
    tls_secret: Type.Optional(
      dnsSubdomain(
        'A Secret with `tls.crt`, `tls.key` and `ca.crt`, as cert-manager makes them: the peer speaks TLS only, with others whom that CA certified. The operator needs XI_PEER_TLS_CA then. Once given it holds for later calls.',
      ),
    ),
    containers: Type.Optional(
      Type.Array(dnsLabel('A container.'), {
        description: 'The containers that see the folder. Absent: those that do already, all at first.',
        uniqueItems: true,
        minItems: 1,
        maxItems: 100,
      }),
    ),
  },
  result: Sidecar,
  permissions: [
    apps('deployments', ['get', 'patch'], { object: 'deployment', when: 'deployment' }),
    apps('statefulsets', ['get', 'patch'], { object: 'stateful_set', when: 'stateful_set' }),
    apps('daemonsets', ['get', 'patch'], { object: 'daemon_set', when: 'daemon_set' }),
  ],
  examples: [
    {
      title: 'A Deployment that shares a folder',
      params: { deployment: 'shared', network: 'k8sPodNetwork' },
    },
  ],
});
