import t from 'tap';
import { DEPLOYMENTS, ENDPOINTS, ENDPOINT_SLICES, PODS, SERVICES } from '../../../kube/index.js';
import type { EndpointSlice, Service } from '../../../kube/index.js';
import { NAMESPACE, deploymentOf, isComplete, podOf, podSpec, startCluster } from './cluster.js';

const cluster = await startCluster(t);
const { kube, eventually } = cluster;

type Spec = NonNullable<Service['spec']>;

const slicesOf = async (name: string): Promise<EndpointSlice[]> =>
  (await kube.list(ENDPOINT_SLICES, NAMESPACE, { labelSelector: `kubernetes.io/service-name=${name}` }))
    .items;
const serve = (name: string, spec: Spec): Promise<Service> =>
  kube.create(SERVICES, NAMESPACE, { metadata: { name }, spec });
/** `pod address ready`, of all slices. */
const shown = (slices: EndpointSlice[]): string[] =>
  slices
    .flatMap(({ endpoints }) => endpoints ?? [])
    .map(({ targetRef, conditions }) => `${targetRef?.name} ${conditions?.ready}`)
    .sort();

t.test('a Service follows its pods', async (t) => {
  await serve('web', { selector: { app: 'web' }, ports: [{ name: 'http', port: 80, targetPort: 'http' }] });
  const [empty] = await eventually(
    () => slicesOf('web'),
    (slices) => slices.length === 1,
    'it has a slice before it has pods',
  );
  t.notOk(empty?.endpoints?.length);

  const template = podSpec();
  template.containers = [{ name: 'main', image: 'nginx:1', ports: [{ name: 'http', containerPort: 8080 }] }];
  await kube.create(DEPLOYMENTS, NAMESPACE, deploymentOf('web', 3, template));
  await eventually(() => cluster.deployment('web'), isComplete, 'its pods run');
  const [slice, ...more] = await eventually(
    () => slicesOf('web'),
    (slices) => shown(slices).length === 3 && shown(slices).every((line) => line.endsWith('true')),
    'all are ready',
  );
  t.same(more, []);
  t.equal(slice?.metadata?.uid, empty?.metadata?.uid, 'the empty one was filled');
  t.same(slice?.ports, [{ name: 'http', port: 8080, protocol: 'TCP' }]);
  const pods = await cluster.pods('web');
  t.same(
    slice?.endpoints.map(({ addresses }) => addresses[0]).sort(),
    pods.map(({ status }) => status?.podIP).sort(),
  );
  t.ok(slice?.endpoints.every(({ nodeName }) => nodeName === 'embedded'));
  t.match(await kube.get(ENDPOINTS, { namespace: NAMESPACE, name: 'web' }), {
    subsets: [{ addresses: { length: 3 }, ports: [{ name: 'http', port: 8080 }] }],
  });

  await kube.patch(
    DEPLOYMENTS,
    { namespace: NAMESPACE, name: 'web' },
    { type: 'merge', body: { spec: { replicas: 1 } } },
  );
  const [same] = await eventually(
    () => slicesOf('web'),
    (slices) => shown(slices).length === 1,
    'those that went are gone',
  );
  t.equal(same?.metadata?.uid, slice?.metadata?.uid, 'the slice stays');
  const quiet = same?.metadata?.resourceVersion;
  await kube.patch(
    SERVICES,
    { namespace: NAMESPACE, name: 'web' },
    { type: 'merge', body: { metadata: { annotations: { a: 'b' } } } },
  );
  await kube.patch(
    SERVICES,
    { namespace: NAMESPACE, name: 'web' },
    { type: 'merge', body: { metadata: { labels: { c: 'd' } } } },
  );
  const [labelled] = await eventually(
    () => slicesOf('web'),
    ([found]) => found?.metadata?.labels?.c === 'd',
    'it has the labels of its Service',
  );
  t.equal(labelled?.metadata?.generation, same?.metadata?.generation, 'and only they changed');
  t.not(labelled?.metadata?.resourceVersion, quiet);

  await kube.delete(SERVICES, { namespace: NAMESPACE, name: 'web' });
  await eventually(
    async () => [await slicesOf('web'), await cluster.exists(ENDPOINTS, 'web')] as const,
    ([slices, endpoints]) => slices.length === 0 && !endpoints,
    'it leaves nothing behind',
  );
});

t.test('pods that are not ready, headless Services, and Services without a selector', async (t) => {
  const slow = podSpec('nginx:1');
  slow.containers = [
    {
      name: 'main',
      image: 'nginx:1',
      readinessProbe: { tcpSocket: { port: 80 }, initialDelaySeconds: 3600 },
    },
  ];
  await kube.create(PODS, NAMESPACE, podOf('slow', slow));
  await serve('slow', { selector: { app: 'slow' }, ports: [{ port: 80 }] });
  await serve('published', {
    selector: { app: 'slow' },
    clusterIP: 'None',
    publishNotReadyAddresses: true,
    ports: [{ port: 80 }],
  });
  await serve('bare', { selector: { app: 'slow' }, clusterIP: 'None' });
  await serve('manual', { ports: [{ port: 80 }] });
  await eventually(
    async () => shown(await slicesOf('slow')),
    (lines) => lines.join() === 'slow false',
    'it is there and not ready',
  );
  const [published] = await eventually(
    () => slicesOf('published'),
    (slices) => shown(slices).join() === 'slow true',
    'it is published all the same',
  );
  t.equal(published?.metadata?.labels?.['service.kubernetes.io/headless'], '');
  t.match(published?.endpoints[0]?.conditions, { ready: true, serving: false, terminating: false });
  const [bare] = await eventually(
    () => slicesOf('bare'),
    (slices) => shown(slices).join() === 'slow false',
    'without ports there are addresses',
  );
  t.notOk(bare?.ports?.length);
  t.match(await kube.get(ENDPOINTS, { namespace: NAMESPACE, name: 'slow' }), {
    subsets: [{ notReadyAddresses: [{ targetRef: { name: 'slow' } }] }],
  });
  t.same(await slicesOf('manual'), [], 'without a selector there is nothing to follow');
  t.notOk(await cluster.exists(ENDPOINTS, 'manual'));
});

t.test('a slice that somebody deletes or changes is put right', async (t) => {
  const [before] = await slicesOf('slow');
  const at = { namespace: NAMESPACE, name: before?.metadata?.name ?? '' };
  await kube.patch(ENDPOINT_SLICES, at, { type: 'merge', body: { endpoints: [] } });
  await eventually(
    async () => shown(await slicesOf('slow')),
    (lines) => lines.join() === 'slow false',
    'its endpoint is back',
  );
  for (const { metadata } of await slicesOf('slow'))
    await kube.delete(ENDPOINT_SLICES, { namespace: NAMESPACE, name: metadata?.name ?? '' });
  await eventually(
    async () => shown(await slicesOf('slow')),
    (lines) => lines.join() === 'slow false',
    'the slice is back',
  );
  t.equal((await slicesOf('slow')).length, 1);
});

t.test('nothing was warned of', async (t) => {
  t.same(cluster.warnings, []);
});
