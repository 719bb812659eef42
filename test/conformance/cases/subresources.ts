/** status, scale, eviction, binding and logs. */
import { apply, area, del, get, jsonPatch, mergePatch, post, put, setup, strategic, until } from '../case.js';
import type { Step } from '../case.js';
import {
  budget,
  BUDGETS,
  CONFIG_MAPS,
  configMap,
  CRON_JOBS,
  cronJob,
  deployment,
  DEPLOYMENTS,
  INGRESSES,
  ingress,
  job,
  JOBS,
  pod,
  PODS,
  REPLICA_SETS,
  SERVICES,
  service,
  statefulSet,
  STATEFUL_SETS,
} from './objects.js';

const POD = `${PODS}/a`;
const bare: Step = setup(post(PODS, pod('a')));
const INGRESS = `${INGRESSES}/a`;
const backend = { spec: { defaultBackend: { service: { name: 's', port: { number: 80 } } } } };
const paused: Step[] = [
  setup(post(DEPLOYMENTS, deployment('a', { paused: true }))),
  until(get(`${DEPLOYMENTS}/a`), { 'status.observedGeneration': 1 }),
];
const sets: Step[] = [
  setup(post(STATEFUL_SETS, statefulSet('a'))),
  until(get(`${STATEFUL_SETS}/a`), { 'status.observedGeneration': 1 }),
];
const scale = (name: string, replicas?: number, metadata = {}): object => ({
  apiVersion: 'autoscaling/v1',
  kind: 'Scale',
  metadata: { name, ...metadata },
  spec: { ...(replicas !== undefined && { replicas }) },
});

