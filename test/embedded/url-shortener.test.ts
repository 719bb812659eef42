/**
 * The URL shortener on the embedded cluster as a user starts it: its own manifests and chart by kubectl and helm, four containers
 * that are real programs, real calls between them.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { which } from '../cluster/harness/packages.js';
import { findHelm } from '../helpers/helm.js';
import { chartSuite, exampleSuite } from '../suites/url-shortener.js';

const command = fileURLToPath(new URL('../../cli/xi-k8s.js', import.meta.url));

/** `xi-k8s serve` on free ports, its folders below `home`; the URL of its cluster. */
async function serve(home: string): Promise<{ cluster: string; stop(): Promise<unknown> }> {
  const env = { TMPDIR: home, XI_PORT: '0', XI_OPS_PORT: '0', XI_EMBEDDED_PORT: '0' };
  const child = spawn(process.execPath, [command, 'serve'], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  const ended = once(child, 'exit');
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
  const cluster = await new Promise<string>((resolve, reject) => {
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      said += text;
      const found = /embedded cluster at (http:\/\/127\.0\.0\.1:\d+)/.exec(said)?.[1];
      if (found !== undefined && said.endsWith("'\n\n")) resolve(found);
    });
    void ended.then(() => reject(new Error(`it ended: ${said}`)));
  });
  return {
    cluster,
    stop() {
      child.kill('SIGTERM');
      return ended;
    },
  };
}

const kubeconfig = (server: string): string =>
  JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'embedded', cluster: { server } }],
    contexts: [{ name: 'embedded', context: { cluster: 'embedded', user: '' } }],
    'current-context': 'embedded',
  });

t.setTimeout(600_000);
const missing = which('kubectl') === undefined ? 'there is no kubectl on the PATH' : undefined;
if (missing !== undefined) t.plan(0, missing);
else {
  const home = await mkdtemp(join(tmpdir(), 'shortener-'));
  t.teardown(() => rm(home, { recursive: true }));
  const pods = join(home, 'pods');
  await mkdir(pods);
  const operator = await serve(pods);
  const file = join(home, 'kubeconfig');
  await writeFile(file, kubeconfig(operator.cluster));
  // What kubectl, helm and the scripts go by.
  process.env['KUBECONFIG'] = file;

  await t.test('kubectl apply -k', exampleSuite);
  const helm = await findHelm();
  if (helm === undefined)
    t.comment('SKIPPED: the chart needs helm: install it, or have it built as .ci/run does');
  else await t.test('the chart', (t) => chartSuite(t, helm));
  await t.test('nothing is left of it', async (t) => {
    t.same(await operator.stop(), [0, null]);
    t.same(await readdir(pods), []);
  });
}
