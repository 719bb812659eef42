/** What all kubelets of a cluster share: copies of what pods refer to, addresses, and the folders of processes. */
import { createServer } from 'node:net';
import { CONFIG_MAPS, SECRETS, SERVICES } from '../../kube/index.js';
import type { ConfigMap, Kube, KubeLog, Secret } from '../../kube/index.js';
import type { Informer } from '../controllers/informer.js';
import type { Kinds } from '../controllers/kinds.js';
import type { PodProgram } from '../devcluster.js';
import { createAddresses } from './addresses.js';
import type { Addresses } from './addresses.js';
import { createClaims } from './process/claims.js';
import type { ProcessDeps } from './process/pod-processes.js';
import type { Configs } from './references.js';

export interface KubeletSharedOptions {
  kube: Kube;
  kinds: Kinds;
  log?: KubeLog | undefined;
  /** Without it pods of our own image pretend. */
  program?: PodProgram | undefined;
  /** A folder for pods, with no link in its path; it is there, and removed by whoever made it. */
  folder: string;
  /** The folder that the folders of all volumes lie in. */
  volumesRoot: string;
  clock: () => number;
}

export interface KubeletShared extends Omit<ProcessDeps, 'program'> {
  readonly log: KubeLog | undefined;
  readonly program: PodProgram | undefined;
  readonly folder: string;
  readonly addresses: Addresses;
  readonly configMaps: Informer<ConfigMap>;
  readonly secrets: Informer<Secret>;
  readonly configs: Configs;
  /** Why programs cannot be run; undefined when they can. */
  whyNot(): Promise<string | undefined>;
  readonly synced: Promise<void>;
}

/** Whether this machine has an address: loopback has only 127.0.0.1 on some. */
export const canListen = (host: string): Promise<boolean> =>
  new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(0, host, () => server.close(() => resolve(true)));
  });

export const createKubeletShared = (options: KubeletSharedOptions): KubeletShared => {
  const { kube, kinds, log, program, folder, volumesRoot, clock } = options;
  const configMaps = kinds.of(CONFIG_MAPS);
  const secrets = kinds.of(SECRETS);
  const services = kinds.of(SERVICES);
  const addresses = createAddresses();
  let asked: Promise<string | undefined> | undefined;
  const ask = async (): Promise<string | undefined> => {
    if (program === undefined) return 'this cluster was started without the program that plays it';
    const address = addresses.take();
    const can = await canListen(address);
    addresses.give(address);
    return can ? undefined : `this machine's loopback has no address ${address} for it`;
  };
  return {
    ...{ kube, log, program, folder, clock, addresses, configMaps, secrets },
    api: kube.cluster.url,
    configs: {
      configMap: (namespace, name) => configMaps.store.get(`${namespace}/${name}`),
      secret: (namespace, name) => secrets.store.get(`${namespace}/${name}`),
    },
    services: () => services.store.values(),
    claim: createClaims(kube, volumesRoot),
    whyNot: () => (asked ??= ask()),
    synced: Promise.all([configMaps, secrets, services].map(({ synced }) => synced)).then(() => undefined),
  };
};
