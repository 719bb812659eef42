/** What `kubectl get pods` says of a pod: containers ready, why it is not running, restarts. */
import { at, numberAt, objectAt, objectsAt, stringAt } from './json.js';
import type { JsonObject } from './json.js';
import { age } from './table-cells.js';

export interface PodCells {
  ready: string;
  status: string;
  restarts: string;
}

const reasonOf = (terminated: JsonObject): string => {
  const signal = numberAt(terminated, 'signal') ?? 0;
  return (
    stringAt(terminated, 'reason') ||
    (signal === 0 ? `ExitCode:${numberAt(terminated, 'exitCode') ?? 0}` : `Signal:${signal}`)
  );
};

interface Tally {
  restarts: number;
  last: string;
}

const tally = (sum: Tally, status: JsonObject): void => {
  sum.restarts += numberAt(status, 'restartCount') ?? 0;
  const finished = stringAt(status, 'lastState', 'terminated', 'finishedAt') ?? '';
  if (finished > sum.last) sum.last = finished;
};

/** Why the pod still initialises, or undefined when it does not. */
function initReason(
  pod: JsonObject,
  isSidecar: (name: unknown) => boolean,
  sum: Tally,
  sidecars: Tally,
): string | undefined {
  const statuses = objectsAt(pod, 'status', 'initContainerStatuses');
  const total = objectsAt(pod, 'spec', 'initContainers').length;
  for (const [index, status] of statuses.entries()) {
    tally(sum, status);
    if (isSidecar(status.name)) tally(sidecars, status);
    const terminated = objectAt(status, 'state', 'terminated');
    const waiting = stringAt(status, 'state', 'waiting', 'reason');
    if (terminated?.exitCode === 0) continue;
    if (isSidecar(status.name) && status.started === true) continue;
    if (terminated !== undefined) return `Init:${reasonOf(terminated)}`;
    return waiting && waiting !== 'PodInitializing' ? `Init:${waiting}` : `Init:${index}/${total}`;
  }
  return undefined;
}

const isTrue = (pod: JsonObject, type: string): boolean =>
  objectsAt(pod, 'status', 'conditions').some((item) => item.type === type && item.status === 'True');

export function podCells(pod: JsonObject): PodCells {
  const inits = objectsAt(pod, 'spec', 'initContainers');
  const sidecarNames = new Set(
    inits.filter((item) => item.restartPolicy === 'Always').map(({ name }) => name),
  );
  const isSidecar = (name: unknown): boolean => sidecarNames.has(name as string);
  const total = objectsAt(pod, 'spec', 'containers').length + sidecarNames.size;
  const phase = stringAt(pod, 'status', 'phase') ?? '';
  const isGated = objectsAt(pod, 'status', 'conditions').some(
    ({ type, reason }) => type === 'PodScheduled' && reason === 'SchedulingGated',
  );
  let status = isGated ? 'SchedulingGated' : stringAt(pod, 'status', 'reason') || phase;
  let ready = objectsAt(pod, 'status', 'initContainerStatuses').filter(
    (item) => isSidecar(item.name) && item.started === true && item.ready === true,
  ).length;
  let sum: Tally = { restarts: 0, last: '' };
  const sidecars: Tally = { restarts: 0, last: '' };
  const initialising = initReason(pod, isSidecar, sum, sidecars);
  if (initialising !== undefined) status = initialising;
  if (initialising === undefined || isTrue(pod, 'Initialized')) {
    sum = sidecars;
    let isRunning = false;
    let failed = '';
    for (const container of objectsAt(pod, 'status', 'containerStatuses').reverse()) {
      tally(sum, container);
      const waiting = stringAt(container, 'state', 'waiting', 'reason');
      const terminated = objectAt(container, 'state', 'terminated');
      if (waiting) status = waiting;
      else if (terminated !== undefined) {
        status = reasonOf(terminated);
        if (terminated.exitCode !== 0) failed = status;
      } else if (container.ready === true && at(container, 'state', 'running') !== undefined) {
        isRunning = true;
        ready += 1;
      }
    }
    if (status === 'Completed') {
      if (isRunning && isTrue(pod, 'Ready')) status = 'Running';
      else if (failed !== '') status = failed;
      else if (isRunning) status = 'NotReady';
    }
  }
  const isOver = phase === 'Succeeded' || phase === 'Failed';
  if (stringAt(pod, 'metadata', 'deletionTimestamp') !== undefined && !isOver) status = 'Terminating';
  const restarts =
    sum.restarts > 0 && sum.last !== '' ? `${sum.restarts} (${age(sum.last)} ago)` : String(sum.restarts);
  return { ready: `${ready}/${total}`, status, restarts };
}
