/** The kinds that the controllers and the kubelet need beside those of the Kubernetes client. */
import type * as k8s from '@kubernetes/client-node';
import type { Json, KubeObject, Resource } from '../../kube/objects.js';

export type Node = Json<k8s.V1Node>;
export type ConfigMap = Json<k8s.V1ConfigMap>;
export type Secret = Json<k8s.V1Secret>;
export type Binding = Json<k8s.V1Binding>;

const core = <T extends KubeObject>(plural: string, kind: string, namespaced = true): Resource<T> =>
  Object.freeze({ group: '', version: 'v1', plural, kind, namespaced });

export const NODES = core<Node>('nodes', 'Node', false);
export const CONFIG_MAPS = core<ConfigMap>('configmaps', 'ConfigMap');
export const SECRETS = core<Secret>('secrets', 'Secret');
/** Where the assignment of one pod to a node is posted. */
export const bindingOf = (podName: string): Resource<Binding> =>
  core<Binding>(`pods/${encodeURIComponent(podName)}/binding`, 'Binding');
