/** Pods as workloads make them from their templates. */
import type { KubeObject, Pod, PodTemplateSpec, Resource } from '../../kube/objects.js';
import { ownerReferenceTo } from './meta.js';

/** A pod of the template that the owner controls; the server completes its name, unless it is given one. */
export const podFrom = (
  template: PodTemplateSpec | undefined,
  { resource, owner }: { resource: Resource; owner: KubeObject },
): Pod => {
  const { labels, annotations, finalizers } = template?.metadata ?? {};
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      // Names end at 63 characters, and the server adds five.
      generateName: `${owner.metadata?.name}-`.slice(0, 58),
      ...(labels === undefined ? {} : { labels }),
      ...(annotations === undefined ? {} : { annotations }),
      ...(finalizers === undefined ? {} : { finalizers }),
      ownerReferences: [ownerReferenceTo(resource, owner)],
    },
    ...(template?.spec === undefined ? {} : { spec: template.spec }),
  };
};
