/** The official client library, used as its documentation shows. */
import { AppsV1Api, CoreV1Api, KubeConfig } from '@kubernetes/client-node';
import { deploymentObject } from '../objects.js';
import { connectionsBy } from '../workers.js';
import { serveMessages } from './peer.js';

export type OfficialMessage =
  | { readonly setup: { readonly kubeconfig: string } }
  | {
      readonly create: {
        readonly namespace: string;
        readonly prefix: string;
        readonly connections: number;
        readonly seconds: number;
      };
    }
  | { readonly list: { readonly namespace: string } };

let config: KubeConfig;

serveMessages(async (message: OfficialMessage) => {
  if ('setup' in message) {
    config = new KubeConfig();
    config.loadFromFile(message.setup.kubeconfig);
    return undefined;
  }
  if ('create' in message) {
    const { namespace, prefix, connections, seconds } = message.create;
    const api = config.makeApiClient(AppsV1Api);
    return connectionsBy({ connections, seconds }, () =>
      Promise.resolve({
        call: (nth) =>
          api.createNamespacedDeployment({
            namespace,
            body: deploymentObject(namespace, `${prefix}-${nth}`),
          }),
        close: () => undefined,
      }),
    );
  }
  const api = config.makeApiClient(CoreV1Api);
  const started = performance.now();
  const { items } = await api.listNamespacedPod({ namespace: message.list.namespace });
  return { ms: performance.now() - started, items: items.length };
});
