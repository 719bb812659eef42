/** Thousands of fake nodes and pods in a real cluster: `npm run cluster -- npx tap dist/test/cluster/scale.test.js`. */
import t from 'tap';
import { createKube, kubeconfigConnection, NAMESPACES, PODS } from '../../kube/index.js';
import { FAKE, makeFakeNodes, makeFakePods, makeNamespace, NODES, removeFakes } from './scale.js';

const kubeconfig = process.env['TEST_CLUSTER_KUBECONFIG'];

if (kubeconfig === undefined) {
  t.plan(0, 'TEST_CLUSTER_KUBECONFIG is not set: run it by `npm run cluster -- COMMAND`');
} else {
  const kube = createKube(await kubeconfigConnection({ paths: [kubeconfig], env: process.env }));
  t.teardown(async () => {
    await kube.delete(NAMESPACES, { name: namespace }).finally(() => kube.close());
  });
  const namespace = 'scale';
  const PODS_MADE = 2000;

  await t.test('fake nodes are ready, and fake pods run on them', async (t) => {
    await makeNamespace(kube, namespace);
    const nodes = await makeFakeNodes(kube, { count: 100, prefix: 'fake' });
    await makeFakePods(kube, { namespace, count: PODS_MADE, prefix: 'pod', nodes, labels: { app: 'many' } });

    const listed = await kube.list(NODES, undefined, { labelSelector: `${FAKE}=node` });
    t.same(listed.items.map((node) => node.metadata?.name).sort(), [...nodes].sort());
    const pods = (await kube.list(PODS, namespace, { labelSelector: 'app=many' })).items;
    t.equal(pods.length, PODS_MADE);
    t.equal(new Set(pods.map((pod) => pod.status?.podIP)).size, PODS_MADE, 'each has an address of its own');
    t.equal(
      new Set(pods.map((pod) => pod.spec?.nodeName)).size,
      nodes.length,
      'they are spread over the nodes',
    );
    const ready = pods.filter((pod) =>
      pod.status?.conditions?.some((one) => one.type === 'Ready' && one.status === 'True'),
    );
    t.equal(ready.length, PODS_MADE);
  });

  await t.test('a pod that is not bound never lands on a fake node', async (t) => {
    const name = 'unbound';
    const spec = { nodeSelector: { [FAKE]: 'node' }, containers: [{ name: 'x', image: 'localhost/none:1' }] };
    await kube.create(PODS, 'default', { apiVersion: 'v1', kind: 'Pod', metadata: { name }, spec });
    t.teardown(() => kube.delete(PODS, { namespace: 'default', name }, { gracePeriodSeconds: 0 }));
    let scheduled: { reason?: string } | undefined;
    while (scheduled === undefined) {
      const pod = await kube.get(PODS, { namespace: 'default', name });
      scheduled = pod.status?.conditions?.find((one) => one.type === 'PodScheduled');
      if (scheduled === undefined) await new Promise((resolve) => setTimeout(resolve, 50));
    }
    t.equal(scheduled.reason, 'Unschedulable');
  });

  await t.test('all of it goes again', async (t) => {
    await removeFakes(kube, namespace);
    t.equal((await kube.list(PODS, namespace)).items.length, 0);
    t.equal((await kube.list(NODES, undefined, { labelSelector: FAKE })).items.length, 0);
  });
}
