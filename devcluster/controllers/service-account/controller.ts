/** Gives each namespace what its pods take for granted: the ServiceAccount `default` and the ConfigMap of the root CA. */
import { CONFIG_MAPS, KubeError, SERVICE_ACCOUNTS, keyOf } from '../../../kube/index.js';
import type { ConfigMap, Kube, KubeLog, Namespace, ServiceAccount } from '../../../kube/index.js';
import { sameJson } from '../canonical.js';
import type { Informer } from '../informer.js';
import { atOf } from '../meta.js';
import { startQueue } from '../queue.js';

const ACCOUNT = 'default';
const ROOT_CA = 'kube-root-ca.crt';
const DESCRIPTION =
  'Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters.';
/** Empty, as this API speaks plain HTTP. */
const ROOT_CA_DATA = { 'ca.crt': '' };

export interface ServiceAccountControllerOptions {
  kube: Kube;
  log?: KubeLog | undefined;
  namespaces: Informer<Namespace>;
  serviceAccounts: Informer<ServiceAccount>;
  configMaps: Informer<ConfigMap>;
}

export interface ServiceAccountController {
  /** Resolves when the namespaces that there are at the start have theirs. */
  readonly settled: Promise<void>;
  stop(): Promise<void>;
}

export const startServiceAccountController = (
  options: ServiceAccountControllerOptions,
): ServiceAccountController => {
  const { kube, log, namespaces, serviceAccounts, configMaps } = options;
  const synced = Promise.all([namespaces, serviceAccounts, configMaps].map((each) => each.synced));
  let first: Set<string> | undefined;
  let settle = (): void => {};
  const settled = new Promise<void>((resolve) => (settle = resolve));

  /** What is there already, or cannot be because the namespace goes, is as good as done. */
  const made = async (creation: Promise<unknown>): Promise<void> => {
    await creation.catch((error: unknown) => {
      if (!(error instanceof KubeError) || ![403, 404, 409].some((code) => error.is(code))) throw error;
    });
  };

  const giveRootCa = async (namespace: string, signal: AbortSignal): Promise<void> => {
    const known = configMaps.store.get(`${namespace}/${ROOT_CA}`);
    const metadata = { name: ROOT_CA, annotations: { 'kubernetes.io/description': DESCRIPTION } };
    if (known === undefined) {
      const body = { apiVersion: 'v1', kind: 'ConfigMap', metadata, data: ROOT_CA_DATA };
      await made(kube.create(CONFIG_MAPS, namespace, body, { signal }));
    } else if (!sameJson(known.data, ROOT_CA_DATA)) {
      await kube.replace(CONFIG_MAPS, atOf(known), { ...known, data: ROOT_CA_DATA }, { signal });
    }
  };

  const give = async (namespace: string, signal: AbortSignal): Promise<void> => {
    const found = namespaces.store.get(namespace);
    if (found === undefined || found.metadata?.deletionTimestamp !== undefined) return;
    const body = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: ACCOUNT } };
    const has = serviceAccounts.store.has(`${namespace}/${ACCOUNT}`);
    await Promise.all([
      has ? undefined : made(kube.create(SERVICE_ACCOUNTS, namespace, body, { signal })),
      giveRootCa(namespace, signal),
    ]);
  };

  const queue = startQueue({
    name: 'serviceaccount',
    log,
    concurrency: 4,
    after: synced,
    reconcile: async (key, signal) => {
      first ??= new Set(namespaces.store.keys());
      await give(key, signal);
      first.delete(key);
      if (first.size === 0) settle();
    },
  });

  namespaces.subscribe(({ object }) => queue.add(keyOf(object)));
  serviceAccounts.subscribe(({ type, object }) => {
    const { name, namespace = '' } = object.metadata ?? {};
    if (type === 'deleted' && name === ACCOUNT) queue.add(namespace);
  });
  configMaps.subscribe(({ type, object }) => {
    const { name, namespace = '' } = object.metadata ?? {};
    // One that is as it should be needs no look, by which an account whose watch lags would be made twice.
    if (name === ROOT_CA && (type === 'deleted' || !sameJson(object.data, ROOT_CA_DATA)))
      queue.add(namespace);
  });
  // A cluster without namespaces has nothing to wait for.
  void synced.then(() => namespaces.store.size === 0 && settle());
  return { settled, stop: () => queue.stop() };
};
