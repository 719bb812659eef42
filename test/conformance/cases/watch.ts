/** watch. */
import { area, del, events, get, mergePatch, METADATA, post, put, setup, TABLE, watch } from '../case.js';
import type { Call } from '../case.js';
import { CONFIG_MAPS, configMap, PODS, pod, SECRETS, secret } from './objects.js';

/** A version before the case's own objects. */
const START: Call = setup(get(`${SECRETS}?limit=1`, { save: { version: 'metadata.resourceVersion' } }));
const make = (name: string, labels: Record<string, string> = {}): Call =>
  setup(post(SECRETS, secret(name, {}, { labels: { set: 'x', ...labels } })));
const label = (name: string, value: string | null): Call =>
  setup(mergePatch(`${SECRETS}/${name}`, { metadata: { labels: { app: value } } }));

export const watching = area('watch', {
  'from a version': [
    make('before'),
    START,
    watch('w', `${SECRETS}?watch=true&resourceVersion={version}`),
    make('a'),
    label('a', 'x'),
    setup(del(`${SECRETS}/a`)),
    events('w', 3),
  ],
  'from a version that is past already': [
    START,
    make('a'),
    label('a', 'x'),
    setup(del(`${SECRETS}/a`)),
    watch('w', `${SECRETS}?watch=1&resourceVersion={version}`),
    events('w', 3),
  ],
  'from 0': [
    make('a'),
    make('b'),
    watch('w', `${SECRETS}?watch=true&resourceVersion=0`),
    events('w', 2),
    make('c'),
    events('w', 1),
  ],
  'from no version': [make('a'), watch('w', `${SECRETS}?watch=true`), events('w', 1)],
  'one object by its path': [
    make('a'),
    make('b'),
    watch('w', `${SECRETS}/b?watch=true&resourceVersion=0`),
    events('w', 1),
    label('a', 'x'),
    label('b', 'x'),
    events('w', 1),
  ],
  'one object by a field selector': [
    make('a'),
    make('b'),
    START,
    watch('w', `${SECRETS}?watch=true&resourceVersion={version}&fieldSelector=metadata.name%3Db`),
    setup(del(`${SECRETS}/a`)),
    setup(del(`${SECRETS}/b`)),
    events('w', 1),
  ],
  'objects that enter and leave a selector': [
    make('a', { app: 'web' }),
    make('b'),
    START,
    watch('w', `${SECRETS}?watch=true&resourceVersion={version}&labelSelector=app%3Dweb`),
    label('a', 'db'),
    label('b', 'web'),
    label('b', 'web2'),
    label('b', 'web'),
    label('b', null),
    label('a', 'web'),
    setup(del(`${SECRETS}/a`)),
    setup(del(`${SECRETS}/b`)),
    events('w', 6),
  ],
  'the initial events end with a bookmark': [
    make('a'),
    make('b'),
    watch(
      'w',
      `${SECRETS}?watch=true&sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan`,
    ),
    // What comes next may be another bookmark.
    events('w', 3),
  ],
  'the initial events without bookmarks': [
    make('a'),
    watch('w', `${SECRETS}?watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan`),
    events('w', 1),
    make('c'),
    events('w', 1),
  ],
  'no initial events but a bookmark': [
    make('a'),
    watch(
      'w',
      `${SECRETS}?watch=true&sendInitialEvents=false&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan&timeoutSeconds=1`,
    ),
    events('w', 'end'),
  ],
  'initial events that cannot be': [
    get(`${SECRETS}?watch=true&sendInitialEvents=true`),
    get(`${SECRETS}?watch=true&sendInitialEvents=true&resourceVersionMatch=Exact`),
    get(`${SECRETS}?watch=true&resourceVersionMatch=NotOlderThan`),
    get(`${SECRETS}?watch=true&resourceVersionMatch=NotOlderThan&resourceVersion=1`),
  ],
  'a bookmark before the time is over': [
    make('a'),
    watch('w', `${SECRETS}?watch=true&resourceVersion=0&allowWatchBookmarks=true&timeoutSeconds=6`),
    events('w', 3),
  ],
  'no bookmark where none is asked for': [
    make('a'),
    watch('w', `${SECRETS}?watch=true&resourceVersion=0&timeoutSeconds=3`),
    events('w', 'end'),
  ],
  'a version that is malformed': [
    watch('w', `${SECRETS}?watch=true&resourceVersion=x`),
    watch('w', `${SECRETS}?watch=true&resourceVersion=-1`),
  ],
  'selectors that are malformed': [
    watch('w', `${SECRETS}?watch=true&labelSelector=%3D`),
    watch('w', `${SECRETS}?watch=true&fieldSelector=spec.x%3Dy`),
  ],
  'as Tables': [
    make('a'),
    watch('w', `${SECRETS}?watch=true&resourceVersion=0`, TABLE),
    events('w', 1),
    make('b'),
    setup(del(`${SECRETS}/b`)),
    events('w', 2),
  ],
  'as Tables of pods, with their objects': [
    setup(post(PODS, pod('a'))),
    watch('w', `${PODS}?watch=true&resourceVersion=0&includeObject=Object`, TABLE),
    events('w', 1),
  ],
  'as metadata': [
    make('a'),
    watch('w', `${SECRETS}?watch=true&resourceVersion=0`, METADATA),
    events('w', 1),
    label('a', 'x'),
    events('w', 1),
  ],
  'over all namespaces': [
    watch('w', '/api/v1/configmaps?watch=true&labelSelector=where%3D{ns}'),
    setup(post(CONFIG_MAPS, configMap('a', {}, { labels: { where: '{ns}' } }))),
    events('w', 1),
  ],
  'a pod that goes': [
    setup(post(PODS, pod('a'))),
    watch('w', `${PODS}?watch=true&resourceVersion=0`),
    events('w', 1),
    setup(mergePatch(`${PODS}/a`, { metadata: { finalizers: ['example.com/wait'] } })),
    setup(del(`${PODS}/a`)),
    setup(mergePatch(`${PODS}/a`, { metadata: { finalizers: null } })),
    events('w', 3),
  ],
  'a write that changes nothing is no event': [
    make('a'),
    setup(get(`${SECRETS}/a`, { save: { uid: 'metadata.uid' } })),
    START,
    watch('w', `${SECRETS}?watch=true&resourceVersion={version}`),
    label('a', null),
    setup(put(`${SECRETS}/a`, secret('a', {}, { labels: { set: 'x' } }))),
    make('b'),
    events('w', 1),
  ],
});
