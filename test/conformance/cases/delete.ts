/** delete: one and many, preconditions, grace, finalizers, propagation; and namespaces. */
import { area, del, get, mergePatch, METADATA_LIST, post, put, setup, TABLE, until } from '../case.js';
import type { Fields, Step } from '../case.js';
import {
  ACCOUNTS,
  CLAIMS,
  claim,
  CONFIG_MAPS,
  configMap,
  CRON_JOBS,
  cronJob,
  deployment,
  DEPLOYMENTS,
  namespace,
  NAMESPACES,
  pod,
  PODS,
  SECRETS,
  secret,
  serviceAccount,
  SERVICES,
  service,
} from './objects.js';

const MAP = `${CONFIG_MAPS}/a`;
const map: Step = setup(post(CONFIG_MAPS, configMap('a')));
const kept: Step = setup(post(CONFIG_MAPS, configMap('a', {}, { finalizers: ['example.com/wait'] })));
const release: Step = setup(mergePatch(MAP, { metadata: { finalizers: null } }));
/** An owner, and the one that depends on it. */
const family = (reference: Fields = {}, metadata: Fields = {}): Step[] => {
  const owner = { apiVersion: 'v1', kind: 'ConfigMap', name: 'owner', uid: '{owner}', ...reference };
  return [
    setup(post(CONFIG_MAPS, configMap('owner'), { save: { owner: 'metadata.uid' } })),
    setup(post(CONFIG_MAPS, configMap('a', {}, { ...metadata, ownerReferences: [owner] }))),
  ];
};
const options = (more: object): never => ({ apiVersion: 'v1', kind: 'DeleteOptions', ...more }) as never;
const labelled = (name: string, set: string): Step =>
  setup(post(SECRETS, secret(name, {}, { labels: { set } })));

