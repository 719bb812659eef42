/** What the server says of objects that cannot be. */
import t from 'tap';
import type { Test } from 'tap';
import { CONFIG_MAPS, deployment, DEPLOYMENTS, pod, PODS, startApi } from './server.js';
import type { Body } from './server.js';

const api = await startApi(t);

/** field → reason and message of a cause. */
type Causes = Record<string, [string, string | RegExp]>;
const REQUIRED: [string, string] = ['FieldValueRequired', 'Required value'];

async function refused(t: Test, path: string, what: string, body: Body, causes: Causes): Promise<void> {
  const answer = await api.call('POST', path, body);
  t.equal(answer.code, 422, `${what}: ${answer.text}`);
  t.equal(answer.body.reason, 'Invalid', what);
  const found = ((answer.body.details as Body | undefined)?.causes ?? []) as {
    field: string;
    reason: string;
    message: string;
  }[];
  t.strictSame(found.map(({ field }) => field).sort(), Object.keys(causes).sort(), what);
  for (const { field, reason, message } of found) {
    const [expectedReason, expected] = causes[field] ?? ['', ''];
    t.equal(reason, expectedReason, `${what}: reason of ${field}`);
    if (typeof expected === 'string') t.equal(message, expected, `${what}: message of ${field}`);
    else t.match(message, expected, `${what}: message of ${field}`);
    t.ok(String(answer.body.message).includes(`${field}: ${message}`), `${what}: the message tells all`);
  }
}

const C = 'spec.template.spec.containers[0]';

t.test('Deployments', async (t) => {
  const cases: [string, Body, Causes][] = [
    [
      'no selector',
      { selector: null },
      {
        'spec.selector': REQUIRED,
        'spec.template.metadata.labels': [
          'FieldValueInvalid',
          'Invalid value: {"app":"d"}: `selector` does not match template `labels`',
        ],
      },
    ],
    [
      'empty selector',
      { selector: {} },
      {
        'spec.selector': ['FieldValueInvalid', 'Invalid value: {}: empty selector is invalid for deployment'],
      },
    ],
    [
      'selector of others',
      { selector: { matchLabels: { app: 'other' } } },
      {
        'spec.template.metadata.labels': [
          'FieldValueInvalid',
          'Invalid value: {"app":"d"}: `selector` does not match template `labels`',
        ],
      },
    ],
    [
      'replicas',
      { replicas: -1 },
      { 'spec.replicas': ['FieldValueInvalid', 'Invalid value: -1: must be greater than or equal to 0'] },
    ],
    [
      'deadline',
      { progressDeadlineSeconds: 5, minReadySeconds: 5 },
      {
        'spec.progressDeadlineSeconds': [
          'FieldValueInvalid',
          'Invalid value: 5: must be greater than minReadySeconds',
        ],
      },
    ],
    [
      'strategy',
      { strategy: { type: 'Recreate', rollingUpdate: { maxSurge: 1 } } },
      {
        'spec.strategy.rollingUpdate': [
          'FieldValueForbidden',
          "Forbidden: may not be specified when strategy `type` is 'Recreate'",
        ],
      },
    ],
    [
      'both 0',
      { strategy: { rollingUpdate: { maxSurge: 0, maxUnavailable: 0 } } },
      {
        'spec.strategy.rollingUpdate.maxUnavailable': [
          'FieldValueInvalid',
          'Invalid value: 0: may not be 0 when `maxSurge` is 0',
        ],
      },
    ],
    [
      'percent',
      { strategy: { rollingUpdate: { maxUnavailable: '101%' } } },
      {
        'spec.strategy.rollingUpdate.maxUnavailable': [
          'FieldValueInvalid',
          'Invalid value: "101%": must not be greater than 100%',
        ],
      },
    ],
  ];
  for (const [what, spec, causes] of cases)
    await refused(t, DEPLOYMENTS, what, deployment('d', spec), causes);
  const never = deployment('d');
  ((never.spec as Body).template as Body).spec = { restartPolicy: 'Never', containers: [] };
  await refused(t, DEPLOYMENTS, 'no containers', never, {
    'spec.template.spec.containers': REQUIRED,
    'spec.template.spec.restartPolicy': [
      'FieldValueNotSupported',
      'Unsupported value: "Never": supported values: "Always"',
    ],
  });
});

