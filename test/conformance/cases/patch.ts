/** JSON, merge and strategic merge patches. */
import { area, get, jsonPatch, mergePatch, post, setup, strategic, until } from '../case.js';
import type { Fields, Json, Step } from '../case.js';
import {
  CONFIG_MAPS,
  configMap,
  CRON_JOBS,
  cronJob,
  cronPods,
  deployment,
  DEPLOYMENTS,
  pod,
  PODS,
  secret,
  SECRETS,
  service,
  SERVICES,
} from './objects.js';

const MAP = `${CONFIG_MAPS}/a`;
const map: Step = setup(
  post(CONFIG_MAPS, configMap('a', { data: { a: '1', b: '2' } }, { labels: { l: 'm' } })),
);
const two: Fields = {
  containers: [
    {
      name: 'one',
      image: 'one:1',
      env: [
        { name: 'A', value: '1' },
        { name: 'B', value: '2' },
      ],
      args: ['a', 'b'],
      ports: [{ containerPort: 80 }, { containerPort: 81, protocol: 'UDP' }],
    },
    { name: 'two', image: 'two:1' },
  ],
  volumes: [
    { name: 'v', emptyDir: {} },
    { name: 'w', configMap: { name: 'c' } },
  ],
  tolerations: [{ key: 'k', operator: 'Exists' }],
};
const CRON = `${CRON_JOBS}/a`;
const cron: Step = setup(post(CRON_JOBS, cronJob('a', two)));
/** The patch of the pods of a CronJob that has the two containers. */
const pods = (spec: Fields): Step[] => [cron, strategic(CRON, cronPods(spec))];
const wrongJson = (...operations: Json[]): Step[] =>
  operations.map((operation) => jsonPatch(MAP, [operation]));

