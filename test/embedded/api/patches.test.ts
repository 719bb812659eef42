/** Patches of all types, scale, and how fields are checked. */
import t from 'tap';
import {
  CONFIG_MAPS,
  configMap,
  deployment,
  DEPLOYMENTS,
  dig,
  PATCH,
  pod,
  PODS,
  startApi,
} from './server.js';
import type { Body, Value } from './server.js';

const api = await startApi(t);

const template = (podSpec: Body): Body => ({ spec: { template: { spec: podSpec } } });
const specOf = (value: Body): Value => dig(value, 'spec', 'template', 'spec');

t.test('strategic merge patch merges lists by their keys', async (t) => {
  const start = (): Body =>
    deployment(
      's',
      {},
      {
        env: [
          { name: 'A', value: '1' },
          { name: 'B', value: '2' },
        ],
        ports: [{ containerPort: 80 }],
        args: ['a', 'b'],
      },
    );
  const container = (change: Body): Body => template({ containers: [{ name: 'main', ...change }] });
  const cases: [string, Body, (string | number)[], Value][] = [
    ['a field', container({ image: 'nginx:2' }), ['containers', 0, 'image'], 'nginx:2'],
    [
      'an element by key',
      container({ env: [{ name: 'B', value: '3' }] }),
      ['containers', 0, 'env'],
      [
        { name: 'A', value: '1' },
        { name: 'B', value: '3' },
      ],
    ],
    [
      'a new element',
      container({ env: [{ name: 'C', value: '3' }] }),
      ['containers', 0, 'env', 0],
      { name: 'C', value: '3' },
    ],
    [
      '$patch: delete',
      container({ env: [{ $patch: 'delete', name: 'A' }] }),
      ['containers', 0, 'env'],
      [{ name: 'B', value: '2' }],
    ],
    [
      '$patch: replace of a list',
      container({ env: [{ name: 'Z', value: '9' }, { $patch: 'replace' }] }),
      ['containers', 0, 'env'],
      [{ name: 'Z', value: '9' }],
    ],
    [
      '$setElementOrder',
      container({ '$setElementOrder/env': [{ name: 'B' }, { name: 'A' }] }),
      ['containers', 0, 'env', 0, 'name'],
      'B',
    ],
    ['null', container({ env: null }), ['containers', 0, 'env'], undefined],
    ['a list without keys is replaced', container({ args: ['c'] }), ['containers', 0, 'args'], ['c']],
    [
      'a second container',
      template({ containers: [{ name: 'side', image: 'b' }] }),
      ['containers', 0, 'name'],
      'side',
    ],
    ['a map', template({ nodeSelector: { a: 'b' } }), ['nodeSelector'], { a: 'b' }],
    [
      '$patch: replace of a map',
      template({ securityContext: { $patch: 'replace', runAsUser: 5 } }),
      ['securityContext'],
      { runAsUser: 5 },
    ],
  ];
  for (const [what, patch, path, expected] of cases) {
    await api.ok('POST', DEPLOYMENTS, start());
    const patched = await api.ok('PATCH', `${DEPLOYMENTS}/s`, patch, PATCH.strategic);
    t.strictSame(dig(specOf(patched), ...path), expected, what);
    await api.ok('DELETE', `${DEPLOYMENTS}/s`);
  }
  await api.ok('POST', DEPLOYMENTS, start());
  const recreated = await api.ok(
    'PATCH',
    `${DEPLOYMENTS}/s`,
    { spec: { strategy: { $retainKeys: ['type'], type: 'Recreate' } } },
    PATCH.strategic,
  );
  t.strictSame(dig(recreated, 'spec', 'strategy'), { type: 'Recreate' }, '$retainKeys');
  await api.ok('POST', PODS, pod('f', {}, { finalizers: ['a/b', 'c/d'] }));
  const removed = await api.ok(
    'PATCH',
    `${PODS}/f`,
    { metadata: { '$deleteFromPrimitiveList/finalizers': ['a/b'], finalizers: ['e/f'] } },
    PATCH.strategic,
  );
  t.strictSame(dig(removed, 'metadata', 'finalizers'), ['e/f', 'c/d'], '$deleteFromPrimitiveList');
  t.match(
    await api.call('PATCH', `${DEPLOYMENTS}/s`, container({ env: [{ value: 'x' }] }), PATCH.strategic),
    {
      code: 500,
      body: { message: 'map: map[value:x] does not contain declared merge key: name' },
    },
  );
});

