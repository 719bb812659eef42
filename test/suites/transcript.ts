/** README's kubectl transcript, run against the cluster of a kubeconfig: every command prints what the page shows. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';

const BLOCK = /^```console transcript\n([\s\S]*?)^```$/m;
/** A line of the page that stands for any number of lines. */
const ANY = '…';
const PATIENCE_MS = 90_000;

interface Step {
  readonly command: string;
  readonly shown: readonly string[];
}

function stepsOf(page: string): Step[] {
  const text = BLOCK.exec(page)?.[1] ?? '';
  return text
    .split(/^\$ /m)
    .slice(1)
    .map((part) => {
      const [command = '', ...shown] = part.split('\n');
      return { command, shown };
    });
}

/** Names, addresses and ages that no two runs share, and the width of columns. */
const plain = (line: string): string =>
  line
    .replace(/\bhello-[a-z0-9]{8,10}-[a-z0-9]{5}\b/g, 'hello-HASH-ID')
    .replace(/\bhello-[a-z0-9]{5}\b/g, 'hello-ID')
    .replace(/\b\d+\.\d+\.\d+\.\d+\b/g, 'ADDRESS')
    .replace(/\b(\d+[smh])+$/g, 'AGE')
    .replace(/ +/g, ' ')
    .trim();

const isEmpty = (line: string): boolean => line === '';

/** Whether the lines are those that the page shows. */
function fits(shown: readonly string[], said: readonly string[]): boolean {
  const [first, ...rest] = shown;
  if (first === undefined) return said.length === 0;
  if (first !== ANY) return said[0] === first && fits(rest, said.slice(1));
  return said.some((_, at) => fits(rest, said.slice(at))) || fits(rest, []);
}

const README = 'README.md';

/** @param kubeconfig a file that leads to the cluster; a copy of it is used. */
export async function transcriptSuite(t: Test, kubeconfig: string): Promise<void> {
  const home = await mkdtemp(join(tmpdir(), 'transcript-'));
  t.teardown(() => rm(home, { recursive: true }));
  const copy = join(home, 'config');
  await copyFile(kubeconfig, copy);
  const steps = stepsOf(readFileSync(README, 'utf8'));
  t.ok(steps.length > 20, 'the page has a transcript');
  for (const { command, shown } of steps) {
    const child = spawn('sh', ['-c', `${command} 2>&1`], {
      env: { PATH: process.env['PATH'], HOME: home, KUBECONFIG: copy },
      stdio: ['ignore', 'pipe', 'ignore'],
      timeout: PATIENCE_MS,
    });
    let said = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (said += text));
    await once(child, 'close');
    const lines = said
      .split('\n')
      .map(plain)
      .filter((line) => !isEmpty(line));
    const expected = shown.map(plain).filter((line) => !isEmpty(line));
    t.ok(fits(expected, lines), command, { expected, found: lines });
  }
}
