/** add_lightpeer, from the HTTP call to the template that it leaves. */
import type { Test } from 'tap';
import { DEPLOYMENTS, STATEFUL_SETS } from '../../kube/index.js';
import type { Kube } from '../../kube/index.js';
import { caller, expectAnswer as has } from './target.js';
import type { Target } from './target.js';

type Item = Record<string, unknown>;

/** @param kube writes objects, past our functions. */
export async function sidecarSuite(t: Test, target: Target, kube: Kube): Promise<void> {
  const { namespace } = target;
  const fn = caller(target);

  await t.test('add_lightpeer', async (t) => {
    const [image] = target.images;
    has(t, await fn('create_deployment', { name: 'bare', image, replicas: 0 }), 200);
    const added = await fn('add_lightpeer', {
      deployment: 'bare',
      network: 'sidecars',
      image: 'peer:1',
      state_file: 'index.html',
    });
    has(t, added, 200);
    t.match(added.body, {
      kind: 'Deployment',
      name: 'bare',
      namespace,
      network: 'sidecars',
      image: 'peer:1',
      mount_path: '/lightchain',
    });
    const { spec } = await target.object(`/apis/apps/v1/namespaces/${namespace}/deployments/bare`);
    t.equal(spec.template.metadata.labels['klight.networkId'], 'sidecars');
    const peer = spec.template.spec.containers.find(({ name }: Item) => name === 'klightpeer');
    const app = spec.template.spec.containers.find(({ name }: Item) => name !== 'klightpeer');
    t.match(peer, { image: 'peer:1', ports: [{ name: 'klightport', containerPort: 9081 }] });
    t.ok(peer.args.includes('/lightchain/index.html'));
    t.equal(app.image, image);
    t.match(app.volumeMounts, [{ name: 'lightchain', mountPath: '/lightchain' }]);
    has(t, await fn('add_lightpeer', { deployment: 'bare', image: 'peer:2' }), 200);
    const { spec: again } = await target.object(`/apis/apps/v1/namespaces/${namespace}/deployments/bare`);
    t.equal(again.template.spec.containers.length, 2);
    t.equal(again.template.metadata.labels['klight.networkId'], 'sidecars', 'the label stays');
    t.equal(again.template.spec.containers.find(({ name }: Item) => name === 'klightpeer').image, 'peer:2');
    has(
      t,
      await fn('add_lightpeer', { deployment: 'bare', image: 'peer:2', tls_secret: 'certificates' }),
      200,
    );
    const { spec: secret } = await target.object(`/apis/apps/v1/namespaces/${namespace}/deployments/bare`);
    t.match(secret.template.spec.containers.find(({ name }: Item) => name === 'klightpeer').ports, [
      { name: 'klightport-tls', containerPort: 9081 },
    ]);
    t.match(
      secret.template.spec.volumes.find(({ name }: Item) => name === 'lightchain-tls'),
      { secret: { secretName: 'certificates' } },
    );
    has(t, await fn('add_lightpeer', { deployment: 'bare', image: 'peer:3' }), 200);
    const { spec: kept } = await target.object(`/apis/apps/v1/namespaces/${namespace}/deployments/bare`);
    t.match(
      kept.template.spec.containers.find(({ name }: Item) => name === 'klightpeer'),
      { image: 'peer:3', ports: [{ name: 'klightport-tls' }] },
      'the certificates stay',
    );
    has(t, await fn('create_deployment', { name: 'plain', image, replicas: 1 }), 200);
    has(t, await fn('add_lightpeer', { deployment: 'plain', image: 'peer:1' }), 200);
    const secure = await fn('add_lightpeer', {
      deployment: 'plain',
      image: 'peer:1',
      tls_secret: 'certificates',
    });
    has(t, secure, 409, 'conflict');
    t.match(secure.body['detail'], /peers without certificates.*Scale it to 0/);
    has(t, await fn('delete_deployment', { name: 'plain', wait: true }), 200);
    has(t, await fn('add_lightpeer', { deployment: 'nobody', image: 'peer:1' }), 404, 'not_found');
    const wrong = await fn('add_lightpeer', { deployment: 'bare', image: 'peer:1', containers: ['nobody'] });
    has(t, wrong, 400, 'invalid_params');
    t.match(wrong.body['errors'], [{ field: 'containers' }]);
    has(t, await fn('add_lightpeer', { image: 'peer:1' }), 400, 'invalid_params');
    const own = ['/var/lib/lightpeer/', '/', '/var/lib', '/var/lib/lightpeer/x', '//var/lib/lightpeer'];
    for (const path of [...own, '/a/../var/lib/lightpeer', '/var/run/lightpeer-tls/x', '/var/run/.']) {
      const taken = await fn('add_lightpeer', { deployment: 'bare', image: 'peer:1', mount_path: path });
      has(t, taken, 400, 'invalid_params');
      t.match(taken.body['errors'], [{ field: 'mount_path', message: /the sidecar's own/ }]);
    }
    const twice = await fn('add_lightpeer', { deployment: 'bare', image: 'peer:1', containers: ['a', 'a'] });
    has(t, twice, 400, 'invalid_params');
    t.match(twice.body['errors'], [{ field: /containers/ }]);
    has(t, await fn('delete_deployment', { name: 'bare', wait: true }), 200);
  });

  await t.test('add_lightpeer again keeps what it is not given', async (t) => {
    const [image] = target.images;
    const workload = {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'kept', namespace },
      spec: {
        replicas: 0,
        selector: { matchLabels: { app: 'kept' } },
        template: {
          metadata: { labels: { app: 'kept' } },
          spec: { containers: ['one', 'two'].map((name) => ({ name, image })) },
        },
      },
    };
    await kube.create(DEPLOYMENTS, namespace, workload);
    const shared = async (params: Item) => {
      const answer = await fn('add_lightpeer', { deployment: 'kept', ...params });
      has(t, answer, 200);
      const { spec } = await target.object(`/apis/apps/v1/namespaces/${namespace}/deployments/kept`);
      const containers = spec.template.spec.containers as Item[];
      const peer = containers.find(({ name }) => name === 'klightpeer')!;
      const args = peer['args'] as string[];
      const mounts = containers.map(({ name, volumeMounts }) => [
        name as string,
        (volumeMounts as Item[] | undefined)?.find((mount) => mount['name'] === 'lightchain')?.['mountPath'],
      ]);
      const { mount_path: path, state_file: file, containers: seeing } = answer.body;
      return {
        image: peer['image'],
        told: [path, file, seeing],
        state: args[args.indexOf('-statePath') + 1],
        mounts: Object.fromEntries(mounts) as Item,
      };
    };
    const set = { image: 'peer:1', mount_path: '/s/', state_file: 'x', containers: ['two'] };
    const first = await shared(set);
    t.same(first, {
      image: 'peer:1',
      told: ['/s/', 'x', ['two']],
      state: '/s/x',
      mounts: { klightpeer: '/s/', one: undefined, two: '/s/' },
    });
    t.same(await shared({ image: 'peer:2' }), { ...first, image: 'peer:2' });
    t.match(await shared({ image: 'peer:2', state_file: '', mount_path: '/t' }), {
      told: ['/t', undefined, ['two']],
      state: '/t',
      mounts: { klightpeer: '/t', one: undefined, two: '/t' },
    });
    has(t, await fn('delete_deployment', { name: 'kept', wait: true }), 200);
  });

  await t.test("add_lightpeer takes no volume that is the program's own", async (t) => {
    const [image] = target.images;
    for (const volume of ['lightchain', 'lightchain-chain']) {
      const containers = [{ name: 'app', image, volumeMounts: [{ name: volume, mountPath: '/data' }] }];
      const metadata = { name: 'database', namespace };
      const selector = { matchLabels: { app: 'database' } };
      const template = (volumes: { name: string; emptyDir: object }[]) => ({
        metadata: { labels: { app: 'database' } },
        spec: { containers, volumes },
      });
      await kube.create(DEPLOYMENTS, namespace, {
        apiVersion: 'apps/v1',
        kind: 'Deployment',
        metadata,
        spec: { replicas: 0, selector, template: template([{ name: volume, emptyDir: {} }]) },
      });
      await kube.create(STATEFUL_SETS, namespace, {
        apiVersion: 'apps/v1',
        kind: 'StatefulSet',
        metadata,
        spec: {
          replicas: 0,
          serviceName: 'database',
          selector,
          template: template([]),
          volumeClaimTemplates: [
            {
              metadata: { name: volume },
              spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Mi' } } },
            },
          ],
        },
      });
      for (const workload of ['deployment', 'stateful_set']) {
        const refused = await fn('add_lightpeer', { [workload]: 'database', image: 'peer:1' });
        has(t, refused, 409, 'conflict');
        t.match(refused.body['detail'], new RegExp(`volume ${volume}`));
      }
      await kube.delete(STATEFUL_SETS, metadata);
      has(t, await fn('delete_deployment', { name: 'database', wait: true }), 200);
    }
  });
}