export const subresources = [
  ...area('status', {
    'changes the status alone': [
      setup(post(INGRESSES, ingress('a', backend))),
      put(
        `${INGRESS}/status`,
        ingress(
          'a',
          { ...backend, spec: {}, status: { loadBalancer: { ingress: [{ ip: '1.2.3.4' }] } } },
          { labels: { a: 'b' } },
        ),
      ),
      get(`${INGRESS}/status`),
    ],
    'is not changed with the object': [
      setup(
        post(
          INGRESSES,
          ingress('a', { ...backend, status: { loadBalancer: { ingress: [{ ip: '1.2.3.4' }] } } }),
        ),
      ),
      mergePatch(INGRESS, { status: { loadBalancer: { ingress: [{ ip: '1.2.3.4' }] } } }),
    ],
    'by patches': [
      bare,
      strategic(`${POD}/status`, { status: { conditions: [{ type: 'example.com/x', status: 'True' }] } }),
      strategic(`${POD}/status`, {
        status: { conditions: [{ type: 'example.com/y', status: 'False' }], phase: 'Failed', reason: 'Why' },
      }),
      mergePatch(`${POD}/status`, { status: { message: 'because' }, spec: { nodeName: 'x' } }),
      jsonPatch(`${POD}/status`, [{ op: 'remove', path: '/status/message' }]),
    ],
    'by apply': [
      setup(post(INGRESSES, ingress('a', backend))),
      apply(
        `${INGRESS}/status`,
        'me',
        ingress('a', { status: { loadBalancer: { ingress: [{ hostname: 'h' }] } } }),
      ),
      apply(`${INGRESS}/status`, 'me', ingress('a', { status: {} })),
    ],
    'of a CronJob': [
      setup(post(CRON_JOBS, cronJob('a'))),
      mergePatch(`${CRON_JOBS}/a/status`, { status: { lastScheduleTime: '2020-01-01T00:00:00Z' } }),
    ],
    'of a Service': [
      setup(post(SERVICES, service('a', { spec: { ports: [{ port: 80 }] } }))),
      mergePatch(`${SERVICES}/a/status`, { status: { loadBalancer: { ingress: [{ ip: '1.2.3.4' }] } } }),
      mergePatch(`${SERVICES}/a/status`, {
        status: {
          conditions: [
            {
              type: 'Ready',
              status: 'True',
              reason: 'Yes',
              message: '',
              lastTransitionTime: '2020-01-01T00:00:00Z',
            },
          ],
        },
      }),
    ],
    'of a Job, with its rules': [
      setup(post(JOBS, job('a'))),
      mergePatch(`${JOBS}/a/status`, { status: { active: 1, ready: 0, startTime: '2020-01-01T00:00:00Z' } }),
      mergePatch(`${JOBS}/a/status`, { status: { failed: -1 } }),
    ],
    'of kinds without one': [
      setup(post(CONFIG_MAPS, configMap('a'))),
      get(`${CONFIG_MAPS}/a/status`),
      put(`${CONFIG_MAPS}/a/status`, configMap('a')),
    ],
    'of an object that is not there': [get(`${POD}/status`), put(`${POD}/status`, pod('a'))],
    'by other methods': [bare, post(`${POD}/status`, pod('a')), del(`${POD}/status`)],
  }),
  ...area('scale', {
    'of a Deployment': [...paused, get(`${DEPLOYMENTS}/a/scale`)],
    'of a StatefulSet': [...sets, get(`${STATEFUL_SETS}/a/scale`)],
    'by an update': {
      steps: [
        ...paused,
        put(`${DEPLOYMENTS}/a/scale?dryRun=All`, scale('a', 3) as never),
        mergePatch(`${DEPLOYMENTS}/a/scale?dryRun=All`, { spec: { replicas: 2 } }),
      ],
      ignored: [],
    },
    'that really happens': [
      ...paused,
      mergePatch(`${DEPLOYMENTS}/a/scale`, { spec: { replicas: 2 } }),
      until(get(`${DEPLOYMENTS}/a`), { 'status.observedGeneration': 2 }),
      get(`${DEPLOYMENTS}/a`),
    ],
    'by a JSON patch, as kubectl may': [
      ...paused,
      jsonPatch(`${DEPLOYMENTS}/a/scale?dryRun=All`, [{ op: 'replace', path: '/spec/replicas', value: 4 }]),
    ],
    'to what cannot be': [
      ...paused,
      put(`${DEPLOYMENTS}/a/scale`, scale('a', -1) as never),
      put(`${DEPLOYMENTS}/a/scale`, scale('b', 1) as never),
      put(`${DEPLOYMENTS}/a/scale`, scale('a', 1, { resourceVersion: '1' }) as never),
      put(`${DEPLOYMENTS}/a/scale`, deployment('a')),
    ],
    'without a number': [...paused, put(`${DEPLOYMENTS}/a/scale?dryRun=All`, scale('a') as never)],
    'of what is not there': [
      get(`${DEPLOYMENTS}/none/scale`),
      mergePatch(`${REPLICA_SETS}/none/scale`, { spec: { replicas: 1 } }),
    ],
    'of kinds without one': [bare, get(`${POD}/scale`)],
  }),
  ...area('eviction', {
    'of a pod': [
      bare,
      post(`${POD}/eviction`, { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name: 'a' } }),
      get(POD),
    ],
    dry: [
      bare,
      post(`${POD}/eviction`, {
        apiVersion: 'policy/v1',
        kind: 'Eviction',
        metadata: { name: 'a' },
        deleteOptions: { dryRun: ['All'] },
      }),
      post(`${POD}/eviction?dryRun=All`, {
        apiVersion: 'policy/v1',
        kind: 'Eviction',
        metadata: { name: 'a' },
      }),
      until(get(POD), { code: 200 }),
    ],
    'with preconditions': [
      bare,
      post(`${POD}/eviction`, {
        apiVersion: 'policy/v1',
        kind: 'Eviction',
        metadata: { name: 'a' },
        deleteOptions: { preconditions: { uid: 'other' } },
      }),
    ],
    'under another name': [
      bare,
      post(`${POD}/eviction`, { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name: 'b' } }),
      post(`${POD}/eviction`, {}),
    ],
    'of what is not there': [
      post(`${POD}/eviction`, { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name: 'a' } }),
    ],
    'in another form': [
      bare,
      post(`${POD}/eviction`, { apiVersion: 'v1', kind: 'Eviction', metadata: { name: 'a' } }),
      get(`${POD}/eviction`),
    ],
    'against a budget': [
      setup(post(PODS, pod('a', {}, { labels: { app: 'a' } }))),
      setup(
        strategic(`${POD}/status`, {
          status: { phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] },
        }),
      ),
      setup(
        post(BUDGETS, budget('a', { spec: { minAvailable: 1, selector: { matchLabels: { app: 'a' } } } })),
      ),
      until(get(`${BUDGETS}/a`), { 'status.observedGeneration': 1, 'status.currentHealthy': 1 }),
      post(`${POD}/eviction`, { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name: 'a' } }),
      until(get(POD), { code: 200 }),
    ],
  }),
  ...area('logs', {
    'of a pod that runs nowhere': [bare, get(`${POD}/log`)],
    'of a pod that is not there': [get(`${POD}/log`)],
    'of a container that is not there': [bare, get(`${POD}/log?container=other`)],
    'of one of several containers': [
      setup(
        post(
          PODS,
          pod('a', {
            containers: [
              { name: 'x', image: 'x' },
              { name: 'y', image: 'y' },
            ],
            initContainers: [{ name: 'i', image: 'i' }],
          }),
        ),
      ),
      get(`${POD}/log`),
    ],
    'with numbers that cannot be': [
      bare,
      get(`${POD}/log?tailLines=-1`),
      get(`${POD}/log?tailLines=x`),
      get(`${POD}/log?limitBytes=0`),
      get(`${POD}/log?sinceSeconds=0`),
      get(`${POD}/log?sinceSeconds=-5&limitBytes=-1`),
      get(`${POD}/log?sinceSeconds=5&sinceTime=2020-01-01T00:00:00Z`),
      get(`${POD}/log?sinceTime=yesterday`),
    ],
    'by another method': [bare, post(`${POD}/log`, {})],
  }),
  ...area('binding', {
    'to a node that takes nothing': [
      bare,
      post(`${POD}/binding?dryRun=All`, {
        apiVersion: 'v1',
        kind: 'Binding',
        metadata: { name: 'a' },
        target: { kind: 'Node', name: 'x' },
      }),
      post(`${POD}/binding`, {
        apiVersion: 'v1',
        kind: 'Binding',
        metadata: { name: 'a' },
        target: { kind: 'Node' },
      }),
      post(`${POD}/binding`, { metadata: { name: 'a' }, target: { kind: 'Other', name: 'x' } }),
      post(`${POD}/binding`, { metadata: { name: 'a' }, target: { kind: 'Other' } }),
      post(`${POD}/binding?dryRun=All`, { metadata: { name: 'a' }, target: { name: 'x' } }),
    ],
    'of what is not there': [
      post(`${POD}/binding`, {
        apiVersion: 'v1',
        kind: 'Binding',
        metadata: { name: 'a' },
        target: { kind: 'Node', name: 'x' },
      }),
    ],
  }),
];
