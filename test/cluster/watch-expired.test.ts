/**
 * A watch that was cut for so long that the API server has forgotten where it was (410): what the networks controller stands on
 * reads all anew and goes on. The connection goes through a relay that the test closes and opens.
 */
import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import t from 'tap';
import type { Test } from 'tap';
import { CONFIG_MAPS, createKube, kubeconfigConnection, startReflector } from '../../kube/index.js';
import type { ConfigMap } from '../../kube/index.js';
import { controlCluster, controlSocket } from './control.js';
import { kubectl, makeNamespace, run, until, whyNot } from './kubectl.js';

const NAMESPACE = 'expired';
const ETCD = 'http://127.0.0.1:2379';
t.setTimeout(300_000);

/** A relay to the API server that can be cut. */
async function relayTo(port: number) {
  const sockets = new Set<Socket>();
  let open = true;
  const server = createServer((near) => {
    if (!open) return void near.destroy();
    const far = connect(port, '127.0.0.1');
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket
        .on('error', () => undefined)
        .on('close', () => (near.destroy(), far.destroy(), sockets.delete(socket)));
    }
    near.pipe(far).pipe(near);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    cut: () => {
      open = false;
      for (const socket of sockets) socket.destroy();
    },
    join: () => (open = true),
    close: () => server.close(),
  };
}

/** All of etcd's past goes. */
async function forgetThePast(): Promise<void> {
  const post = async (path: string, body: object): Promise<{ header: { revision: string } }> => {
    const answer = await fetch(`${ETCD}${path}`, { method: 'POST', body: JSON.stringify(body) });
    if (!answer.ok) throw new Error(`etcd answers ${answer.status}: ${await answer.text()}`);
    return (await answer.json()) as { header: { revision: string } };
  };
  const { header } = await post('/v3/kv/range', { key: 'AA==' });
  await post('/v3/kv/compaction', { revision: header.revision, physical: true });
}

async function expired(t: Test, control: string): Promise<void> {
  await kubectl(['version']);
  const connection = await kubeconfigConnection({
    paths: [process.env['KUBECONFIG'] ?? ''],
    env: process.env,
  });
  const direct = createKube(connection);
  t.teardown(() => direct.close());
  await makeNamespace(NAMESPACE);
  t.teardown(() => kubectl(['delete', 'namespace', NAMESPACE, '--wait=false']));
  const relay = await relayTo(Number(new URL(connection.url).port));
  t.teardown(() => {
    relay.cut();
    relay.close();
  });
  const relayed = createKube({ ...connection, url: `https://127.0.0.1:${relay.port}` });
  t.teardown(() => relayed.close());

  const make = (name: string): Promise<ConfigMap> =>
    direct.create(CONFIG_MAPS, NAMESPACE, { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name } });
  const told: string[] = [];
  const reflector = startReflector<ConfigMap>({
    kube: relayed,
    resource: CONFIG_MAPS,
    namespace: NAMESPACE,
    backoff: { baseMs: 100, maxMs: 500 },
    onChange: ({ type, object }) => told.push(`${type} ${object.metadata?.name}`),
  });
  t.teardown(() => reflector.stop());
  await make('stays');
  await make('goes');
  await until(
    () => told,
    (all) => all.includes('added stays') && all.includes('added goes'),
  );
  const { metadata } = await direct.get(CONFIG_MAPS, { namespace: NAMESPACE, name: 'goes' });
  relay.cut();
  await direct.delete(CONFIG_MAPS, { namespace: NAMESPACE, name: 'goes' });
  await make('comes');
  await forgetThePast();
  await controlCluster(control, 'restart', 'kube-apiserver');
  const path = `/api/v1/namespaces/${NAMESPACE}/configmaps?watch=1&resourceVersion=${metadata?.resourceVersion}`;
  t.match((await run(['kubectl', 'get', '--raw', path])).stdout, /"code":410/, 'what was is forgotten');

  const before = told.length;
  relay.join();
  await until(
    () => told.slice(before),
    (all) => all.includes('deleted goes') && all.includes('added comes'),
  );
  t.notOk(told.slice(before).includes('added stays'), 'what did not change is told of once');
  await make('later');
  await until(
    () => told,
    (all) => all.includes('added later'),
  );
  t.pass('and it goes on');
}

const why = whyNot();
const control = controlSocket();
if (why !== undefined) t.plan(0, why);
else if (control === undefined) t.plan(0, 'needs a cluster of its own: run it by `npm run cluster`');
else await t.test('a watch that expired', (t) => expired(t, control));
