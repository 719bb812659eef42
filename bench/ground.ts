/** The cluster that everything is measured on, and the benchmark's own place in it. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { Pool } from 'undici';
import { NAMESPACES, createKube, kubeconfigConnection, plainConnection } from '../kube/index.js';
import type { Kube } from '../kube/index.js';
import { makeNamespace } from '../test/cluster/scale.js';
import { accessOf, headersOf, kubeconfigOf, tlsOf } from './access.js';
import type { Access } from './access.js';
import { startPeer } from './program.js';

export interface Ground {
  readonly how: 'embedded' | 'kubeconfig';
  /** The API server's version. */
  readonly version: string;
  readonly kube: Kube;
  readonly access: Access;
  /** Keep-alive connections past everything of ours: the direct way. */
  readonly direct: Pool;
  readonly headers: Readonly<Record<string, string>>;
  /** A file that leads to the cluster. */
  readonly kubeconfig: string;
  /** What makes an operator act on the cluster. */
  readonly settings: Readonly<Record<string, string>>;
  /** A new namespace, gone with the ground. */
  namespace(name: string): Promise<string>;
  /** Removes all Deployments of a namespace and waits until their ReplicaSets are gone too. */
  removeDeployments(namespace: string): Promise<void>;
  /** Runs at the end, the latest first, whatever happens. */
  onClose(action: () => Promise<unknown>): void;
  close(): Promise<void>;
}

const GONE_POLL_MS = 100;

/** Opens the cluster of KUBECONFIG, or starts an embedded one as a process of its own when there is none. */
export async function openGround(environment: NodeJS.ProcessEnv): Promise<Ground> {
  const file = environment['KUBECONFIG'];
  const how = file === undefined ? 'embedded' : 'kubeconfig';
  const closing: (() => Promise<unknown>)[] = [];
  const open = async () => {
    if (file !== undefined) return kubeconfigConnection({ paths: file.split(':'), env: environment });
    const peer = await startPeer<{ url: string }>('embedded', {});
    closing.push(() => peer.stop());
    return plainConnection({ url: peer.ready.url, how: 'embedded' });
  };
  const connection = await open();
  const access = await accessOf(connection);
  const kube = createKube(connection);
  closing.push(() => kube.close());
  const direct = new Pool(access.url, { connections: 64, connect: tlsOf(access), bodyTimeout: 0 });
  closing.push(() => direct.destroy());
  const folder = await mkdtemp(join(tmpdir(), 'xi-k8s-bench-'));
  closing.push(() => rm(folder, { recursive: true }));
  const kubeconfig = join(folder, 'kubeconfig');
  await writeFile(kubeconfig, kubeconfigOf(access), { mode: 0o600 });
  const headers = headersOf(access);

  const collection = async (method: 'GET' | 'DELETE', path: string): Promise<unknown[]> => {
    const { statusCode, body } = await direct.request({ method, path, headers });
    if (statusCode !== 200) throw new Error(`${method} ${path}: ${statusCode}: ${await body.text()}`);
    return ((await body.json()) as { items?: unknown[] }).items ?? [];
  };

  return {
    how,
    version: (await kube.version()).gitVersion,
    kube,
    access,
    direct,
    headers,
    kubeconfig,
    settings: { XI_CLUSTER: 'kubeconfig', KUBECONFIG: kubeconfig },
    async namespace(name) {
      const own = `xi-k8s-bench-${name}`;
      if (how === 'kubeconfig') await makeNamespace(kube, own);
      else
        await kube.create(NAMESPACES, undefined, {
          apiVersion: 'v1',
          kind: 'Namespace',
          metadata: { name: own },
        });
      closing.push(() => kube.delete(NAMESPACES, { name: own }));
      return own;
    },
    async removeDeployments(namespace) {
      const path = (plural: string): string => `/apis/apps/v1/namespaces/${namespace}/${plural}`;
      await collection('DELETE', path('deployments'));
      // A controller that is behind makes ReplicaSets of Deployments that are gone.
      for (;;) {
        const left = await collection('GET', `${path('replicasets')}?limit=1`);
        if (left.length === 0) return;
        await collection('DELETE', path('replicasets'));
        await delay(GONE_POLL_MS);
      }
    },
    onClose: (action) => closing.push(action),
    async close() {
      for (const action of closing.splice(0).reverse())
        await action().catch((error: unknown) =>
          process.stderr.write(`bench: at the end: ${String(error)}\n`),
        );
    },
  };
}
