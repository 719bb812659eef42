/** Lightpeers that speak TLS on the embedded cluster: added by a function, joined, written to and read, straight and from outside. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { kubeconfigOf } from '../../devcluster/kubeconfig.js';
import { PODS, createKube, plainConnection } from '../../kube/index.js';
import { SECRETS } from '../../kube/objects.js';
import { createClients } from '../../lightpeer/grpc/client.js';
import { Lightpeer } from '../../proto/gen/lightpeer_pb.js';
import { eventually } from '../helpers/eventually.js';
import { call } from '../helpers/http.js';
import { startOperator } from '../helpers/operator.js';
import { CA, PEER } from '../helpers/peer-certificates.js';
import { serve } from '../helpers/serve.js';

t.setTimeout(120_000);
const home = await mkdtemp(join(tmpdir(), 'peer-tls-'));
t.teardown(() => rm(home, { recursive: true }));
const TLS = {
  XI_PEER_TLS_CA: join(home, 'ca.crt'),
  XI_PEER_TLS_CERT: join(home, 'tls.crt'),
  XI_PEER_TLS_KEY: join(home, 'tls.key'),
};
await writeFile(TLS.XI_PEER_TLS_CA, CA);
await writeFile(TLS.XI_PEER_TLS_CERT, PEER.cert);
await writeFile(TLS.XI_PEER_TLS_KEY, PEER.key);
const base64 = (text: string): string => Buffer.from(text).toString('base64');

t.test('peers with certificates', async (t) => {
  const operator = await serve(t, home, TLS);
  const kube = createKube(plainConnection({ url: operator.clusterUrl, how: 'embedded' }));
  t.teardown(() => kube.close());
  await kube.create(SECRETS, 'default', {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name: 'peers' },
    data: { 'ca.crt': base64(CA), 'tls.crt': base64(PEER.cert), 'tls.key': base64(PEER.key) },
  });
  const fn = async (name: string, params: object): Promise<Record<string, unknown>> => {
    const { status, body } = await call(operator.url, name, params);
    t.equal(status, 200, JSON.stringify(body));
    return body;
  };
  await fn('create_deployment', { name: 'shared', image: 'nginx:1.27', replicas: 2 });
  await fn('add_lightpeer', { deployment: 'shared', network: 'private', tls_secret: 'peers' });
  await eventually(
    async () => (await call(operator.url, 'get_network', { network: 'private' })).body,
    // There is no network before the first pod has the label.
    ({ members = [] }) =>
      (members as { state: string }[]).filter(({ state }) => state === 'member').length === 2,
    { what: 'both peers are members' },
  );
  await fn('persist_to_network', { network: 'private', payload: 'a secret', path: 'file' });
  t.match(await fn('query_network', { network: 'private' }), {
    items: [{ payload: 'a secret', path: 'file' }],
  });

  const { items } = await kube.list(PODS, 'default', { labelSelector: 'klight.networkId=private' });
  const plain = createClients();
  const address = `${items[0]?.status?.podIP}:9081`;
  await t.rejects(
    plain.unary(
      { address, method: Lightpeer.method.persist, timeoutMs: 2_000 },
      { Payload: Buffer.from('x') },
    ),
    'nobody writes in the clear',
  );
  plain.close();

  await t.test('from outside of the cluster, by port-forward', async (t) => {
    const KUBECONFIG = join(home, 'kubeconfig');
    await writeFile(KUBECONFIG, kubeconfigOf(operator.clusterUrl));
    const knowing = await startOperator('kubeconfig', { KUBECONFIG, ...TLS });
    t.teardown(() => knowing.stop());
    const read = await call(knowing.url, 'query_network', { network: 'private' });
    t.match(read.body, { items: [{ payload: 'a secret' }] });

    const other = await startOperator('kubeconfig', { KUBECONFIG });
    t.teardown(() => other.stop());
    const seen = await call(other.url, 'get_network', { network: 'private' });
    const why = /cannot be reached: it speaks TLS, and the setting XI_PEER_TLS_CA/;
    t.match(seen.body, {
      complete: false,
      members: [{ state: 'unreachable', reason: why }, { reason: why }],
    });
  });
});

t.test('an operator does not start with certificates that it cannot use', async (t) => {
  const { XI_PEER_TLS_CA, XI_PEER_TLS_CERT, XI_PEER_TLS_KEY } = TLS;
  const cases: [RegExp, Record<string, string>][] = [
    [/go together/, { XI_PEER_TLS_CA, XI_PEER_TLS_CERT }],
    [/needs XI_PEER_TLS_CA/, { XI_PEER_TLS_CERT, XI_PEER_TLS_KEY }],
    [/cannot be used: .*PEM/, { XI_PEER_TLS_CA: fileURLToPath(import.meta.url) }],
    [/cannot be used: ENOENT.*nobody/, { XI_PEER_TLS_CA: join(home, 'nobody') }],
    [
      /cannot be used/,
      { XI_PEER_TLS_CA, XI_PEER_TLS_CERT: XI_PEER_TLS_KEY, XI_PEER_TLS_KEY: XI_PEER_TLS_CERT },
    ],
  ];
  for (const [message, settings] of cases)
    await t.rejects(startOperator('embedded', settings), { name: 'ConfigError', message });
});
