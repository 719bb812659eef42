/** Objects that share the parts in which they are alike. */
import t from 'tap';
import { createAlike } from '../../../devcluster/controllers/alike.js';
import type { KubeObject, Pod } from '../../../kube/objects.js';

const text = (name: string, more: Partial<NonNullable<Pod['spec']>> = {}): string =>
  JSON.stringify({
    metadata: { name, uid: `uid-of-${name}`, labels: { app: 'web' } },
    spec: { nodeName: 'a-node-like-others', containers: [{ name: 'web', image: 'web:1' }], ...more },
    status: { conditions: [{ type: 'Ready', status: 'True' }] },
  } satisfies Pod);

const parsed = (json: string): Pod => JSON.parse(json) as Pod;

t.test('equal parts are one, and every object says what it said', async (t) => {
  const alike = createAlike<Pod>();
  const other = text('other', { containers: [{ name: 'web', image: 'web:2' }] });
  const texts = [text('one'), text('two'), other];
  const [one, two, different] = texts.map((json) => alike(parsed(json)));
  t.same([one, two, different], texts.map(parsed));
  t.equal(one?.spec?.containers, two?.spec?.containers);
  t.equal(one?.status?.conditions, two?.status?.conditions);
  t.equal(one?.metadata?.labels, different?.metadata?.labels);
  t.not(one?.spec?.containers, different?.spec?.containers);
  t.not(one?.metadata, two?.metadata);
});

t.test('what was not seen for long is forgotten, and what is seen again and again is not', async (t) => {
  const alike = createAlike<Pod>(10);
  const first = alike(parsed(text('first')));
  for (let at = 0; at < 100; at++) {
    const object = alike(parsed(text(`pod-${at}`, { hostname: `a-host-of-its-own-${at}` })));
    t.equal(object.spec?.containers, first.spec?.containers);
  }
  for (let at = 0; at < 100; at++)
    alike(parsed(JSON.stringify({ metadata: {}, spec: { hostname: `another-host-of-its-own-${at}` } })));
  const last = alike(parsed(text('last')));
  t.same(last.spec, first.spec);
  t.not(last.spec?.containers, first.spec?.containers);
});

t.test('long parts and sections of other forms are left as they are', async (t) => {
  interface Texts extends KubeObject {
    spec: { texts: string[] };
  }
  const alike = createAlike<Texts>();
  const long = JSON.stringify({ spec: { texts: ['x'.repeat(5_000)] } });
  const [a, b] = [alike(JSON.parse(long) as Texts), alike(JSON.parse(long) as Texts)];
  t.same(a, b);
  t.not(a.spec.texts, b.spec.texts);
  const odd = [
    {},
    { spec: null },
    { spec: ['a part of a list'] },
    { status: 'a text' },
    { metadata: { labels: null } },
  ];
  for (const object of odd) t.same(createAlike()(structuredClone(object) as KubeObject), object);
});
