/** The OpenAPI documents and aggregated discovery, as plain HTTP shows them and as stock kubectl uses them. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import { whyNoKubectl } from '../../helpers/stock-kubectl.js';
import { dig, startApi } from './server.js';
import type { Body } from './server.js';

const run = promisify(execFile);
const PROTOBUF = { accept: 'application/com.github.proto-openapi.spec.v2@v1.0+protobuf' };
const AGGREGATED = { accept: 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList' };

const api = await startApi(t);
const v3 = await api.ok('GET', '/openapi/v3/apis/apps/v1');
const v2 = await api.ok('GET', '/openapi/v2');
const noKubectl = whyNoKubectl();
const home = await mkdtemp(join(tmpdir(), 'openapi-'));
t.teardown(() => rm(home, { recursive: true }));

const definition = (name: string): Body => dig(v2, 'definitions', name) as Body;
const schema = (name: string): Body => dig(v3, 'components', 'schemas', name) as Body;
const PATH = '/apis/apps/v1/namespaces/{namespace}/deployments/{name}';

/** Every name that a $ref of the document points to. */
function references(value: unknown, prefix: string): string[] {
  if (Array.isArray(value)) return value.flatMap((item) => references(item, prefix));
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, item]) =>
    key === '$ref' && typeof item === 'string' ? [item.slice(prefix.length)] : references(item, prefix),
  );
}

t.test('version 3: an index with hashes, and a document a group version', async (t) => {
  const index = await api.call('GET', '/openapi/v3');
  const paths = dig(JSON.parse(index.text) as Body, 'paths') as Body;
  t.ok(Object.keys(paths).length > 10);
  const url = String(dig(paths, 'apis/apps/v1', 'serverRelativeURL'));
  t.match(url, /^\/openapi\/v3\/apis\/apps\/v1\?hash=[0-9A-F]+$/);
  const document = await api.call('GET', url);
  t.equal(document.code, 200);
  const etag = String(document.headers.etag);
  t.match(etag, /^"[0-9A-F]+"$/);
  t.ok(url.endsWith(etag.slice(1, -1)));
  t.equal((await api.call('GET', url, undefined, { 'if-none-match': etag })).code, 304);
  const moved = await api.call('GET', '/openapi/v3/apis/apps/v1?hash=OLD');
  t.equal(moved.code, 301);
  t.equal(moved.headers.location, url);
  t.equal((await api.call('GET', '/openapi/v3/apis/nope/v1')).code, 404);
  t.equal((await api.call('POST', '/openapi/v2', {})).code, 405);
});

t.test('fields, types, list types, merge keys, enums and defaults', async (t) => {
  t.match(schema('io.k8s.api.apps.v1.Deployment'), {
    type: 'object',
    properties: {
      spec: { default: {}, allOf: [{ $ref: '#/components/schemas/io.k8s.api.apps.v1.DeploymentSpec' }] },
    },
    'x-kubernetes-group-version-kind': [{ group: 'apps', version: 'v1', kind: 'Deployment' }],
  });
  t.match(schema('io.k8s.api.core.v1.ContainerPort'), {
    required: ['containerPort'],
    properties: {
      containerPort: { type: 'integer', format: 'int32', default: 0 },
      protocol: { type: 'string', enum: ['SCTP', 'TCP', 'UDP'], default: 'TCP' },
    },
  });
  t.match(dig(schema('io.k8s.api.core.v1.Container'), 'properties', 'ports'), {
    type: 'array',
    'x-kubernetes-list-type': 'map',
    'x-kubernetes-list-map-keys': ['containerPort', 'protocol'],
    'x-kubernetes-patch-merge-key': 'containerPort',
    'x-kubernetes-patch-strategy': 'merge',
  });
  t.match(definition('io.k8s.apimachinery.pkg.util.intstr.IntOrString'), { format: 'int-or-string' });
  t.equal(
    dig(definition('io.k8s.api.core.v1.ContainerPort'), 'properties', 'protocol', 'default'),
    undefined,
  );
  t.match(definition('io.k8s.api.apps.v1.DeploymentList'), { required: ['items'] });
});

