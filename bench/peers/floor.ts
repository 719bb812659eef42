/**
 * The shortest Node servers that do the work: bare Fastify routes with our schemas. One creates a Deployment by a pooled
 * undici POST, and is what `create_deployment` is measured against; one answers at once, as `server_info` does.
 */
import Fastify from 'fastify';
import { Pool } from 'undici';
import { contracts } from '../../schemas/index.js';
import type { Params, Result } from '../../schemas/index.js';
import type { Deployment } from '../../kube/index.js';
import { headersOf, tlsOf } from '../access.js';
import type { Access } from '../access.js';
import { serveMessages } from './peer.js';

type Create = typeof contracts.create_deployment;

serveMessages(async ({ access }: { access: Access }) => {
  const app = Fastify({ ajv: { customOptions: { strict: false, removeAdditional: false } } });
  const pool = new Pool(access.url, { connections: 64, connect: tlsOf(access) });
  const headers = { ...headersOf(access), 'content-type': 'application/json' };
  const { create_deployment: create, server_info: info } = contracts;

  app.post<{ Body: Params<Create>; Reply: Result<Create> }>(
    '/create_deployment',
    { schema: { body: create.params, response: { 200: create.result } } },
    async ({ body: { namespace, name = '', image, replicas = 3 } }) => {
      const labels = { app: name };
      const { statusCode, body } = await pool.request({
        method: 'POST',
        path: `/apis/apps/v1/namespaces/${namespace}/deployments?fieldManager=floor`,
        headers,
        body: JSON.stringify({
          apiVersion: 'apps/v1',
          kind: 'Deployment',
          metadata: { name, namespace, labels },
          spec: {
            replicas,
            selector: { matchLabels: labels },
            template: { metadata: { labels }, spec: { containers: [{ name: 'main', image }] } },
          },
        }),
      });
      const { metadata, spec, status } = (await body.json()) as Deployment;
      if (statusCode !== 201) throw new Error(`the API server answered ${statusCode}`);
      return {
        name: metadata?.name ?? '',
        namespace: metadata?.namespace ?? '',
        uid: metadata?.uid ?? '',
        labels: metadata?.labels ?? {},
        images: spec?.template.spec?.containers.map(({ image = '' }) => image) ?? [],
        replicas: {
          desired: spec?.replicas ?? 1,
          updated: status?.updatedReplicas ?? 0,
          ready: status?.readyReplicas ?? 0,
          available: status?.availableReplicas ?? 0,
        },
        conditions: [],
        paused: spec?.paused === true,
        selector: spec?.selector.matchLabels ?? {},
        created_at: metadata?.creationTimestamp ?? '',
        deleting: false,
        resource_version: metadata?.resourceVersion ?? '',
      };
    },
  );

  const answer: Result<typeof info> = {
    name: 'floor',
    version: '0.0.0',
    started_at: new Date().toISOString(),
    default_namespace: 'default',
    functions: 1,
    cluster: { how: 'kubeconfig', url: access.url, reachable: true, version: 'v0' },
  };
  app.post('/server_info', { schema: { body: info.params, response: { 200: info.result } } }, () =>
    Promise.resolve(answer),
  );
  return { url: await app.listen({ host: '127.0.0.1', port: 0 }) };
});