t.test('merge patch', async (t) => {
  await api.ok('POST', CONFIG_MAPS, configMap('m', { a: '1', b: '2' }));
  const merged = await api.ok('PATCH', `${CONFIG_MAPS}/m`, { data: { a: null, c: '3' } }, PATCH.merge);
  t.strictSame(merged.data, { b: '2', c: '3' });
  const version = dig(merged, 'metadata', 'resourceVersion');
  t.match(
    await api.ok('PATCH', `${CONFIG_MAPS}/m`, { data: { c: '3' } }, PATCH.merge),
    { metadata: { resourceVersion: version } },
    'no change, no new version',
  );
  t.match(
    await api.call(
      'PATCH',
      `${CONFIG_MAPS}/m`,
      { metadata: { resourceVersion: '1' }, data: { c: '4' } },
      PATCH.merge,
    ),
    { code: 409 },
  );
  t.match(await api.call('PATCH', `${CONFIG_MAPS}/m`, { metadata: { name: 'n' } }, PATCH.merge), {
    code: 400,
  });
  t.match(await api.call('PATCH', `${CONFIG_MAPS}/m`, '[', PATCH.merge), {
    code: 400,
    body: { message: 'error decoding patch: unexpected end of JSON input' },
  });
  t.match(await api.call('PATCH', `${CONFIG_MAPS}/m`, [], PATCH.merge), {
    code: 400,
    body: {
      message:
        'error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}',
    },
  });
  t.match(await api.call('PATCH', `${CONFIG_MAPS}/none`, {}, PATCH.merge), { code: 404 });
  t.match(await api.call('PATCH', `${CONFIG_MAPS}/m`, {}, { 'content-type': 'application/json' }), {
    code: 415,
    body: {
      reason: 'UnsupportedMediaType',
      message: '415: Unsupported Media Type',
    },
  });
});

t.test('JSON patch', async (t) => {
  await api.ok(
    'POST',
    CONFIG_MAPS,
    configMap('j', { a: '1', y: '2' }, { finalizers: ['a/b', 'c/d'], annotations: { 'x/y': 'z' } }),
  );
  const escaped = [{ op: 'replace', path: '/metadata/annotations/x~1y', value: 'w' }];
  t.match(await api.ok('PATCH', `${CONFIG_MAPS}/j?dryRun=All`, escaped, PATCH.json), {
    metadata: { annotations: { 'x/y': 'w' } },
  });
  const cases: [string, Body[], Value, Value][] = [
    ['add', [{ op: 'add', path: '/data/b', value: '2' }], { a: '1', b: '2', y: '2' }, ['a/b', 'c/d']],
    ['replace', [{ op: 'replace', path: '/data/a', value: '5' }], { a: '5', y: '2' }, ['a/b', 'c/d']],
    ['remove', [{ op: 'remove', path: '/data/y' }], { a: '1' }, ['a/b', 'c/d']],
    ['move', [{ op: 'move', from: '/data/a', path: '/data/z' }], { z: '1', y: '2' }, ['a/b', 'c/d']],
    ['copy', [{ op: 'copy', from: '/data/a', path: '/data/z' }], { a: '1', z: '1', y: '2' }, ['a/b', 'c/d']],
    [
      'test',
      [
        { op: 'test', path: '/data/a', value: '1' },
        { op: 'add', path: '/metadata/finalizers/-', value: 'e/f' },
      ],
      { a: '1', y: '2' },
      ['a/b', 'c/d', 'e/f'],
    ],
    [
      'list',
      [
        { op: 'remove', path: '/metadata/finalizers/0' },
        { op: 'add', path: '/metadata/finalizers/0', value: 'n/n' },
      ],
      { a: '1', y: '2' },
      ['n/n', 'c/d'],
    ],
  ];
  for (const [what, patch, data, finalizers] of cases) {
    const patched = await api.ok('PATCH', `${CONFIG_MAPS}/j?dryRun=All`, patch, PATCH.json);
    t.strictSame(patched.data, data, what);
    t.strictSame(dig(patched, 'metadata', 'finalizers'), finalizers, what);
  }
  const failing: Body[][] = [
    [{ op: 'test', path: '/data/a', value: '2' }],
    [{ op: 'remove', path: '/data/none' }],
    [{ op: 'replace', path: '/none/a', value: 1 }],
    [{ op: 'add', path: '/metadata/finalizers/9', value: 'x' }],
    [{ op: 'move', from: '/data/none', path: '/data/b' }],
    [{ op: 'nothing', path: '/data/a' }],
  ];
  for (const patch of failing)
    t.match(
      await api.call('PATCH', `${CONFIG_MAPS}/j`, patch, PATCH.json),
      {
        code: 422,
        body: {
          reason: 'Invalid',
          message: 'the server rejected our request due to an error in our request',
        },
      },
      JSON.stringify(patch),
    );
  t.match(await api.call('PATCH', `${CONFIG_MAPS}/j`, {}, PATCH.json), { code: 400 });
});