export const patching = [
  ...area('json patch', {
    'every operation': [
      map,
      jsonPatch(MAP, [
        { op: 'test', path: '/data/a', value: '1' },
        { op: 'add', path: '/data/c', value: 'new' },
        { op: 'replace', path: '/data/b', value: 'other' },
        { op: 'copy', from: '/data/a', path: '/data/d' },
        { op: 'move', from: '/data/c', path: '/data/e' },
        { op: 'remove', path: '/data/a' },
      ]),
    ],
    'keys with slash and tilde': [
      map,
      jsonPatch(MAP, [{ op: 'add', path: '/metadata/annotations', value: {} }]),
      jsonPatch(MAP, [{ op: 'add', path: '/metadata/annotations/example.com~1a', value: 'v' }]),
      jsonPatch(MAP, [{ op: 'remove', path: '/metadata/annotations/example.com~1a' }]),
    ],
    'lists by index and at the end': [
      cron,
      jsonPatch(CRON, [
        { op: 'add', path: '/spec/jobTemplate/spec/template/spec/containers/0/args/-', value: 'c' },
        { op: 'add', path: '/spec/jobTemplate/spec/template/spec/containers/0/args/0', value: 'z' },
        { op: 'remove', path: '/spec/jobTemplate/spec/template/spec/containers/1' },
      ]),
    ],
    'a test that fails': [map, ...wrongJson({ op: 'test', path: '/data/a', value: '2' })],
    'paths that are not there': [
      map,
      ...wrongJson(
        { op: 'remove', path: '/data/none' },
        { op: 'replace', path: '/data/none', value: 'x' },
        { op: 'add', path: '/none/deep', value: 'x' },
        { op: 'copy', from: '/none', path: '/data/x' },
      ),
    ],
    'what is no patch': [
      map,
      jsonPatch(MAP, {}),
      jsonPatch(MAP, 'not json'),
      jsonPatch(MAP, [{ op: 'jump', path: '/data/a' }]),
      jsonPatch(MAP, [{ path: '/data/a', value: '1' }]),
      jsonPatch(MAP, [1]),
      jsonPatch(MAP, []),
    ],
    'of what must stay': [
      map,
      jsonPatch(MAP, [{ op: 'replace', path: '/metadata/name', value: 'b' }]),
      jsonPatch(MAP, [{ op: 'replace', path: '/metadata/uid', value: 'b' }]),
      jsonPatch(MAP, [{ op: 'add', path: '/metadata/resourceVersion', value: '1' }]),
    ],
    'that makes an object of wrong types': [
      map,
      jsonPatch(MAP, [{ op: 'replace', path: '/data', value: 'x' }]),
      jsonPatch(MAP, [{ op: 'replace', path: '/data/a', value: 1 }]),
    ],
    'with unknown fields': [
      map,
      jsonPatch(MAP, [{ op: 'add', path: '/dataa', value: {} }]),
      jsonPatch(`${MAP}?fieldValidation=Strict`, [{ op: 'add', path: '/dataa', value: {} }]),
    ],
  }),
  ...area('merge patch', {
    'adds, changes and removes': [
      map,
      mergePatch(MAP, { data: { a: null, b: 'x', c: 'new' }, metadata: { labels: null } }),
    ],
    'replaces lists': [
      cron,
      mergePatch(CRON, cronPods({ containers: [{ name: 'three', image: 'three:1' }] })),
    ],
    'of a version': [
      setup(post(CONFIG_MAPS, configMap('a'), { save: { version: 'metadata.resourceVersion' } })),
      mergePatch(MAP, { metadata: { resourceVersion: '{version}' }, data: { a: '1' } }),
      mergePatch(MAP, { metadata: { resourceVersion: '{version}' }, data: { a: '2' } }),
    ],
    'a Service of a load balancer that becomes one of the cluster': [
      setup(post(SERVICES, service('a', { spec: { type: 'LoadBalancer', ports: [{ port: 80 }] } }))),
      mergePatch(`${SERVICES}/a`, { spec: { type: 'ClusterIP' } }),
    ],
    'a Service of the cluster that becomes an external name': [
      setup(post(SERVICES, service('a', { spec: { ports: [{ port: 80 }] } }))),
      mergePatch(`${SERVICES}/a`, { spec: { type: 'ExternalName', externalName: 'example.com' } }),
    ],
    'that changes nothing': [map, mergePatch(MAP, { data: { a: '1' } }), mergePatch(MAP, {}), get(MAP)],
    'of an object that is not there': [
      mergePatch(MAP, { data: { a: '1' } }),
      strategic(MAP, {}),
      jsonPatch(MAP, []),
    ],
    dry: [map, mergePatch(`${MAP}?dryRun=All`, { data: { a: 'x' } }), get(MAP)],
    'what is no patch': [
      map,
      mergePatch(MAP, 'not json'),
      mergePatch(MAP, [1]),
      mergePatch(MAP, ''),
      mergePatch(MAP, 'null'),
      mergePatch(MAP, '"text"'),
    ],
    'that makes an object of wrong types': [
      map,
      mergePatch(MAP, { data: { a: 1 } }),
      mergePatch(MAP, { metadata: { labels: { a: true } } }),
      mergePatch(MAP, { metadata: { labels: ['a'] } }),
    ],
    'with unknown fields': [
      map,
      mergePatch(MAP, { dataa: { a: '1' } }),
      mergePatch(`${MAP}?fieldValidation=Warn`, { dataa: { a: '1' }, metadata: { lables: {} } }),
      mergePatch(`${MAP}?fieldValidation=Ignore`, { dataa: { a: '1' } }),
      mergePatch(`${MAP}?fieldValidation=Strict`, { dataa: { a: '1' }, metadata: { lables: {} } }),
    ],
    'that is refused by the rules of the kind': [
      setup(post(CRON_JOBS, cronJob('a'))),
      mergePatch(CRON, { spec: { schedule: 'x', concurrencyPolicy: 'Maybe' } }),
      mergePatch(CRON, { metadata: { labels: { 'a b': 'c' } } }),
    ],
    'by a force that is not for it': [map, mergePatch(`${MAP}?force=true`, { data: { a: 'x' } })],
    'of a Deployment, which counts a generation': {
      steps: [
        setup(post(DEPLOYMENTS, deployment('a', { paused: true }))),
        until(get(`${DEPLOYMENTS}/a`), { 'status.observedGeneration': 1 }),
        mergePatch(`${DEPLOYMENTS}/a`, { spec: { minReadySeconds: 5 } }),
        until(get(`${DEPLOYMENTS}/a`), { 'status.observedGeneration': 2 }),
        mergePatch(`${DEPLOYMENTS}/a`, { metadata: { labels: { a: 'b' } } }),
      ],
      ignored: [],
    },
  }),
  ...area('strategic merge patch', {
    'containers by their name': pods({
      containers: [
        { name: 'two', image: 'two:2' },
        { name: 'three', image: 'three:1' },
      ],
    }),
    'a container that goes': pods({ containers: [{ name: 'one', $patch: 'delete' }] }),
    'a container that is replaced': pods({
      containers: [{ name: 'one', image: 'one:2', $patch: 'replace' }],
    }),
    'all containers replaced': pods({ containers: [{ name: 'new', image: 'new:1' }, { $patch: 'replace' }] }),
    'an environment by its names': pods({
      containers: [
        {
          name: 'one',
          env: [
            { name: 'B', value: '3' },
            { name: 'C', value: '4' },
            { name: 'A', $patch: 'delete' },
          ],
        },
      ],
    }),
    'a variable that changes its source': pods({
      containers: [
        {
          name: 'one',
          env: [{ name: 'A', value: null, valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }],
        },
      ],
    }),
    'ports by their number': pods({
      containers: [{ name: 'one', ports: [{ containerPort: 80, name: 'http' }, { containerPort: 90 }] }],
    }),
    'a list without a key is replaced': pods({
      containers: [{ name: 'one', args: ['c'] }],
      tolerations: [{ key: 'other', operator: 'Exists' }],
    }),
    'nulls take away': pods({ containers: [{ name: 'one', args: null, env: null }], volumes: null }),
    'a volume of another source': pods({
      volumes: [{ name: 'v', $retainKeys: ['name', 'configMap'], configMap: { name: 'x' } }],
    }),
    'a volume of two sources': pods({ volumes: [{ name: 'v', configMap: { name: 'x' } }] }),
    'the order of the elements': pods({
      '$setElementOrder/containers': [{ name: 'three' }, { name: 'two' }, { name: 'one' }],
      containers: [{ name: 'three', image: 'three:1' }],
    }),
    'an order alone': pods({ '$setElementOrder/containers': [{ name: 'two' }, { name: 'one' }] }),
    'an order that lacks an element of the patch': pods({
      '$setElementOrder/containers': [{ name: 'two' }, { name: 'one' }],
      containers: [{ name: 'three', image: 'three:1' }],
    }),
    'an element without its key': pods({ containers: [{ image: 'x' }] }),
    'an element that is no object': pods({ containers: ['x'] }),
    'a directive that is none': pods({ containers: [{ name: 'one', $patch: 'maybe' }] }),
    'a map that is replaced': [
      map,
      strategic(MAP, { data: { $patch: 'replace', z: '9' } }),
      strategic(MAP, { data: { $patch: 'delete' } }),
    ],
    'finalizers are a set': [
      setup(post(CONFIG_MAPS, configMap('a', {}, { finalizers: ['example.com/a', 'example.com/b'] }))),
      strategic(MAP, { metadata: { finalizers: ['example.com/c', 'example.com/a'] } }),
      strategic(MAP, {
        metadata: { '$deleteFromPrimitiveList/finalizers': ['example.com/a', 'example.com/none'] },
      }),
      strategic(MAP, {
        metadata: {
          '$setElementOrder/finalizers': ['example.com/d', 'example.com/c', 'example.com/b'],
          finalizers: ['example.com/d'],
        },
      }),
      strategic(MAP, {
        metadata: {
          '$deleteFromPrimitiveList/finalizers': ['example.com/b', 'example.com/c', 'example.com/d'],
        },
      }),
    ],
    'ports of a Service': [
      setup(
        post(
          SERVICES,
          service('a', {
            spec: {
              ports: [
                { port: 80, name: 'a' },
                { port: 81, name: 'b' },
              ],
            },
          }),
        ),
      ),
      strategic(`${SERVICES}/a`, { spec: { ports: [{ port: 80, targetPort: 8080 }] } }),
      strategic(`${SERVICES}/a`, { spec: { ports: [{ port: 81, $patch: 'delete' }] } }),
    ],
    'the strategy of a Deployment': [
      setup(post(DEPLOYMENTS, deployment('a', { paused: true }))),
      until(get(`${DEPLOYMENTS}/a`), { 'status.observedGeneration': 1 }),
      strategic(`${DEPLOYMENTS}/a`, { spec: { strategy: { $retainKeys: ['type'], type: 'Recreate' } } }),
      until(get(`${DEPLOYMENTS}/a`), { 'status.observedGeneration': 2 }),
      strategic(`${DEPLOYMENTS}/a`, { spec: { strategy: { type: 'RollingUpdate' } } }),
    ],
    'the image of a pod': [
      setup(post(PODS, pod('a'))),
      strategic(`${PODS}/a`, { spec: { containers: [{ name: 'main', image: 'example.com/app:2' }] } }),
      strategic(`${PODS}/a`, { spec: { containers: [{ name: 'main', command: ['x'] }] } }),
      strategic(`${PODS}/a`, { spec: { nodeName: 'x' } }),
      strategic(`${PODS}/a`, { spec: { tolerations: [{ key: 'k', operator: 'Exists' }] } }),
    ],
    'stringData of a Secret': [
      setup(post(SECRETS, secret('a', { data: { k: 'dg==' } }))),
      strategic(`${SECRETS}/a`, { stringData: { k: 'w', l: 'm' } }),
      strategic(`${SECRETS}/a`, { data: { k: null } }),
    ],
    'what is no patch': [
      map,
      strategic(MAP, 'not json'),
      strategic(MAP, [1]),
      strategic(MAP, ''),
      strategic(MAP, 'null'),
    ],
    'that makes an object of wrong types': [
      map,
      strategic(MAP, { data: { a: 1 } }),
      strategic(MAP, { metadata: { labels: 'x' } }),
      strategic(MAP, { data: ['x'] }),
    ],
    'with unknown fields': [
      map,
      strategic(MAP, { dataa: { a: '1' } }),
      strategic(`${MAP}?fieldValidation=Strict`, { dataa: { a: '1' }, metadata: { lables: {} } }),
      strategic(`${MAP}?fieldValidation=Ignore`, { dataa: { a: '1' } }),
    ],
    'as kubectl writes it': [
      setup(post(CRON_JOBS, cronJob('a', two))),
      strategic(`${CRON}?fieldManager=kubectl-client-side-apply&fieldValidation=Strict`, {
        metadata: { annotations: { 'kubectl.kubernetes.io/last-applied-configuration': '{}' } },
        spec: {
          jobTemplate: {
            spec: {
              template: {
                spec: {
                  '$setElementOrder/containers': [{ name: 'one' }, { name: 'new' }],
                  '$setElementOrder/volumes': [{ name: 'w' }],
                  containers: [
                    {
                      name: 'one',
                      '$setElementOrder/env': [{ name: 'B' }],
                      env: [{ $patch: 'delete', name: 'A' }],
                    },
                    { name: 'new', image: 'new:1' },
                    { $patch: 'delete', name: 'two' },
                  ],
                  volumes: [{ $patch: 'delete', name: 'v' }],
                },
              },
            },
          },
        },
      }),
    ],
  }),
];
