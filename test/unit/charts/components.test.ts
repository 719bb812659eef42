/** What the components add to the operator's Deployment. */
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { readConfig } from '../../../server/config.js';
import { which } from '../../cluster/harness/packages.js';
import { kustomized } from './rendered.js';

if (which('kubectl') === undefined) {
  process.stderr.write(
    'charts/components.test: the components are skipped: there is no kubectl on the PATH\n',
  );
  t.pass('nothing to look at');
} else
  t.test('both components in an overlay', async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'components-'));
    t.teardown(() => rm(folder, { recursive: true }));
    await cp('k8s-yamls', join(folder, 'k8s-yamls'), { recursive: true });
    const overlay = join(folder, 'k8s-yamls/overlays/own');
    await mkdir(overlay);
    await writeFile(
      join(overlay, 'kustomization.yaml'),
      JSON.stringify({
        resources: ['../cluster'],
        components: ['../../components/plugin-host', '../../components/peer-tls'],
      }),
    );
    const { pod, container } = await kustomized(overlay);
    const { env = [], volumeMounts = [] } = container('xi-k8s');
    const settings = Object.fromEntries(env.map(({ name, value }) => [name, value]));
    t.match(readConfig(settings), {
      XI_PLUGIN_HOST: 'on',
      XI_PEER_TLS_CA: '/var/run/peer-tls/ca.crt',
      XI_PEER_TLS_CERT: '/var/run/peer-tls/tls.crt',
      XI_PEER_TLS_KEY: '/var/run/peer-tls/tls.key',
    });
    t.match(volumeMounts, [{ name: 'peer-tls', mountPath: '/var/run/peer-tls', readOnly: true }]);
    t.match(pod.volumes, [{ name: 'peer-tls', secret: { secretName: 'xi-k8s-peer-tls' } }]);
  });
