/** The operator with a watch of all pods beside it, each kept as the few fields that a controller reads. */
import { pino } from 'pino';
import { PODS, createKube, kubeconfigConnection, startReflector } from '../../kube/index.js';
import type { Pod } from '../../kube/index.js';
import { readConfig } from '../../server/config.js';
import { start } from '../../server/lifecycle.js';
import { serveMessages } from './peer.js';

/** What joining pods into networks takes: who it is, whether it runs, where, and on which port. */
const project = ({ metadata, spec, status }: Pod): Pod => ({
  metadata: {
    ...(metadata?.name === undefined ? {} : { name: metadata.name }),
    ...(metadata?.namespace === undefined ? {} : { namespace: metadata.namespace }),
    ...(metadata?.uid === undefined ? {} : { uid: metadata.uid }),
    ...(metadata?.resourceVersion === undefined ? {} : { resourceVersion: metadata.resourceVersion }),
    ...(metadata?.labels === undefined ? {} : { labels: metadata.labels }),
    ...(metadata?.deletionTimestamp === undefined ? {} : { deletionTimestamp: metadata.deletionTimestamp }),
  },
  spec: {
    containers: (spec?.containers ?? []).map(({ name, ports }) => ({
      name,
      ...(ports === undefined ? {} : { ports }),
    })),
  },
  status: {
    ...(status?.phase === undefined ? {} : { phase: status.phase }),
    ...(status?.podIP === undefined ? {} : { podIP: status.podIP }),
  },
});

export interface WatcherSetup {
  readonly kubeconfig: string;
  readonly labelSelector: string;
}

serveMessages(async ({ kubeconfig, labelSelector }: WatcherSetup) => {
  const environment = { KUBECONFIG: kubeconfig };
  const settings = { ...environment, XI_CLUSTER: 'kubeconfig', XI_PORT: '0', XI_OPS_PORT: '0' };
  const log = pino({ level: 'silent' });
  await start({ config: readConfig(settings), log, version: '0.0.0', environment });
  const kube = createKube(await kubeconfigConnection({ paths: [kubeconfig], env: environment }));
  const reflector = startReflector({ kube, resource: PODS, labelSelector, project });
  await reflector.synced;
  return { pods: reflector.store.size };
});