t.test('status and scale are parts of their own', async (t) => {
  await api.ok('POST', DEPLOYMENTS, deployment('part', { replicas: 2 }));
  const path = `${DEPLOYMENTS}/part`;
  const status = await api.ok(
    'PATCH',
    `${path}/status`,
    { spec: { replicas: 7 }, status: { replicas: 1 } },
    PATCH.merge,
  );
  t.match(status, { spec: { replicas: 2 }, status: { replicas: 1 }, metadata: { generation: 1 } });
  const scale = await api.ok('GET', `${path}/scale`);
  t.match(scale, {
    kind: 'Scale',
    apiVersion: 'autoscaling/v1',
    metadata: { name: 'part', namespace: 'default', uid: dig(status, 'metadata', 'uid') },
    spec: { replicas: 2 },
    status: { replicas: 1, selector: 'app=part' },
  });
  t.match(await api.ok('PUT', `${path}/scale`, { ...scale, spec: { replicas: 4 } }), {
    kind: 'Scale',
    spec: { replicas: 4 },
  });
  t.match(await api.call('PUT', `${path}/scale`, { ...scale, spec: { replicas: 5 } }), { code: 409 });
  t.match(await api.ok('PATCH', `${path}/scale`, { spec: { replicas: 0 } }, PATCH.merge), { spec: {} });
  t.match(await api.ok('GET', path), { spec: { replicas: 0 }, metadata: { generation: 3 } });
  t.match(await api.call('PATCH', `${path}/scale`, { spec: { replicas: -1 } }, PATCH.merge), {
    code: 422,
    body: {
      message:
        'Scale.autoscaling "part" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0',
    },
  });
  t.match(await api.call('GET', `${CONFIG_MAPS}/x/scale`), {
    code: 404,
    body: { message: 'the server could not find the requested resource' },
  });
  t.match(await api.call('DELETE', `${path}/scale`), { code: 405 });
});

t.test('a scheduler binds a pod once', async (t) => {
  await api.ok('POST', PODS, pod('b'));
  const binding = { target: { kind: 'Node', name: 'n1' } };
  t.match(await api.call('POST', `${PODS}/b/binding`, { metadata: { name: 'b' }, ...binding }), {
    code: 201,
    body: { status: 'Success' },
  });
  t.match(await api.ok('GET', `${PODS}/b`), {
    spec: { nodeName: 'n1' },
    status: { conditions: [{ type: 'PodScheduled', status: 'True' }] },
  });
  t.match(await api.call('POST', `${PODS}/b/binding`, { metadata: { name: 'b' }, ...binding }), {
    code: 409,
  });
  t.match(await api.call('PATCH', `${PODS}/b`, { spec: { nodeName: 'n2' } }, PATCH.merge), {
    code: 422,
    body: {
      message: /spec: Forbidden: pod updates may not change fields other than `spec.containers\[\*\].image`/,
    },
  });
  t.match(
    await api.ok(
      'PATCH',
      `${PODS}/b`,
      { spec: { containers: [{ name: 'main', image: 'other' }] } },
      PATCH.strategic,
    ),
    {
      spec: { containers: [{ image: 'other' }] },
    },
  );
  t.match(
    await api.call('POST', `${PODS}/b/eviction`, {
      apiVersion: 'policy/v1',
      kind: 'Eviction',
      metadata: { name: 'b' },
    }),
    { code: 201 },
  );
  t.match(await api.ok('GET', `${PODS}/b`), { metadata: { deletionTimestamp: String } });
});

