import t from 'tap';
import {
  CONFIG_MAPS,
  DEPLOYMENTS,
  EVENTS,
  KubeError,
  NAMESPACES,
  PODS,
  SECRETS,
  SERVICES,
  SERVICE_ACCOUNTS,
} from '../../../kube/index.js';
import type { Namespace, Resource } from '../../../kube/index.js';
import { deploymentOf, podOf, podSpec, startCluster } from './cluster.js';

const cluster = await startCluster(t);
const { kube, eventually } = cluster;

const create = (name: string): Promise<Namespace> =>
  kube.create(NAMESPACES, undefined, { metadata: { name } });
const isThere = async (name: string): Promise<boolean> =>
  (await kube.list(NAMESPACES, undefined)).items.some(({ metadata }) => metadata?.name === name);
const conditions = async (name: string): Promise<string[]> =>
  ((await kube.get(NAMESPACES, { name })).status?.conditions ?? [])
    .filter(({ status }) => status === 'True')
    .map(({ type, message }) => `${type}: ${message}`);
const within = <T extends object>(namespace: string, object: T & { metadata?: object }) => ({
  ...object,
  metadata: { ...object.metadata, namespace },
});

t.test('what a namespace has from the start, and keeps', async (t) => {
  const accounts = (await kube.list(SERVICE_ACCOUNTS, undefined)).items;
  t.same(
    accounts.map(({ metadata }) => `${metadata?.namespace}/${metadata?.name}`).sort(),
    ['default/default', 'kube-node-lease/default', 'kube-public/default', 'kube-system/default'],
    'those of the first namespaces are there when the cluster is',
  );
  await create('fresh');
  // The account is on its way, and the pod waits for it.
  const pod = await kube.create(PODS, 'fresh', within('fresh', podOf('early', podSpec())));
  t.equal(pod.spec?.serviceAccountName, 'default');
  const [volume] = pod.spec?.volumes ?? [];
  t.match(volume, {
    name: /^kube-api-access-[a-z0-9]{5}$/,
    projected: {
      sources: [
        { serviceAccountToken: { path: 'token', expirationSeconds: 3607 } },
        { configMap: { name: 'kube-root-ca.crt' } },
        { downwardAPI: { items: [{ path: 'namespace' }] } },
      ],
    },
  });
  t.match(pod.spec?.containers[0]?.volumeMounts, [
    { name: volume?.name, readOnly: true, mountPath: '/var/run/secrets/kubernetes.io/serviceaccount' },
  ]);

  const account = { namespace: 'fresh', name: 'default' };
  const { metadata } = await kube.get(SERVICE_ACCOUNTS, account);
  await kube.delete(SERVICE_ACCOUNTS, account);
  await eventually(
    () => kube.list(SERVICE_ACCOUNTS, 'fresh'),
    ({ items }) => items.length === 1 && items[0]?.metadata?.uid !== metadata?.uid,
    'a deleted account is made again',
  );
  const rootCa = { namespace: 'fresh', name: 'kube-root-ca.crt' };
  await kube.patch(CONFIG_MAPS, rootCa, { type: 'merge', body: { data: { 'ca.crt': 'forged', more: 'x' } } });
  const restored = await eventually(
    () => kube.get(CONFIG_MAPS, rootCa),
    ({ data }) => data?.['ca.crt'] === '',
    'a forged root CA is put right',
  );
  t.same(Object.keys(restored.data ?? {}), ['ca.crt']);
  await kube.delete(CONFIG_MAPS, rootCa);
  await eventually(
    () => kube.list(CONFIG_MAPS, 'fresh'),
    ({ items }) => items.length === 1,
    'a deleted one is made again',
  );
});

