/** `xi-k8s serve` as a user starts it: a process of its own, on free ports and the embedded cluster. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';

const COMMAND = fileURLToPath(new URL('../../cli/xi-k8s.js', import.meta.url));

export interface Served {
  /** Base URL of the functions. */
  readonly url: string;
  /** Base URL of the API server. */
  readonly clusterUrl: string;
  /** Ends it as Kubernetes does; resolves with its exit code and the signal that killed it. */
  stop(): Promise<unknown[]>;
}

/** Starts it; resolves when it listens. Rejects with what it said when it ends instead. @param home where its folders are. */
export async function serve(t: Test, home: string, settings: Record<string, string> = {}): Promise<Served> {
  const child = spawn(process.execPath, [COMMAND, 'serve'], {
    env: { TMPDIR: home, XI_PORT: '0', XI_OPS_PORT: '0', XI_EMBEDDED_PORT: '0', ...settings },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  const ended = once(child, 'exit');
  const said = { out: '', err: '' };
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said.err += text));
  await new Promise<void>((resolve, reject) => {
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      said.out += text;
      if (said.out.endsWith("'\n\n")) resolve();
    });
    void ended.then(() => reject(new Error(`it ended: ${said.err}`)));
  });
  const found = (pattern: RegExp): string => pattern.exec(said.out)?.[1] ?? '';
  return {
    url: found(/listens on (http:\S+?)[,;.]?\s/),
    clusterUrl: found(/embedded cluster at (http:\/\/127\.0\.0\.1:\d+)/),
    stop() {
      child.kill('SIGTERM');
      return ended;
    },
  };
}
