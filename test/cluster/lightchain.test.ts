/**
 * The examples of the networks on a real cluster, by the lines of docs/lightchain.md; and pods joined to a network through
 * `kubectl port-forward`, by curl, by the typed client and by both Aplite dialects.
 */
import { readFile } from 'node:fs/promises';
import { loadAll } from 'js-yaml';
import t from 'tap';
import type { Test } from 'tap';
import { createClient } from '@xi-k8s/client';
import type { KubeEvent, Pod } from '../../kube/index.js';
import * as wire from '../helpers/aplite-client.js';
import { call } from '../helpers/http.js';
import { kubectl, portForward, read, run, until, whyNot } from './kubectl.js';

const OVERLAY = 'k8s-yamls/overlays/cluster';
const EXAMPLES = ['k8s-yamls/examples/lightchain', 'k8s-yamls/examples/lightchain-directory'] as const;
const DATE = /^\d{4}-\d{2}-\d{2}T[\d:.]+Z$/;

t.setTimeout(600_000);

const applied = (file: string): Promise<string> => kubectl(['apply', '-k', file]);
const removed = (file: string): Promise<string> => kubectl(['delete', '-k', file, '--ignore-not-found']);
const ready = (...pods: string[]): Promise<string> =>
  kubectl(['wait', '--for=condition=Ready', ...pods.map((name) => `pod/${name}`), '--timeout=120s']);

/** Waits for three dates in the reader's log after a point in time, and looks at all that it printed. */
async function dateGoesOn(t: Test, since: string): Promise<void> {
  const said = await until(
    async () => (await kubectl(['logs', 'lightreader'])).trimEnd().split('\n'),
    (lines) => new Set(lines.filter((line) => DATE.test(line) && line > since)).size >= 3,
  );
  const dates = said.filter((line) => DATE.test(line));
  t.same(dates, [...dates].sort(), 'it never goes back');
  const odd = said.filter((line) => !DATE.test(line) && line !== 'nothing yet');
  t.same(odd, [], 'it is never seen half written');
}

/** `pod: reason` of the Events that the operator wrote about the pods that are there. */
async function told(): Promise<string[]> {
  const pods = await read<{ items: Pod[] }>('pods');
  const uids = new Set(pods.items.map(({ metadata }) => metadata?.uid));
  const { items } = await read<{ items: KubeEvent[] }>('events');
  return items
    .filter(({ source, involvedObject }) => source?.component === 'xi-k8s' && uids.has(involvedObject.uid))
    .map(({ involvedObject, reason }) => `${involvedObject.name}: ${reason}`);
}

/** The page's lines as a reader types them, but for the last, which goes on for ever. */
async function page(t: Test): Promise<void> {
  const text = await readFile('docs/lightchain.md', 'utf8');
  const lines = (/^```sh cluster\n([\s\S]*?)^```$/m.exec(text)?.[1] ?? '').trim().split('\n');
  t.equal(lines.pop(), 'kubectl logs -n default -f lightreader');
  t.equal(lines.length, 3);
  const began = new Date().toISOString();
  const { code, stderr } = await run(['bash', '-e', '-c', lines.join('\n')]);
  t.equal(code, 0, stderr);
  await dateGoesOn(t, began);
  const events = await until(told, (found) => found.some((one) => one.endsWith(': JoinedNetwork')));
  t.match(events.join(), /light(reader|writer): JoinedNetwork/);
}

/** Each pod of the network is deleted once and applied again. */
async function renewal(t: Test): Promise<void> {
  for (const name of ['lightreader', 'lightwriter']) {
    await kubectl(['delete', 'pod', name]);
    const since = new Date().toISOString();
    await applied(EXAMPLES[0]);
    await ready(name);
    await dateGoesOn(t, since);
  }
}

async function directory(t: Test, url: string): Promise<void> {
  await applied(EXAMPLES[1]);
  await kubectl(['rollout', 'status', 'deployment/shared-directory', '--timeout=120s']);
  const { items } = await read<{ items: Pod[] }>('pods', '-l', 'klight.networkId=sharedDirectory');
  const pods = items.map(({ metadata }) => metadata?.name ?? '').sort();
  t.equal(pods.length, 3);
  const script = `
    const { readFileSync, readdirSync } = require('node:fs');
    const files = readdirSync('/state').filter((name) => !name.startsWith('.')).sort();
    console.log(JSON.stringify(files.map((name) => [name, readFileSync('/state/' + name, 'utf8').trim()])));`;
  const stateOf = async (pod: string): Promise<[name: string, text: string][]> =>
    JSON.parse(await kubectl(['exec', pod, '-c', 'writer', '--', 'node', '-e', script])) as [
      string,
      string,
    ][];
  for (const pod of pods) {
    const expected = pods.map((name) => `${name}.txt`);
    const first = await until(
      () => stateOf(pod),
      (files) => files.map(([name]) => name).join() === expected.join(),
    );
    const later = await until(
      () => stateOf(pod),
      (files) => files.every(([, date], at) => date > (first[at]?.[1] ?? '')),
    );
    t.ok(
      later.every(([, date]) => DATE.test(date)),
      `${pod} has all three files, and they go on`,
    );
  }
  const shown = await call(url, 'get_network', { network: 'sharedDirectory' });
  t.match(shown.body, { complete: true, members: pods.map(() => ({ state: 'member' })) });
}

