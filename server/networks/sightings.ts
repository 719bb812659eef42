/**
 * Whether a pod is still what the copy of it says. The copy may be minutes old, as a watch may stand still unseen, and addresses
 * are given to others meanwhile: who acts by it alone acts on somebody else's peer.
 */
import { isStatus } from '../kube-errors.js';
import { PODS } from '../ports.js';
import type { Kube, Pod } from '../ports.js';
import { NETWORK_LABEL, peerPodOf } from './peer-pod.js';
import type { PeerPod } from './peer-pod.js';

/** `gone`: its address is not its own any more; `changed`: it runs there under another label. */
export type Sight = 'as known' | 'gone' | 'changed';

/** Asks the API server for the pod: whether it runs at its address, with its label or, one that has departed, without any. */
export type Look = (pod: PeerPod, departed?: boolean) => Promise<Sight>;

const LOOK_MS = 5_000;

export function createLook(kube: Pick<Kube, 'get'>, signal: AbortSignal): Look {
  return async ({ namespace, name, uid, id, address }, departed = false) => {
    let pod: Pod;
    try {
      pod = await kube.get(PODS, { namespace, name }, { signal, timeoutMs: LOOK_MS });
    } catch (error) {
      if (isStatus(error, 404)) return 'gone';
      throw error;
    }
    const label = pod.metadata?.labels?.[NETWORK_LABEL] ?? '';
    const now = peerPodOf({ ...pod, metadata: { ...pod.metadata, labels: { [NETWORK_LABEL]: id } } });
    if (now?.uid !== uid || now.phase !== 'running' || now.address !== address) return 'gone';
    return label === (departed ? '' : id) ? 'as known' : 'changed';
  };
}