t.test('pods and their accounts', async (t) => {
  const refused = await kube
    .create(PODS, 'default', podOf('nobody', podSpec('nginx:1', { serviceAccountName: 'nobody' })))
    .catch((error: unknown) => error);
  t.ok(refused instanceof KubeError);
  t.match(refused, {
    code: 403,
    status: {
      reason: 'Forbidden',
      message:
        'pods "nobody" is forbidden: error looking up service account default/nobody: serviceaccount "nobody" not found',
    },
  });
  const account = {
    metadata: { name: 'puller' },
    imagePullSecrets: [{ name: 'key' }],
    automountServiceAccountToken: false,
  };
  await kube.create(SERVICE_ACCOUNTS, 'default', account);
  const made = async (name: string, spec: Parameters<typeof podSpec>[1]) =>
    (await kube.create(PODS, 'default', podOf(name, podSpec('nginx:1', spec)))).spec;
  const pulled = await made('pulled', { serviceAccountName: 'puller' });
  t.same(pulled?.imagePullSecrets, [{ name: 'key' }]);
  t.notOk(pulled?.volumes, 'an account may say that its token is not mounted');
  t.ok(
    (await made('mounted', { serviceAccountName: 'puller', automountServiceAccountToken: true }))?.volumes,
  );
  t.notOk((await made('plain', { automountServiceAccountToken: false }))?.volumes, 'and so may a pod');
  const own = podSpec('nginx:1', { volumes: [{ name: 'own', emptyDir: {} }] });
  own.containers[0] = {
    ...{ name: 'main', image: 'nginx:1' },
    volumeMounts: [{ name: 'own', mountPath: '/var/run/secrets/kubernetes.io/serviceaccount' }],
  };
  const { spec } = await kube.create(PODS, 'default', podOf('own', own));
  t.equal(spec?.volumes?.length, 1, 'what is mounted in its place stays there');
});

t.test('a namespace goes with all that is in it', async (t) => {
  await create('full');
  await kube.create(DEPLOYMENTS, 'full', within('full', deploymentOf('web', 3)));
  await kube.create(SERVICES, 'full', {
    metadata: { name: 'web' },
    spec: { selector: { app: 'web' }, ports: [{ port: 80 }] },
  });
  await kube.create(SECRETS, 'full', { metadata: { name: 's' } });
  await eventually(
    () => kube.list(PODS, 'full'),
    ({ items }) => items.length === 3 && items.every(({ status }) => status?.phase === 'Running'),
    'its pods run',
  );
  await eventually(
    () => kube.list(EVENTS, 'full'),
    ({ items }) => items.length > 3,
    'it has a story',
  );
  const answer = await kube.delete(NAMESPACES, { name: 'full' });
  t.match(answer, { status: { phase: 'Terminating' } });
  await eventually(
    () => isThere('full'),
    (is) => !is,
    'it goes',
  );
  const kinds: Resource[] = [DEPLOYMENTS, PODS, SERVICES, SECRETS, CONFIG_MAPS, SERVICE_ACCOUNTS, EVENTS];
  const everywhere = await Promise.all(
    kinds.map((kind) => kube.list(kind, undefined, { fieldSelector: 'metadata.namespace=full' })),
  );
  t.same(
    everywhere.flatMap(({ items }) => items),
    [],
  );
  await create('full');
  await eventually(
    () => kube.list(SERVICE_ACCOUNTS, 'full'),
    ({ items }) => items.length === 1,
    'one of the same name is a new one',
  );
});

t.test('what holds a namespace is told', async (t) => {
  await create('held');
  await kube.create(CONFIG_MAPS, 'held', { metadata: { name: 'stuck', finalizers: ['example.org/hold'] } });
  await kube.create(SECRETS, 'held', { metadata: { name: 'free' } });
  await kube.create(PODS, 'held', {
    ...within('held', podOf('pod', podSpec())),
    metadata: { name: 'pod', finalizers: ['example.org/hold'] },
  });
  await kube.delete(NAMESPACES, { name: 'held' });
  await eventually(
    () => kube.get(NAMESPACES, { name: 'held' }),
    ({ status }) => (status?.conditions ?? []).length === 5,
    'it says how far it is',
  );
  t.same(await conditions('held'), [], 'while pods are left nothing is said of the rest');
  t.ok((await kube.list(SECRETS, 'held')).items.length, 'which stays until they are gone');

  const release = { type: 'merge', body: { metadata: { finalizers: null } } } as const;
  await kube.patch(PODS, { namespace: 'held', name: 'pod' }, release);
  await eventually(
    () => conditions('held'),
    (found) => found.length === 2,
    'then it says what holds it',
  );
  t.same(await conditions('held'), [
    'NamespaceContentRemaining: Some resources are remaining: configmaps. has 1 resource instances',
    'NamespaceFinalizersRemaining: Some content in the namespace has finalizers remaining: example.org/hold in 1 resource instances',
  ]);
  t.same((await kube.list(SECRETS, 'held')).items, []);
  await kube.patch(CONFIG_MAPS, { namespace: 'held', name: 'stuck' }, release);
  await eventually(
    () => isThere('held'),
    (is) => !is,
    'and goes when nothing does',
  );
});

t.test('nothing was warned of', async (t) => {
  t.same(cluster.warnings, []);
});
