/** deploy_plugins where something is there already: its own, changed by others since, or somebody else's. */
import t from 'tap';
import { DEPLOYMENTS, SERVICES, createKube, plainConnection } from '../../kube/index.js';
import type { Deployment } from '../../kube/index.js';
import { call } from '../helpers/http.js';
import { startOperator } from '../helpers/operator.js';
import { expectAnswer as has } from '../suites/target.js';

t.setTimeout(150_000);
const NAMESPACE = 'default';

const operator = await startOperator('embedded', { XI_LIGHTPEER_IMAGE: 'pretended/host:1' });
const kube = createKube(plainConnection({ url: operator.clusterUrl, how: 'embedded' }));
t.teardown(async () => {
  await kube.close();
  await operator.stop();
});
const fn = (name: string, params: object, query = '') => call(operator.url, name, params, { query });
const deployment = (name: string): Promise<Deployment> =>
  kube.get(DEPLOYMENTS, { namespace: NAMESPACE, name });
const imagesOf = async (name: string): Promise<unknown> =>
  (await deployment(name)).spec?.template.spec?.containers.map(({ image }) => image);
const replicasOf = async (name: string): Promise<unknown> => (await deployment(name)).spec?.replicas;

/** As somebody who is not of this project changes a Deployment. */
const change = (name: string, spec: object, fieldManager: string) =>
  kube.patch(
    DEPLOYMENTS,
    { namespace: NAMESPACE, name },
    { type: 'strategic', body: { spec } },
    { fieldManager },
  );

for (const model of ['separate', 'pod'])
  t.test(`what others changed, ${model}`, async (t) => {
    const name = `st-${model}`;
    const params = { name, model, plugins: [{ name, image: 'st:1', port: 8081 }], wait: false };
    const ours = model === 'pod' ? ['pretended/host:1', 'st:1'] : ['st:1'];
    has(t, await fn('deploy_plugins', params), 200);
    t.equal(await replicasOf(name), 1);

    has(t, await fn('scale_deployment', { name, replicas: 3 }), 200);
    const again = await fn('deploy_plugins', params);
    has(t, again, 200);
    t.match(again.body, { deployments: [{ replicas: 3 }] }, 'what nobody names stays as it is');
    has(t, await fn('deploy_plugins', { ...params, replicas: 2 }), 200);
    t.equal(await replicasOf(name), 2, 'our own functions are no strangers');

    has(t, await fn('set_deployment_image', { name, container: name, image: 'st:2' }), 200);
    has(t, await fn('deploy_plugins', { ...params, replicas: 2 }, '?dry_run=true'), 200);
    has(t, await fn('deploy_plugins', { ...params, replicas: 2 }), 200);
    t.same(await imagesOf(name), ours);

    await change(name, { replicas: 4 }, 'kube-controller-manager');
    const scaled = await fn('deploy_plugins', { ...params, replicas: 2 });
    has(t, scaled, 409, 'conflict');
    t.match(scaled.body['detail'], /kube-controller-manager.*leave out `replicas`/s);
    has(t, await fn('deploy_plugins', params), 200);
    t.equal(await replicasOf(name), 4, 'an autoscaler keeps its number');

    await change(name, { template: { spec: { containers: [{ name, image: 'st:3' }] } } }, 'kubectl-set');
    for (const query of ['?dry_run=true', '']) {
      const refused = await fn('deploy_plugins', params, query);
      has(t, refused, 409, 'conflict');
      t.match(refused.body, {
        detail: /kubectl-set.*`force`/s,
        object: { resource: 'deployments.apps', name },
        causes: [{ reason: 'FieldManagerConflict' }],
      });
    }
    has(t, await fn('deploy_plugins', { ...params, force: true }), 200);
    t.same(await imagesOf(name), ours);
    t.equal(await replicasOf(name), 4);
    has(t, await fn('remove_plugin', { deployment: name }), 200);
  });

t.test('where the operator has no host', async (t) => {
  const params = { name: 'alone', plugins: [{ name: 'alone', image: 'a:1', port: 8081 }] };
  const separate = await fn('deploy_plugins', { ...params, model: 'separate' });
  has(t, separate, 200);
  t.match(separate.body['warnings'], [/XI_PLUGIN_HOST=on/]);
  has(t, await fn('remove_plugin', { deployment: 'alone', wait: true }), 200);
  const inPod = await fn('deploy_plugins', params);
  has(t, inPod, 200);
  t.notOk(inPod.body['warnings'], 'a pod has its own');
  t.match((await fn('list_plugins', {})).body, { code: 'not_found', detail: /XI_PLUGIN_HOST=on/ });
});

t.test("a plugin of another's name", async (t) => {
  const lg = { name: 'lg', image: 'lg:1', port: 8081 };
  const shop = { name: 'shop', model: 'separate', plugins: [lg], wait: false };
  has(t, await fn('deploy_plugins', shop), 200);
  const others = [
    { name: 'first', image: 'first:1', port: 8085 },
    { ...lg, image: 'nginx:1' },
  ];
  for (const query of ['?dry_run=true', ''])
    for (const force of [false, true]) {
      const taken = await fn('deploy_plugins', { ...shop, name: 'other', plugins: others, force }, query);
      has(t, taken, 409, 'conflict');
      t.match(taken.body, {
        detail: /Deployment default\/lg belongs to the plugins of shop/,
        object: { resource: 'deployments.apps', namespace: NAMESPACE, name: 'lg' },
      });
    }
  t.same(await imagesOf('lg'), ['lg:1']);
  await t.rejects(deployment('first'), 'nothing is half done');
  const service = await kube.get(SERVICES, { namespace: NAMESPACE, name: 'lg' });
  t.equal(service.metadata?.labels?.['app'], 'shop');
  const inPod = await fn('deploy_plugins', { name: 'lg', plugins: others, force: true });
  has(t, inPod, 409, 'conflict');

  has(t, await fn('create_deployment', { name: 'web', image: 'nginx:1', replicas: 0 }), 200);
  for (const [name, model] of [
    ['web', 'pod'],
    ['web', 'separate'],
  ]) {
    const answer = await fn('deploy_plugins', { name, model, plugins: [{ ...lg, name: 'web' }] });
    has(t, answer, 409, 'conflict');
    t.match(answer.body['detail'], /Deployment default\/web was not made by deploy_plugins/);
  }
});
