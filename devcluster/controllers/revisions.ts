/** The history of a workload that has no ReplicaSets: its pod templates, each kept as a ControllerRevision. */
import type { ControllerRevision, KubeObject, PodTemplateSpec, Resource } from '../../kube/objects.js';
import { canonical, safeText, sameJson } from './canonical.js';
import { createdAt, ownerReferenceTo } from './meta.js';

/** A name has 253 characters, of which the hash takes some. */
const LONGEST_PREFIX = 223;

/** Revisions hold a strategic merge patch that brings the template back, which is what `kubectl rollout undo` sends. */
const dataOf = (template: PodTemplateSpec | undefined): object => ({
  spec: { template: { ...template, $patch: 'replace' } },
});

export const templateOf = ({ data }: ControllerRevision): PodTemplateSpec => {
  const { $patch: _patch, ...template } = (
    data as { spec: { template: PodTemplateSpec & { $patch?: string } } }
  ).spec.template;
  return template;
};

/** FNV-1 over the text as Go writes JSON, as the real controllers hash it: so the names are theirs too. */
const revisionHash = (data: object, collisionCount: number): string => {
  const escaped = canonical(data).replace(
    /[<>&\u2028\u2029]/g,
    (found) => `\\u${found.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(`${escaped}${collisionCount}`)) hash = Math.imul(hash, 0x01000193) ^ byte;
  return safeText(String(hash >>> 0));
};

const byRevision = (a: ControllerRevision, b: ControllerRevision): number =>
  a.revision - b.revision ||
  createdAt(a) - createdAt(b) ||
  ((a.metadata?.name ?? '') < (b.metadata?.name ?? '') ? -1 : 1);

export type RevisionChange =
  | { type: 'create revision'; revision: ControllerRevision }
  /** A former template is the current one again: its revision gets the next number. */
  | { type: 'renumber revision'; revision: ControllerRevision };

export interface Workload extends KubeObject {
  spec?: { template: PodTemplateSpec; revisionHistoryLimit?: number };
  status?: { collisionCount?: number };
}

/** How a kind marks its revisions. */
export interface RevisionKind {
  resource: Resource;
  /** The label of a revision that holds the end of its name. */
  hashLabel: string;
}

export interface History {
  /** Oldest first; without one that is to be created. */
  revisions: readonly ControllerRevision[];
  /** The revision of the current template, as it is after the change. */
  update: ControllerRevision;
  change?: RevisionChange;
}

/** Finds the revision of the workload's template, or what is to be done so that there is one. */
export const historyOf = (
  owner: Workload,
  { resource, hashLabel }: RevisionKind,
  found: readonly ControllerRevision[],
): History => {
  const revisions = [...found].sort(byRevision);
  const newest = revisions.at(-1);
  const data = dataOf(owner.spec?.template);
  const next = (newest?.revision ?? 0) + 1;
  const equal = revisions.filter((revision) => sameJson(revision.data, data)).at(-1);
  if (equal !== undefined && equal === newest) return { revisions, update: equal };
  if (equal !== undefined) {
    const update = { ...equal, revision: next };
    return { revisions, update, change: { type: 'renumber revision', revision: update } };
  }
  const { name = '', namespace = '', annotations } = owner.metadata ?? {};
  const hash = revisionHash(data, owner.status?.collisionCount ?? 0);
  const update: ControllerRevision = {
    apiVersion: 'apps/v1',
    kind: 'ControllerRevision',
    metadata: {
      name: `${name.slice(0, LONGEST_PREFIX)}-${hash}`,
      namespace,
      labels: { ...owner.spec?.template.metadata?.labels, [hashLabel]: hash },
      ...(annotations === undefined ? {} : { annotations }),
      ownerReferences: [ownerReferenceTo(resource, owner)],
    },
    data,
    revision: next,
  };
  return { revisions, update, change: { type: 'create revision', revision: update } };
};

/** The oldest revisions that nothing uses, beyond the workload's limit. */
export const surplusRevisions = (
  { spec }: Workload,
  { revisions }: History,
  isUsed: (name: string) => boolean,
): ControllerRevision[] => {
  const unused = revisions.filter(({ metadata }) => !isUsed(metadata?.name ?? ''));
  return unused.slice(0, Math.max(0, unused.length - (spec?.revisionHistoryLimit ?? 10)));
};
