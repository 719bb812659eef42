/** join_network and leave_network that fail when something was changed: the error says so. */
import { pino } from 'pino';
import t from 'tap';
import { DEPLOYMENTS, PODS, createKube, plainConnection } from '../../kube/index.js';
import type { Kube } from '../../kube/index.js';
import { AppError } from '../../server/errors.js';
import { memberships } from '../../server/functions/networks-members.js';
import type { Call } from '../../server/library/implementation.js';
import type { Deps } from '../../server/ports.js';
import { eventually } from '../helpers/eventually.js';
import { call, lines } from '../helpers/http.js';
import { servePeers } from '../helpers/lightpeers.js';
import { startOperator } from '../helpers/operator.js';
import { runningPod } from '../helpers/running-pod.js';

t.setTimeout(120_000);
const namespace = 'default';
const operator = await startOperator('embedded');
const kube = createKube(plainConnection({ url: operator.clusterUrl, how: 'embedded' }));
t.teardown(async () => {
  await operator.stop();
  await kube.close();
});

const containers = [{ name: 'app', image: 'nginx:1.27' }];
const makePods = (set: string) =>
  Promise.all(
    ['a', 'b', 'c'].map(async (letter) => {
      const metadata = { name: `${set}-${letter}`, namespace, labels: { set } };
      await kube.create(PODS, namespace, { apiVersion: 'v1', kind: 'Pod', metadata, spec: { containers } });
      await runningPod(kube, namespace, metadata.name);
    }),
  );
const makeDeployment = (name: string, network?: string, paused = false) =>
  kube.create(DEPLOYMENTS, namespace, {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace },
    spec: {
      replicas: 1,
      paused,
      selector: { matchLabels: { app: name } },
      template: {
        metadata: {
          labels: { app: name, ...(network === undefined ? {} : { 'klight.networkId': network }) },
        },
        spec: { containers, terminationGracePeriodSeconds: 0 },
      },
    },
  });

/** Runs one as the library does, with a pod that goes just before its label is changed. */
async function losing(gone: string, name: keyof typeof memberships, params: object): Promise<unknown> {
  const patch: Kube['patch'] = async (resource, at, change, io) => {
    if (at.name === gone) {
      await kube.delete(PODS, at, { gracePeriodSeconds: 0 });
      await eventually(
        async () => (await kube.list(PODS, namespace, { fieldSelector: `metadata.name=${gone}` })).items,
        ({ length }) => length === 0,
        { what: 'the pod is gone' },
      );
    }
    return kube.patch(resource, at, change, io);
  };
  const networkOf = () => ({ key: 'n', id: 'n', namespaces: [namespace] });
  const deps = { kube: { ...kube, patch }, networks: { networkOf } } as unknown as Deps;
  const { signal } = new AbortController();
  const running: Call = {
    signal,
    io: () => ({ signal, timeoutMs: undefined }),
    until: () => running,
    requestId: 'test',
    caller: { name: 'test', face: 'http' },
    dryRun: false,
    given: {},
    log: pino({ level: 'silent' }),
  };
  const run = memberships[name] as (deps: Deps, params: object, call: Call) => AsyncGenerator;
  try {
    for await (const _ of run(deps, { namespace, wait: false, move: false, ...params }, running));
    return undefined;
  } catch (error) {
    return error;
  }
}

t.test('of some pods the last is gone: what was changed is told', async (t) => {
  await makePods('some');
  const which = { network: 'n', label_selector: 'set=some' };
  const first = (await losing('some-a', 'join_network', which)) as Error;
  t.notOk(first instanceof AppError && first.details.outcome, 'nothing was changed before the first');
  const joining = (await losing('some-c', 'join_network', which)) as AppError;
  t.match(joining, { code: 'not_found', details: { outcome: 'unknown' } });
  t.match(joining.message, /at pod\/some-c; 1 of 2 are changed already: pod\/some-b\./);

  await makePods('others');
  const others = { network: 'n', label_selector: 'set=others' };
  t.equal(await losing('', 'join_network', others), undefined);
  const leaving = (await losing('others-c', 'leave_network', others)) as AppError;
  t.match(leaving, { code: 'not_found', details: { outcome: 'unknown' } });
  t.match(leaving.message, /at pod\/others-c; 2 of 3 are changed already: pod\/others-a, pod\/others-b\./);
});

t.test('a Deployment that is deleted while it is waited for', async (t) => {
  await makeDeployment('short', undefined, true);
  const seen: Record<string, unknown>[] = [];
  for await (const line of lines(operator.url, 'join_network', { network: 'n', deployment: 'short' })) {
    seen.push(line);
    if (seen.length === 1) await kube.delete(DEPLOYMENTS, { namespace, name: 'short' });
  }
  t.match(seen[0], { item: { message: /default\/short is paused/ } }, 'what keeps it is told');
  t.match(seen.at(-1), {
    type: 'error',
    error: { code: 'not_found', outcome: 'done', detail: /The labels are set: / },
  });
});

t.test('leaving that runs out of time', async (t) => {
  await makeDeployment('stays', 'n');
  const where = { namespace, name: 'stays' };
  await eventually(
    () => kube.get(DEPLOYMENTS, where),
    ({ status }) => status?.availableReplicas === 1,
    { what: 'it runs' },
  );
  await kube.patch(DEPLOYMENTS, where, { type: 'merge', body: { spec: { paused: true } } });
  const params = { deployment: 'stays', timeout_seconds: 5 };
  const { status, body } = await call(operator.url, 'leave_network', params);
  t.equal(status, 504);
  t.match(body, { outcome: 'done', detail: /The labels are taken: 0 of 1 pods have left/ });
});

t.test('with no controller, joining says so', async (t) => {
  const alone = await startOperator('embedded', { XI_NETWORK_CONTROLLER: 'off' });
  const there = createKube(plainConnection({ url: alone.clusterUrl, how: 'embedded' }));
  const peers = servePeers(there);
  t.teardown(async () => {
    await alone.stop();
    await peers.stop();
    await there.close();
  });
  for (const name of ['one', 'two']) {
    const metadata = { name, namespace, labels: { 'test-peer': 'ours', 'klight.networkId': 'n' } };
    await there.create(PODS, namespace, { apiVersion: 'v1', kind: 'Pod', metadata, spec: { containers } });
    await runningPod(there, namespace, name);
  }
  const isReached = async () => {
    const { body } = await call(alone.url, 'get_network', { network: 'n' });
    return (body['members'] as { state: string }[]).map(({ state }) => state).sort();
  };
  await eventually(isReached, (states) => states.join() === 'apart,member', { what: 'both are reached' });
  const which = { network: 'n', label_selector: 'klight.networkId=n', timeout_seconds: 5 };
  const { status, body } = await call(alone.url, 'join_network', which);
  t.equal(status, 504);
  t.match(body['detail'], /1 of 2 pods.*no controller of networks holds the Lease default\/xi-k8s/);
});

t.test('where nothing had to be changed, no outcome is told', async (t) => {
  const pod = { network: 'n', pod: 'some-b', timeout_seconds: 5 };
  const { status, body } = await call(operator.url, 'join_network', pod);
  t.equal(status, 504);
  t.notOk(body['outcome']);
  t.match(body['detail'], /Nothing had to be changed: 0 of 1/);
});
