/** Contracts about the cluster and the server itself. */
import { Type } from '@sinclair/typebox';
import {
  continueToken,
  fieldSelector,
  labelSelector,
  limit,
  listOf,
  oneOf,
  stringMap,
  timestamp,
} from './common.js';
import { defineFunction } from './define.js';

export const Namespace = Type.Object(
  {
    name: Type.String({ description: 'Its name.' }),
    phase: Type.String({ description: 'Active or Terminating.' }),
    labels: stringMap('Its labels.'),
    created_at: Type.Optional(timestamp('When it was created.')),
  },
  { title: 'Namespace' },
);

export const ServerInfo = Type.Object(
  {
    name: Type.String({ description: 'Always `xi-k8s`.' }),
    version: Type.String({ description: "The server's version." }),
    started_at: timestamp('When it started.'),
    default_namespace: Type.String({ description: 'The namespace of calls that name none.' }),
    functions: Type.Integer({ description: 'How many functions it has.' }),
    cluster: Type.Object(
      {
        how: oneOf(['embedded', 'kubeconfig', 'in-cluster'], { description: 'How the cluster was found.' }),
        url: Type.String({ description: "The API server's address." }),
        context: Type.Optional(Type.String({ description: "The kubeconfig's context." })),
        reachable: Type.Boolean({ description: 'Whether the API server answers.' }),
        version: Type.Optional(Type.String({ description: "The API server's version." })),
        message: Type.Optional(Type.String({ description: 'Why it does not answer.' })),
      },
      { description: 'The cluster that it acts on.' },
    ),
  },
  { title: 'ServerInfo' },
);

export const list_namespaces = defineFunction({
  name: 'list_namespaces',
  summary: 'List namespaces',
  description: 'Answers the namespaces of the cluster, page by page.',
  effect: 'read',
  params: { label_selector: labelSelector, field_selector: fieldSelector, limit, continue: continueToken },
  result: listOf(Namespace, 'NamespaceList'),
  permissions: [{ group: '', resource: 'namespaces', verbs: ['list'] }],
  examples: [{ title: 'All', params: {} }],
});

export const server_info = defineFunction({
  name: 'server_info',
  summary: 'Say what this server is and which cluster it acts on',
  description: `Answers the server's version and the cluster's. It answers also when the cluster is away, and says so; what
it learned of the cluster is at most 2 seconds old.`,
  effect: 'read',
  params: {},
  result: ServerInfo,
  permissions: [],
  examples: [{ title: 'What is it', params: {} }],
});
