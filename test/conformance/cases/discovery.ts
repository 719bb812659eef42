/** Discovery, and who may what. */
import { area, get, HASH, post } from '../case.js';
import type { Json } from '../case.js';

const SELF = '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews';
const access = (spec: Json): Json => ({
  apiVersion: 'authorization.k8s.io/v1',
  kind: 'SelfSubjectAccessReview',
  spec,
});
const resource = (resourceAttributes: Json): Json => access({ resourceAttributes });

export const discovery = [
  ...area('discovery', {
    'the core versions': [get('/api')],
    'a group': [get('/apis/apps'), get('/apis/batch'), get('/apis/policy')],
    'the resources of a group': {
      steps: [
        get('/apis/apps/v1'),
        get('/apis/batch/v1'),
        get('/apis/policy/v1'),
        get('/apis/autoscaling/v2'),
        get('/apis/coordination.k8s.io/v1'),
        get('/apis/discovery.k8s.io/v1'),
        get('/apis/rbac.authorization.k8s.io/v1'),
      ],
      ignored: [HASH],
    },
    'in other media types': [
      get('/apis/apps/v1', { headers: { accept: 'text/html' } }),
      get('/api', { headers: { accept: '*/*' } }),
    ],
  }),
  ...area('reviews', {
    'may I': [
      post(SELF, resource({ namespace: '{ns}', verb: 'create', group: 'apps', resource: 'deployments' })),
      post(SELF, resource({ verb: '*', group: '*', resource: '*' })),
      post(SELF, access({ nonResourceAttributes: { path: '/healthz', verb: 'get' } })),
    ],
    'questions that are none': [
      post(SELF, access({})),
      post(SELF, {
        spec: { resourceAttributes: { verb: 'get' }, nonResourceAttributes: { path: '/', verb: 'get' } },
      }),
      post(SELF, {}),
      get(SELF),
    ],
    'what may I': [
      post('/apis/authorization.k8s.io/v1/selfsubjectrulesreviews', { spec: { namespace: '{ns}' } }),
      post('/apis/authorization.k8s.io/v1/selfsubjectrulesreviews', { spec: {} }),
    ],
    'may another': [
      post('/apis/authorization.k8s.io/v1/subjectaccessreviews', {
        spec: {
          groups: ['system:masters'],
          user: 'x',
          resourceAttributes: { verb: 'get', resource: 'pods' },
        },
      }),
      post('/apis/authorization.k8s.io/v1/subjectaccessreviews', {
        spec: { resourceAttributes: { verb: 'get' } },
      }),
      post('/apis/authorization.k8s.io/v1/namespaces/{ns}/localsubjectaccessreviews', {
        spec: {
          groups: ['system:masters'],
          user: 'x',
          resourceAttributes: { verb: 'get', resource: 'pods', namespace: '{ns}' },
        },
      }),
      post('/apis/authorization.k8s.io/v1/namespaces/{ns}/localsubjectaccessreviews', {
        spec: { user: 'x', resourceAttributes: { verb: 'get', resource: 'pods', namespace: 'other' } },
      }),
    ],
  }),
];
