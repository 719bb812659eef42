/** The chart of the URL shortener by the real helm: what its values make, which it refuses, and that the example is the same. */
import { execFile } from 'node:child_process';
import { access, constants, readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import type { Test } from 'tap';
import { which } from '../../cluster/harness/packages.js';
import { NO_HELM, findHelm } from '../../helpers/helm.js';
import { CHART, comparable, kustomized, template } from './rendered.js';
import type { Rendered, Rule } from './rendered.js';

const run = promisify(execFile);
const CONTAINERS = ['host', 'logger', 'storage', 'api'];
const IMAGE = 'localhost/xi-k8s:0.1.0';

const imagesOf = ({ pod }: Rendered): (string | undefined)[] => pod.containers.map(({ image }) => image);
const peersOf = ({ container }: Rendered) =>
  container('storage').env?.find(({ name }) => name === 'STATE_PEER')?.value;
const policyOf = (made: Rendered) => made.of('NetworkPolicy')[0]?.spec;
const portsOf = (rules: readonly Rule[] = []): (number | string)[] =>
  rules.flatMap(({ ports }) => ports.map(({ port }) => port));

/** The lines of the chart's page, each after `helm install url-shortener .`, and what they must make. */
const LINES: Readonly<Record<string, (t: Test, made: Rendered) => void>> = {
  '': (t, made) => {
    t.equal(made.deployment.spec?.replicas, 1);
    t.same(imagesOf(made), [IMAGE, IMAGE, IMAGE, IMAGE]);
    t.same(
      made.of('Service').map(({ spec }) => spec.type ?? spec.clusterIP),
      ['ClusterIP', 'None'],
    );
  },
  '--set service.type=LoadBalancer': (t, made) => t.equal(made.of('Service')[0]?.spec.type, 'LoadBalancer'),
  '--set replicaCount=3': (t, made) => t.equal(made.deployment.spec?.replicas, 3),
  '--set image.repository=myregistry.io --set image.tag=v1.0.0': (t, made) =>
    t.same(
      imagesOf(made),
      CONTAINERS.map(() => 'myregistry.io/xi-k8s:v1.0.0'),
    ),
};

/** Values that the page does not set. */
const OTHERS: Readonly<Record<string, (t: Test, made: Rendered) => void>> = {
  '--set image.repository=': (t, made) => t.equal(imagesOf(made)[0], 'xi-k8s:0.1.0'),
  '--set image.repository=ghcr.io/someone/': (t, made) =>
    t.equal(imagesOf(made)[0], 'ghcr.io/someone/xi-k8s:0.1.0'),
  '--set images.host=cpg-platform,images.logger=cpg-logger-plugin,images.storage=cpg-storage-plugin,images.api=cpg-api-plugin':
    (t, made) =>
      t.same(
        imagesOf(made),
        ['platform', 'logger-plugin', 'storage-plugin', 'api-plugin'].map(
          (name) => `localhost/cpg-${name}:0.1.0`,
        ),
      ),
  '--set-json args.logger=[]': (t, made) => {
    t.equal(made.container('logger').args, undefined);
    t.same(made.container('storage').args, ['example', 'storage']);
  },
  '--set image.pullPolicy=Always --set image.pullSecrets[0].name=mine': (t, made) => {
    t.ok(made.pod.containers.every(({ imagePullPolicy }) => imagePullPolicy === 'Always'));
    t.same(made.pod.imagePullSecrets, [{ name: 'mine' }]);
  },
  '--set probes.logger=null': (t, made) => {
    t.same(made.container('logger').readinessProbe?.tcpSocket, { port: 'logger' });
    t.equal(made.container('logger').livenessProbe, undefined);
    t.match(made.container('api').readinessProbe?.httpGet, { path: '/ready', port: 'api' });
  },
  '--set probes.api.ready=/healthz': (t, made) =>
    t.equal(made.container('api').readinessProbe?.httpGet?.path, '/healthz'),
  '--set service.port=80': (t, made) =>
    t.match(made.of('Service')[0]?.spec.ports, [{ port: 80, targetPort: 'api' }]),
  '--set resources.api.limits.memory=1Gi': (t, made) => {
    t.match(made.container('api').resources, { limits: { memory: '1Gi' }, requests: { cpu: String } });
    t.match(made.container('logger').resources, { limits: { memory: '192Mi' } });
  },
  '--set state.shared=false': (t, made) => {
    t.equal(peersOf(made), undefined);
    t.equal(made.deployment.spec?.template.metadata?.labels?.['klight.networkId'], undefined);
    t.equal(made.of('Service').length, 1);
    t.same(portsOf(policyOf(made)?.ingress), ['api']);
    t.same(policyOf(made)?.egress, []);
  },
  '--set state.network=mine': (t, made) =>
    t.equal(made.deployment.spec?.template.metadata?.labels?.['klight.networkId'], 'mine'),
  '--set podDisruptionBudget.enabled=false': (t, made) => t.same(made.of('PodDisruptionBudget'), []),
  '--set podDisruptionBudget.maxUnavailable=50%': (t, made) =>
    t.equal(made.of('PodDisruptionBudget')[0]?.spec.maxUnavailable, '50%'),
  '--set networkPolicy.enabled=false': (t, made) => t.same(made.of('NetworkPolicy'), []),
  '--set networkPolicy.operator=null': (t, made) =>
    t.equal(policyOf(made)?.ingress?.find(({ from }) => from !== undefined)?.from?.length, 1),
  '--set-json networkPolicy.metricsFrom=[{"podSelector":{"matchLabels":{"app":"prometheus"}}}]': (t, made) =>
    t.match(policyOf(made)?.ingress?.at(-1), {
      from: [{ podSelector: { matchLabels: { app: 'prometheus' } } }],
      ports: [{ port: 'ops' }],
    }),
};

/** Values that are refused, and what the message names. */
const WRONG: Readonly<Record<string, RegExp>> = {
  'replicaCount=many': /replicaCount.*want integer/,
  'replicaCount=-1': /replicaCount/,
  'service.type=Loadbalancer': /service\/type.*LoadBalancer/,
  'service.port=0': /service\/port/,
  'servcie.port=80': /servcie/,
  'image.tag=a b': /image\/tag/,
  'image.repository=https://registry': /image\/repository/,
  'images.host=': /images\/host/,
  'resources.api.limits.memory=much': /resources\/api\/limits\/memory/,
  'resources.gateway.limits.memory=1Gi': /gateway/,
  'state.shared=perhaps': /state\/shared/,
  'state.network=not a label': /state\/network/,
  'podDisruptionBudget.maxUnavailable=101%': /podDisruptionBudget\/maxUnavailable/,
  'networkPolicy.operator.namespace=Upper': /networkPolicy\/operator\/namespace/,
};

const labelsOf = ({ deployment }: Rendered): Record<string, string> =>
  deployment.spec?.template.metadata?.labels ?? {};

/** By what its objects select pods. */
const selectorsOf = (made: Rendered): Record<string, string>[] =>
  [
    made.deployment.spec?.selector.matchLabels,
    ...made.of('Service').map(({ spec }) => spec.selector),
    ...made.of('PodDisruptionBudget').map(({ spec }) => spec.selector?.['matchLabels']),
    ...made.of('NetworkPolicy').map(({ spec }) => spec.podSelector?.matchLabels),
  ] as Record<string, string>[];

/** What holds whatever the values are. */
function whole(t: Test, made: Rendered): void {
  const name = { app: 'url-shortener', 'app.kubernetes.io/name': 'url-shortener' };
  for (const { metadata } of made.objects) t.match(metadata?.labels, name, String(metadata?.name));
  t.match(labelsOf(made), name);
  for (const selector of selectorsOf(made)) {
    t.ok(Object.keys(selector).length > 0, 'it selects by something');
    t.match(labelsOf(made), selector, 'and the pods are selected');
  }
  const named = made.pod.containers.flatMap(({ ports = [] }) => ports.map((port) => port.name));
  t.equal(new Set(named).size, named.length, 'ports have names of their own');
  for (const { targetPort } of made.of('Service').flatMap(({ spec }) => spec.ports ?? []))
    t.ok(named.includes(targetPort), `the Service's port ${targetPort} is one of the pod's`);
  restricted(t, made);
}

/** What the Pod Security level `restricted` asks for, and a read-only root beside. */
function restricted(t: Test, { pod }: Rendered): void {
  t.same(
    pod.containers.map(({ name }) => name),
    CONTAINERS,
  );
  t.match(pod.securityContext, { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } });
  t.equal(pod.automountServiceAccountToken, false);
  for (const {
    name,
    securityContext,
    readinessProbe,
    livenessProbe,
    resources,
    ports = [],
  } of pod.containers) {
    t.same(
      securityContext,
      { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } },
      name,
    );
    for (const probe of [readinessProbe, livenessProbe ?? readinessProbe]) {
      const port = (probe?.httpGet ?? probe?.tcpSocket)?.port;
      t.ok(
        ports.some((one) => one.name === port),
        `${name} is probed at a port of its own`,
      );
    }
    t.ok(resources?.limits?.['memory'], `${name} has a limit`);
  }
}

