/** Server-side apply, and who manages which fields. */
import t from 'tap';
import { CONFIG_MAPS, configMap, deployment, DEPLOYMENTS, dig, PATCH, startApi } from './server.js';
import type { Answer, Body } from './server.js';

const api = await startApi(t);

const apply = (path: string, manager: string, body: Body, force = false): Promise<Answer> =>
  api.call('PATCH', `${path}?fieldManager=${manager}${force ? '&force=true' : ''}`, body, PATCH.apply);
/** Manager and operation → its fields. */
const managed = (object: Body): Record<string, unknown> =>
  Object.fromEntries(
    ((dig(object, 'metadata', 'managedFields') ?? []) as Body[]).map((entry) => [
      `${String(entry.manager)} ${String(entry.operation)}${entry.subresource === undefined ? '' : ` ${String(entry.subresource)}`}`,
      entry.fieldsV1,
    ]),
  );

t.test('fields have owners, conflicts are told, force takes them', async (t) => {
  const path = `${CONFIG_MAPS}/a`;
  const made = await apply(path, 'm1', configMap('a', { x: '1', y: '2' }));
  t.equal(made.code, 201);
  t.strictSame(managed(made.body), { 'm1 Apply': { 'f:data': { 'f:x': {}, 'f:y': {} } } });
  t.match(dig(made.body, 'metadata', 'managedFields', 0), {
    apiVersion: 'v1',
    fieldsType: 'FieldsV1',
    time: String,
  });
  t.match(await apply(path, 'm2', configMap('a', { x: '3' })), {
    code: 409,
    body: {
      reason: 'Conflict',
      message: 'Apply failed with 1 conflict: conflict with "m1": .data.x',
      details: {
        causes: [{ reason: 'FieldManagerConflict', message: 'conflict with "m1"', field: '.data.x' }],
      },
    },
  });
  t.match(await apply(path, 'm2', configMap('a', { x: '3', y: '4' })), {
    code: 409,
    body: { message: 'Apply failed with 2 conflicts: conflicts with "m1":\n- .data.x\n- .data.y' },
  });
  const shared = await apply(path, 'm2', configMap('a', { y: '2' }));
  t.strictSame(
    managed(shared.body)['m2 Apply'],
    { 'f:data': { 'f:y': {} } },
    'the same value is owned by both',
  );
  const forced = await apply(path, 'm2', configMap('a', { x: '3', y: '2' }), true);
  t.strictSame(managed(forced.body), {
    'm1 Apply': { 'f:data': { 'f:y': {} } },
    'm2 Apply': { 'f:data': { 'f:x': {}, 'f:y': {} } },
  });
  const left = await apply(path, 'm2', configMap('a', { y: '2' }));
  t.strictSame(left.body.data, { y: '2' }, 'what one no longer applies and nobody else owns goes');
  const again = await apply(path, 'm2', configMap('a', { y: '2' }));
  t.equal(again.code, 200);
  t.strictSame(again.body, left.body, 'applying the same again changes nothing');
});

t.test('lists merge by their keys', async (t) => {
  const path = `${DEPLOYMENTS}/d`;
  const env = (...names: string[]): Body => ({ env: names.map((name) => ({ name, value: name })) });
  const made = await apply(
    path,
    'm1',
    deployment('d', { replicas: 2 }, { ...env('A', 'B'), ports: [{ containerPort: 80 }] }),
  );
  t.equal(made.code, 201, made.text);
  t.match(made.body, {
    spec: { replicas: 2, strategy: { type: 'RollingUpdate' } },
    metadata: { generation: 1 },
  });
  t.strictSame(
    dig(
      managed(made.body)['m1 Apply'] as Body,
      'f:spec',
      'f:template',
      'f:spec',
      'f:containers',
      'k:{"name":"main"}',
    ),
    {
      '.': {},
      'f:name': {},
      'f:image': {},
      'f:env': {
        'k:{"name":"A"}': { '.': {}, 'f:name': {}, 'f:value': {} },
        'k:{"name":"B"}': { '.': {}, 'f:name': {}, 'f:value': {} },
      },
      'f:ports': { 'k:{"containerPort":80,"protocol":"TCP"}': { '.': {}, 'f:containerPort': {} } },
    },
  );
  const other = {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'd' },
    spec: { template: { spec: { containers: [{ name: 'main', ...env('C') }] } } },
  };
  t.equal((await apply(path, 'm2', other)).code, 200);
  const fewer = await apply(path, 'm1', deployment('d', { replicas: 2 }, env('B')));
  const container = dig(fewer.body, 'spec', 'template', 'spec', 'containers', 0) as Body;
  t.strictSame(
    (container.env as Body[]).map(({ name }) => name),
    ['B', 'C'],
  );
  t.notOk('ports' in container);
  t.equal(dig(fewer.body, 'metadata', 'generation'), 3);
});