export const deleting = [
  ...area('delete', {
    'a ConfigMap': [map, del(MAP), get(MAP)],
    'kinds that answer the object': [
      setup(post(SERVICES, service('a', { spec: { ports: [{ port: 80 }] } }))),
      setup(post(ACCOUNTS, serviceAccount('a'))),
      setup(post(PODS, pod('a'))),
      del(`${SERVICES}/a`),
      del(`${ACCOUNTS}/a`),
      del(`${PODS}/a`),
    ],
    'kinds that answer a Status': [
      setup(post(CRON_JOBS, cronJob('a'))),
      setup(post(SECRETS, secret('a'))),
      del(`${CRON_JOBS}/a`),
      del(`${SECRETS}/a`),
    ],
    'a claim that is protected': [
      setup(
        post(
          CLAIMS,
          claim(
            'a',
            {
              spec: {
                storageClassName: 'none',
                accessModes: ['ReadWriteOnce'],
                resources: { requests: { storage: '1G' } },
              },
            },
            { finalizers: ['example.com/wait'] },
          ),
        ),
      ),
      del(`${CLAIMS}/a`),
      setup(mergePatch(`${CLAIMS}/a`, { metadata: { finalizers: null } })),
    ],
    'what is not there': [del(MAP), del(`${CRON_JOBS}/none`)],
    dry: [map, del(`${MAP}?dryRun=All`), del(MAP, options({ dryRun: ['All'] })), get(MAP)],
    'of a uid': [
      setup(post(CONFIG_MAPS, configMap('a'), { save: { uid: 'metadata.uid' } })),
      del(MAP, options({ preconditions: { uid: 'ffffffff-0000-4000-8000-000000000000' } })),
      del(MAP, options({ preconditions: { uid: '{uid}' } })),
    ],
    'of a version': [
      setup(post(CONFIG_MAPS, configMap('a'), { save: { version: 'metadata.resourceVersion' } })),
      del(MAP, options({ preconditions: { resourceVersion: '1' } })),
      del(MAP, options({ preconditions: { resourceVersion: '{version}' } })),
    ],
    'waits for finalizers': [
      kept,
      del(MAP),
      get(MAP),
      mergePatch(MAP, { metadata: { finalizers: null } }),
      get(MAP),
    ],
    'twice while finalizers hold it': [kept, del(MAP), del(MAP), release],
    'and an update of what goes': [
      kept,
      setup(del(MAP)),
      mergePatch(MAP, { data: { k: 'v' } }),
      mergePatch(MAP, { metadata: { finalizers: ['example.com/wait', 'example.com/more'] } }),
      post(CONFIG_MAPS, configMap('a')),
      put(MAP, configMap('a')),
    ],
    'with a period of grace': [
      setup(post(PODS, pod('a'))),
      del(`${PODS}/a?gracePeriodSeconds=0`),
      setup(post(PODS, pod('b'))),
      del(`${PODS}/b`, options({ gracePeriodSeconds: 10 })),
      setup(post(PODS, pod('c', {}, { finalizers: ['example.com/wait'] }))),
      del(`${PODS}/c`, options({ gracePeriodSeconds: 10 })),
      setup(mergePatch(`${PODS}/c`, { metadata: { finalizers: null } })),
    ],
    'by policies': [
      kept,
      del(MAP, options({ propagationPolicy: 'Foreground' })),
      setup(mergePatch(MAP, { metadata: { finalizers: null } })),
      until(get(MAP), { code: 404 }),
      kept,
      del(MAP, options({ propagationPolicy: 'Background' })),
      release,
    ],
    'leaving the dependents': {
      steps: [
        kept,
        del(MAP, options({ propagationPolicy: 'Orphan' })),
        setup(mergePatch(MAP, { metadata: { finalizers: null } })),
      ],
      ignored: [],
    },
    'with options that cannot be': [
      map,
      del(MAP, options({ propagationPolicy: 'Maybe' })),
      del(`${MAP}?propagationPolicy=Maybe`),
      del(MAP, options({ propagationPolicy: 'Orphan', orphanDependents: true })),
      del(`${MAP}?gracePeriodSeconds=x`),
      del(`${MAP}?dryRun=Some`),
      del(MAP, options({ gracePeriodSeconds: 'x' })),
      del(MAP, 'not json'),
      del(MAP, { apiVersion: 'v1', kind: 'ConfigMap' }),
      del(MAP, []),
      del(MAP, options({ unknownField: 1 })),
    ],
    'as a Table': [map, del(MAP, undefined, { headers: TABLE })],
    'dependents go with their owner': [
      ...family(),
      del(`${CONFIG_MAPS}/owner`),
      until(get(MAP), { code: 404 }),
      get(MAP),
    ],
    'dependents that are left': [
      ...family(),
      setup(del(`${CONFIG_MAPS}/owner?propagationPolicy=Orphan`)),
      until(get(`${CONFIG_MAPS}/owner`), { code: 404 }),
      get(MAP),
    ],
    'the owner last': {
      steps: [
        ...family({ blockOwnerDeletion: true }, { finalizers: ['example.com/wait'] }),
        setup(del(`${CONFIG_MAPS}/owner?propagationPolicy=Foreground`)),
        until(get(MAP), { 'metadata.deletionGracePeriodSeconds': 0 }),
        get(`${CONFIG_MAPS}/owner`),
        release,
        until(get(`${CONFIG_MAPS}/owner`), { code: 404 }),
      ],
      ignored: [],
    },
    'a Deployment': [
      setup(post(DEPLOYMENTS, deployment('a', { paused: true }))),
      until(get(`${DEPLOYMENTS}/a`), { 'status.observedGeneration': 1 }),
      del(`${DEPLOYMENTS}/a?propagationPolicy=Background`),
      get(`${DEPLOYMENTS}/a`),
    ],
  }),
  ...area('delete collection', {
    'by label': [
      labelled('a', 'x'),
      labelled('b', 'x'),
      labelled('c', 'y'),
      del(`${SECRETS}?labelSelector=set%3Dx`),
      get(SECRETS, { headers: METADATA_LIST }),
    ],
    'by field': [labelled('a', 'x'), labelled('b', 'x'), del(`${SECRETS}?fieldSelector=metadata.name%3Da`)],
    nothing: [del(SECRETS)],
    dry: [labelled('a', 'x'), del(`${SECRETS}?dryRun=All`), get(SECRETS, { headers: METADATA_LIST })],
    'what finalizers hold': [
      setup(post(SECRETS, secret('a', {}, { finalizers: ['example.com/wait'] }))),
      del(SECRETS),
      get(`${SECRETS}/a`),
      setup(mergePatch(`${SECRETS}/a`, { metadata: { finalizers: null } })),
    ],
    'over all namespaces': [del('/api/v1/secrets')],
    'of malformed options': [
      del(SECRETS, 'not json'),
      del(`${SECRETS}?labelSelector=%3D`),
      del(`${SECRETS}?propagationPolicy=x`),
    ],
    'as Tables or metadata': [
      labelled('a', 'x'),
      labelled('b', 'y'),
      del(`${SECRETS}?labelSelector=set%3Dx`, undefined, { headers: METADATA_LIST }),
      del(SECRETS, undefined, { headers: TABLE }),
    ],
    'of Services': [setup(post(SERVICES, service('a', { spec: { ports: [{ port: 80 }] } }))), del(SERVICES)],
  }),
  ...area('namespaces', {
    'create, read and change': [
      post(NAMESPACES, namespace('{ns}-b', {}, { labels: { a: 'b' } })),
      get(`${NAMESPACES}/{ns}-b`),
      mergePatch(`${NAMESPACES}/{ns}-b`, { metadata: { labels: { a: null, c: 'd' } } }),
      setup(del(`${NAMESPACES}/{ns}-b`)),
    ],
    'the label of the name stays': [
      mergePatch(`${NAMESPACES}/{ns}`, { metadata: { labels: { 'kubernetes.io/metadata.name': 'other' } } }),
      mergePatch(`${NAMESPACES}/{ns}`, { metadata: { labels: null } }),
    ],
    goes: [
      setup(post(NAMESPACES, namespace('{ns}-b', { spec: { finalizers: ['example.com/mine'] } }))),
      del(`${NAMESPACES}/{ns}-b`),
      post('/api/v1/namespaces/{ns}-b/configmaps', configMap('b')),
      post('/apis/apps/v1/namespaces/{ns}-b/deployments', deployment('b')),
      post('/api/v1/namespaces/{ns}-b/configmaps', { metadata: { generateName: 'x-' } }),
      setup(put(`${NAMESPACES}/{ns}-b/finalize`, namespace('{ns}-b', { spec: { finalizers: [] } }))),
      until(get(`${NAMESPACES}/{ns}-b`), { code: 404 }),
    ],
    'that may not go': [del(`${NAMESPACES}/default?dryRun=All`), del(`${NAMESPACES}/kube-system?dryRun=All`)],
    'names that cannot be': [
      post(NAMESPACES, namespace('A')),
      post(NAMESPACES, namespace('a.b')),
      post(NAMESPACES, namespace('-a')),
      post(NAMESPACES, namespace('x'.repeat(64))),
    ],
    finalize: [
      setup(post(NAMESPACES, namespace('{ns}-b', { spec: { finalizers: ['example.com/mine'] } }))),
      get(`${NAMESPACES}/{ns}-b`),
      put(`${NAMESPACES}/{ns}-b/finalize`, namespace('{ns}-b', { spec: { finalizers: [] } })),
      setup(del(`${NAMESPACES}/{ns}-b`)),
    ],
    'as a whole': [del(NAMESPACES)],
  }),
];
