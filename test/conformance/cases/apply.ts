/** Server-side apply. */
import { apply, area, get, mergePatch, post, put, setup, strategic, until } from '../case.js';
import type { Fields, Step } from '../case.js';
import {
  CONFIG_MAPS,
  configMap,
  CRON_JOBS,
  cronPods,
  deployment,
  DEPLOYMENTS,
  pod,
  PODS,
  SERVICES,
  service,
} from './objects.js';

const MAP = `${CONFIG_MAPS}/a`;
const CRON = `${CRON_JOBS}/a`;
const given = (data: Fields, metadata: Fields = {}): Fields => configMap('a', { data }, metadata);
/** A whole CronJob with these pods. */
const cron = (podSpec: Fields): Fields => {
  const { spec } = cronPods({ restartPolicy: 'Never', ...podSpec }) as { spec: Fields };
  return {
    apiVersion: 'batch/v1',
    kind: 'CronJob',
    metadata: { name: 'a' },
    spec: { schedule: '0 0 1 1 *', suspend: true, ...spec },
  };
};
const one = (more: Fields = {}): Fields => ({ name: 'one', image: 'one:1', ...more });

export const applying = area('apply', {
  creates: [apply(MAP, 'me', given({ a: '1' }, { labels: { l: 'm' } })), get(MAP)],
  'the same again changes nothing': [
    setup(apply(MAP, 'me', given({ a: '1' }))),
    apply(MAP, 'me', given({ a: '1' })),
  ],
  'removes what it no longer gives': [
    setup(apply(MAP, 'me', given({ a: '1', b: '2' }, { labels: { l: 'm' } }))),
    apply(MAP, 'me', given({ a: '1' })),
  ],
  'keeps what others own': [
    setup(apply(MAP, 'me', given({ a: '1', b: '2' }))),
    setup(apply(MAP, 'you', given({ b: '2', c: '3' }))),
    apply(MAP, 'me', given({ a: '1' })),
    apply(MAP, 'you', given({ c: '3' })),
  ],
  'a conflict with another applier': [
    setup(apply(MAP, 'me', given({ a: '1', b: '2' }))),
    apply(MAP, 'you', given({ a: '9', b: '8', c: '7' })),
  ],
  'a conflict with two others': [
    setup(apply(MAP, 'me', given({ a: '1' }))),
    setup(apply(MAP, 'you', given({ b: '2' }))),
    apply(MAP, 'third', given({ a: '9', b: '8' })),
  ],
  'a conflict with an update': [
    setup(post(`${CONFIG_MAPS}?fieldManager=writer`, configMap('a', { data: { a: '1' } }))),
    apply(MAP, 'me', given({ a: '2' })),
    apply(MAP, 'me', given({ a: '1' })),
  ],
  'by force': [
    setup(apply(MAP, 'me', given({ a: '1', b: '2' }))),
    apply(`${MAP}?force=true`, 'you', given({ a: '9' })),
    apply(MAP, 'me', given({ b: '2' })),
  ],
  'shared fields need no force': [
    setup(apply(MAP, 'me', given({ a: '1' }))),
    apply(MAP, 'you', given({ a: '1' })),
    apply(MAP, 'you', given({ a: '2' })),
  ],
  'then an update takes a field': [
    setup(apply(MAP, 'me', given({ a: '1', b: '2' }))),
    mergePatch(`${MAP}?fieldManager=writer`, { data: { a: '9' } }),
    apply(MAP, 'me', given({ a: '1', b: '2' })),
    put(`${MAP}?fieldManager=writer`, given({ a: '3' })),
  ],
  'the same manager applies and updates': [
    setup(apply(MAP, 'me', given({ a: '1', b: '2' }))),
    mergePatch(`${MAP}?fieldManager=me`, { data: { c: '3' } }),
    apply(MAP, 'me', given({ a: '1' })),
  ],
  'gives up everything': [
    setup(apply(MAP, 'me', given({ a: '1' }))),
    apply(MAP, 'me', { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a' } }),
  ],
  dry: [
    apply(`${MAP}?dryRun=All`, 'me', given({ a: '1' })),
    get(MAP),
    setup(apply(MAP, 'me', given({ a: '1' }))),
    apply(`${MAP}?dryRun=All`, 'me', given({ a: '2' })),
  ],
  'in YAML': [
    apply(
      MAP,
      'me',
      'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  a: "1"\n  lines: |\n    one\n    two\n',
    ),
    apply(MAP, 'me', 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {a: 1}\n'),
    apply(MAP, 'me', 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a\n'),
    apply(MAP, 'me', 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {a: "1", a: "2"}\n'),
  ],
  'without a field manager': [{ ...apply(MAP, '', given({})), path: MAP }, apply(MAP, '', given({ a: '1' }))],
  'what is no configuration': [
    apply(MAP, 'me', ''),
    apply(MAP, 'me', '[]'),
    apply(MAP, 'me', 'text'),
    apply(MAP, 'me', '{}'),
    apply(MAP, 'me', { apiVersion: 'v1', kind: 'ConfigMap' }),
    apply(MAP, 'me', { kind: 'ConfigMap', metadata: { name: 'a' } }),
    apply(MAP, 'me', { apiVersion: 'v1', metadata: { name: 'a' } }),
    apply(MAP, 'me', { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'a' } }),
    apply(MAP, 'me', { apiVersion: 'v1', kind: 'None', metadata: { name: 'a' } }),
    apply(MAP, 'me', configMap('b')),
    apply(MAP, 'me', configMap('a', {}, { namespace: 'other' })),
  ],
  'with managed fields': [apply(MAP, 'me', configMap('a', {}, { managedFields: [{ manager: 'x' }] }))],
  'of a version': [
    setup(apply(MAP, 'me', given({ a: '1' }), { save: { version: 'metadata.resourceVersion' } })),
    apply(MAP, 'me', given({ a: '2' }, { resourceVersion: '{version}' })),
    apply(MAP, 'me', given({ a: '3' }, { resourceVersion: '{version}' })),
  ],
  'of a uid to what is not there': [
    apply(MAP, 'me', given({}, { uid: 'ffffffff-0000-4000-8000-000000000000' })),
  ],
  'to a namespace that is not there': [
    apply('/api/v1/namespaces/none-of-them/configmaps/a', 'me', configMap('a')),
  ],
  'unknown fields': [
    apply(MAP, 'me', configMap('a', { dataa: { a: '1' } })),
    apply(`${MAP}?fieldValidation=Ignore`, 'me', configMap('a', { dataa: { a: '1' } })),
  ],
  'values of wrong types': [
    apply(MAP, 'me', configMap('a', { data: 'x' })),
    apply(MAP, 'me', configMap('a', { data: { a: 1 } })),
    apply(CRON, 'me', cron({ containers: { a: 'b' } })),
    apply(CRON, 'me', cron({ containers: ['x'] })),
    apply(CRON, 'me', cron({ containers: [one({ image: 5 })] })),
  ],
  nulls: [apply(MAP, 'me', configMap('a', { data: { a: null, b: '1' } }))],
  'lists by their keys': [
    apply(CRON, 'me', cron({ containers: [one(), { name: 'two', image: 'two:1' }] })),
    apply(CRON, 'me', cron({ containers: [{ name: 'two', image: 'two:2' }] })),
  ],
  'elements of two managers': [
    setup(apply(CRON, 'me', cron({ containers: [one()] }))),
    apply(CRON, 'you', {
      apiVersion: 'batch/v1',
      kind: 'CronJob',
      metadata: { name: 'a' },
      ...cronPods({ containers: [{ name: 'side', image: 'side:1', env: [{ name: 'A', value: 'x' }] }] }),
    }),
    apply(CRON, 'me', cron({ containers: [one({ image: 'one:2' })] })),
  ],
  'an element that lacks its key': [apply(CRON, 'me', cron({ containers: [{ image: 'x' }] }))],
  'elements with the same key': [apply(CRON, 'me', cron({ containers: [one(), one()] }))],
  'keys with a default': [
    apply(
      CRON,
      'me',
      cron({ containers: [one({ ports: [{ containerPort: 80 }, { containerPort: 80, protocol: 'UDP' }] })] }),
    ),
    apply(CRON, 'me', cron({ containers: [one({ ports: [{ containerPort: 80, protocol: 'TCP' }] })] })),
  ],
  'a set': [
    apply(MAP, 'me', given({}, { finalizers: ['example.com/a'] })),
    apply(MAP, 'you', given({}, { finalizers: ['example.com/b'] })),
    apply(MAP, 'me', given({}, {})),
    setup(mergePatch(MAP, { metadata: { finalizers: null } })),
  ],
  'an atomic list': [
    apply(
      CRON,
      'me',
      cron({ containers: [one({ args: ['a', 'b'] })], tolerations: [{ key: 'a', operator: 'Exists' }] }),
    ),
    apply(CRON, 'you', cron({ containers: [one({ args: ['a', 'c'] })] })),
    apply(`${CRON}?force=true`, 'you', cron({ containers: [one({ args: ['a', 'c'] })] })),
  ],
  'an atomic map': [
    apply(CRON, 'me', cron({ containers: [one()], nodeSelector: { a: 'b' } })),
    apply(CRON, 'you', cron({ containers: [one()], nodeSelector: { c: 'd' } })),
  ],
  'the ports of a Service': [
    apply(
      `${SERVICES}/a`,
      'me',
      service('a', { spec: { ports: [{ port: 80, name: 'a' }], selector: { a: 'b' } } }),
    ),
    apply(
      `${SERVICES}/a`,
      'me',
      service('a', { spec: { ports: [{ port: 81, name: 'a' }], selector: { a: 'b' } } }),
    ),
  ],
  'a pod': [apply(`${PODS}/a`, 'me', pod('a'))],
  'a pod that it may not change': [
    setup(apply(`${PODS}/a`, 'me', pod('a'))),
    apply(
      `${PODS}/a`,
      'me',
      pod('a', { containers: [{ name: 'main', image: 'example.com/app:1', command: ['x'] }] }),
    ),
    apply(`${PODS}/a`, 'me', pod('a', { containers: [{ name: 'main', image: 'example.com/app:2' }] })),
  ],
  'a Deployment': [
    apply(`${DEPLOYMENTS}/a`, 'me', deployment('a', { paused: true })),
    until(get(`${DEPLOYMENTS}/a`), { 'status.observedGeneration': 1 }),
    apply(`${DEPLOYMENTS}/a`, 'me', deployment('a', { paused: true, minReadySeconds: 2 })),
  ],
  'the number of replicas goes to another': [
    setup(apply(`${DEPLOYMENTS}/a?dryRun=All`, 'me', deployment('a', { paused: true }))),
    setup(apply(`${DEPLOYMENTS}/a`, 'me', deployment('a', { paused: true }))),
    until(get(`${DEPLOYMENTS}/a`), { 'status.observedGeneration': 1 }),
    apply(`${DEPLOYMENTS}/a`, 'scaler', {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'a' },
      spec: { replicas: 0 },
    }),
  ],
  'refused by the rules of the kind': [
    apply(CRON, 'me', cron({ containers: [one({ imagePullPolicy: 'Maybe' })] })),
    apply(MAP, 'me', configMap('a', {}, { labels: { 'a b': 'c' } })),
    apply(`${CONFIG_MAPS}/A_B`, 'me', configMap('A_B')),
  ],
  'over what kubectl applied before': [
    setup(
      post(
        `${CONFIG_MAPS}?fieldManager=kubectl-client-side-apply`,
        given(
          { a: '1', b: '2' },
          {
            annotations: { 'kubectl.kubernetes.io/last-applied-configuration': '{"data":{"a":"1","b":"2"}}' },
          },
        ),
      ),
    ),
    apply(MAP, 'kubectl', given({ a: '2' })),
  ],
  'values written in other forms': [
    apply(CRON, 'me', cron({ containers: [one({ resources: { limits: { cpu: 1, memory: '1024Mi' } } })] })),
    apply(
      CRON,
      'me',
      cron({ containers: [one({ resources: { limits: { cpu: '1000m', memory: '1Gi' } } })] }),
    ),
  ],
  'a strategic patch between two applies': [
    setup(apply(CRON, 'me', cron({ containers: [one({ env: [{ name: 'A', value: '1' }] })] }))),
    strategic(
      `${CRON}?fieldManager=hand`,
      cronPods({ containers: [{ name: 'one', env: [{ name: 'B', value: '2' }] }] }),
    ),
    apply(CRON, 'me', cron({ containers: [one()] })),
  ] satisfies Step[],
});
