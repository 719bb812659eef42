import { existsSync } from 'node:fs';
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { volumeFor } from '../../../devcluster/controllers/volume/claims.js';
import { folderOf, makeFolder, removeFolder } from '../../../devcluster/controllers/volume/folders.js';
import { planClaim } from '../../../devcluster/controllers/volume/match.js';
import type { ClaimStep, Storage } from '../../../devcluster/controllers/volume/match.js';
import { planVolume } from '../../../devcluster/controllers/volume/volumes.js';
import type { PersistentVolume, PersistentVolumeClaim, StorageClass } from '../../../kube/objects.js';

type ClaimSpec = Partial<NonNullable<PersistentVolumeClaim['spec']>>;
type VolumeSpec = Partial<NonNullable<PersistentVolume['spec']>>;

const UID = '12345678-1234-4234-8234-123456789abc';
const BOUND = { 'pv.kubernetes.io/bind-completed': 'yes' };

const claim = (
  spec: ClaimSpec = {},
  { annotations = {}, phase = 'Pending', going = false } = {},
): PersistentVolumeClaim => ({
  metadata: {
    ...{ name: 'c', namespace: 'default', uid: UID, annotations },
    ...(going ? { deletionTimestamp: '2026-01-01T00:00:00Z' } : {}),
  },
  spec: {
    accessModes: ['ReadWriteOnce'],
    resources: { requests: { storage: '1Gi' } },
    storageClassName: 'hand',
    ...spec,
  },
  status: { phase },
});
const volume = (
  name: string,
  spec: VolumeSpec = {},
  phase = 'Available',
  meta: object = {},
): PersistentVolume => ({
  metadata: { name, ...meta },
  spec: {
    ...{ accessModes: ['ReadWriteOnce'], capacity: { storage: '1Gi' }, storageClassName: 'hand' },
    ...{ hostPath: { path: '/data' }, ...spec },
  },
  status: { phase },
});
const ref = (name = 'c', uid?: string) => ({
  namespace: 'default',
  name,
  ...(uid === undefined ? {} : { uid }),
});
const storageClass = (more: Partial<StorageClass> = {}): StorageClass => ({
  metadata: { name: 'hand' },
  provisioner: 'kubernetes.io/host-path',
  ...more,
});
const storage = (volumes: PersistentVolume[], more: Partial<Storage> = {}): Storage => ({
  volumes: () => volumes,
  volume: (name) => volumes.find(({ metadata }) => metadata?.name === name),
  storageClass: () => undefined,
  isWanted: () => false,
  provisions: true,
  ...more,
});
const outcome = (step: ClaimStep): string => {
  if (step.do === 'bind') return `bind ${step.volume.metadata?.name}`;
  if (step.do === 'provision') return `provision by ${step.storageClass.metadata?.name}`;
  if (step.do === 'nothing') return 'nothing';
  return step.event === undefined ? step.do : `${step.do} ${step.event.reason}: ${step.event.message}`;
};

