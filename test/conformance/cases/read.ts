/** get and list. */
import { area, del, get, METADATA, METADATA_LIST, post, setup, TABLE } from '../case.js';
import type { Call } from '../case.js';
import {
  CONFIG_MAPS,
  configMap,
  CRON_JOBS,
  cronJob,
  NAMESPACES,
  pod,
  PODS,
  SECRETS,
  secret,
} from './objects.js';

/** Five Secrets with labels to choose by. */
const FIVE: Call[] = [
  ['a', { app: 'web', tier: 'front' }],
  ['b', { app: 'web', tier: 'back' }],
  ['c', { app: 'db' }],
  ['d', { other: 'x', app: 'db' }],
  ['e', { test: 'none' }],
].map(([name, labels]) =>
  setup(post(SECRETS, secret(name as string, {}, { labels: { set: 'five', ...(labels as object) } }))),
);
const selected = (selector: string): Call =>
  get(`${SECRETS}?labelSelector=${encodeURIComponent(`set=five${selector}`)}`, {
    headers: METADATA_LIST,
  });

export const reading = [
  ...area('get', {
    'a ConfigMap': [setup(post(CONFIG_MAPS, configMap('a', { data: { k: 'v' } }))), get(`${CONFIG_MAPS}/a`)],
    'an object that is not there': [get(`${CONFIG_MAPS}/none`), get(`${CRON_JOBS}/none`)],
    'a namespace that is not there': [
      get('/api/v1/namespaces/none-of-them'),
      get('/api/v1/namespaces/none-of-them/configmaps/a'),
      get('/api/v1/namespaces/none-of-them/configmaps', { headers: METADATA_LIST }),
    ],
    'its metadata alone': [
      setup(post(CONFIG_MAPS, configMap('a', { data: { k: 'v' } }, { labels: { a: 'b' } }))),
      get(`${CONFIG_MAPS}/a`, { headers: METADATA }),
    ],
    'a resource version that is 0, past or malformed': [
      setup(post(CONFIG_MAPS, configMap('a'))),
      get(`${CONFIG_MAPS}/a?resourceVersion=0`),
      get(`${CONFIG_MAPS}/a?resourceVersion=1`),
      get(`${CONFIG_MAPS}/a?resourceVersion=x`),
    ],
    'a CronJob': [setup(post(CRON_JOBS, cronJob('a'))), get(`${CRON_JOBS}/a`)],
    'a pod': [setup(post(PODS, pod('a'))), get(`${PODS}/a`)],
    'media types that are not served': [
      setup(post(CONFIG_MAPS, configMap('a'))),
      get(`${CONFIG_MAPS}/a`, { headers: { accept: 'text/html' } }),
      get(`${CONFIG_MAPS}/a`, { headers: { accept: 'text/html,application/json;q=0.5' } }),
      get(`${CONFIG_MAPS}/a`, { headers: { accept: '*/*' } }),
    ],
    'an object in YAML': [
      setup(post(CONFIG_MAPS, configMap('a', { data: { k: 'v', lines: 'a\nb\n', no: 'no', n: '1' } }))),
      get(`${CONFIG_MAPS}/a`, { headers: { accept: 'application/yaml' } }),
    ],
    'an indented answer': [
      setup(post(CONFIG_MAPS, configMap('a'))),
      get(`${CONFIG_MAPS}/a?pretty=true`, { headers: METADATA }),
    ],
    'a query that it does not know': [
      setup(post(CONFIG_MAPS, configMap('a'))),
      get(`${CONFIG_MAPS}/a?nothing=1`),
    ],
  }),
  ...area('list', {
    nothing: [get(SECRETS), get('/apis/apps/v1/namespaces/{ns}/deployments')],
    'whole objects': [
      setup(post(SECRETS, secret('b', { stringData: { k: 'v' } }))),
      setup(post(SECRETS, secret('a'))),
      get(SECRETS),
    ],
    'by equality of labels': [...FIVE, selected(',app=web'), selected(',app==db'), selected(',app!=web')],
    'by sets of labels': [
      ...FIVE,
      selected(',app in (web, db),tier notin (front)'),
      selected(',app'),
      selected(',!app'),
      selected(',app in ()'),
      selected(',app notin (web)'),
    ],
    'by a malformed label selector': [
      get(`${CONFIG_MAPS}?labelSelector=${encodeURIComponent('a==')}b=c`),
      get(`${CONFIG_MAPS}?labelSelector=${encodeURIComponent('a in (b')}`),
      get(`${CONFIG_MAPS}?labelSelector=${encodeURIComponent('=x')}`),
      get(`${CONFIG_MAPS}?labelSelector=${encodeURIComponent('-a-=x')}`),
      get(`${CONFIG_MAPS}?labelSelector=${encodeURIComponent('a=b c')}`),
      get(`${CONFIG_MAPS}?labelSelector=${encodeURIComponent('a in b')}`),
      get(`${CONFIG_MAPS}?labelSelector=${encodeURIComponent('a=-b-')}`),
      get(`${CONFIG_MAPS}?labelSelector=${encodeURIComponent('a>x')}`),
    ],
    'by name': [
      ...FIVE,
      get(`${SECRETS}?fieldSelector=metadata.name%3Db`, { headers: METADATA_LIST }),
      get(`${SECRETS}?fieldSelector=metadata.name%3Db,metadata.namespace%3D{ns}`, {
        headers: METADATA_LIST,
      }),
      get(`${SECRETS}?labelSelector=set%3Dfive&fieldSelector=metadata.name!%3Db`, {
        headers: METADATA_LIST,
      }),
    ],
    'pods by their fields': [
      setup(post(PODS, pod('a', { restartPolicy: 'Never' }))),
      setup(post(PODS, pod('b'))),
      get(`${PODS}?fieldSelector=spec.restartPolicy%3DNever`, { headers: METADATA_LIST }),
      get(`${PODS}?fieldSelector=status.phase%3DPending,spec.restartPolicy!%3DNever`, {
        headers: METADATA_LIST,
      }),
      get(`${PODS}?fieldSelector=spec.nodeName%3D`, { headers: METADATA_LIST }),
    ],
    'by a field that is no label': [
      get(`${CONFIG_MAPS}?fieldSelector=data.k%3Dv`),
      get(`${PODS}?fieldSelector=spec.containers%3Dx`),
      get(`${PODS}?fieldSelector=metadata.name`),
      get('/apis/apps/v1/namespaces/{ns}/deployments?fieldSelector=spec.replicas%3D1'),
    ],
    'in pages': [
      ...FIVE,
      get(`${SECRETS}?limit=2`, { headers: METADATA_LIST, save: { next: 'metadata.continue' } }),
      get(`${SECRETS}?limit=2&continue={next}`, {
        headers: METADATA_LIST,
        save: { next: 'metadata.continue' },
      }),
      get(`${SECRETS}?limit=3&continue={next}`, { headers: METADATA_LIST }),
    ],
    'in pages, by labels': [
      ...FIVE,
      get(`${SECRETS}?limit=2&labelSelector=set%3Dfive`, {
        headers: METADATA_LIST,
        save: { next: 'metadata.continue' },
      }),
      get(`${SECRETS}?labelSelector=set%3Dfive&continue={next}`, { headers: METADATA_LIST }),
    ],
    'pages show one state': [
      ...FIVE,
      setup(get(`${SECRETS}?limit=2&labelSelector=set%3Dfive`, { save: { next: 'metadata.continue' } })),
      setup(del(`${SECRETS}/d`)),
      setup(post(SECRETS, secret('f', {}, { labels: { set: 'five' } }))),
      get(`${SECRETS}?labelSelector=set%3Dfive&continue={next}`, { headers: METADATA_LIST }),
    ],
    'a page of a malformed token': [
      get(`${CONFIG_MAPS}?limit=2&continue=abc`),
      get(`${CONFIG_MAPS}?limit=2&continue=e30`),
      get(`${CONFIG_MAPS}?limit=2&continue=x`),
      get(`${CONFIG_MAPS}?limit=2&continue=ab!`),
      get(`${CONFIG_MAPS}?limit=2&continue=e30=`),
    ],
    'a token with a resource version': [
      ...FIVE,
      setup(
        get(`${SECRETS}?limit=2`, {
          save: { next: 'metadata.continue', version: 'metadata.resourceVersion' },
        }),
      ),
      get(`${SECRETS}?limit=2&continue={next}&resourceVersion={version}`),
    ],
    'exactly a version': [
      ...FIVE,
      setup(get(`${SECRETS}?limit=1`, { save: { version: 'metadata.resourceVersion' } })),
      setup(del(`${SECRETS}/d`)),
      get(`${SECRETS}?labelSelector=set%3Dfive&resourceVersion={version}&resourceVersionMatch=Exact`, {
        headers: METADATA_LIST,
      }),
      get(`${SECRETS}?labelSelector=set%3Dfive&resourceVersion={version}&resourceVersionMatch=NotOlderThan`, {
        headers: METADATA_LIST,
      }),
    ],
    'versions and matches that do not go together': [
      get(`${CONFIG_MAPS}?resourceVersionMatch=Exact`),
      get(`${CONFIG_MAPS}?resourceVersionMatch=Exact&resourceVersion=0`),
      get(`${CONFIG_MAPS}?resourceVersionMatch=Other&resourceVersion=1`),
      get(`${CONFIG_MAPS}?resourceVersion=x`),
      get(`${CONFIG_MAPS}?sendInitialEvents=true`),
    ],
    'numbers that are none': [
      get(`${CONFIG_MAPS}?limit=x`),
      get(`${CONFIG_MAPS}?timeoutSeconds=x`),
      get(`${CONFIG_MAPS}?limit=-1&labelSelector=set%3Dfive`, { headers: METADATA_LIST }),
      get(`${CONFIG_MAPS}?watch=maybe&timeoutSeconds=1&labelSelector=set%3Dfive`),
    ],
    'of a version that is deprecated': [
      get('/api/v1/namespaces/{ns}/endpoints'),
      get('/api/v1/namespaces/{ns}/endpoints/none'),
      get('/api/v1/namespaces/{ns}/endpoints?watch=true&timeoutSeconds=1&resourceVersion=0'),
      del('/api/v1/namespaces/{ns}/endpoints/none'),
      post('/api/v1/namespaces/{ns}/endpoints?dryRun=All', { metadata: { name: 'a' } }),
      get('/api/v1/namespaces/{ns}/endpoints/none', { headers: TABLE }),
    ],
    'over all namespaces': [
      setup(post(CONFIG_MAPS, configMap('a', {}, { labels: { where: '{ns}' } }))),
      get('/api/v1/configmaps?labelSelector=where%3D{ns}', { headers: METADATA_LIST }),
      get('/api/v1/configmaps?fieldSelector=metadata.namespace%3D{ns},metadata.name%3Da', {
        headers: METADATA_LIST,
      }),
    ],
    'namespaces by label': [
      get(`${NAMESPACES}?labelSelector=kubernetes.io/metadata.name%3D{ns}`, { headers: METADATA_LIST }),
      get(`${NAMESPACES}?labelSelector=kubernetes.io/metadata.name%3D{ns}`),
    ],
    'as a Table': [...FIVE, get(`${SECRETS}?labelSelector=set%3Dfive`, { headers: TABLE })],
  }),
];
