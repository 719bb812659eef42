/**
 * What a user applies and types: every overlay is rendered and tried by the API server, a wrong value is refused, the lines
 * of docs/install.md do what they say, and the overlay for one namespace gives rights in that one alone.
 */
import t from 'tap';
import type { Test } from 'tap';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { call } from '../helpers/http.js';
import { controlSocket } from './control.js';
import { kubectl, portForward, run, until, whyNot } from './kubectl.js';

const FOLDER = 'k8s-yamls';

/** In a copy of a file, this becomes that; and what the failure's text then names. */
interface Wrong {
  readonly file: string;
  readonly from: string;
  readonly to: string;
  readonly says: RegExp;
}

const WRONG: readonly Wrong[] = [
  { file: 'base/deployment.yaml', from: 'replicas: 1', to: 'replicas: many', says: /replicas/ },
  { file: 'base/deployment.yaml', from: 'cpu: 50m', to: 'cpu: fifty', says: /quantit/i },
  { file: 'base/deployment.yaml', from: 'cpu: 50m', to: 'cpu: 5', says: /less than or equal to cpu limit/ },
  {
    file: 'base/deployment.yaml',
    from: 'enableServiceLinks:',
    to: 'enableServicelink:',
    says: /unknown field.*enableServicelink/,
  },
  { file: 'base/deployment.yaml', from: 'port: ops', to: 'port: Ops!', says: /httpGet\.port/ },
  { file: 'base/service.yaml', from: 'port: 9090', to: 'port: 90900', says: /spec\.ports\[0\]\.port/ },
  { file: 'base/kustomization.yaml', from: '- service.yaml', to: '- services.yaml', says: /services\.yaml/ },
];

/** What a person is told: server-side dry run with strict fields, warnings of the Pod Security level included. */
const tryOut = (overlay: string) =>
  run(['kubectl', 'apply', '-k', overlay, '--dry-run=server', '--validate=strict']);

async function rendering(t: Test): Promise<void> {
  const overlays = await readdir(join(FOLDER, 'overlays'));
  t.same(overlays.sort(), ['cluster', 'namespace']);
  // Objects of a namespace that is not there yet cannot be tried.
  await kubectl(['apply', '-f', join(FOLDER, 'base/namespace.yaml')]);
  for (const name of overlays) {
    const overlay = join(FOLDER, 'overlays', name);
    const yaml = await kubectl(['kustomize', overlay]);
    const image = /image: (\S+)/.exec(yaml)?.[1];
    const base = await readFile(join(FOLDER, 'base/kustomization.yaml'), 'utf8');
    t.equal(image, `${/newName: (\S+)/.exec(base)?.[1]}:${/newTag: (\S+)/.exec(base)?.[1]}`);
    const tried = await tryOut(overlay);
    t.equal(tried.code, 0, tried.stderr);
    t.match(tried.stdout, /deployment\.apps\/xi-k8s created \(server dry run\)/);
    t.notMatch(tried.stderr, /would violate PodSecurity/);
  }

  await t.test('a wrong value fails', async (t) => {
    const copy = await mkdtemp(join(tmpdir(), 'xi-manifests-'));
    t.teardown(() => rm(copy, { recursive: true }));
    for (const { file, from, to, says } of WRONG) {
      await cp(FOLDER, copy, { recursive: true });
      const right = await readFile(join(copy, file), 'utf8');
      t.ok(right.includes(from), `${file} has ${from}`);
      await writeFile(join(copy, file), right.replace(from, to));
      for (const name of overlays) {
        const tried = await tryOut(join(copy, 'overlays', name));
        t.not(tried.code, 0, `${name}: ${to}`);
        t.match(tried.stderr, says);
      }
    }
    await cp(FOLDER, copy, { recursive: true });
    t.equal((await tryOut(join(copy, 'overlays/cluster'))).code, 0, 'the copy itself is right');

    const lax = join(copy, 'base/deployment.yaml');
    await writeFile(lax, (await readFile(lax, 'utf8')).replace('runAsNonRoot: true', 'runAsNonRoot: false'));
    t.match(
      (await tryOut(join(copy, 'overlays/cluster'))).stderr,
      /would violate PodSecurity "restricted.*runAsNonRoot/,
    );
  });
  await kubectl(['delete', 'namespace', 'xi-k8s']);
}

