/** The controllers that make pods. */
import {
  CONTROLLER_REVISIONS,
  CRON_JOBS,
  DAEMON_SETS,
  DEPLOYMENTS,
  JOBS,
  NODES,
  PERSISTENT_VOLUME_CLAIMS,
  PODS,
  REPLICA_SETS,
  STATEFUL_SETS,
} from '../../kube/index.js';
import type { Kube, KubeLog, Pod } from '../../kube/index.js';
import { startCronJobController } from './cron-job/controller.js';
import { startDaemonSetController } from './daemon-set/controller.js';
import { startDeploymentController } from './deployment/controller.js';
import { createEventRecorder } from './events.js';
import type { EventRecorder } from './events.js';
import { startJobController } from './job/controller.js';
import type { Kinds } from './kinds.js';
import { startReplicaSetController } from './replica-set/controller.js';
import { startStatefulSetController } from './stateful-set/controller.js';

export interface WorkloadsOptions {
  kube: Kube;
  log?: KubeLog | undefined;
  kinds: Kinds;
  /** Pods by the keys of `ownerKeys`. */
  podsUnder(key: string): readonly Pod[];
}

export const startWorkloads = ({
  kube,
  log,
  kinds,
  podsUnder,
}: WorkloadsOptions): { stop(): Promise<void> } => {
  const recorders: EventRecorder[] = [];
  const recorder = (component: string): { events: EventRecorder } => {
    const events = createEventRecorder({ kube, log, component });
    recorders.push(events);
    return { events };
  };
  const pods = kinds.of(PODS);
  const podOf = pods.byUid();
  const shared = { kube, log, pods, podsUnder, podOf };
  const replicaSets = kinds.of(REPLICA_SETS);
  const controllers = [
    startDeploymentController({
      ...{ ...shared, ...recorder('deployment-controller'), replicaSets },
      deployments: kinds.of(DEPLOYMENTS),
    }),
    startReplicaSetController({ ...shared, ...recorder('replicaset-controller'), replicaSets }),
    startStatefulSetController({
      ...{ ...shared, ...recorder('statefulset-controller') },
      statefulSets: kinds.of(STATEFUL_SETS),
      revisions: kinds.of(CONTROLLER_REVISIONS),
      claims: kinds.of(PERSISTENT_VOLUME_CLAIMS),
    }),
    startDaemonSetController({
      ...{ ...shared, ...recorder('daemonset-controller') },
      daemonSets: kinds.of(DAEMON_SETS),
      revisions: kinds.of(CONTROLLER_REVISIONS),
      nodes: kinds.of(NODES),
    }),
    startJobController({ ...shared, ...recorder('job-controller'), jobs: kinds.of(JOBS) }),
    startCronJobController({
      ...{ kube, log, ...recorder('cronjob-controller') },
      cronJobs: kinds.of(CRON_JOBS),
      jobs: kinds.of(JOBS),
    }),
  ];
  return {
    stop: async () => {
      await Promise.all([...controllers, ...recorders].map((each) => each.stop()));
    },
  };
};
