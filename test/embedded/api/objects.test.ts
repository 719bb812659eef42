/** Create, update and delete, and what the server refuses of them. */
import t from 'tap';
import {
  CONFIG_MAPS,
  makeNamespace,
  configMap,
  deployment,
  DEPLOYMENTS,
  dig,
  pod,
  PODS,
  startApi,
} from './server.js';
import type { Value } from './server.js';

const api = await startApi(t);

t.test('a new object gets what identifies it, and its defaults', async (t) => {
  const { code, body } = await api.call('POST', DEPLOYMENTS, deployment('made'));
  t.equal(code, 201);
  t.match(dig(body, 'metadata', 'uid'), /^[0-9a-f-]{36}$/);
  t.match(dig(body, 'metadata', 'creationTimestamp'), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
  t.match(dig(body, 'metadata', 'resourceVersion'), /^\d+$/);
  t.match(body, {
    kind: 'Deployment',
    apiVersion: 'apps/v1',
    metadata: { name: 'made', namespace: 'default', generation: 1, labels: { app: 'made' } },
    spec: {
      replicas: 1,
      revisionHistoryLimit: 10,
      progressDeadlineSeconds: 600,
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: '25%', maxUnavailable: '25%' } },
      template: {
        spec: {
          restartPolicy: 'Always',
          dnsPolicy: 'ClusterFirst',
          schedulerName: 'default-scheduler',
          terminationGracePeriodSeconds: 30,
          securityContext: {},
          containers: [
            {
              name: 'main',
              image: 'nginx:1.15.4',
              imagePullPolicy: 'IfNotPresent',
              resources: {},
              terminationMessagePath: '/dev/termination-log',
              terminationMessagePolicy: 'File',
            },
          ],
        },
      },
    },
    status: {},
  });
  t.strictSame(await api.ok('GET', `${DEPLOYMENTS}/made`), body, 'get answers what create did');
});

t.test('pods and Services get more', async (t) => {
  const made = await api.ok(
    'POST',
    PODS,
    pod('one', {
      containers: [{ name: 'a', image: 'busybox', resources: { limits: { cpu: '0.5', memory: '1024Mi' } } }],
    }),
  );
  t.match(made, {
    spec: {
      enableServiceLinks: true,
      serviceAccountName: 'default',
      containers: [
        {
          imagePullPolicy: 'Always',
          resources: { limits: { cpu: '500m', memory: '1Gi' }, requests: { cpu: '500m', memory: '1Gi' } },
        },
      ],
      tolerations: [{ key: 'node.kubernetes.io/not-ready' }, { key: 'node.kubernetes.io/unreachable' }],
    },
    status: { phase: 'Pending', qosClass: 'Guaranteed' },
  });
  const service = await api.ok('POST', '/api/v1/namespaces/default/services', {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'web' },
    spec: { type: 'NodePort', selector: { app: 'web' }, ports: [{ port: 80 }] },
  });
  t.match(dig(service, 'spec', 'clusterIP'), /^10\.96\.\d+\.\d+$/);
  t.match(service, {
    spec: {
      clusterIPs: [dig(service, 'spec', 'clusterIP')],
      sessionAffinity: 'None',
      externalTrafficPolicy: 'Cluster',
      ipFamilies: ['IPv4'],
      ports: [{ port: 80, targetPort: 80, protocol: 'TCP' }],
    },
    status: { loadBalancer: {} },
  });
  t.ok(Number(dig(service, 'spec', 'ports', 0, 'nodePort')) >= 30_000);
  const secret = await api.ok('POST', '/api/v1/namespaces/default/secrets', {
    metadata: { name: 'folded' },
    stringData: { a: 'b' },
  });
  t.match(secret, { type: 'Opaque', data: { a: 'Yg==' }, stringData: undefined });
});

