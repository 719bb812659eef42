/** update, and the fields that must stay as they are. */
import { area, get, mergePatch, post, put, setup, until } from '../case.js';
import type { Fields, Step } from '../case.js';
import {
  binding,
  BINDINGS,
  claim,
  CLAIMS,
  CONFIG_MAPS,
  configMap,
  CRON_JOBS,
  cronJob,
  deployment,
  DEPLOYMENTS,
  job,
  JOBS,
  lease,
  LEASES,
  pod,
  PODS,
  role,
  ROLES,
  secret,
  SECRETS,
  service,
  SERVICES,
  statefulSet,
  STATEFUL_SETS,
} from './objects.js';

/** Creates an object and waits until its controller has seen it. */
const settled = (path: string, object: Fields): Step[] => [
  setup(post(path, object)),
  until(get(`${path}/a`), { 'status.observedGeneration': 1 }),
];

export const updating = area('update', {
  'a ConfigMap': [
    setup(post(CONFIG_MAPS, configMap('a', { data: { k: 'v' } }, { labels: { a: 'b' } }))),
    put(`${CONFIG_MAPS}/a`, configMap('a', { data: { k: 'w', l: 'm' } })),
    put(`${CONFIG_MAPS}/a`, configMap('a')),
  ],
  'of a version': [
    setup(post(CONFIG_MAPS, configMap('a'), { save: { version: 'metadata.resourceVersion' } })),
    put(`${CONFIG_MAPS}/a`, configMap('a', { data: { k: 'v' } }, { resourceVersion: '{version}' })),
    put(`${CONFIG_MAPS}/a`, configMap('a', { data: { k: 'w' } }, { resourceVersion: '{version}' })),
    put(`${CONFIG_MAPS}/a`, configMap('a', {}, { resourceVersion: 'x' })),
  ],
  'of another uid': [
    setup(post(CONFIG_MAPS, configMap('a'))),
    put(`${CONFIG_MAPS}/a`, configMap('a', {}, { uid: 'ffffffff-0000-4000-8000-000000000000' })),
  ],
  'that changes nothing': [
    setup(post(CONFIG_MAPS, configMap('a', { data: { k: 'v' } }))),
    put(`${CONFIG_MAPS}/a`, configMap('a', { data: { k: 'v' } })),
    get(`${CONFIG_MAPS}/a`),
  ],
  'of an object that is not there': [
    put(`${CONFIG_MAPS}/a`, configMap('a')),
    put(`${LEASES}/a`, lease('a', { spec: { holderIdentity: 'me' } })),
    put(`${ROLES}/a`, role('a')),
    put(`${DEPLOYMENTS}/a`, deployment('a')),
    put('/api/v1/namespaces/none-of-them/configmaps/a', configMap('a')),
  ],
  'under another name': [
    setup(post(CONFIG_MAPS, configMap('a'))),
    put(`${CONFIG_MAPS}/a`, configMap('b')),
    put(`${CONFIG_MAPS}/a`, { apiVersion: 'v1', kind: 'ConfigMap' }),
    put(`${CONFIG_MAPS}/a`, configMap('a', {}, { namespace: 'other' })),
  ],
  dry: [
    setup(post(CONFIG_MAPS, configMap('a'))),
    put(`${CONFIG_MAPS}/a?dryRun=All`, configMap('a', { data: { k: 'v' } })),
    get(`${CONFIG_MAPS}/a`),
  ],
  'two managers': [
    setup(post(`${CONFIG_MAPS}?fieldManager=one`, configMap('a', { data: { a: '1', b: '2' } }))),
    put(`${CONFIG_MAPS}/a?fieldManager=two`, configMap('a', { data: { a: '1', b: '3', c: '4' } })),
    put(`${CONFIG_MAPS}/a?fieldManager=three`, configMap('a', { data: { c: '4' } })),
  ],
  "metadata that is the server's": [
    setup(post(CONFIG_MAPS, configMap('a'))),
    put(
      `${CONFIG_MAPS}/a`,
      configMap(
        'a',
        {},
        {
          creationTimestamp: '2020-01-01T00:00:00Z',
          generation: 5,
          deletionTimestamp: '2020-01-01T00:00:00Z',
        },
      ),
    ),
  ],
  'managed fields that are cleared': [
    setup(post(CONFIG_MAPS, configMap('a', { data: { k: 'v' } }))),
    put(`${CONFIG_MAPS}/a`, configMap('a', { data: { k: 'v' } }, { managedFields: [{}] })),
    put(`${CONFIG_MAPS}/a`, configMap('a', { data: { k: 'v' } }, { managedFields: [] })),
  ],
  'an immutable ConfigMap': [
    setup(post(CONFIG_MAPS, configMap('a', { immutable: true, data: { k: 'v' } }))),
    put(`${CONFIG_MAPS}/a`, configMap('a', { immutable: true, data: { k: 'w' } })),
    put(
      `${CONFIG_MAPS}/a`,
      configMap('a', { immutable: false, data: { k: 'v' }, binaryData: { b: 'AAE=' } }),
    ),
    put(`${CONFIG_MAPS}/a`, configMap('a', { immutable: true, data: { k: 'v' } }, { labels: { a: 'b' } })),
  ],
  'the type of a Secret': [
    setup(post(SECRETS, secret('a'))),
    put(`${SECRETS}/a`, secret('a', { type: 'other' })),
    put(`${SECRETS}/a`, secret('a', { data: { k: 'dg==' } })),
  ],
  'the selector of a Deployment': {
    steps: [
      ...settled(DEPLOYMENTS, deployment('a', { paused: true })),
      put(`${DEPLOYMENTS}/a`, deployment('a', { selector: { matchLabels: { app: 'b' } } })),
    ],
    ignored: [],
  },
  'the completions of a Job': [
    setup(post(JOBS, job('a'))),
    mergePatch(`${JOBS}/a`, { spec: { completions: 3 } }),
    mergePatch(`${JOBS}/a`, { spec: { completionMode: 'Indexed' } }),
  ],
  'the parallelism of a Job': [
    setup(post(JOBS, job('a'))),
    mergePatch(`${JOBS}/a`, { spec: { parallelism: 4, activeDeadlineSeconds: 5 } }),
  ],
  'the claims of a StatefulSet': [
    ...settled(STATEFUL_SETS, statefulSet('a')),
    put(`${STATEFUL_SETS}/a`, statefulSet('a', { serviceName: 'other', podManagementPolicy: 'Parallel' })),
  ],
  'the role of a RoleBinding': [
    setup(post(BINDINGS, binding('a', { roleRef: { kind: 'Role', name: 'x' } }))),
    put(`${BINDINGS}/a`, binding('a', { roleRef: { kind: 'Role', name: 'y' } })),
  ],
  'a claim': [
    setup(
      post(
        CLAIMS,
        claim('a', {
          spec: {
            storageClassName: 'none',
            accessModes: ['ReadWriteOnce'],
            resources: { requests: { storage: '1G' } },
          },
        }),
      ),
    ),
    put(
      `${CLAIMS}/a`,
      claim('a', {
        spec: {
          storageClassName: 'other',
          accessModes: ['ReadWriteMany'],
          resources: { requests: { storage: '2G' } },
        },
      }),
    ),
  ],
  'a pod': [
    setup(post(PODS, pod('a'))),
    put(`${PODS}/a`, pod('a', { containers: [{ name: 'main', image: 'example.com/app:2' }] })),
    put(
      `${PODS}/a`,
      pod('a', { containers: [{ name: 'main', image: 'example.com/app:2', command: ['x'] }] }),
    ),
    put(
      `${PODS}/a`,
      pod('a', {
        containers: [
          { name: 'main', image: 'example.com/app:2' },
          { name: 'more', image: 'x' },
        ],
      }),
    ),
    put(
      `${PODS}/a`,
      pod('a', { restartPolicy: 'Never', containers: [{ name: 'main', image: 'example.com/app:2' }] }),
    ),
  ],
  'a Service keeps its address': [
    setup(post(SERVICES, service('a', { spec: { ports: [{ port: 80 }] } }))),
    put(`${SERVICES}/a`, service('a', { spec: { ports: [{ port: 81 }] } })),
    put(`${SERVICES}/a`, service('a', { spec: { clusterIP: '10.0.0.250', ports: [{ port: 81 }] } })),
    put(`${SERVICES}/a`, service('a', { spec: { clusterIP: 'None', ports: [{ port: 81 }] } })),
  ],
  'a Service that changes its type': [
    setup(post(SERVICES, service('a', { spec: { ports: [{ port: 80 }] } }))),
    put(`${SERVICES}/a`, service('a', { spec: { type: 'NodePort', ports: [{ port: 80 }] } })),
    put(`${SERVICES}/a`, service('a', { spec: { type: 'ClusterIP', ports: [{ port: 80 }] } })),
    put(`${SERVICES}/a`, service('a', { spec: { type: 'ExternalName', externalName: 'example.com' } })),
  ],
  'a Lease without a version': [
    setup(post(LEASES, lease('a'), { save: { version: 'metadata.resourceVersion' } })),
    put(`${LEASES}/a`, lease('a', { spec: { holderIdentity: 'me' } })),
    put(`${LEASES}/a`, lease('a', { spec: { holderIdentity: 'me' } }, { resourceVersion: '{version}' })),
  ],
  'the generation counts changes of the spec': [
    setup(post(CRON_JOBS, cronJob('a'))),
    put(`${CRON_JOBS}/a`, { ...cronJob('a'), metadata: { name: 'a', labels: { a: 'b' } } }),
    put(`${CRON_JOBS}/a`, cronJob('a', {}, { schedule: '1 1 1 1 1' })),
  ],
});
