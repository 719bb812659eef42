/** Which member of a network is asked for its state, when one of them is not well. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import type { Test } from 'tap';
import { PODS, createKube, plainConnection } from '../../kube/index.js';
import { startPeer } from '../../lightpeer/peer.js';
import { openDisk } from '../../lightpeer/store/disk.js';
import type { Disk } from '../../lightpeer/store/disk.js';
import { eventually } from '../helpers/eventually.js';
import { call, lines } from '../helpers/http.js';
import { startOperator } from '../helpers/operator.js';
import { runningPod } from '../helpers/running-pod.js';

t.setTimeout(120_000);
const network = 'n';
const operator = await startOperator('embedded', { XI_NETWORK_HEALTH_SECONDS: '0.5' });
const kube = createKube(plainConnection({ url: operator.clusterUrl, how: 'embedded' }));
const folders: string[] = [];
const peers: { close(): Promise<void> }[] = [];
t.teardown(async () => {
  await Promise.all(peers.map((peer) => peer.close()));
  await operator.stop();
  await kube.close();
  await Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true })));
});

/** A real folder, as long as nobody says that it is full. */
async function faultyDisk(): Promise<{ disk: Disk; fill(): void }> {
  const folder = await mkdtemp(join(tmpdir(), 'xi-k8s-contact-'));
  folders.push(folder);
  const disk = await openDisk(folder);
  let full = false;
  const open: Disk['open'] = async (name) => {
    const file = await disk.open(name);
    return {
      ...file,
      write: async (buffer, position) => {
        if (full) throw new Error('no space left on device');
        await file.write(buffer, position);
      },
    };
  };
  return { disk: { ...disk, open }, fill: () => void (full = true) };
}

async function makeMember(t: Test, name: string): Promise<{ fill(): void }> {
  await kube.create(PODS, 'default', {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'default' },
    spec: { containers: [{ name: 'klightpeer', image: 'peer' }] },
  });
  const { ip } = await runningPod(kube, 'default', name);
  const { disk, fill } = await faultyDisk();
  peers.push(await startPeer({ repo: disk, host: ip, port: 9081 }));
  const joined = await call(operator.url, 'join_network', { network, pod: name });
  t.equal(joined.status, 200, JSON.stringify(joined.body));
  return { fill };
}

t.test('the disk of the member that is asked fails: the other takes blocks and answers', async (t) => {
  const members = { older: await makeMember(t, 'older'), newer: await makeMember(t, 'newer') };
  const persist = (payload: string) => call(operator.url, 'persist_to_network', { network, payload });
  const first = await persist('before');
  t.equal(first.status, 200, JSON.stringify(first.body));
  const asked = first.body['pod'] as keyof typeof members;
  const other = asked === 'older' ? 'newer' : 'older';

  const left = new AbortController();
  const seen: unknown[] = [];
  let live = false;
  const watching = (async () => {
    const init = { signal: left.signal };
    for await (const { item } of lines(operator.url, 'watch_network_state', { network }, init)) {
      const { event, payload, pod } = (item ?? {}) as Record<string, unknown>;
      if (event === 'live') live = true;
      else if (event !== undefined) seen.push(payload ?? `${String(event)} ${String(pod)}`);
      if (payload === 'last') return;
    }
  })();
  await eventually(
    () => live,
    (is) => is,
    { what: 'it follows' },
  );

  members[asked].fill();
  for (const payload of ['one', 'two', 'last']) {
    const { status, body } = await persist(payload);
    t.equal(status, 200, JSON.stringify(body));
    t.equal(body['pod'], other);
    const { body: page } = await call(operator.url, 'query_network', { network, limit: 1 });
    t.match(page['items'], [{ payload }], 'the newest state is answered');
  }
  const { body: all } = await call(operator.url, 'query_network', { network });
  t.same(
    (all['items'] as { payload: string }[]).map(({ payload }) => payload),
    ['last', 'two', 'one', 'before'],
    'each block is there once',
  );
  const { body: shown } = await call(operator.url, 'get_network', { network });
  t.equal(shown['contact'].pod, other);
  await watching;
  left.abort();
  t.same(seen, ['before', `switched ${other}`, 'one', 'two', 'last'], 'who follows goes on by another');
});