async function scripts(t: Test): Promise<void> {
  const files = (await readdir(CHART)).filter((name) => name.endsWith('.sh')).sort();
  t.same(
    files,
    ['cleanup', 'install', 'port-forward', 'setup', 'test', 'test-api'].map((name) => `${name}.sh`).sort(),
  );
  for (const name of files) {
    const file = join(CHART, name);
    await access(file, constants.X_OK);
    t.match(await readFile(file, 'utf8'), /^#!\/usr\/bin\/env bash\n(#.*\n)+set -euo pipefail\n/, name);
    await run('bash', ['-n', file]);
    if (which('shellcheck') !== undefined) await run('shellcheck', [file]);
  }
  if (which('shellcheck') === undefined)
    process.stderr.write('charts/url-shortener.test: shellcheck is skipped: it is not installed\n');
}

t.setTimeout(600_000);
await t.test('the scripts', scripts);

const helm = await findHelm();
if (helm === undefined) process.stderr.write(`charts/url-shortener.test: the chart is skipped: ${NO_HELM}\n`);
else {
  await t.test('lint', async (t) => {
    const { stdout } = await run(helm, ['lint', '--strict', CHART]);
    t.match(stdout, /1 chart\(s\) linted, 0 chart\(s\) failed/);
  });

  for (const [line, check] of Object.entries({ ...LINES, ...OTHERS }))
    await t.test(`helm install url-shortener . ${line}`, async (t) => {
      const made = await template(
        helm,
        line.split(' ').filter((word) => word !== ''),
      );
      check(t, made);
      whole(t, made);
    });

  await t.test('the lines are those of the page', async (t) => {
    const page = (await readFile('docs/plugins.md', 'utf8')).replace(/ \\\n */g, ' ');
    const shown = [...page.matchAll(/^helm install url-shortener \S+ ?(.*)$/gm)].map(([, line = '']) => line);
    t.same(shown.sort(), Object.keys(LINES).sort());
  });

  for (const [value, says] of Object.entries(WRONG))
    await t.test(`refused: ${value}`, async (t) => {
      await t.rejects(template(helm, ['--set', value]), says);
    });

  await t.test('another release in the same namespace shares no name and no peers', async (t) => {
    const [one, two] = await Promise.all([template(helm), template(helm, [], 'second')]);
    whole(t, two);
    const names = ({ objects }: Rendered) => objects.map(({ kind, metadata }) => `${kind} ${metadata?.name}`);
    t.equal(new Set([...names(one), ...names(two)]).size, one.objects.length + two.objects.length);
    t.match(two.deployment.metadata?.name, 'second-url-shortener');
    t.not(labelsOf(one)['klight.networkId'], labelsOf(two)['klight.networkId']);
    t.notMatch(labelsOf(two), one.deployment.spec?.selector.matchLabels ?? {});
  });

  if (which('kubectl') === undefined)
    process.stderr.write(
      'charts/url-shortener.test: the example is skipped: there is no kubectl on the PATH\n',
    );
  else
    await t.test('the example makes the same objects', async (t) => {
      const [chart, example] = await Promise.all([
        template(helm),
        kustomized('k8s-yamls/examples/url-shortener'),
      ]);
      whole(t, example);
      t.same(comparable(example), comparable(chart));
      for (const release of ['url-shortener', 'second']) {
        const beside = await template(helm, [], release);
        for (const selector of selectorsOf(example))
          t.notMatch(labelsOf(beside), selector, `the example has none of the pods of ${release}`);
        for (const selector of selectorsOf(beside)) t.notMatch(labelsOf(example), selector, 'nor it of them');
      }
    });
}