t.test('which volume a claim gets', async (t) => {
  const of = (more: Partial<StorageClass> = {}, isWanted = false): Partial<Storage> => ({
    storageClass: () => storageClass(more),
    isWanted: () => isWanted,
  });
  const rows: [string, PersistentVolumeClaim, PersistentVolume[], Partial<Storage>, string | RegExp][] = [
    [
      'the smallest that does',
      claim(),
      [volume('big', { capacity: { storage: '5Gi' } }), volume('fits')],
      {},
      'bind fits',
    ],
    ['the first by name', claim(), [volume('b'), volume('a')], {}, 'bind a'],
    [
      'too small',
      claim(),
      [volume('a', { capacity: { storage: '1023Mi' } })],
      {},
      /^wait ProvisioningFailed/,
    ],
    ['other modes', claim({ accessModes: ['ReadWriteMany'] }), [volume('a')], {}, /^wait/],
    ['more modes', claim(), [volume('a', { accessModes: ['ReadWriteMany', 'ReadWriteOnce'] })], {}, 'bind a'],
    ['another class', claim(), [volume('a', { storageClassName: 'x' })], {}, /^wait/],
    ['a block device', claim({ volumeMode: 'Block' }), [volume('a')], {}, /^wait/],
    [
      'selected',
      claim({ selector: { matchLabels: { a: 'b' } } }),
      [volume('a'), volume('b', {}, 'Available', { labels: { a: 'b' } })],
      {},
      'bind b',
    ],
    ['taken', claim(), [volume('a', { claimRef: ref('other', 'x') })], {}, /^wait/],
    ['not available yet', claim(), [volume('a', {}, '')], {}, /^wait/],
    ['released', claim(), [volume('a', {}, 'Released')], {}, /^wait/],
    ['going', claim(), [volume('a', {}, 'Available', { deletionTimestamp: 'x' })], {}, /^wait/],
    ['kept for it', claim(), [volume('a'), volume('z', { claimRef: ref() })], {}, 'bind z'],
    ['kept for one of its name', claim(), [volume('z', { claimRef: ref('c', 'another') })], {}, /^wait/],
    ['named', claim({ volumeName: 'b' }), [volume('a'), volume('b')], {}, 'bind b'],
    ['named and absent', claim({ volumeName: 'x' }), [volume('a')], of(), 'wait'],
    [
      'named and too small',
      claim({ volumeName: 'a' }),
      [volume('a', { capacity: { storage: '1Mi' } })],
      {},
      'wait VolumeMismatch: Cannot bind to requested volume "a": requested PV is too small',
    ],
    [
      'named and taken',
      claim({ volumeName: 'a' }),
      [volume('a', { claimRef: ref('other', 'x') })],
      {},
      'wait FailedBinding: volume "a" already bound to a different claim.',
    ],
    [
      'without a class',
      claim({ storageClassName: '' }),
      [],
      {},
      'wait FailedBinding: no persistent volumes available for this claim and no storage class is set',
    ],
    [
      'an unknown class',
      claim(),
      [],
      {},
      'wait ProvisioningFailed: storageclass.storage.k8s.io "hand" not found',
    ],
    ['made for it', claim(), [], of(), 'provision by hand'],
    [
      'made by others',
      claim(),
      [],
      of({ provisioner: 'x.y/z' }),
      /^wait ExternalProvisioning: Waiting for .* 'x\.y\/z' /,
    ],
    ['never made', claim(), [], of({ provisioner: 'kubernetes.io/no-provisioner' }), 'wait'],
    ['nowhere to make it', claim(), [], { ...of(), provisions: false }, /^wait ExternalProvisioning/],
    [
      'a device cannot be made',
      claim({ volumeMode: 'Block' }),
      [],
      of(),
      'wait ProvisioningFailed: kubernetes.io/host-path does not support block volume provisioning',
    ],
    [
      'for a pod, without one',
      claim(),
      [],
      of({ volumeBindingMode: 'WaitForFirstConsumer' }),
      /^wait WaitForFirstConsumer/,
    ],
    ['for a pod', claim(), [], of({ volumeBindingMode: 'WaitForFirstConsumer' }, true), 'provision by hand'],
    ['going', claim({}, { going: true }), [volume('a')], of(), 'nothing'],
    [
      'bound',
      claim({ volumeName: 'a' }, { annotations: BOUND }),
      [volume('a', { claimRef: ref('c', UID) })],
      {},
      'bind a',
    ],
    [
      'bound, its volume gone',
      claim({ volumeName: 'a' }, { annotations: BOUND }),
      [],
      {},
      /^lose ClaimLost: Bound claim has lost its/,
    ],
    ['lost, and known', claim({ volumeName: 'a' }, { annotations: BOUND, phase: 'Lost' }), [], {}, 'nothing'],
    [
      'bound, its name gone',
      claim({}, { annotations: BOUND }),
      [],
      {},
      /^lose ClaimLost: Bound claim has lost reference/,
    ],
    [
      'bound to what is bound to another',
      claim({ volumeName: 'a' }, { annotations: BOUND }),
      [volume('a', { claimRef: ref('other', 'x') })],
      {},
      /^lose ClaimMisbound/,
    ],
  ];
  for (const [what, subject, volumes, more, expected] of rows) {
    const found = outcome(planClaim(subject, storage(volumes, more)));
    if (typeof expected === 'string') t.equal(found, expected, what);
    else t.match(found, expected, what);
  }
});

