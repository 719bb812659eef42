import { existsSync } from 'node:fs';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { PERSISTENT_VOLUMES, PERSISTENT_VOLUME_CLAIMS, PODS, STORAGE_CLASSES } from '../../../kube/index.js';
import type { PersistentVolume, PersistentVolumeClaim } from '../../../kube/index.js';
import { NAMESPACE, podOf, podSpec, startCluster } from './cluster.js';

const root = t.testdir({});
const cluster = await startCluster(t, { volumesRoot: root });
const { kube, eventually } = cluster;

type ClaimSpec = Partial<NonNullable<PersistentVolumeClaim['spec']>>;
type VolumeSpec = Partial<NonNullable<PersistentVolume['spec']>>;

const ask = (name: string, spec: ClaimSpec = {}): Promise<PersistentVolumeClaim> =>
  kube.create(PERSISTENT_VOLUME_CLAIMS, NAMESPACE, {
    metadata: { name },
    spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } }, ...spec },
  });
const offer = (name: string, spec: VolumeSpec = {}): Promise<PersistentVolume> =>
  kube.create(PERSISTENT_VOLUMES, undefined, {
    metadata: { name },
    spec: {
      ...{ accessModes: ['ReadWriteOnce'], capacity: { storage: '5Gi' }, storageClassName: 'hand' },
      ...{ hostPath: { path: '/data' }, ...spec },
    },
  });
const claim = (name: string) => kube.get(PERSISTENT_VOLUME_CLAIMS, { namespace: NAMESPACE, name });
const volumes = async (): Promise<string[]> =>
  (await kube.list(PERSISTENT_VOLUMES, undefined)).items
    .map(({ metadata, status }) => `${metadata?.name} ${status?.phase}`)
    .sort();
const bound = (name: string): Promise<PersistentVolumeClaim> =>
  eventually(
    () => claim(name),
    ({ status }) => status?.phase === 'Bound',
    `${name} is bound`,
  );
const drop = (name: string) => kube.delete(PERSISTENT_VOLUME_CLAIMS, { namespace: NAMESPACE, name });
const phaseOf = (name: string, phase: string): Promise<string[]> =>
  eventually(volumes, (lines) => lines.includes(`${name} ${phase}`), `${name} is ${phase}`);
const told = (name: string, line: RegExp) =>
  eventually(
    () => cluster.events(name),
    (events) => events.some((event) => line.test(event)),
    `${name} has the event ${line}`,
  );

t.test('a claim gets a folder of its own, which goes with it', async (t) => {
  const standard = await kube.get(STORAGE_CLASSES, { name: 'standard' });
  t.equal(standard.metadata?.annotations?.['storageclass.kubernetes.io/is-default-class'], 'true');
  const asked = await ask('data');
  t.equal(asked.spec?.storageClassName, 'standard', 'the default class is filled in');
  t.same(asked.metadata?.finalizers, ['kubernetes.io/pvc-protection']);
  const { spec, status, metadata } = await bound('data');
  const name = `pvc-${metadata?.uid}`;
  t.equal(spec?.volumeName, name);
  t.match(status, { accessModes: ['ReadWriteOnce'], capacity: { storage: '1Gi' } });
  await phaseOf(name, 'Bound');
  const volume = await kube.get(PERSISTENT_VOLUMES, { name });
  t.match(volume.spec, {
    hostPath: { path: join(root, name) },
    persistentVolumeReclaimPolicy: 'Delete',
    claimRef: { name: 'data', uid: metadata?.uid ?? '' },
  });
  t.ok(existsSync(join(root, name)));
  await told(
    'data',
    /^ProvisioningSucceeded: Successfully provisioned volume pvc-.* using kubernetes.io\/host-path \(1\)$/,
  );
  await writeFile(join(root, name, 'file'), 'content');

  const mounts = podSpec('nginx:1', {
    volumes: [{ name: 'v', persistentVolumeClaim: { claimName: 'data' } }],
  });
  await kube.create(PODS, NAMESPACE, podOf('user', mounts));
  await eventually(
    () => kube.get(PODS, { namespace: NAMESPACE, name: 'user' }),
    (pod) => pod.status?.phase === 'Running',
    'a pod runs with it',
  );
  await drop('data');
  const going = await claim('data');
  t.ok(going.metadata?.deletionTimestamp, 'it is asked to go');
  await kube.delete(PERSISTENT_VOLUMES, { name });
  await kube.create(PODS, NAMESPACE, podOf('late', mounts));
  await told(
    'late',
    /^FailedScheduling: 0\/1 nodes are available: persistentvolumeclaim "data" is being deleted\./,
  );
  t.ok((await claim('data')).metadata?.deletionTimestamp, 'and stays while the pod does');
  t.ok(existsSync(join(root, name, 'file')));
  await kube.delete(PODS, { namespace: NAMESPACE, name: 'user' });
  await eventually(volumes, (lines) => lines.length === 0, 'then claim and volume go');
  t.same(await readdir(root), [], 'and the folder');
  t.notOk(await cluster.exists(PERSISTENT_VOLUME_CLAIMS, 'data'));
  await kube.delete(PODS, { namespace: NAMESPACE, name: 'late' });
});

