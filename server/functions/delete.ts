/** Deleting an object, and waiting until it and its pods are gone. */
import type { Static } from '@sinclair/typebox';
import type { Deletion, DeletionProgress } from '../../schemas/deployments.js';
import { AppError } from '../errors.js';
import type { Call, Progress } from '../library/implementation.js';
import type { Deps, KubeObject, Pod, Resource } from '../ports.js';
import { observe } from './observe.js';
import type { PodSource } from './pods-of.js';

type DeletionProgress = Static<typeof DeletionProgress>;
type Deletion = Static<typeof Deletion>;

interface What<T extends KubeObject> {
  resource: Resource<T>;
  namespace: string;
  name: string;
  /** The object as it was read, when its going is waited for. */
  object?: T | undefined;
  propagationPolicy?: 'Background' | 'Foreground' | 'Orphan';
  gracePeriodSeconds?: number | undefined;
  /** Its pods, when their going is waited for too. */
  pods?: PodSource | undefined;
}

const progress = (gone: boolean, podsLeft: number): DeletionProgress => ({
  message: !gone
    ? 'the object is going'
    : podsLeft === 0
      ? 'all is gone'
      : `the object is gone, and ${podsLeft} of its pods are going`,
  object_gone: gone,
  pods_left: podsLeft,
});

/** Deletes; with `object`, waits until that object (and `pods`) is gone. Only the object that was read is deleted. */
export async function* deleteObject<T extends KubeObject>(
  deps: Deps,
  call: Call,
  what: What<T>,
): Progress<DeletionProgress, Deletion> {
  const { resource, namespace, name, object, pods } = what;
  const readUid = object?.metadata?.uid;
  const answer = await deps.kube.delete(
    resource,
    { namespace, name },
    {
      ...call.io(),
      dryRun: call.dryRun,
      propagationPolicy: what.propagationPolicy,
      gracePeriodSeconds: what.gracePeriodSeconds,
      ...(readUid === undefined ? {} : { preconditions: { uid: readUid } }),
    },
  );
  const left = answer.kind === 'Status' ? undefined : (answer as T).metadata;
  const uid = readUid ?? left?.uid ?? (answer as { details?: { uid?: string } }).details?.uid;
  const result = { name, namespace, ...(uid === undefined ? {} : { uid }) };
  if (object === undefined) {
    const held = left?.finalizers !== undefined && left.finalizers.length > 0;
    const going = left?.deletionTimestamp !== undefined && (held || what.gracePeriodSeconds !== 0);
    const gone = !going && !call.dryRun;
    const message = call.dryRun ? 'it would be deleted' : gone ? 'the object is gone' : 'the object is going';
    yield [{ message, object_gone: gone }];
    return { ...result, gone };
  }

  const itself = { resource, namespace, fieldSelector: `metadata.name=${name}` };
  const watching = observe<T, Pod>(deps, call, itself, pods);
  let last: DeletionProgress | undefined;
  try {
    for (;;) {
      await watching.changed();
      const gone = watching.first.get(`${namespace}/${name}`)?.metadata?.uid !== uid;
      const next = progress(gone, [...watching.second.values()].filter((pod) => pods?.mine(pod)).length);
      if (JSON.stringify(next) !== JSON.stringify(last)) yield [next];
      last = next;
      if (gone && next.pods_left === 0) return { ...result, gone: true };
    }
  } catch (error) {
    if (error instanceof AppError && error === call.signal.reason)
      throw error.adding(`${namespace}/${name} is deleted: ${last?.message ?? 'the object is going'}.`, {
        outcome: 'done',
      });
    throw error;
  } finally {
    await watching.stop();
  }
}