t.test('every reference has its definition', async (t) => {
  const known = new Set(Object.keys(dig(v2, 'definitions') as Body));
  t.strictSame(
    references(v2, '#/definitions/').filter((name) => !known.has(name)),
    [],
  );
  const own = new Set(Object.keys(dig(v3, 'components', 'schemas') as Body));
  t.strictSame(
    references(v3, '#/components/schemas/').filter((name) => !own.has(name)),
    [],
  );
});

t.test('operations say their kind and whether the server checks fields', async (t) => {
  for (const document of [v2, v3]) {
    const patch = dig(document, 'paths', PATH, 'patch') as Body;
    t.match(patch, {
      operationId: 'patchAppsV1NamespacedDeployment',
      'x-kubernetes-action': 'patch',
      'x-kubernetes-group-version-kind': { group: 'apps', version: 'v1', kind: 'Deployment' },
    });
    const names = (dig(patch, 'parameters') as Body[]).map(({ name }) => name);
    t.ok(names.includes('fieldValidation') && names.includes('dryRun'));
  }
  t.ok(dig(v3, 'paths', `${PATH}/scale`, 'get'));
});

/** The fields of a protobuf message that hold bytes. */
function messages(bytes: Buffer): { number: number; value: Buffer }[] {
  const found: { number: number; value: Buffer }[] = [];
  let offset = 0;
  const varint = (): number => {
    let result = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[offset++] ?? 0;
      result += (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return result;
    }
  };
  while (offset < bytes.length) {
    const tag = varint();
    if (tag % 8 === 0) varint();
    else {
      const length = tag % 8 === 1 ? 8 : varint();
      found.push({ number: Math.floor(tag / 8), value: bytes.subarray(offset, offset + length) });
      offset += length;
    }
  }
  return found;
}

t.test('version 2 in protobuf says what the JSON says', async (t) => {
  const response = await fetch(`${api.server.url}/openapi/v2`, { headers: PROTOBUF });
  t.match(response.headers.get('content-type'), /protobuf/);
  const document = messages(Buffer.from(await response.arrayBuffer()));
  const one = (number: number): Buffer =>
    document.find((item) => item.number === number)?.value ?? Buffer.alloc(0);
  t.equal(one(1).toString(), '2.0');
  const names = (number: number, field: number): string[] =>
    messages(one(number))
      .filter((item) => item.number === field)
      .map(({ value }) => messages(value)[0]?.value.toString() ?? '');
  t.strictSame(names(9, 1), Object.keys(dig(v2, 'definitions') as Body));
  t.strictSame(names(8, 2), Object.keys(dig(v2, 'paths') as Body));
  t.equal((await api.call('GET', '/openapi/v2', undefined, { accept: 'text/html' })).code, 406);
});

t.test('aggregated discovery says what the lists say', async (t) => {
  const groups = await api.call('GET', '/apis', undefined, AGGREGATED);
  t.match(groups.headers['content-type'], /as=APIGroupDiscoveryList/);
  const plain = await api.ok('GET', '/apis');
  t.strictSame(
    (groups.body.items as Body[]).map((item) => dig(item, 'metadata', 'name')),
    (plain.groups as Body[]).map(({ name }) => name),
  );
  const etag = String(groups.headers.etag);
  t.equal((await api.call('GET', '/apis', undefined, { ...AGGREGATED, 'if-none-match': etag })).code, 304);
  const core = await api.ok('GET', '/api', undefined, AGGREGATED);
  const resources = dig(core, 'items', 0, 'versions', 0, 'resources') as Body[];
  t.match(
    resources.find(({ resource }) => resource === 'pods'),
    { responseKind: { kind: 'Pod' }, scope: 'Namespaced', shortNames: ['po'], categories: ['all'] },
  );
  t.equal((await api.call('GET', '/apis/apps', undefined, AGGREGATED)).code, 406);
});

