/** What the contenders create. */
import type { Deployment, Pod } from '../kube/index.js';

export const IMAGE = 'localhost/none:1';

/** Params of `create_deployment`; `deploymentObject` is what they make. */
export const deploymentParams = (namespace: string, name: string) => ({
  namespace,
  name,
  image: IMAGE,
  replicas: 0,
});

export function deploymentObject(namespace: string, name: string) {
  const labels = { app: name };
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace, labels },
    spec: {
      replicas: 0,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [{ name: 'main', image: IMAGE }] } },
    },
  } satisfies Deployment;
}

/** Lines of a hundred bytes, in blocks. */
const WRITER = `
const bytes = Number(process.env.XI_PRETEND_LOG_BYTES);
const block = ('line '.padEnd(99, '.') + '\\n').repeat(1000);
for (let left = bytes; left > 0; left -= block.length) process.stdout.write(block.slice(0, left));
`;

/** A pod that writes so many bytes to its log and ends. The embedded cluster pretends it by the variable's name. */
export const logPod = (namespace: string, name: string, image: string, bytes: number): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace },
  spec: {
    restartPolicy: 'Never',
    terminationGracePeriodSeconds: 0,
    containers: [
      {
        name: 'writer',
        image,
        command: ['node', '-e', WRITER],
        env: [{ name: 'XI_PRETEND_LOG_BYTES', value: String(bytes) }],
      },
    ],
  },
});
