/** Stock helm waits for what it installs, where there is a helm: hooks, readiness, failure, the way back and the end. */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import { JOBS, SERVICES, STATEFUL_SETS } from '../../../kube/index.js';
import { NO_HELM, findHelm } from '../../helpers/helm.js';
import { NAMESPACE, isComplete, startCluster } from './cluster.js';

const run = promisify(execFile);

const CHART = 'apiVersion: v2\nname: app\nversion: 1.0.0\n';
const VALUES = 'image: nginx:1\n';
const TEMPLATE = `apiVersion: batch/v1
kind: Job
metadata:
  name: prepare
  annotations: {helm.sh/hook: pre-install}
spec:
  template:
    spec:
      restartPolicy: Never
      containers: [{name: main, image: busybox, command: [sh, -c, exit 0]}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers: [{name: main, image: {{ .Values.image | quote }}, ports: [{containerPort: 80}]}]
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: store}
spec:
  replicas: 1
  serviceName: store
  selector: {matchLabels: {app: store}}
  template:
    metadata: {labels: {app: store}}
    spec:
      containers: [{name: main, image: redis, volumeMounts: [{name: data, mountPath: /data}]}]
  volumeClaimTemplates:
  - metadata: {name: data}
    spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80}]}
`;

const helm = await findHelm();
if (helm === undefined) process.stderr.write(`helm.test: skipped, ${NO_HELM}\n`);

void t.test('helm --wait', { skip: helm === undefined && NO_HELM }, async (t) => {
  const cluster = await startCluster(t);
  const { kube } = cluster;
  const home = await mkdtemp(join(tmpdir(), 'helm-'));
  t.teardown(() => rm(home, { recursive: true }));
  const chart = join(home, 'app');
  await mkdir(join(chart, 'templates'), { recursive: true });
  await writeFile(join(chart, 'Chart.yaml'), CHART);
  await writeFile(join(chart, 'values.yaml'), VALUES);
  await writeFile(join(chart, 'templates/all.yaml'), TEMPLATE);
  /** Answers what it says, or with which words it fails. */
  const call = async (...args: string[]): Promise<string> => {
    const env = { PATH: process.env.PATH ?? '', HOME: home, KUBECONFIG: join(home, 'none') };
    const all = [...args, '--kube-apiserver', cluster.url, '--namespace', NAMESPACE];
    return run(helm ?? '', all, { env }).then(
      ({ stdout }) => stdout,
      ({ stderr }: { stderr: string }) => stderr,
    );
  };
  const at = (name: string) => ({ namespace: NAMESPACE, name });
  const image = async (): Promise<string | undefined> =>
    (await cluster.deployment('web')).spec?.template.spec?.containers[0]?.image;

  t.match(await call('install', 'app', chart, '--wait', '--timeout', '60s'), /^STATUS: deployed$/m);
  t.ok(isComplete(await cluster.deployment('web')), 'its Deployment is complete by then');
  t.match(await kube.get(STATEFUL_SETS, at('store')), { status: { readyReplicas: 1 } });
  t.match(await kube.get(JOBS, at('prepare')), { status: { succeeded: 1 } }, 'its hook has ended');
  t.match(await kube.get(SERVICES, at('web')), { spec: { selector: { app: 'web' } } });

  const broken = ['--set', 'image=does-not-exist', '--wait', '--timeout', '2s'];
  t.match(await call('upgrade', 'app', chart, ...broken), /UPGRADE FAILED: .*deadline/);
  t.match(await call('status', 'app'), /^STATUS: failed$/m);
  t.equal(await image(), 'does-not-exist');
  t.match(await call('rollback', 'app', '--wait', '--timeout', '60s'), /Rollback was a success/);
  t.equal(await image(), 'nginx:1');
  t.ok(isComplete(await cluster.deployment('web')));

  t.match(await call('uninstall', 'app', '--wait', '--timeout', '60s'), /release "app" uninstalled/);
  t.notOk(await cluster.exists(STATEFUL_SETS, 'store'));
  t.notOk(await cluster.exists(SERVICES, 'web'));
});