t.test('a pod waits for its claim', async (t) => {
  const mounts = podSpec('nginx:1', {
    volumes: [{ name: 'v', persistentVolumeClaim: { claimName: 'later' } }],
  });
  await kube.create(PODS, NAMESPACE, podOf('waiter', mounts));
  await told('waiter', /persistentvolumeclaim "later" not found/);
  await ask('later');
  await eventually(
    () => kube.get(PODS, { namespace: NAMESPACE, name: 'waiter' }),
    (pod) => pod.status?.phase === 'Running',
    'and runs when it has one',
  );
  t.match(await claim('later'), { status: { phase: 'Bound' } });
});

t.test('classes that keep what was written, and that wait for a pod', async (t) => {
  const like = await kube.get(STORAGE_CLASSES, { name: 'standard' });
  const make = (name: string, more: object) =>
    kube.create(STORAGE_CLASSES, undefined, { provisioner: like.provisioner, ...more, metadata: { name } });
  await make('keep', { reclaimPolicy: 'Retain' });
  await make('wait', { volumeBindingMode: 'WaitForFirstConsumer' });
  await ask('kept', { storageClassName: 'keep' });
  const name = (await bound('kept')).spec?.volumeName ?? '';
  await drop('kept');
  await phaseOf(name, 'Released');
  t.ok(existsSync(join(root, name)));
  await kube.delete(PERSISTENT_VOLUMES, { name });
  await eventually(volumes, (lines) => !lines.some((line) => line.startsWith(name)), 'the volume goes');
  t.ok(existsSync(join(root, name)), 'its folder outlives it');

  await ask('patient', { storageClassName: 'wait' });
  await told('patient', /^WaitForFirstConsumer: /);
  const mounts = podSpec('nginx:1', {
    volumes: [{ name: 'v', persistentVolumeClaim: { claimName: 'patient' } }],
  });
  await kube.create(PODS, NAMESPACE, podOf('consumer', mounts));
  await bound('patient');
});

t.test('volumes made by hand', async (t) => {
  const outside = t.testdir({ precious: 'data' });
  await offer('large');
  await offer('small', {
    capacity: { storage: '2Gi' },
    persistentVolumeReclaimPolicy: 'Delete',
    hostPath: { path: outside },
  });
  await phaseOf('large', 'Available');
  await phaseOf('small', 'Available');
  await ask('first', { storageClassName: 'hand' });
  t.equal((await bound('first')).spec?.volumeName, 'small', 'the smallest that does');
  await ask('second', { storageClassName: 'hand', volumeName: 'small' });
  await told('second', /^FailedBinding: volume "small" already bound to a different claim\./);
  await ask('third', { storageClassName: 'hand', accessModes: ['ReadWriteMany'] });
  await told('third', /^ProvisioningFailed: storageclass.storage.k8s.io "hand" not found/);
  await ask('none', { storageClassName: '' });
  await told(
    'none',
    /^FailedBinding: no persistent volumes available for this claim and no storage class is set/,
  );
  await offer('shared', { accessModes: ['ReadWriteMany'] });
  t.equal((await bound('third')).spec?.volumeName, 'shared', 'a volume that comes later is taken');
  await drop('first');
  await phaseOf('small', 'Failed');
  await told('small', /^VolumeFailedDelete: /);
  t.ok(existsSync(join(outside, 'precious')), 'nothing outside the root is touched');

  const forged = 'pvc-00000000-0000-4000-8000-000000000000';
  await kube.create(PERSISTENT_VOLUMES, undefined, {
    metadata: { name: forged, annotations: { 'pv.kubernetes.io/provisioned-by': 'kubernetes.io/host-path' } },
    spec: {
      ...{ accessModes: ['ReadWriteOnce'], capacity: { storage: '1Gi' }, storageClassName: 'forged' },
      ...{ hostPath: { path: outside }, persistentVolumeReclaimPolicy: 'Delete' },
    },
  });
  await ask('forger', { storageClassName: 'forged' });
  await bound('forger');
  await drop('forger');
  await phaseOf(forged, 'Failed');
  t.ok(existsSync(join(outside, 'precious')), 'not even by one that says it is ours');
});

t.test('a claim that lost its volume says so', async (t) => {
  await offer('fleeting', { storageClassName: 'fleeting' });
  await phaseOf('fleeting', 'Available');
  await ask('loser', { storageClassName: 'fleeting' });
  await bound('loser');
  const release = { type: 'merge', body: { metadata: { finalizers: null } } } as const;
  await kube.patch(PERSISTENT_VOLUMES, { name: 'fleeting' }, release);
  await kube.delete(PERSISTENT_VOLUMES, { name: 'fleeting' });
  await eventually(
    () => claim('loser'),
    ({ status }) => status?.phase === 'Lost',
    'it is lost',
  );
  await told('loser', /^ClaimLost: Bound claim has lost its PersistentVolume/);
  t.match(await claim('loser'), { spec: { volumeName: 'fleeting' } });
});

t.test('nothing was warned of', async (t) => {
  t.same(cluster.warnings, []);
});