t.test('updates own what they change', async (t) => {
  const path = `${DEPLOYMENTS}/u`;
  await api.ok('POST', `${DEPLOYMENTS}?fieldManager=maker`, deployment('u', { replicas: 1 }));
  await api.ok('PATCH', `${path}/scale?fieldManager=scaler`, { spec: { replicas: 3 } }, PATCH.merge);
  const status = await api.ok(
    'PATCH',
    `${path}/status?fieldManager=kubelet`,
    { status: { replicas: 3 } },
    PATCH.merge,
  );
  const owners = managed(status);
  t.strictSame(owners['scaler Update scale'], { 'f:spec': { 'f:replicas': {} } });
  t.strictSame(owners['kubelet Update status'], { 'f:status': { 'f:replicas': {} } });
  t.notOk(dig(owners['maker Update'] as Body, 'f:spec', 'f:replicas'), 'the maker has lost it');
  t.strictSame(dig(owners['maker Update'] as Body, 'f:metadata'), { 'f:labels': { '.': {}, 'f:app': {} } });
  t.match(await apply(path, 'applier', deployment('u', { replicas: 1 })), {
    code: 409,
    body: {
      message:
        'Apply failed with 1 conflict: conflict with "scaler" with subresource "scale" using apps/v1: .spec.replicas',
    },
  });
  t.match(await apply(path, 'applier', deployment('u', { replicas: 3 })), { code: 200 });
});

t.test('what cannot be applied', async (t) => {
  const path = `${CONFIG_MAPS}/bad`;
  const cases: [string, string | Body, number, RegExp][] = [
    [
      '',
      configMap('bad'),
      422,
      /^PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch$/,
    ],
    [
      'm',
      configMap('other'),
      400,
      /the name of the object \(other\) does not match the name on the URL \(bad\)/,
    ],
    ['m', { kind: 'ConfigMap', metadata: { name: 'bad' } }, 400, /^invalid object type: \/, Kind=ConfigMap$/],
    [
      'm',
      { ...configMap('bad'), foo: 1 },
      500,
      /^failed to create typed patch object \(\/bad; \/v1, Kind=ConfigMap\): .foo: field not declared in schema$/,
    ],
    ['m', configMap('bad', {}, { managedFields: [] }), 400, /^metadata.managedFields must be nil$/],
    ['m', 'kind: ConfigMap', 400, /^invalid object type: \/, Kind=ConfigMap$/],
    ['m', 'kind: {', 400, /^error decoding YAML: error converting YAML to JSON: yaml: line /],
  ];
  for (const [manager, body, code, message] of cases) {
    const answer = await api.call('PATCH', `${path}?fieldManager=${manager}`, body, PATCH.apply);
    t.equal(answer.code, code, answer.text);
    t.match(answer.body.message, message);
  }
  t.match(await api.call('GET', path), { code: 404 });
  const dry = await api.call(
    'PATCH',
    `${path}?fieldManager=m&dryRun=All`,
    configMap('bad', { a: 'b' }),
    PATCH.apply,
  );
  t.match(dry, { code: 201, body: { data: { a: 'b' } } });
  t.match(await api.call('GET', path), { code: 404 });
});