t.test('unknown fields: refused, warned of or ignored', async (t) => {
  const body = deployment('u', { repliicas: 1 }, { imagee: 'x' });
  const strict = await api.call('POST', `${DEPLOYMENTS}?fieldValidation=Strict`, body);
  t.match(strict, {
    code: 400,
    body: {
      reason: 'BadRequest',
      message:
        'Deployment in version "v1" cannot be handled as a Deployment: strict decoding error: unknown field "spec.template.spec.containers[0].imagee", unknown field "spec.repliicas"',
    },
  });
  const warned = await api.call('POST', DEPLOYMENTS, body);
  t.equal(warned.code, 201);
  t.match(
    warned.headers.warning,
    /^299 - "unknown field \\"spec.template.spec.containers\[0\].imagee\\"", 299 - "unknown field \\"spec.repliicas\\""$/,
  );
  t.notOk('repliicas' in (warned.body.spec as Body));
  t.notOk((await api.call('PUT', `${DEPLOYMENTS}/u?fieldValidation=Ignore`, body)).headers.warning);
  t.match(
    await api.call('PATCH', `${DEPLOYMENTS}/u?fieldValidation=Strict`, { spec: { x: 1 } }, PATCH.merge),
    {
      code: 422,
      body: {
        reason: 'Invalid',
        message: /patch: Invalid value: .*strict decoding error: unknown field "spec.x"/,
      },
    },
  );
  t.match(await api.call('POST', `${DEPLOYMENTS}?fieldValidation=Some`, body), { code: 422 });
});

t.test('wrong types are named as the decoder names them', async (t) => {
  const head = 'Deployment in version "v1" cannot be handled as a Deployment: ';
  const cases: [Body, string][] = [
    [
      { replicas: '3' },
      'json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32',
    ],
    [
      { replicas: 1.5 },
      'json: cannot unmarshal number 1.5 into Go struct field DeploymentSpec.spec.replicas of type int32',
    ],
    [
      { replicas: 3_000_000_000 },
      'json: cannot unmarshal number 3000000000 into Go struct field DeploymentSpec.spec.replicas of type int32',
    ],
    [
      { paused: 'yes' },
      'json: cannot unmarshal string into Go struct field DeploymentSpec.spec.paused of type bool',
    ],
    [
      { template: [] },
      'json: cannot unmarshal array into Go struct field DeploymentSpec.spec.template of type v1.PodTemplateSpec',
    ],
  ];
  for (const [spec, message] of cases)
    t.match(await api.call('POST', DEPLOYMENTS, deployment('t', spec)), {
      code: 400,
      body: { message: head + message },
    });
  const containers: [Body, string][] = [
    [
      { env: [{ name: 'A', value: 5 }] },
      'json: cannot unmarshal number into Go struct field EnvVar.spec.template.spec.containers.env.value of type string',
    ],
    [
      { args: [true] },
      'json: cannot unmarshal bool into Go struct field Container.spec.template.spec.containers.args of type string',
    ],
    [
      { env: {} },
      'json: cannot unmarshal object into Go struct field Container.spec.template.spec.containers.env of type []v1.EnvVar',
    ],
    [
      { resources: { limits: { cpu: '1x' } } },
      "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
    ],
  ];
  for (const [container, message] of containers)
    t.match(await api.call('POST', DEPLOYMENTS, deployment('t', {}, container)), {
      code: 400,
      body: { message: head + message },
    });
});
