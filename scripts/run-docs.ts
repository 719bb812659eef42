/**
 * Runs the commands of the pages. A fenced block whose info string is `sh run` is run by `bash -e`, the blocks of all pages
 * in order, beside a server that was started as a user starts it. `sh run needs=PROGRAM` is skipped where there is no such
 * program. Prints what ran and what was skipped; exits 1 when a block failed.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { access, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

const PAGES = [
  'README.md',
  'docs/install.md',
  'docs/performance.md',
  'docs/embedded-cluster.md',
  'docs/lightchain.md',
  'docs/functions.md',
  'examples/README.md',
  'examples/curl/README.md',
  'examples/aplite/README.md',
  'client/README.md',
  'docs/plugins.md',
  'plugin-sdk/README.md',
  'k8s-yamls/charts/url-shortener/README.md',
  'test/cluster/README.md',
];
const BLOCK = /^```sh run(?: needs=(\S+))?\n([\s\S]*?)^```$/gm;
/** Seconds that a block may take. */
const PATIENCE = 120;

interface Block {
  readonly page: string;
  readonly needs: string | undefined;
  readonly script: string;
}

async function blocksOf(page: string): Promise<Block[]> {
  const text = await readFile(page, 'utf8');
  return [...text.matchAll(BLOCK)].map(([, needs, script = '']) => ({ page, needs, script }));
}

/** Links of a page to files of the project that are not there. */
async function deadLinks(page: string): Promise<string[]> {
  const text = await readFile(page, 'utf8');
  const links = [...text.matchAll(/\]\((?!https?:|#)([^)#\s]+)/g)].map(([, link = '']) => link);
  const dead: string[] = [];
  for (const link of links)
    await access(join(dirname(page), link)).catch(() =>
      dead.push(`${page} links to ${link}, which is not there`),
    );
  return dead;
}

/** Starts `xi-k8s serve` with its defaults, which are what the pages name; resolves when it listens. */
async function startServer(): Promise<() => Promise<void>> {
  const child = spawn(process.execPath, ['dist/cli/xi-k8s.js', 'serve'], {
    env: { PATH: process.env['PATH'] ?? '' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
  const ended = once(child, 'close');
  const listening = once(child.stdout, 'data');
  await Promise.race([listening, ended]);
  if (child.exitCode !== null) throw new Error(`the server did not start: ${errors}`);
  return async () => {
    child.kill('SIGTERM');
    await ended;
  };
}

const has = (program: string): boolean =>
  spawnSync('sh', ['-c', 'command -v "$0" >/dev/null', program], { stdio: 'ignore' }).status === 0;

const blocks = (await Promise.all(PAGES.map(blocksOf))).flat();
const home = await mkdtemp(join(tmpdir(), 'xi-k8s-docs-'));
// An answer that is a failure fails its command.
await writeFile(join(home, '.curlrc'), 'fail-with-body\n');
const stop = await startServer();
let failed = 0;
for (const dead of (await Promise.all(PAGES.map(deadLinks))).flat()) {
  failed++;
  console.log(`FAILED ${dead}`);
}
try {
  for (const { page, needs, script } of blocks) {
    const what = `${page}: ${script.trim().split('\n').join('; ')}`;
    const missing = [
      'bash',
      ...(needs === undefined ? [] : [needs]),
      ...(script.includes('curl ') ? ['curl'] : []),
    ].find((program) => !has(program));
    if (missing !== undefined) {
      console.log(`skipped, there is no ${missing} here: ${what}`);
      continue;
    }
    // A HOME of its own: no kubeconfig, no curlrc of the machine has a say.
    const { status, stdout, stderr, error } = spawnSync('bash', ['-e', '-o', 'pipefail', '-c', script], {
      env: { PATH: process.env['PATH'] ?? '', HOME: home },
      timeout: PATIENCE * 1000,
      encoding: 'utf8',
    });
    console.log(`${status === 0 ? 'ran' : 'FAILED'} ${what}`);
    if (status === 0) continue;
    failed++;
    console.log(stdout, stderr, error?.message ?? '');
  }
} finally {
  await stop();
  await rm(home, { recursive: true });
}
console.log(`${blocks.length} blocks of documentation, ${failed} failed`);
process.exitCode = failed === 0 && blocks.length > 0 ? 0 : 1;
