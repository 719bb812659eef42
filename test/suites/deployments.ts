/** Functions about Deployments, from the HTTP call to the API server and back; runs on any cluster. */
import type { Test } from 'tap';
import { allLines, call } from '../helpers/http.js';
import { caller, expectAnswer as has } from './target.js';
import type { Target } from './target.js';

export async function deploymentSuite(t: Test, target: Target): Promise<void> {
  const { url, namespace } = target;
  const [image, newer] = target.images;
  const fn = caller(target);
  const raw = (name: string) => target.object(`/apis/apps/v1/namespaces/${namespace}/deployments/${name}`);

  await t.test('create_deployment without params makes the Aplite reference', async (t) => {
    const created = await fn('create_deployment');
    has(t, created, 200);
    t.match(created.body, {
      name: 'nginx-deployment',
      namespace,
      labels: { app: 'nginx' },
      selector: { app: 'nginx' },
      images: ['nginx:1.15.4'],
      replicas: { desired: 3 },
      paused: false,
      deleting: false,
    });
    const { metadata, spec } = await raw('nginx-deployment');
    t.same(metadata.labels, { app: 'nginx' });
    t.equal(spec.replicas, 3);
    t.same(spec.selector, { matchLabels: { app: 'nginx' } });
    t.same(spec.template.metadata.labels, { app: 'nginx' });
    t.equal(spec.template.spec.containers.length, 1);
    t.match(spec.template.spec.containers[0], {
      name: 'nginx',
      image: 'nginx:1.15.4',
      ports: [{ containerPort: 80, protocol: 'TCP' }],
      resources: { requests: { cpu: '100m', memory: '200Mi' }, limits: { cpu: '500m', memory: '500Mi' } },
    });
    const again = await fn('create_deployment');
    has(t, again, 409, 'already_exists');
    t.match(again.body['detail'], /nginx-deployment/);
    t.match(again.body['object'], { resource: 'deployments.apps', namespace, name: 'nginx-deployment' });
    has(t, await fn('delete_deployment', { name: 'nginx-deployment', wait: true }), 200);
  });

  await t.test('omitted name, image and replicas take the reference one by one', async (t) => {
    const named = await fn('create_deployment', { name: 'just-a-name', replicas: 0 });
    t.match(named.body, {
      labels: { app: 'just-a-name' },
      images: ['nginx:1.15.4'],
      replicas: { desired: 0 },
    });
    const container = (await raw('just-a-name')).spec.template.spec.containers[0];
    t.match(container, {
      name: 'nginx',
      ports: [{ containerPort: 80 }],
      resources: { limits: { cpu: '500m' } },
    });

    const imaged = await fn('create_deployment', {
      image: 'registry.example/team/api-server:2@sha256:'.concat('a'.repeat(64)),
      replicas: 0,
    });
    t.match(imaged.body, { name: 'nginx-deployment', labels: { app: 'nginx' } });
    const other = (await raw('nginx-deployment')).spec.template.spec.containers[0];
    t.equal(other.name, 'api-server', 'the last part of the image names the container');
    t.notOk(other.ports, 'no port of the reference');
    t.same(other.resources, {}, 'no resources of the reference');
    for (const name of ['just-a-name', 'nginx-deployment'])
      has(t, await fn('delete_deployment', { name, propagation_policy: 'foreground', wait: true }), 200);
  });

  await t.test('create_deployment with everything', async (t) => {
    const params = {
      name: 'full',
      image,
      replicas: 0,
      container_name: 'main',
      labels: { tier: 'web' },
      annotations: { note: 'for the test' },
      ports: [
        { container_port: 8080, name: 'http' },
        { container_port: 53, protocol: 'UDP' },
      ],
      env: [
        { name: 'PLAIN', value: '' },
        { name: 'FROM_MAP', config_map: { name: 'settings', key: 'a', optional: true } },
        { name: 'FROM_SECRET', secret: { name: 'keys', key: 'b' } },
      ],
      command: ['/app'],
      args: ['--verbose'],
      requests: { cpu: '10m' },
      limits: { memory: '64Mi' },
      liveness_probe: { http_get: { path: '/live', port: 8080 }, period_seconds: 3 },
      readiness_probe: { tcp_port: 8080, initial_delay_seconds: 1 },
      startup_probe: { command: ['true'], failure_threshold: 30 },
      volumes: [
        { name: 'scratch', mount_path: '/scratch', empty_dir: { size_limit: '1Gi' } },
        { name: 'conf', mount_path: '/conf', config_map: 'settings', read_only: true },
        { name: 'keys', mount_path: '/keys', secret: 'keys', sub_path: 'one' },
        { name: 'data', mount_path: '/data', claim: 'data' },
      ],
      service_account: 'default',
      image_pull_secrets: ['pull'],
      node_selector: { disk: 'fast' },
    };
    has(t, await fn('create_deployment', params), 200);
    const { metadata, spec } = await raw('full');
    t.same(metadata.labels, { app: 'full', tier: 'web' });
    t.equal(metadata.annotations.note, 'for the test');
    t.same(spec.selector.matchLabels, { app: 'full' }, 'only app selects');
    t.same(spec.template.metadata.labels, { app: 'full', tier: 'web' });
    t.match(spec.template.spec, {
      serviceAccountName: 'default',
      imagePullSecrets: [{ name: 'pull' }],
      nodeSelector: { disk: 'fast' },
      volumes: [
        { name: 'scratch', emptyDir: { sizeLimit: '1Gi' } },
        { name: 'conf', configMap: { name: 'settings' } },
        { name: 'keys', secret: { secretName: 'keys' } },
        { name: 'data', persistentVolumeClaim: { claimName: 'data' } },
      ],
    });
    t.match(spec.template.spec.containers[0], {
      name: 'main',
      image,
      command: ['/app'],
      args: ['--verbose'],
      ports: [
        { name: 'http', containerPort: 8080, protocol: 'TCP' },
        { containerPort: 53, protocol: 'UDP' },
      ],
      env: [
        { name: 'PLAIN' },
        { name: 'FROM_MAP', valueFrom: { configMapKeyRef: { name: 'settings', key: 'a', optional: true } } },
        { name: 'FROM_SECRET', valueFrom: { secretKeyRef: { name: 'keys', key: 'b' } } },
      ],
      resources: { requests: { cpu: '10m' }, limits: { memory: '64Mi' } },
      livenessProbe: { httpGet: { path: '/live', port: 8080 }, periodSeconds: 3 },
      readinessProbe: { tcpSocket: { port: 8080 }, initialDelaySeconds: 1 },
      startupProbe: { exec: { command: ['true'] }, failureThreshold: 30 },
      volumeMounts: [
        { name: 'scratch', mountPath: '/scratch' },
        { name: 'conf', mountPath: '/conf', readOnly: true },
        { name: 'keys', mountPath: '/keys', subPath: 'one' },
        { name: 'data', mountPath: '/data' },
      ],
    });
    has(t, await fn('delete_deployment', { name: 'full' }), 200);
  });

  await t.test('get, list with selectors and pages, scale', async (t) => {
    for (const name of ['list-a', 'list-b', 'list-c'])
      has(t, await fn('create_deployment', { name, image, replicas: 0, labels: { group: 'listed' } }), 200);
    has(t, await fn('get_deployment', { name: 'list-a' }), 200);
    const all = await fn('list_deployments', { label_selector: 'group=listed' });
    t.same(
      all.body['items'].map((item: { name: string }) => item.name),
      ['list-a', 'list-b', 'list-c'],
    );
    t.notOk(all.body['continue']);
    const first = await fn('list_deployments', { label_selector: 'group=listed', limit: 2 });
    t.equal(first.body['items'].length, 2);
    const second = await fn('list_deployments', {
      label_selector: 'group=listed',
      limit: 2,
      continue: first.body['continue'],
    });
    t.same(
      second.body['items'].map((item: { name: string }) => item.name),
      ['list-c'],
    );
    const by = await fn('list_deployments', { field_selector: 'metadata.name=list-b' });
    t.equal(by.body['items'].length, 1);
    const everywhere = await call(url, 'list_deployments', {
      all_namespaces: true,
      label_selector: 'group=listed',
    });
    t.equal(everywhere.body['items'].length, 3);
    has(t, await fn('list_deployments', { all_namespaces: true }), 400, 'invalid_params');
    has(t, await fn('list_deployments', { label_selector: 'a in (' }), 400, 'invalid_params');
    has(t, await fn('list_deployments', { field_selector: 'spec.nothing=1' }), 400, 'invalid_params');
    has(t, await fn('list_deployments', { continue: 'nonsense' }), 400, 'invalid_params');

    const scaled = await fn('scale_deployment', { name: 'list-a', replicas: 2, wait: true });
    has(t, scaled, 200);
    t.match(scaled.body, { replicas: { desired: 2, updated: 2, ready: 2, available: 2 } });
    const down = await fn('scale_deployment', { name: 'list-a', replicas: 0, wait: true });
    t.match(down.body, { replicas: { desired: 0, ready: 0 } });
    for (const name of ['list-a', 'list-b', 'list-c']) has(t, await fn('delete_deployment', { name }), 200);
  });

  await t.test('roll-outs: wait, set image, restart, roll back', async (t) => {
    const made = await fn('create_deployment', { name: 'web', image, replicas: 2, wait: true });
    has(t, made, 200);
    t.match(made.body, { revision: 1, replicas: { desired: 2, updated: 2, ready: 2, available: 2 } });

    const steps = await allLines(url, 'set_deployment_image', {
      namespace,
      name: 'web',
      image: newer,
      wait: true,
    });
    t.ok(steps.length >= 2, 'at least one item before the result');
    t.same(new Set(steps.slice(0, -1).map(({ type }) => type)), new Set(['item']));
    t.match(steps.at(-1), {
      type: 'result',
      result: { images: [newer], revision: 2, replicas: { updated: 2, available: 2 } },
    });
    t.match(steps[0]!['item'], { done: false, replicas: { desired: 2 }, stuck: [] });

    const restarted = await fn('restart_deployment', { name: 'web', wait: true });
    t.match(restarted.body, { revision: 3, images: [newer] });
    t.ok((await raw('web')).spec.template.metadata.annotations['kubectl.kubernetes.io/restartedAt']);

    const missing = await fn('rollback_deployment', { name: 'web', to_revision: 99 });
    has(t, missing, 404, 'not_found');
    t.match(missing.body['detail'], /keeps 1, 2, 3/);
    const back = await fn('rollback_deployment', { name: 'web', to_revision: 1, wait: true });
    t.match(back.body, { revision: 4, images: [image] });
    t.match((await fn('rollback_deployment', { name: 'web', wait: true })).body, {
      revision: 5,
      images: [newer],
    });

    const done = await allLines(url, 'wait_for_deployment', { namespace, name: 'web' });
    t.equal(done.length, 2, 'one item also when all is done already');
    t.match(done, [
      { type: 'item', item: { done: true } },
      { type: 'result', result: { name: 'web' } },
    ]);

    has(
      t,
      await fn('set_deployment_image', { name: 'web', image, container: 'nobody' }),
      400,
      'invalid_params',
    );
    const gone = await fn('delete_deployment', { name: 'web', wait: true });
    t.match(gone.body, { name: 'web', namespace, gone: true });
    t.equal((await fn('list_pods', { label_selector: 'app=web' })).body['items'].length, 0);
  });

  await t.test('a roll-out that is stuck says why', async (t) => {
    const cases: { name: string; params: object; reason: RegExp }[] = [
      { name: 'bad-image', params: { image: 'Not/A/Valid Image' }, reason: /InvalidImageName/ },
      {
        name: 'unschedulable',
        params: { image, node_selector: { nobody: 'has-this' } },
        reason: /Unschedulable/,
      },
    ];
    for (const { name, params, reason } of cases) {
      const answer = await fn('create_deployment', {
        name,
        replicas: 1,
        ...params,
        wait: true,
        timeout_seconds: 4,
      });
      has(t, answer, 504, 'deadline_exceeded');
      t.match(answer.body['detail'], reason);
      t.match(answer.body['detail'], new RegExp(name));
      t.equal(answer.body['outcome'], 'done', 'the Deployment exists all the same');
      const steps = await allLines(url, 'wait_for_deployment', { namespace, name, timeout_seconds: 3 });
      t.match(steps.at(-1), { type: 'error', error: { code: 'deadline_exceeded' } });
      t.ok(
        steps.some(({ item }) => reason.test(String(item?.stuck[0]?.reason))),
        JSON.stringify(steps),
      );
      has(t, await fn('delete_deployment', { name, wait: true }), 200);
    }
  });

  await t.test('deleted while waited for; orphans stay', async (t) => {
    await fn('create_deployment', {
      name: 'short',
      image,
      replicas: 1,
      node_selector: { nobody: 'has-this' },
    });
    const waiting = allLines(url, 'wait_for_deployment', { namespace, name: 'short' });
    has(t, await fn('delete_deployment', { name: 'short' }), 200);
    t.match((await waiting.catch((error: Error) => [{ error: { detail: error.message } }])).at(-1), {
      error: { detail: /short/ },
    });

    await fn('create_deployment', { name: 'orphans', image, replicas: 1, wait: true });
    const orphaned = await fn('delete_deployment', {
      name: 'orphans',
      propagation_policy: 'orphan',
      wait: true,
    });
    t.match(orphaned.body, { gone: true });
    const left = await fn('list_pods', { label_selector: 'app=orphans' });
    t.equal(left.body['items'].length, 1, 'the pod stays');
  });

  await t.test('Deployments whose selectors are alike keep their pods apart', async (t) => {
    // The reference's label is app=nginx, which is also that of a Deployment that is called nginx.
    has(t, await fn('create_deployment', { image, replicas: 2, wait: true }), 200);
    has(t, await fn('create_deployment', { name: 'nginx', image, replicas: 1, wait: true }), 200);
    const own = await fn('list_pods', { deployment: 'nginx' });
    t.match(own.body['items'], [{ owner: { name: /^nginx-[^-]+$/ } }]);
    t.equal(own.body['items'].length, 1);
    t.match((await fn('delete_deployment', { name: 'nginx', wait: true, timeout_seconds: 60 })).body, {
      gone: true,
    });
    t.equal((await fn('list_pods', { deployment: 'nginx-deployment' })).body['items'].length, 2);
    has(t, await fn('delete_deployment', { name: 'nginx-deployment', wait: true }), 200);
  });

  await t.test('dry run changes nothing', async (t) => {
    const dry = await fn('create_deployment', { name: 'dry', image, wait: true }, '?dry_run=true');
    has(t, dry, 200);
    t.match(dry.body, { name: 'dry', replicas: { desired: 3, ready: 0 } });
    has(t, await fn('get_deployment', { name: 'dry' }), 404, 'not_found');
    await fn('create_deployment', { name: 'dry', image, replicas: 0 });
    t.match((await fn('scale_deployment', { name: 'dry', replicas: 7 }, '?dry_run=true')).body, {
      replicas: { desired: 7 },
    });
    t.match((await fn('set_deployment_image', { name: 'dry', image: newer }, '?dry_run=true')).body, {
      images: [newer],
    });
    t.match((await fn('delete_deployment', { name: 'dry', wait: true }, '?dry_run=true')).body, {
      gone: false,
    });
    t.match((await fn('get_deployment', { name: 'dry' })).body, {
      images: [image],
      replicas: { desired: 0 },
    });
    has(t, await fn('get_deployment', { name: 'dry' }, '?dry_run=true'), 400, 'invalid_params');
    has(t, await fn('delete_deployment', { name: 'dry' }), 200);
  });

  await t.test('what the cluster refuses', async (t) => {
    const absent = { name: 'absent' };
    const cases: [string, object, number, string][] = [
      ['get_deployment', absent, 404, 'not_found'],
      ['scale_deployment', { ...absent, replicas: 1 }, 404, 'not_found'],
      ['set_deployment_image', { ...absent, image }, 404, 'not_found'],
      ['restart_deployment', absent, 404, 'not_found'],
      ['rollback_deployment', absent, 404, 'not_found'],
      ['wait_for_deployment', absent, 404, 'not_found'],
      ['delete_deployment', absent, 404, 'not_found'],
      ['delete_deployment', { ...absent, wait: true }, 404, 'not_found'],
      ['create_deployment', { ...absent, namespace: 'no-such-namespace' }, 404, 'not_found'],
      [
        'create_deployment',
        {
          name: 'twice',
          ports: [
            { container_port: 1, name: 'p' },
            { container_port: 2, name: 'p' },
          ],
        },
        422,
        'rejected_by_cluster',
      ],
      [
        'create_deployment',
        { name: 'limits', image, requests: { cpu: '2' }, limits: { cpu: '1' } },
        422,
        'rejected_by_cluster',
      ],
    ];
    for (const [name, params, status, code] of cases) {
      const answer = await fn(name, params);
      has(t, answer, status, code);
      if (code === 'rejected_by_cluster')
        t.match(answer.body['causes'], [
          { field: /^spec\.template\.spec\.containers\[0\]/, message: String },
        ]);
    }
    await fn('create_deployment', { name: 'once', image, replicas: 0 });
    const noEarlier = await fn('rollback_deployment', { name: 'once' });
    has(t, noEarlier, 404, 'not_found');
    has(t, await fn('delete_deployment', { name: 'once' }), 200);
  });
}
