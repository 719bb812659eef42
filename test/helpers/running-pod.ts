/** Pods of the embedded cluster that have begun. */
import { PODS } from '../../kube/index.js';
import type { Kube, Pod } from '../../kube/index.js';
import { eventually } from './eventually.js';

/** A pod when it runs and has an address. */
export async function runningPod(
  kube: Pick<Kube, 'get'>,
  namespace: string,
  name: string,
): Promise<{ readonly pod: Pod; readonly ip: string }> {
  const pod = await eventually(
    () => kube.get(PODS, { namespace, name }),
    ({ status }) => status?.phase === 'Running' && status.podIP !== undefined,
    { what: `pod ${namespace}/${name} runs` },
  );
  return { pod, ip: pod.status!.podIP! };
}
