/** The settings about networks. */
import t from 'tap';
import { readConfig } from '../../../server/config.js';

t.test('shared networks', (t) => {
  t.same({ ...readConfig({}).XI_SHARED_NETWORKS }, {});
  t.same(
    { ...readConfig({ XI_SHARED_NETWORKS: 'all = a, b ; other=c,d,e;' }).XI_SHARED_NETWORKS },
    {
      all: ['a', 'b'],
      other: ['c', 'd', 'e'],
    },
  );
  for (const wrong of ['all', 'all=', 'all=a', 'all=a,', 'all=a,B', 'a b=a,b', 'x=a,b;x=c,d', 'x=a=b,c'])
    t.throws(
      () => readConfig({ XI_SHARED_NETWORKS: wrong }),
      /XI_SHARED_NETWORKS is .*id=namespace,namespace/,
      wrong,
    );
  t.end();
});

t.test('namespaces', (t) => {
  t.same(readConfig({ XI_NETWORK_NAMESPACES: 'a, b' }).XI_NETWORK_NAMESPACES, ['a', 'b']);
  t.same(readConfig({}).XI_NETWORK_NAMESPACES, []);
  t.throws(() => readConfig({ XI_NETWORK_NAMESPACES: 'a,B' }), /names of namespaces/);
  t.throws(() => readConfig({ XI_OWN_NAMESPACE: '-' }), /XI_OWN_NAMESPACE/);
  t.end();
});
