/** Functions about networks, from the HTTP call to the peers and back; runs on any cluster where peers can run. */
import type { Test } from 'tap';
import { DEPLOYMENTS, EVENTS, PODS } from '../../kube/index.js';
import type { Kube, Pod } from '../../kube/index.js';
import { call, lines } from '../helpers/http.js';
import type { Answer } from '../helpers/http.js';
import { sidecarSuite } from './sidecar.js';
import { caller, expectAnswer as has } from './target.js';
import type { Target } from './target.js';

/** What a cluster gives the suite to run peers with. */
export interface NetworkLab {
  /** Writes objects, past our functions. */
  readonly kube: Kube;
  /** The containers of a pod whose lightpeer works, by its kind; the embedded cluster's test runs one for the label `test-peer`. */
  containers(kind: 'ours' | 'reference'): NonNullable<Pod['spec']>['containers'];
  /** Kinds that can run here. */
  readonly kinds: readonly ('ours' | 'reference')[];
}

type Item = Record<string, unknown>;

export async function networkSuite(t: Test, target: Target, lab: NetworkLab): Promise<void> {
  const { url, namespace } = target;
  const { kube } = lab;
  const fn = caller(target);

  const makePod = async (
    name: string,
    network?: string,
    kind: 'ours' | 'reference' = 'ours',
  ): Promise<void> => {
    await kube.create(PODS, namespace, {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: {
        name,
        namespace,
        labels: { 'test-peer': kind, ...(network === undefined ? {} : { 'klight.networkId': network }) },
      },
      spec: { containers: lab.containers(kind), terminationGracePeriodSeconds: 1 },
    });
  };
  const makeDeployment = (name: string, replicas: number) =>
    kube.create(DEPLOYMENTS, namespace, {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name, namespace },
      spec: {
        replicas,
        selector: { matchLabels: { app: name } },
        template: {
          metadata: { labels: { app: name, 'test-peer': 'ours' } },
          spec: { containers: lab.containers('ours'), terminationGracePeriodSeconds: 1 },
        },
      },
    });
  const remove = (...names: string[]) =>
    Promise.all(names.map((name) => kube.delete(PODS, { namespace, name }, { gracePeriodSeconds: 0 })));
  const membersOf = (answer: Answer): string[] =>
    (answer.body['members'] as Item[])
      .filter(({ state }) => state === 'member')
      .map(({ pod }) => pod as string)
      .sort();

  await t.test('join_network of a pod, twice', async (t) => {
    await makePod('one');
    await makePod('two');
    const joined = await fn('join_network', { network: 'pair', pod: 'one' });
    has(t, joined, 200);
    t.match(joined.body, {
      network: 'pair',
      namespace,
      changed: ['pod/one'],
      pods: [{ pod: 'one', state: 'member', speaks: 'xi-k8s' }],
    });
    has(t, await fn('join_network', { network: 'pair', pod: 'two' }), 200);
    const again = await fn('join_network', { network: 'pair', pod: 'two' });
    has(t, again, 200);
    t.same(again.body['changed'], [], 'it was in it already');
    const shown = await fn('get_network', { network: 'pair' });
    has(t, shown, 200);
    t.same(membersOf(shown), ['one', 'two']);
    t.match(shown.body, {
      network: 'pair',
      namespaces: [namespace],
      shared: false,
      complete: true,
      in_step: true,
      contact: { pod: /^(one|two)$/, namespace, address: /:9081$/ },
      members: [
        { pod: 'one', address: /:9081$/, head: /./, height: Number, lag: 0 },
        { pod: 'two', lag: 0 },
      ],
    });
    // Either has joined the other.
    let told: string[];
    do {
      const { items } = await kube.list(EVENTS, namespace, { fieldSelector: 'reason=JoinedNetwork' });
      told = items.map(({ involvedObject, message }) => `${involvedObject.name}: ${message}`);
    } while (!told.some((text) => /^(one: .* by pod .*\/two|two: .* by pod .*\/one)/.test(text)));
    t.pass('a pod has an Event of its joining');
  });

  await t.test('persist_to_network, query_network', async (t) => {
    for (const payload of ['first', 'second'])
      has(t, await fn('persist_to_network', { network: 'pair', payload }), 200);
    const third = { network: 'pair', payload: 'third', id: 'mine' };
    for (const _ of ['once', 'again']) has(t, await fn('persist_to_network', third), 200);
    const other = await fn('persist_to_network', { ...third, payload: 'other' });
    has(t, other, 409, 'already_exists');
    t.match(other.body['detail'], /another block with the id mine/);
    const bytes = Buffer.from([0, 255, 254]).toString('base64');
    const persisted = await fn('persist_to_network', { network: 'pair', payload_base64: bytes });
    t.match(persisted.body, { network: 'pair', pod: /^(one|two)$/, id: /./, size_bytes: 3 });
    has(t, await fn('persist_to_network', { network: 'pair', payload: 'dry' }, '?dry_run=true'), 200);
    const all = await fn('query_network', { network: 'pair' });
    has(t, all, 200);
    t.same(
      (all.body['items'] as Item[]).map(({ payload, payload_base64: base64 }) => payload ?? base64),
      [bytes, 'third', 'second', 'first'],
    );
    t.match(all.body['items'][0], { size_bytes: 3, id: /./, height: Number });
    const page = await fn('query_network', { network: 'pair', limit: 2 });
    const rest = await fn('query_network', { network: 'pair', limit: 2, continue: page.body['continue'] });
    t.same([...page.body['items'], ...rest.body['items']], all.body['items']);
    t.notOk(rest.body['continue']);
    const shown = await fn('get_network', { network: 'pair' });
    t.match(shown.body, { in_step: true, members: [{ blocks: 4 }, { blocks: 4 }] });
  });

  await t.test('watch_network_state', async (t) => {
    const left = new AbortController();
    const seen: unknown[] = [];
    const init = { signal: left.signal };
    for await (const { type, item } of lines(
      url,
      'watch_network_state',
      { namespace, network: 'pair' },
      init,
    )) {
      if (type !== 'item') continue;
      const { event, payload, payload_base64: base64 } = item as Item;
      seen.push(event === 'block' ? (payload ?? base64) : event);
      if (event === 'live') has(t, await fn('persist_to_network', { network: 'pair', payload: 'late' }), 200);
      if (payload === 'late') break;
    }
    left.abort();
    t.same(seen, ['first', 'second', 'third', 'AP/+', 'live', 'late']);
  });

  await t.test(
    'watch_network_state goes on by another peer when the pod of its own is deleted',
    async (t) => {
      for (const name of ['ten', 'eleven']) {
        await makePod(name);
        has(t, await fn('join_network', { network: 'relay', pod: name }), 200);
      }
      has(t, await fn('persist_to_network', { network: 'relay', payload: 'before' }), 200);
      const { body } = await fn('get_network', { network: 'relay' });
      const contact = (body['contact'] as Item)['pod'] as string;
      const other = contact === 'ten' ? 'eleven' : 'ten';
      const left = new AbortController();
      const seen: unknown[] = [];
      for await (const { type, item } of lines(
        url,
        'watch_network_state',
        { namespace, network: 'relay' },
        { signal: left.signal },
      )) {
        if (type !== 'item') continue;
        const { event, payload, pod } = item as Item;
        seen.push(
          event === 'block' ? payload : event === 'switched' ? `${event} to ${pod as string}` : event,
        );
        if (event !== 'live') continue;
        if (seen.length > 2) break;
        await kube.delete(PODS, { namespace, name: contact });
      }
      left.abort();
      t.same(seen, ['before', 'live', `switched to ${other}`, 'live'], 'no block comes twice');
      await remove(other);
    },
  );

  await t.test('list_networks', async (t) => {
    await makePod('three', 'another');
    const listed = await fn('list_networks');
    has(t, listed, 200);
    t.match(
      (listed.body['items'] as Item[]).find(({ network }) => network === 'pair'),
      { namespaces: [namespace], shared: false, pods: { total: 2, running: 2, waiting: 0, over: 0 } },
    );
    const first = await fn('list_networks', { limit: 1 });
    const second = await fn('list_networks', { limit: 1, continue: first.body['continue'] });
    t.same(
      [...first.body['items'], ...second.body['items']].map(({ network }: Item) => network),
      ['another', 'pair'],
    );
    const odd = await fn('list_networks', { limit: 1, continue: 'defau' });
    has(t, odd, 400, 'invalid_params');
    t.match(odd.body['errors'], [{ field: 'continue' }]);
    const everywhere = await call(url, 'list_networks', { all_namespaces: true });
    t.ok((everywhere.body['items'] as Item[]).length >= 2);
  });

  await t.test('watch_network', async (t) => {
    const left = new AbortController();
    const counts: number[] = [];
    for await (const { type, item } of lines(
      url,
      'watch_network',
      { namespace, network: 'pair' },
      { signal: left.signal },
    )) {
      if (type !== 'item') continue;
      const members = (item as { members: Item[] }).members.filter(({ state }) => state === 'member').length;
      if (counts.at(-1) === members) continue;
      counts.push(members);
      if (counts.length === 1) await makePod('four', 'pair');
      if (members === 3) break;
    }
    left.abort();
    t.same(counts, [2, 3]);
  });

  await t.test('moving, and leaving', async (t) => {
    const refused = await fn('join_network', { network: 'another', pod: 'four' });
    has(t, refused, 409, 'conflict');
    t.match(refused.body['detail'], /four is in network pair.*move: true/);
    has(t, await fn('join_network', { network: 'another', pod: 'four', move: true }), 200);
    t.same(membersOf(await fn('get_network', { network: 'another' })), ['four', 'three']);
    t.same(membersOf(await fn('get_network', { network: 'pair' })), ['one', 'two']);
    t.same((await fn('query_network', { network: 'another' })).body['items'], [], 'no state came along');

    const left = await fn('leave_network', { pod: 'four' });
    has(t, left, 200);
    t.match(left.body, { network: 'another', changed: ['pod/four'] });
    t.same(membersOf(await fn('get_network', { network: 'another' })), ['three']);
    const twice = await fn('leave_network', { pod: 'four' });
    has(t, twice, 404, 'not_found');
    t.match(twice.body['detail'], /four is in no network/);
    has(t, await fn('leave_network', { pod: 'one', network: 'another' }), 404, 'not_found');
    await remove('three', 'four');
  });

  await t.test('moving the older pod, and most pods: the state stays, and does not come along', async (t) => {
    const all = ['seven', 'eight', 'nine'];
    for (const [network, count] of [
      ['elders', 1],
      ['many', 2],
    ] as const) {
      const names = all.slice(0, count + 1);
      // One after another, so that the first is the oldest.
      for (const name of names) {
        await makePod(name);
        has(t, await fn('join_network', { network, pod: name }), 200);
      }
      has(t, await fn('persist_to_network', { network, payload: 'precious' }), 200);
      for (const pod of names.slice(0, count))
        has(t, await fn('join_network', { network: `${network}-new`, pod, move: true }), 200);
      const payloads = async (id: string) =>
        (await fn('query_network', { network: id })).body['items'].map(({ payload }: Item) => payload);
      t.same(membersOf(await fn('get_network', { network })), names.slice(count));
      t.same(await payloads(network), ['precious']);
      t.same(await payloads(`${network}-new`), []);
      await remove(...names);
      for (const name of names)
        while (
          (await kube.list(PODS, namespace, { fieldSelector: `metadata.name=${name}` })).items.length > 0
        );
    }
  });

  await t.test('moving the last pod of a network: its state goes only where there is none', async (t) => {
    const payloads = async (id: string) =>
      (await fn('query_network', { network: id })).body['items'].map(({ payload }: Item) => payload);
    for (const [name, network, payload] of [
      ['twelve', 'last', 'brought'],
      ['thirteen', 'settled', 'kept'],
    ] as const) {
      await makePod(name);
      has(t, await fn('join_network', { network, pod: name }), 200);
      has(t, await fn('persist_to_network', { network, payload }), 200);
    }
    has(t, await fn('join_network', { network: 'renamed', pod: 'twelve', move: true }), 200);
    t.same(await payloads('renamed'), ['brought']);
    has(t, await fn('join_network', { network: 'settled', pod: 'twelve', move: true }), 200);
    t.same(await payloads('settled'), ['kept']);
    t.same(membersOf(await fn('get_network', { network: 'settled' })).sort(), ['thirteen', 'twelve']);
    await remove('twelve', 'thirteen');
  });

  await t.test('join_network of a Deployment: its template gets the label', async (t) => {
    await makeDeployment('shared', 3);
    const joined = await fn('join_network', { network: 'trio', deployment: 'shared' });
    has(t, joined, 200);
    t.match(joined.body, { changed: ['deployment/shared'] });
    t.equal(joined.body['pods'].length, 3);
    t.equal(membersOf(await fn('get_network', { network: 'trio' })).length >= 3, true);
    has(t, await fn('scale_deployment', { name: 'shared', replicas: 4, wait: true }), 200);
    has(t, await fn('join_network', { network: 'trio', deployment: 'shared' }), 200);
    t.equal(
      membersOf(await fn('get_network', { network: 'trio' })).length,
      4,
      'a pod that comes later joins',
    );
    has(t, await fn('leave_network', { deployment: 'shared' }), 200);
    let gone: Answer;
    do gone = await fn('get_network', { network: 'trio' });
    while (gone.status === 200);
    has(t, gone, 404, 'not_found');
    has(t, await fn('delete_deployment', { name: 'shared', wait: true }), 200);
  });

  await t.test('join_network of a selector, asked for as a stream', async (t) => {
    await makePod('five');
    await makePod('six');
    for (const name of ['five', 'six'])
      await kube.patch(
        PODS,
        { namespace, name },
        {
          type: 'merge',
          body: { metadata: { labels: { set: 'chosen' } } },
        },
      );
    const seen: Item[] = [];
    for await (const line of lines(url, 'join_network', {
      namespace,
      network: 'chosen',
      label_selector: 'set=chosen',
    }))
      seen.push(line);
    t.match(seen[0], { type: 'item', item: { total: 2, message: /of 2 pods/ } });
    t.match(seen.at(-1), { type: 'result', result: { changed: ['pod/five', 'pod/six'] } });
    await remove('five', 'six');
  });

  if (lab.kinds.includes('reference'))
    await t.test("the reference's peers", async (t) => {
      await makePod('go-one', 'go', 'reference');
      await makePod('go-two', 'go', 'reference');
      has(t, await fn('join_network', { network: 'go', label_selector: 'klight.networkId=go' }), 200);
      const shown = await fn('get_network', { network: 'go' });
      t.match(shown.body, { complete: true, members: [{ speaks: 'reference' }, { speaks: 'reference' }] });
      for (const payload of ['a', 'b', 'c'])
        has(t, await fn('persist_to_network', { network: 'go', payload }), 200);
      const page = await fn('query_network', { network: 'go', limit: 2 });
      t.match(page.body['items'], [{ payload: 'c' }, { payload: 'b' }]);
      const rest = await fn('query_network', { network: 'go', limit: 2, continue: page.body['continue'] });
      t.match(rest.body, { items: [{ payload: 'a' }] });
      const refused = await fn('persist_to_network', { network: 'go', payload: 'x', path: 'a.txt' });
      has(t, refused, 409, 'conflict');
      const left = new AbortController();
      const seen: unknown[] = [];
      for await (const { item } of lines(
        url,
        'watch_network_state',
        { namespace, network: 'go' },
        { signal: left.signal },
      )) {
        const { event, payload } = item as Item;
        seen.push(payload ?? event);
        if (event === 'live') has(t, await fn('persist_to_network', { network: 'go', payload: 'd' }), 200);
        if (payload === 'd') break;
      }
      left.abort();
      t.same(seen, ['a', 'b', 'c', 'live', 'd']);
      await remove('go-one', 'go-two');
    });

  await sidecarSuite(t, target, kube);

  await t.test('bad input', async (t) => {
    const unknown = await fn('get_network', { network: 'pairs' });
    has(t, unknown, 404, 'not_found');
    t.match(unknown.body, { suggestion: 'pair', detail: /klight\.networkId=pairs.*pair/ });
    has(t, await fn('query_network', { network: 'nobody' }), 404, 'not_found');
    has(t, await fn('persist_to_network', { network: 'nobody', payload: '' }), 404, 'not_found');
    has(t, await fn('join_network', { network: 'pair', pod: 'nobody' }), 404, 'not_found');
    has(t, await fn('join_network', { network: 'pair', label_selector: 'a=nobody' }), 404, 'not_found');
    has(t, await fn('join_network', { network: 'pair', deployment: 'nobody' }), 404, 'not_found');
    for (const params of [{}, { pod: 'one', deployment: 'x' }]) {
      const answer = await fn('join_network', { network: 'pair', ...params });
      has(t, answer, 400, 'invalid_params');
      t.match(answer.body['detail'], /exactly one of pod, label_selector, deployment/);
    }
    has(t, await fn('join_network', { network: 'no network!', pod: 'one' }), 400, 'invalid_params');
    for (const path of ['/etc/passwd', '../up', 'a/../b', 'a/', './a', 'a\\b'])
      has(t, await fn('persist_to_network', { network: 'pair', payload: '', path }), 400, 'invalid_params');
    has(t, await fn('persist_to_network', { network: 'pair' }), 400, 'invalid_params');
    has(t, await fn('persist_to_network', { network: 'pair', payload_base64: 'abc' }), 400, 'invalid_params');
    has(t, await fn('persist_to_network', { network: 'pair', deleted: true }), 400, 'invalid_params');
    for (const path of ['é'.repeat(128), 'a\ud800', 'a\ufffd', '😀/'.repeat(400) + 'a']) {
      const unwritable = await fn('persist_to_network', { network: 'pair', payload: '', path });
      has(t, unwritable, 400, 'invalid_params');
      t.match(unwritable.body['errors'], [{ field: 'path' }]);
    }
    const lone = await fn('persist_to_network', { network: 'pair', payload: 'a\ud800b' });
    has(t, lone, 400, 'invalid_params');
    t.match(lone.body['errors'], [{ field: 'payload', message: /payload_base64/ }]);
    const both = { network: 'pair', payload: '', deleted: false, path: '😀'.repeat(63) };
    has(t, await fn('persist_to_network', both, '?dry_run=true'), 200);
    const odd = await fn('query_network', { network: 'pair', continue: 'no such page' });
    has(t, odd, 400, 'invalid_params');
    t.match(odd.body['errors'], [{ field: 'continue', message: /no place to continue from/ }]);
    has(
      t,
      await fn('persist_to_network', { network: 'pair', payload: '', id: 'a/b' }),
      400,
      'invalid_params',
    );

    // A pod whose containers hold no peer is told apart from one that only takes its time.
    await kube.create(PODS, namespace, {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'empty', namespace },
      spec: { containers: [{ name: 'app', image: target.images[0] }] },
    });
    const never = await fn('join_network', { network: 'pair', pod: 'empty', timeout_seconds: 4 });
    has(t, never, 504, 'deadline_exceeded');
    t.match(never.body, { outcome: 'done', detail: /The labels are set: 0 of 1.*empty/ });
    t.same(membersOf(await fn('get_network', { network: 'pair' })), ['one', 'two'], 'the rest goes on');
    await remove('empty');
  });

  await remove('one', 'two');
}