t.test('containers', async (t) => {
  const cases: [string, Body, Causes][] = [
    ['no image', { image: '' }, { [`${C}.image`]: REQUIRED }],
    [
      'image with blanks',
      { image: ' a' },
      {
        [`${C}.image`]: [
          'FieldValueInvalid',
          'Invalid value: " a": must not have leading or trailing whitespace',
        ],
      },
    ],
    ['no name', { name: '' }, { [`${C}.name`]: REQUIRED }],
    [
      'bad name',
      { name: 'A' },
      {
        [`${C}.name`]: [
          'FieldValueInvalid',
          /^Invalid value: "A": a lowercase RFC 1123 label must consist of/,
        ],
      },
    ],
    [
      'pull policy',
      { imagePullPolicy: 'Some' },
      {
        [`${C}.imagePullPolicy`]: [
          'FieldValueNotSupported',
          'Unsupported value: "Some": supported values: "Always", "IfNotPresent", "Never"',
        ],
      },
    ],
    [
      'ports',
      { ports: [{ containerPort: 0 }, { containerPort: 70_000 }, { containerPort: 1, protocol: 'X' }] },
      {
        [`${C}.ports[0].containerPort`]: REQUIRED,
        [`${C}.ports[1].containerPort`]: [
          'FieldValueInvalid',
          'Invalid value: 70000: must be between 1 and 65535, inclusive',
        ],
        [`${C}.ports[2].protocol`]: [
          'FieldValueNotSupported',
          'Unsupported value: "X": supported values: "SCTP", "TCP", "UDP"',
        ],
      },
    ],
    [
      'port names',
      {
        ports: [
          { name: 'http', containerPort: 1 },
          { name: 'http', containerPort: 2 },
        ],
      },
      { [`${C}.ports[1].name`]: ['FieldValueDuplicate', 'Duplicate value: "http"'] },
    ],
    [
      'environment',
      {
        env: [
          { name: '' },
          { name: 'A', value: 'x', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
        ],
      },
      {
        [`${C}.env[0].name`]: REQUIRED,
        [`${C}.env[1].valueFrom`]: [
          'FieldValueInvalid',
          'Invalid value: "": may not be specified when `value` is not empty',
        ],
      },
    ],
    [
      'mounts',
      { volumeMounts: [{ name: 'v', mountPath: '/a' }] },
      { [`${C}.volumeMounts[0].name`]: ['FieldValueNotFound', 'Not found: "v"'] },
    ],
    [
      'requests',
      { resources: { requests: { cpu: '2' }, limits: { cpu: '1' } } },
      {
        [`${C}.resources.requests`]: [
          'FieldValueInvalid',
          'Invalid value: "2": must be less than or equal to cpu limit of 1',
        ],
      },
    ],
    [
      'negative',
      { resources: { limits: { memory: '-1' } } },
      {
        [`${C}.resources.limits[memory]`]: [
          'FieldValueInvalid',
          'Invalid value: "-1": must be greater than or equal to 0',
        ],
      },
    ],
    [
      'probe',
      { livenessProbe: {}, readinessProbe: { httpGet: { port: 0 } } },
      {
        [`${C}.livenessProbe`]: ['FieldValueRequired', 'Required value: must specify a handler type'],
        [`${C}.readinessProbe.httpGet.port`]: [
          'FieldValueInvalid',
          'Invalid value: 0: must be between 1 and 65535, inclusive',
        ],
      },
    ],
  ];
  for (const [what, container, causes] of cases)
    await refused(t, DEPLOYMENTS, what, deployment('d', {}, container), causes);
  await refused(
    t,
    PODS,
    'two of a name',
    pod('p', {
      containers: [
        { name: 'a', image: 'i' },
        { name: 'a', image: 'i' },
      ],
    }),
    {
      'spec.containers[1].name': ['FieldValueDuplicate', 'Duplicate value: "a"'],
    },
  );
  await refused(
    t,
    PODS,
    'volumes',
    pod('p', { volumes: [{ name: 'a' }, { name: 'a' }, { name: 'b', configMap: {} }] }),
    {
      'spec.volumes[1].name': ['FieldValueDuplicate', 'Duplicate value: "a"'],
      'spec.volumes[2].configMap.name': REQUIRED,
    },
  );
});

t.test('other kinds', async (t) => {
  const service = (spec: Body): Body => ({ metadata: { name: 's' }, spec });
  const SERVICES = '/api/v1/namespaces/default/services';
  await refused(t, SERVICES, 'no ports', service({}), { 'spec.ports': REQUIRED });
  await refused(t, SERVICES, 'unnamed ports', service({ ports: [{ port: 1, name: 'a' }, { port: 2 }] }), {
    'spec.ports[1].name': REQUIRED,
  });
  await refused(t, SERVICES, 'port', service({ ports: [{ port: 0 }] }), {
    'spec.ports[0].port': ['FieldValueInvalid', 'Invalid value: 0: must be between 1 and 65535, inclusive'],
    'spec.ports[0].targetPort': [
      'FieldValueInvalid',
      'Invalid value: 0: must be between 1 and 65535, inclusive',
    ],
  });
  await refused(
    t,
    SERVICES,
    'name',
    { metadata: { name: '1s' }, spec: { ports: [{ port: 1 }] } },
    {
      'metadata.name': ['FieldValueInvalid', /^Invalid value: "1s": a DNS-1035 label must consist of/],
    },
  );
  await refused(t, SERVICES, 'address', service({ clusterIP: '1.2.3.4', ports: [{ port: 1 }] }), {
    'spec.clusterIPs': [
      'FieldValueInvalid',
      /failed to allocate IP 1.2.3.4: the provided network does not match the current range/,
    ],
  });
  await refused(
    t,
    CONFIG_MAPS,
    'key',
    { metadata: { name: 'c' }, data: { 'a/b': 'c' } },
    {
      'data[a/b]': [
        'FieldValueInvalid',
        /^Invalid value: "a\/b": a valid config key must consist of alphanumeric characters/,
      ],
    },
  );
  await refused(
    t,
    '/api/v1/namespaces/default/secrets',
    'TLS',
    { metadata: { name: 'c' }, type: 'kubernetes.io/tls' },
    {
      'data[tls.crt]': REQUIRED,
      'data[tls.key]': REQUIRED,
    },
  );
  await refused(
    t,
    '/apis/batch/v1/namespaces/default/jobs',
    'restart policy',
    { metadata: { name: 'j' }, spec: { template: { spec: { containers: [{ name: 'a', image: 'b' }] } } } },
    {
      'spec.template.spec.restartPolicy': [
        'FieldValueRequired',
        'Required value: valid values: "OnFailure", "Never"',
      ],
    },
  );
  await refused(
    t,
    '/api/v1/namespaces/default/persistentvolumeclaims',
    'claim',
    { metadata: { name: 'c' }, spec: {} },
    {
      'spec.accessModes': ['FieldValueRequired', 'Required value: at least 1 access mode is required'],
      'spec.resources[storage]': REQUIRED,
    },
  );
  await refused(
    t,
    '/api/v1/namespaces',
    'namespace',
    { metadata: { name: 'a.b' } },
    {
      'metadata.name': ['FieldValueInvalid', 'Invalid value: "a.b": must not contain dots'],
    },
  );
  await api.ok('POST', CONFIG_MAPS, { metadata: { name: 'fixed' }, immutable: true, data: { a: 'b' } });
  t.match(
    await api.call('PUT', `${CONFIG_MAPS}/fixed`, {
      metadata: { name: 'fixed' },
      immutable: true,
      data: { a: 'c' },
    }),
    {
      code: 422,
      body: {
        message: 'ConfigMap "fixed" is invalid: data: Forbidden: field is immutable when `immutable` is set',
      },
    },
  );
  const lease = { metadata: { name: 'l' }, spec: { holderIdentity: 'a' } };
  t.match(await api.call('PUT', '/apis/coordination.k8s.io/v1/namespaces/default/leases/l', lease), {
    code: 201,
  });
  t.match(await api.call('PUT', '/apis/coordination.k8s.io/v1/namespaces/default/leases/l', lease), {
    code: 422,
    body: {
      message:
        'leases.coordination.k8s.io "l" is invalid: metadata.resourceVersion: Invalid value: 0: must be specified for an update',
    },
  });
});
