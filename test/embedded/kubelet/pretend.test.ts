/** Where our programs cannot be run, their pods pretend, and say why. */
import t from 'tap';
import { canListen } from '../../../devcluster/kubelet/shared.js';
import { specOf, startPods } from './cluster.js';

t.test('a cluster without the program', async (t) => {
  const cluster = await startPods(t, { program: undefined });
  await cluster.create('operator', specOf({ livenessProbe: { tcpSocket: { port: 1 } } }));
  const pod = await cluster.ready('operator');
  t.match(pod.status?.containerStatuses?.[0]?.containerID, /^pretend:/);
  t.match(
    await cluster.log('operator'),
    /only pretends to run; nothing of the image is executed: this cluster was started without the program that plays it\n/,
  );
  await cluster.create('volumes', {
    ...specOf({ volumeMounts: [{ name: 'host', mountPath: '/host' }] }),
    volumes: [{ name: 'host', hostPath: { path: '/' } }],
  });
  await cluster.ready('volumes');
  t.match(
    await cluster.exec('volumes', ['ls', '/']),
    { code: 0, out: 'tmp\n' },
    'what pretends mounts nothing',
  );
});

t.test('which addresses a machine has is found by trying', async (t) => {
  t.equal(await canListen('127.0.0.1'), true);
  // For documentation only: no machine has it.
  t.equal(await canListen('203.0.113.1'), false);
});