if (noKubectl !== undefined) process.stderr.write(`openapi.test: kubectl lines skipped: ${noKubectl}\n`);

t.test('stock kubectl', { skip: noKubectl ?? false }, async (t) => {
  const manifest = (name: string, replicas: string, more = ''): string => `apiVersion: apps/v1
kind: Deployment
metadata: {name: ${name}}
spec:
  replicas: ${replicas}
  selector: {matchLabels: {app: app}}
  template:
    metadata: {labels: {app: app}}
    spec:
      containers:
      - {name: main, image: "nginx:1.15.4", env: [{name: A, value: "1"}${more}]}
`;
  const file = async (name: string, content: string): Promise<string> => {
    await writeFile(join(home, name), content);
    return join(home, name);
  };
  const first = await file('first.yaml', manifest('app', '2', ', {name: B, value: "2"}'));
  const second = await file('second.yaml', manifest('app', '3'));
  const typo = await file('typo.yaml', manifest('typo', '1').replace('image:', 'imagee:'));
  const wrong = await file('wrong.yaml', manifest('wrong', 'two'));
  /** Command, whether it succeeds, and what it says. */
  const lines: [string, boolean, RegExp][] = [
    [
      'explain deployment.spec.strategy',
      true,
      /FIELD: strategy <DeploymentStrategy>[^]*enum: Recreate, RollingUpdate/,
    ],
    ['explain pods.spec.containers --recursive', true, /\n {4}name\t<string> -required-\n/],
    [
      'explain pod.spec.containers.ports --output plaintext-openapiv2',
      true,
      /RESOURCE: ports <\[\]Object>[^]*containerPort\t<integer> -required-/,
    ],
    ['explain pod.spec.nope', false, /field "nope" does not exist/],
    ['api-versions', true, /^apps\/v1$[^]*^v1$/m],
    ['api-resources --api-group=apps -o name', true, /^deployments.apps$/m],
    [`apply --validate=strict -f ${first}`, true, /app created/],
    [`diff -f ${first}`, true, /^$/],
    [`diff --server-side --force-conflicts -f ${second}`, false, /^\+ {2}replicas: 3$/m],
    [`apply --validate=true -f ${second}`, true, /app configured/],
    // The merge took one of the two away, by the list's merge key.
    ['get deployment app -o jsonpath={..env}{.spec.replicas}', true, /^\[\{"name":"A","value":"1"\}\]3$/],
    [
      `create --validate=strict -f ${typo}`,
      false,
      /unknown field "spec.template.spec.containers\[0\].imagee"/,
    ],
    [`create --validate=warn -f ${typo}`, false, /image: Required value/],
    [
      `create --validate=true -f ${wrong}`,
      false,
      /cannot unmarshal string into Go struct field .*replicas of type int32/,
    ],
    ['autoscale deployment app --max=5 --cpu=50%', true, /autoscaled/],
    [
      'get all',
      true,
      /horizontalpodautoscaler.autoscaling\/app +Deployment\/app +cpu: <unknown>\/50% +<unset>|cpu: <unknown>\/50% +1 +5/,
    ],
    ['create serviceaccount robot', true, /created/],
    ['create token robot', true, /^[\w-]+\.[\w-]+\.[\w-]+$/m],
    ['create token nobody', false, /serviceaccounts "nobody" not found/],
  ];
  for (const [line, succeeds, says] of lines) {
    const args = ['--server', api.server.url, '--cache-dir', join(home, 'cache'), ...line.split(' ')];
    const env = { PATH: process.env.PATH ?? '', HOME: home, KUBECONFIG: join(home, 'none') };
    const { ok, text } = await run('kubectl', args, { env }).then(
      ({ stdout, stderr }) => ({ ok: true, text: stdout + stderr }),
      (error: { stdout: string; stderr: string }) => ({ ok: false, text: error.stdout + error.stderr }),
    );
    t.equal(ok, succeeds, `kubectl ${line}`);
    t.match(text, says, `kubectl ${line}`);
  }
});