t.test('what becomes of a volume', async (t) => {
  const HELD = { finalizers: ['kubernetes.io/pv-protection'] };
  const mine = claim({ volumeName: 'v' });
  const policy = (persistentVolumeReclaimPolicy: string): VolumeSpec => ({ persistentVolumeReclaimPolicy });
  const going = { ...HELD, deletionTimestamp: '2026-01-01T00:00:00Z' };
  const byUs = { annotations: { 'pv.kubernetes.io/bound-by-controller': 'yes' } };
  const other = claim({ volumeName: 'w' });
  const rows: [string, PersistentVolume, PersistentVolumeClaim | 'gone' | undefined, boolean, object][] = [
    ['new', volume('v', {}, 'Pending'), undefined, false, { do: 'phase', phase: 'Available' }],
    ['free', volume('v'), undefined, false, { do: 'nothing' }],
    ['free and deleted', volume('v', {}, 'Available', going), undefined, false, { do: 'let_go' }],
    [
      'held by others',
      volume('v', {}, 'Available', { ...going, finalizers: ['x'] }),
      undefined,
      false,
      { do: 'nothing' },
    ],
    ['bound', volume('v'), mine, false, { do: 'phase', phase: 'Bound' }],
    ['bound and deleted', volume('v', {}, 'Bound', going), mine, false, { do: 'nothing' }],
    ['chosen', volume('v'), claim(), false, { do: 'nothing' }],
    ['chosen in vain', volume('v', {}, 'Available', byUs), other, false, { do: 'unbind' }],
    ['made in vain', volume('v', policy('Delete'), 'Available', byUs), other, true, { do: 'delete' }],
    [
      'its claim gone',
      volume('v', policy('Delete'), 'Bound'),
      'gone',
      true,
      { do: 'phase', phase: 'Released' },
    ],
    ['released', volume('v', policy('Delete'), 'Released'), 'gone', true, { do: 'delete' }],
    ['retained', volume('v', policy('Retain'), 'Released'), 'gone', true, { do: 'nothing' }],
    [
      'retained and deleted',
      volume('v', policy('Retain'), 'Released', going),
      'gone',
      true,
      { do: 'let_go' },
    ],
    [
      'not ours',
      volume('v', policy('Delete'), 'Released'),
      'gone',
      false,
      { do: 'phase', phase: 'Failed', event: { reason: 'VolumeFailedDelete' } },
    ],
    [
      'recycled',
      volume('v', policy('Recycle'), 'Released'),
      'gone',
      false,
      { phase: 'Failed', event: { reason: 'VolumeFailedRecycle' } },
    ],
    ['failed, and known', volume('v', policy('Delete'), 'Failed'), 'gone', false, { do: 'nothing' }],
  ];
  for (const [what, subject, of, isOurs, expected] of rows)
    t.match(planVolume(subject, of, isOurs), expected, what);
});

t.test('folders: of our own volumes alone, and links lead nowhere', async (t) => {
  const root = t.testdir({ volumes: {}, outside: { precious: 'data' } });
  const volumes = join(root, 'volumes');
  const made = volumeFor(claim(), storageClass({ reclaimPolicy: 'Retain' }), volumes);
  const folder = folderOf(volumes, made);
  t.equal(folder, join(volumes, `pvc-${UID}`));
  t.equal(made.spec?.persistentVolumeReclaimPolicy, 'Retain');
  const lies: [string, string][] = [
    [`pvc-${UID}`, join(root, 'outside')],
    [`pvc-${UID}`, `${volumes}/../outside`],
    ['..', root],
    ['pvc-../../outside', join(volumes, 'pvc-../../outside')],
    ['mine', join(volumes, 'mine')],
  ];
  for (const [name, path] of lies)
    t.equal(
      folderOf(volumes, { metadata: { name }, spec: { hostPath: { path } } }),
      undefined,
      `${name} ${path}`,
    );
  t.equal(folderOf(undefined, made), undefined);

  await makeFolder(folder as string);
  await makeFolder(folder as string);
  await mkdir(join(folder as string, 'deep'));
  await writeFile(join(folder as string, 'deep', 'file'), 'x');
  await symlink(join(root, 'outside'), join(folder as string, 'link'));
  await removeFolder(folder as string);
  t.notOk(existsSync(folder as string));
  await removeFolder(folder as string);
  await symlink(join(root, 'outside'), folder as string);
  await removeFolder(folder as string);
  t.notOk(existsSync(folder as string), 'a link in its place goes');
  t.equal(await readFile(join(root, 'outside', 'precious'), 'utf8'), 'data', 'and what it leads to stays');
});
