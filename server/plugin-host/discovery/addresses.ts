/** Which addresses are a pod's own: only the API server's word counts. Pure. */
import { isIP } from 'node:net';
import type { Pod } from '../../ports.js';
import type { AllowBaseUrl } from '../port.js';

/** An IP address as a URL has it: one spelling for each, IPv6 in brackets. Undefined for anything else. */
export function urlHost(address: string): string | undefined {
  const version = isIP(address);
  if (version === 0) return undefined;
  const host = version === 6 ? `[${address}]` : address;
  return URL.canParse(`http://${host}`) ? new URL(`http://${host}`).hostname : undefined;
}

/**
 * The addresses of a pod, as URLs have them.
 * @throws Error for one that has none of its own: it shares its Kubernetes node's network, or has ended.
 */
export function ownAddresses({ metadata, spec, status }: Pod): string[] {
  const name = `${metadata?.namespace}/${metadata?.name}`;
  if (spec?.hostNetwork === true)
    throw new Error(
      `pod ${name} is in the network of its Kubernetes node, so that its address is not its own`,
    );
  if (status?.phase === 'Succeeded' || status?.phase === 'Failed') throw new Error(`pod ${name} has ended`);
  const given = [status?.podIP, ...(status?.podIPs ?? []).map(({ ip }) => ip)];
  const hosts = new Set(
    given.map((ip) => (ip ? urlHost(ip) : undefined)).filter((host) => host !== undefined),
  );
  if (hosts.size === 0) throw new Error(`pod ${name} has no address yet`);
  return [...hosts];
}

/** Whether the pod has the address, as a URL has it, for its own now. */
export function isAddressOf(pod: Pod, hostname: string): boolean {
  try {
    return ownAddresses(pod).includes(hostname);
  } catch {
    return false;
  }
}

/** Allows base URLs at these hosts, as `ownAddresses` gives them, and nowhere else. */
export function allowBaseUrlOf(podAddresses: readonly string[]): AllowBaseUrl {
  const hosts = new Set(podAddresses);
  return ({ hostname }) => {
    if (!hosts.has(hostname))
      throw new Error(
        `the host must be an address of the plugin's own pod (${[...hosts].join(', ')}), and is ${hostname}`,
      );
  };
}
