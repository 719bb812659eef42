/** What a pod of a StatefulSet keeps when it is made again: its ordinal, its name and its volume claims. */
import type { ControllerRevision, PersistentVolumeClaim, Pod, StatefulSet } from '../../../kube/objects.js';
import { STATEFUL_SETS } from '../../../kube/objects.js';
import { podFrom } from '../pod-template.js';
import { templateOf } from '../revisions.js';
import type { RevisionKind } from '../revisions.js';

const POD_NAME = 'statefulset.kubernetes.io/pod-name';
const POD_INDEX = 'apps.kubernetes.io/pod-index';
const REVISION = 'controller-revision-hash';

export const REVISIONS: RevisionKind = {
  resource: STATEFUL_SETS,
  hashLabel: 'controller.kubernetes.io/hash',
};

export const nameOf = ({ metadata }: { metadata?: { name?: string } }): string => metadata?.name ?? '';

/** The ordinal at the end of the name of a pod of this set; undefined for other names. */
export const ordinalOf = (set: StatefulSet, pod: Pod): number | undefined => {
  const [, parent, ordinal = ''] = /^(.*)-(\d{1,9})$/.exec(nameOf(pod)) ?? [];
  return parent === nameOf(set) ? Number(ordinal) : undefined;
};

export const revisionOf = ({ metadata }: Pod): string => metadata?.labels?.[REVISION] ?? '';

const identityLabels = (pod: string, ordinal: number): Record<string, string> => ({
  [POD_NAME]: pod,
  [POD_INDEX]: String(ordinal),
});

/** The claims of the pod with this ordinal, in the order of their templates. */
export const claimsOf = (set: StatefulSet, ordinal: number): PersistentVolumeClaim[] =>
  (set.spec?.volumeClaimTemplates ?? []).map((template) => ({
    ...template,
    metadata: {
      ...template.metadata,
      name: `${template.metadata?.name}-${nameOf(set)}-${ordinal}`,
      namespace: set.metadata?.namespace ?? '',
      labels: { ...template.metadata?.labels, ...set.spec?.selector.matchLabels },
    },
  }));

type Volumes = NonNullable<NonNullable<Pod['spec']>['volumes']>;

/** A claim takes the place of a volume of the same name in the template. */
const volumesOf = (set: StatefulSet, ordinal: number, others: Volumes): Volumes => {
  const claims = claimsOf(set, ordinal);
  const names = (set.spec?.volumeClaimTemplates ?? []).map(nameOf);
  return [
    ...claims.map((claim, nth) => ({
      name: names[nth] ?? '',
      persistentVolumeClaim: { claimName: nameOf(claim) },
    })),
    ...others.filter(({ name }) => !names.includes(name)),
  ];
};

export const podOf = (set: StatefulSet, revision: ControllerRevision, ordinal: number): Pod => {
  const pod = podFrom(templateOf(revision), { resource: STATEFUL_SETS, owner: set });
  const name = `${nameOf(set)}-${ordinal}`;
  const volumes = volumesOf(set, ordinal, pod.spec?.volumes ?? []);
  const { serviceName } = set.spec ?? {};
  return {
    ...pod,
    metadata: {
      ...pod.metadata,
      name,
      namespace: set.metadata?.namespace ?? '',
      labels: {
        ...pod.metadata?.labels,
        ...identityLabels(name, ordinal),
        [REVISION]: nameOf(revision),
      },
    },
    spec: {
      containers: [],
      ...pod.spec,
      hostname: name,
      ...(serviceName ? { subdomain: serviceName } : {}),
      ...(volumes.length === 0 ? {} : { volumes }),
    },
  };
};

/** The labels that the pod lost; undefined when it has them all. */
export const missingLabels = (pod: Pod, ordinal: number): Record<string, string> | undefined =>
  pod.metadata?.labels?.[POD_NAME] === nameOf(pod) ? undefined : identityLabels(nameOf(pod), ordinal);