async function oneNamespace(t: Test): Promise<void> {
  const overlay = join(FOLDER, 'overlays/namespace');
  await kubectl(['apply', '-k', overlay]);
  t.teardown(() => kubectl(['delete', '-k', overlay]));
  await kubectl(['rollout', 'status', '-n', 'xi-k8s', 'deployment/xi-k8s', '--timeout=120s']);
  const { url, stop } = await portForward('xi-k8s', 'deployment/xi-k8s', 8080);
  t.teardown(stop);
  t.match(await call(url, 'server_info'), { body: { default_namespace: 'default' } });
  t.equal((await call(url, 'list_pods')).status, 200);
  for (const namespace of ['xi-k8s', 'kube-system'])
    t.match(await call(url, 'list_pods', { namespace }), {
      status: 403,
      body: { code: 'permission_denied', permission: { resource: 'pods', verb: 'list', namespace } },
    });
  t.match(await call(url, 'list_namespaces'), {
    status: 403,
    body: { permission: { resource: 'namespaces' } },
  });
  const params = { name: 'small', image: 'nginx:1.15.4', replicas: 1, wait: true };
  const made = await call(url, 'create_deployment', params);
  t.match(made, { status: 200, body: { namespace: 'default', replicas: { ready: 1 } } });
  t.equal((await call(url, 'delete_deployment', { name: 'small' })).status, 200);
}

/** Runs the blocks that are marked `sh cluster`, as a reader does: a port-forward goes on while the next ones run. */
async function page(t: Test): Promise<void> {
  const blocksOf = async (page: string): Promise<string[]> =>
    [...(await readFile(page, 'utf8')).matchAll(/^```sh cluster\n([\s\S]*?)^```$/gm)].map(([, script = '']) =>
      script.trim(),
    );
  const blocks = await blocksOf('docs/install.md');
  t.equal(blocks.length, 4);
  const lines = new Set(blocks.flatMap((script) => script.split('\n')));
  const shown = (await blocksOf('README.md')).flatMap((script) => script.split('\n'));
  t.equal(shown.length, 3);
  for (const line of shown) t.ok(lines.has(line), `the README's line is among those: ${line}`);
  for (const script of blocks) {
    t.comment(script);
    if (script.startsWith('kubectl port-forward')) {
      const child = spawn('bash', ['-c', `exec ${script}`], { stdio: ['ignore', 'pipe', 'inherit'] });
      t.teardown(() => child.kill());
      await once(child.stdout, 'data');
      continue;
    }
    const { code, stdout, stderr } = await run(['bash', '-e', '-o', 'pipefail', '-c', script]);
    t.equal(code, 0, stderr);
    if (script.includes('pod_logs')) {
      t.match(stdout, /"name":"nginx-deployment"/);
      t.match(stdout, /"type":"result".*"ready":3/);
      t.match(stdout, /"line":"listens on port 80"/);
    }
  }
  await until(
    () => run(['kubectl', 'get', 'namespace', 'xi-k8s']),
    ({ stderr }) => stderr.includes('not found'),
  );
}

t.setTimeout(600_000);
const why = whyNot();
if (why !== undefined) t.plan(0, why);
else {
  await t.test('every overlay is right', rendering);
  if (controlSocket() === undefined)
    t.comment('SKIPPED: the lines of docs/install.md take port 8080: run it by `npm run cluster`');
  else await t.test('the lines of docs/install.md', page);
  await t.test('the overlay for one namespace', oneNamespace);
}