/** A way to say `join_network` of a network and a pod. */
type Join = (network: string, pod: string) => Promise<unknown>;

const WAYS: Readonly<Record<string, (url: string) => Join>> = {
  curl: (url) => async (network, pod) => {
    const body = JSON.stringify({ network, pod });
    const ask = ['curl', '-sS', '--fail-with-body', `${url}/v1/functions/join_network`, '--json', body];
    const { code, stdout, stderr } = await run(ask);
    if (code !== 0) throw new Error(stderr + stdout);
    return JSON.parse(stdout);
  },
  client: (url) => (network, pod) => createClient({ baseUrl: url }).join_network({ network, pod }),
  python: aplite('python'),
  deno: aplite('deno'),
};

/**
 * By a dialect's own JSON, and with values in place of ids: an operator in a pod cannot call the program back, whose localhost
 * is not the pod's, and says so.
 */
function aplite(dialect: wire.Dialect): (url: string) => Join {
  const spelt = (body: object): string => {
    const text = JSON.stringify(body);
    return dialect === 'deno' ? text : text.replace(/([:,])(?=["{\d])/g, '$1 ');
  };
  return (url) => async (network, pod) => {
    const send = async (body: object): Promise<unknown> => {
      const { status, text } = await wire.post(url, spelt(body));
      if (status !== 200) throw new Error(text);
      return JSON.parse(text);
    };
    const byName = await send({ request_type: 'reg_id', var_name: 'join_network' });
    const toNetwork = await send({ remote_ident: byName, arg: { value: network } });
    const action = await send({ remote_ident: toNetwork, arg: { value: pod } });
    return send({ remote_ident: action, IO: true });
  };
}

/** Pods with a peer that are in no network yet, one for each way to join them. */
async function joining(t: Test, url: string): Promise<void> {
  const objects = loadAll(await kubectl(['kustomize', EXAMPLES[0]])) as Pod[];
  const model = objects.find(({ metadata }) => metadata?.name === 'lightwriter');
  const containers = (model?.spec?.containers ?? []).filter(({ name }) => name === 'klightpeer');
  t.equal(containers.length, 1);
  const names = Object.keys(WAYS).map((way) => `by-${way}`);
  t.teardown(() => kubectl(['delete', 'pod', ...names, '--ignore-not-found']));
  for (const name of names)
    await kubectl(['create', '-f', '-'], {
      ...model,
      metadata: { name },
      spec: { ...model?.spec, containers },
    });
  await ready(...names);
  t.equal(
    (await call(url, 'get_network', { network: 'called' })).status,
    404,
    'there is no such network yet',
  );
  for (const [way, join] of Object.entries(WAYS))
    await t.test(way, async (t) => {
      const answer = await join(url)('called', `by-${way}`);
      // An Aplite program gets a unit.
      if (answer !== null) t.match(answer, { network: 'called', changed: [`pod/by-${way}`] });
      const { metadata } = await read<Pod>('pod', `by-${way}`);
      t.equal(metadata?.labels?.['klight.networkId'], 'called');
      const { body } = await call(url, 'get_network', { network: 'called' });
      const member = { pod: `by-${way}`, state: 'member', speaks: 'xi-k8s' };
      t.match(
        (body['members'] as object[]).find((one) => 'pod' in one && one.pod === member.pod),
        member,
      );
    });
  const shown = await call(url, 'get_network', { network: 'called' });
  t.match(shown.body, { complete: true, in_step: true });
  t.same((shown.body['members'] as { pod: string }[]).map(({ pod }) => pod).sort(), [...names].sort());
  // Either of the first two joined the other.
  const joined = await until(
    async () => new Set((await told()).filter((one) => /^by-.*: JoinedNetwork$/.test(one))),
    (pods) => pods.size >= names.length - 1,
  );
  t.ok(joined.size < names.length, 'all but one have an Event that they joined it');
}

/** Nothing of the examples is left, for the operator neither. */
async function removal(t: Test, url: string): Promise<void> {
  for (const example of EXAMPLES) await removed(example);
  await until(
    () => call(url, 'list_networks'),
    ({ body }) => (body['items'] as object[]).length === 0,
  );
  const left = await read<{ items: Pod[] }>('pods', '-l', 'app.kubernetes.io/part-of=lightchain');
  t.same(left.items, []);
}

/** Gives a test the URL of the operator's functions. */
const through =
  (body: (t: Test, url: string) => Promise<void>) =>
  async (t: Test): Promise<void> => {
    const { url, stop } = await portForward('xi-k8s', 'deploy/xi-k8s', 8080);
    t.teardown(stop);
    await body(t, url);
  };

const why = whyNot();
if (why !== undefined) t.plan(0, why);
else {
  t.teardown(async () => {
    for (const file of [...EXAMPLES, OVERLAY]) await removed(file);
  });
  await t.test('the lines of docs/lightchain.md: the reader prints what the writer writes', page);
  await t.test('a pod of the network is deleted and made anew, and the date goes on', renewal);
  await t.test('three replicas share their files', through(directory));
  await t.test('join_network through the port-forward', through(joining));
  await t.test('all of it goes again', through(removal));
}
