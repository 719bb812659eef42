/** For tests in a cluster that `npm run cluster` made: kill and start its components. */
import { request } from 'node:http';

export type ControlAction =
  'start' | 'stop' | 'kill' | 'restart' | 'pause' | 'resume' | 'load-image' | 'status';

/** The socket of the running cluster, or undefined where the tests run against another one. */
export const controlSocket = (env: NodeJS.ProcessEnv = process.env): string | undefined =>
  env['TEST_CLUSTER_CONTROL'];

/**
 * Does one action and resolves when it is done: `start` and `restart` (SIGKILL, then start) when the component is ready,
 * `stop` (SIGTERM) and `kill` (SIGKILL) when it has ended; `pause` and `resume` stop and continue its process.
 * `subject` is a component's name (etcd, kube-apiserver, …), for `load-image` a docker-archive file.
 * Answers one line a component: its name and process id, or `-`. Rejects with what to do instead.
 */
export const controlCluster = (socket: string, action: ControlAction, subject = ''): Promise<string> =>
  new Promise((resolve, reject) => {
    const path = `/${encodeURIComponent(action)}/${encodeURIComponent(subject)}`;
    const call = request({ socketPath: socket, method: 'POST', path }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk)).on('error', reject);
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString();
        if (response.statusCode === 200) resolve(text);
        else reject(new Error(text));
      });
    });
    call.on('error', reject).end();
  });