t.test('names: generated, invalid, taken, elsewhere', async (t) => {
  const generated = await api.ok('POST', CONFIG_MAPS, { ...configMap(''), metadata: { generateName: 'g-' } });
  t.match(dig(generated, 'metadata', 'name'), /^g-[bcdfghjklmnpqrstvwxz2456789]{5}$/);
  const cases: [string, Value, number, RegExp | string][] = [
    ['taken', configMap('one'), 409, 'configmaps "one" already exists'],
    ['no name', configMap(''), 422, 'metadata.name: Required value: name or generateName is required'],
    [
      'bad name',
      configMap('A_b'),
      422,
      /^ConfigMap "A_b" is invalid: metadata.name: Invalid value: "A_b": a lowercase RFC 1123 subdomain must consist of .* \(e\.g\. 'example\.com', regex used for validation is /,
    ],
    [
      'other namespace',
      configMap('x', {}, { namespace: 'kube-system' }),
      400,
      'the namespace of the provided object does not match the namespace sent on the request',
    ],
    [
      'version',
      configMap('x', {}, { resourceVersion: '1' }),
      500,
      'resourceVersion should not be set on objects to be created',
    ],
    [
      'label',
      configMap('x', {}, { labels: { 'a b': 'c' } }),
      422,
      /metadata.labels: Invalid value: "a b": name part must consist of alphanumeric characters/,
    ],
    [
      'label value',
      configMap('x', {}, { labels: { a: '-' } }),
      422,
      /metadata.labels: Invalid value: "-": a valid label must be an empty string or consist of/,
    ],
    [
      'finalizer',
      configMap('x', {}, { finalizers: ['a b'] }),
      422,
      /metadata.finalizers: Invalid value: "a b"/,
    ],
    ['other kind', { ...configMap('x'), kind: 'Secret' }, 400, /cannot be handled as a ConfigMap/],
    [
      'other version',
      { ...configMap('x'), apiVersion: 'v2' },
      400,
      'ConfigMap in version "v2" cannot be handled as a ConfigMap: no kind "ConfigMap" is registered for version "v2" in scheme "pkg/runtime/scheme.go:111"',
    ],
  ];
  await api.ok('POST', CONFIG_MAPS, configMap('one'));
  for (const [what, body, code, message] of cases) {
    const answer = await api.call('POST', CONFIG_MAPS, body);
    t.equal(answer.code, code, what);
    t.match(answer.body, { kind: 'Status', apiVersion: 'v1', status: 'Failure', code }, what);
    if (typeof message === 'string')
      t.ok(String(answer.body.message).endsWith(message), `${what}: ${String(answer.body.message)}`);
    else t.match(answer.body.message, message, what);
  }
  t.match(await api.call('POST', '/api/v1/namespaces/nowhere/configmaps', configMap('x')), {
    code: 404,
    body: {
      reason: 'NotFound',
      message: 'namespaces "nowhere" not found',
      details: { name: 'nowhere', kind: 'namespaces' },
    },
  });
  t.match(await api.call('GET', `${DEPLOYMENTS}/none`), {
    code: 404,
    body: {
      reason: 'NotFound',
      message: 'deployments.apps "none" not found',
      details: { name: 'none', group: 'apps', kind: 'deployments' },
    },
  });
});

t.test('a dry run answers as if, and stores nothing', async (t) => {
  const before = await api.ok('GET', CONFIG_MAPS);
  t.match(await api.call('POST', `${CONFIG_MAPS}?dryRun=All`, configMap('dry')), {
    code: 201,
    body: { metadata: { name: 'dry', uid: String } },
  });
  t.match(await api.ok('PUT', `${CONFIG_MAPS}/one?dryRun=All`, configMap('one', { a: 'b' })), {
    data: { a: 'b' },
  });
  t.match(await api.ok('DELETE', `${CONFIG_MAPS}/one?dryRun=All`), { status: 'Success' });
  t.strictSame(await api.ok('GET', CONFIG_MAPS), before);
  t.match(await api.call('POST', `${CONFIG_MAPS}?dryRun=Some`, configMap('dry')), {
    code: 422,
    body: { details: { causes: [{ field: 'dryRun', reason: 'FieldValueNotSupported' }] } },
  });
});

t.test('update: generation, conflicts, what cannot change', async (t) => {
  const first = await api.ok('POST', DEPLOYMENTS, deployment('up'));
  const scaled = { ...first, spec: { ...(first.spec as object), replicas: 3 } };
  const second = await api.ok('PUT', `${DEPLOYMENTS}/up`, scaled);
  t.match(second, { metadata: { generation: 2 }, spec: { replicas: 3 } });
  t.strictSame(
    dig(await api.ok('PUT', `${DEPLOYMENTS}/up`, second), 'metadata', 'resourceVersion'),
    dig(second, 'metadata', 'resourceVersion'),
    'an update that changes nothing is none',
  );
  t.match(await api.call('PUT', `${DEPLOYMENTS}/up`, scaled), {
    code: 409,
    body: {
      reason: 'Conflict',
      message:
        'Operation cannot be fulfilled on deployments.apps "up": the object has been modified; please apply your changes to the latest version and try again',
      details: { name: 'up', group: 'apps', kind: 'deployments' },
    },
  });
  t.match(await api.ok('PUT', `${DEPLOYMENTS}/up`, deployment('up', { replicas: 5 })), {
    metadata: { uid: dig(first, 'metadata', 'uid'), generation: 3 },
    spec: { replicas: 5 },
  });
  const labelled = {
    ...deployment('up', { replicas: 5 }),
    metadata: { name: 'up', labels: { x: 'y' }, creationTimestamp: null },
  };
  t.match(
    await api.ok('PUT', `${DEPLOYMENTS}/up`, labelled),
    {
      metadata: { generation: 3, creationTimestamp: dig(first, 'metadata', 'creationTimestamp') },
    },
    'metadata is no new generation',
  );
  t.match(
    await api.call('PUT', `${DEPLOYMENTS}/up`, {
      ...deployment('up'),
      spec: deployment('other').spec,
    }),
    {
      code: 422,
      body: {
        reason: 'Invalid',
        message:
          'Deployment.apps "up" is invalid: spec.selector: Invalid value: {"matchLabels":{"app":"other"}}: field is immutable',
        details: {
          name: 'up',
          group: 'apps',
          kind: 'Deployment',
          causes: [{ reason: 'FieldValueInvalid', field: 'spec.selector' }],
        },
      },
    },
  );
  t.match(
    await api.call('PUT', `${DEPLOYMENTS}/up`, { ...deployment('up'), metadata: { name: 'up', uid: 'x' } }),
    {
      code: 409,
      body: { message: /Precondition failed: UID in precondition: x, UID in object meta: / },
    },
  );
  t.match(await api.call('PUT', `${DEPLOYMENTS}/up`, deployment('down')), {
    code: 400,
    body: { message: 'the name of the object (down) does not match the name on the URL (up)' },
  });
  const status = await api.ok('PUT', `${DEPLOYMENTS}/up/status`, {
    ...deployment('up', { replicas: 9 }),
    status: { replicas: 2, readyReplicas: 0 },
  });
  t.match(status, { spec: { replicas: 5 }, status: { replicas: 2 }, metadata: { generation: 3 } });
  t.notOk('readyReplicas' in (status.status as object), 'zeros that Go leaves out are left out');
  t.match(
    await api.ok('PUT', `${DEPLOYMENTS}/up`, {
      ...deployment('up', { replicas: 5 }),
      status: { replicas: 7 },
    }),
    {
      status: { replicas: 2 },
    },
  );
});

t.test('delete: at once, preconditions, finalizers, grace, collections', async (t) => {
  const made = await api.ok('POST', CONFIG_MAPS, configMap('gone'));
  t.match(await api.call('DELETE', `${CONFIG_MAPS}/gone`, { preconditions: { uid: 'x' } }), {
    code: 409,
    body: { message: /the UID in the precondition \(x\) does not match the UID in record/ },
  });
  t.match(await api.call('DELETE', `${CONFIG_MAPS}/gone`, { preconditions: { resourceVersion: '1' } }), {
    code: 409,
    body: { message: /the ResourceVersion in the precondition \(1\) does not match/ },
  });
  t.match(await api.ok('DELETE', `${CONFIG_MAPS}/gone`), {
    kind: 'Status',
    status: 'Success',
    details: { name: 'gone', kind: 'configmaps', uid: dig(made, 'metadata', 'uid') },
  });
  t.match(await api.call('DELETE', `${CONFIG_MAPS}/gone`), { code: 404 });

  await api.ok('POST', DEPLOYMENTS, deployment('fore'));
  const going = await api.ok('DELETE', `${DEPLOYMENTS}/fore`, { propagationPolicy: 'Foreground' });
  t.match(going, {
    metadata: {
      finalizers: ['foregroundDeletion'],
      deletionTimestamp: String,
      deletionGracePeriodSeconds: 0,
      generation: 2,
    },
  });
  t.match(
    await api.call('PUT', `${DEPLOYMENTS}/fore`, {
      ...going,
      metadata: { ...(going.metadata as object), finalizers: ['foregroundDeletion', 'x/y'] },
    }),
    {
      code: 422,
      body: {
        message:
          /no new finalizers can be added if the object is being deleted, found new finalizers \[\]string\{"x\/y"\}/,
      },
    },
  );
  const { finalizers: _finalizers, ...rest } = going.metadata as { finalizers: Value };
  await api.ok('PUT', `${DEPLOYMENTS}/fore`, { ...going, metadata: rest });
  t.match(await api.call('GET', `${DEPLOYMENTS}/fore`), { code: 404 }, 'the last finalizer lets it go');

  await api.ok('POST', PODS, pod('bound', { nodeName: 'n', terminationGracePeriodSeconds: 7 }));
  t.match(await api.ok('DELETE', `${PODS}/bound`), {
    kind: 'Pod',
    metadata: { deletionGracePeriodSeconds: 7 },
  });
  t.match(await api.ok('DELETE', `${PODS}/bound?gracePeriodSeconds=3`), {
    metadata: { deletionGracePeriodSeconds: 3 },
  });
  t.match(await api.ok('DELETE', `${PODS}/bound?gracePeriodSeconds=9`), {
    metadata: { deletionGracePeriodSeconds: 3 },
  });
  t.match(await api.ok('DELETE', `${PODS}/bound`, { gracePeriodSeconds: 0 }), { kind: 'Pod' });
  t.match(await api.call('GET', `${PODS}/bound`), { code: 404 });
  await api.ok('POST', PODS, pod('unbound'));
  await api.ok('DELETE', `${PODS}/unbound`);
  t.match(await api.call('GET', `${PODS}/unbound`), { code: 404 }, 'a pod on no node goes at once');

  for (const name of ['c1', 'c2'])
    await api.ok('POST', CONFIG_MAPS, configMap(name, {}, { labels: { set: 'c' } }));
  const deleted = await api.ok('DELETE', `${CONFIG_MAPS}?labelSelector=set%3Dc`);
  t.match(deleted, {
    kind: 'ConfigMapList',
    items: [{ metadata: { name: 'c1' } }, { metadata: { name: 'c2' } }],
  });
  t.match(await api.ok('GET', `${CONFIG_MAPS}?labelSelector=set%3Dc`), { items: [] });
  t.match(await api.call('DELETE', `${CONFIG_MAPS}/one`, { propagationPolicy: 'Some' }), { code: 422 });
});

t.test('a namespace that goes takes nothing new and stays until it is finalized', async (t) => {
  t.match(await api.call('DELETE', '/api/v1/namespaces/default'), {
    code: 403,
    body: {
      reason: 'Forbidden',
      message: 'namespaces "default" is forbidden: this namespace may not be deleted',
    },
  });
  const made = await makeNamespace(api, 'short');
  t.match(made, {
    metadata: { labels: { 'kubernetes.io/metadata.name': 'short' } },
    spec: { finalizers: ['kubernetes'] },
    status: { phase: 'Active' },
  });
  const watch = await api.watch(`/api/v1/namespaces?watch=1&fieldSelector=metadata.name%3Dshort`);
  t.match(await watch.next(), { type: 'ADDED' });
  const going = await api.ok('DELETE', '/api/v1/namespaces/short');
  t.match(going, { status: { phase: 'Terminating' } });
  t.match(await watch.next(), { type: 'MODIFIED', object: { status: { phase: 'Terminating' } } });
  t.match(await api.call('POST', '/api/v1/namespaces/short/pods', pod('late')), {
    code: 403,
    body: {
      message:
        'pods "late" is forbidden: unable to create new content in namespace short because it is being terminated',
      details: { causes: [{ reason: 'NamespaceTerminating', field: 'metadata.namespace' }] },
    },
  });
  await api.ok('PUT', '/api/v1/namespaces/short/finalize', { ...going, spec: {} });
  t.match(await watch.next(), { type: 'DELETED' });
  t.match(await api.call('GET', '/api/v1/namespaces/short'), { code: 404 });
});

t.test('a pod without a priority class gets the default one of least value', async (t) => {
  const path = '/apis/scheduling.k8s.io/v1/priorityclasses';
  const make = (name: string, value: number, more = {}) =>
    api.ok('POST', path, { metadata: { name }, value, ...more });
  const specOf = async (name: string) => dig(await api.ok('POST', PODS, pod(name)), 'spec');
  await make('other', 1);
  t.match(await specOf('without'), { priority: 0, preemptionPolicy: 'PreemptLowerPriority' });
  await make('more', 30, { globalDefault: true });
  await make('less', 20, { globalDefault: true, preemptionPolicy: 'Never' });
  t.match(await specOf('with'), { priorityClassName: 'less', priority: 20, preemptionPolicy: 'Never' });
  for (const name of ['other', 'more', 'less']) await api.ok('DELETE', `${path}/${name}`);
});
