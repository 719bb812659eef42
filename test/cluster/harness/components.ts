/** The components of the cluster as data: how each is called, what it is configured with, how to see that it is ready. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { API_PORT, ETCD_URL, NODE, NODE_IP, POD_CIDR, SERVICE_CIDR } from './addresses.js';
import type { ApiClient } from './api.js';
import { run } from './steps.js';

export const NAMES = [
  'etcd',
  'containerd',
  'kube-apiserver',
  'kube-controller-manager',
  'kube-scheduler',
  'kubelet',
  'kube-proxy',
] as const;

export type ComponentName = (typeof NAMES)[number];

export interface Component {
  readonly name: ComponentName;
  /** The file to run; it sees the component's name as its own. */
  readonly file: string;
  readonly args: readonly string[];
  /** Resolves when ready, rejects when not yet. */
  readonly ready: () => Promise<unknown>;
}

export interface ComponentOptions {
  state: string;
  /** The one binary of components/. */
  binary: string;
  /** The control group that pods live under. */
  cgroup: string;
  pauseImage: string;
  api: ApiClient;
  /** Flags added to a component's own. */
  flags: readonly { component: ComponentName; flag: string }[];
}

export const containerdSocket = (state: string): string => join(state, 'containerd', 'containerd.sock');

const containerdConfig = (folder: string, options: ComponentOptions): string => `
version = 2
root = "${folder}/root"
state = "${folder}/state"
disabled_plugins = ["io.containerd.internal.v1.opt"]
[grpc]
  address = "${containerdSocket(options.state)}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${options.pauseImage}"
  disable_apparmor = true
  restrict_oom_score_adj = true
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".cni]
  bin_dir = "/usr/lib/cni"
  conf_dir = "${folder}/cni"
`;

const cniConfig = (folder: string): unknown => ({
  cniVersion: '1.0.0',
  name: 'pods',
  plugins: [
    {
      type: 'bridge',
      bridge: 'cni0',
      isGateway: true,
      hairpinMode: true,
      ipam: {
        type: 'host-local',
        dataDir: `${folder}/addresses`,
        ranges: [[{ subnet: POD_CIDR }]],
        routes: [{ dst: '0.0.0.0/0' }],
      },
    },
    { type: 'portmap', capabilities: { portMappings: true } },
  ],
});

const kubeletConfig = (pki: string, options: ComponentOptions): unknown => ({
  apiVersion: 'kubelet.config.k8s.io/v1beta1',
  kind: 'KubeletConfiguration',
  authentication: {
    anonymous: { enabled: false },
    webhook: { enabled: true },
    x509: { clientCAFile: `${pki}/ca.crt` },
  },
  authorization: { mode: 'Webhook' },
  cgroupDriver: 'cgroupfs',
  cgroupRoot: options.cgroup,
  // Nobody listens there, so look-ups fail at once; without an address each pod gets a warning event.
  clusterDNS: [NODE_IP],
  clusterDomain: 'cluster.local',
  containerRuntimeEndpoint: `unix://${containerdSocket(options.state)}`,
  enforceNodeAllocatable: [],
  evictionHard: { 'memory.available': '1Mi', 'nodefs.available': '0%', 'imagefs.available': '0%' },
  failCgroupV1: false,
  failSwapOn: false,
  imageGCHighThresholdPercent: 100,
  maxPods: 200,
  resolvConf: '',
  volumePluginDir: `${options.state}/kubelet/volume-plugins`,
});

const proxyConfig = (pki: string): unknown => ({
  apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
  kind: 'KubeProxyConfiguration',
  mode: 'nftables',
  hostnameOverride: NODE,
  clientConnection: { kubeconfig: `${pki}/kube-proxy.kubeconfig` },
  clusterCIDR: POD_CIDR,
  // Answers between two pods of a bridge would otherwise go past the address translation.
  nftables: { masqueradeAll: true },
  conntrack: { maxPerCore: 0, min: 0, tcpEstablishedTimeout: '0s', tcpCloseWaitTimeout: '0s' },
});

/** Writes the configuration files, and answers every component in the order in which they start. */
export const makeComponents = async (options: ComponentOptions): Promise<Component[]> => {
  const { state, api } = options;
  const pki = join(state, 'pki');
  const containerd = join(state, 'containerd');
  const config = join(state, 'config');
  for (const folder of [config, join(containerd, 'cni'), join(state, 'kubelet')])
    await mkdir(folder, { recursive: true });
  await writeFile(join(config, 'containerd.toml'), containerdConfig(containerd, options));
  await writeFile(join(containerd, 'cni', 'pods.conflist'), JSON.stringify(cniConfig(containerd)));
  await writeFile(join(config, 'kubelet.yaml'), JSON.stringify(kubeletConfig(pki, options)));
  await writeFile(join(config, 'kube-proxy.yaml'), JSON.stringify(proxyConfig(pki)));

  const served = [`--tls-cert-file=${pki}/server.crt`, `--tls-private-key-file=${pki}/server.key`];
  const fast = [
    '--kube-api-qps=2000',
    '--kube-api-burst=4000',
    '--leader-elect=false',
    '--bind-address=127.0.0.1',
  ];
  const args: Record<ComponentName, string[]> = {
    etcd: [
      `--data-dir=${state}/etcd`,
      `--listen-client-urls=${ETCD_URL}`,
      `--advertise-client-urls=${ETCD_URL}`,
      '--listen-peer-urls=http://127.0.0.1:2380',
    ],
    containerd: ['--config', join(config, 'containerd.toml')],
    'kube-apiserver': [
      `--etcd-servers=${ETCD_URL}`,
      `--secure-port=${API_PORT}`,
      `--advertise-address=${NODE_IP}`,
      ...served,
      `--client-ca-file=${pki}/ca.crt`,
      '--authorization-mode=Node,RBAC',
      '--enable-admission-plugins=NodeRestriction',
      '--allow-privileged=true',
      '--service-account-issuer=https://kubernetes.default.svc',
      `--service-account-key-file=${pki}/sa.pub`,
      `--service-account-signing-key-file=${pki}/sa.key`,
      `--service-cluster-ip-range=${SERVICE_CIDR}`,
      `--kubelet-client-certificate=${pki}/kubelet-client.crt`,
      `--kubelet-client-key=${pki}/kubelet-client.key`,
      '--kubelet-preferred-address-types=InternalIP',
    ],
    'kube-controller-manager': [
      `--kubeconfig=${pki}/kube-controller-manager.kubeconfig`,
      ...fast,
      ...served,
      '--use-service-account-credentials',
      `--service-account-private-key-file=${pki}/sa.key`,
      `--root-ca-file=${pki}/ca.crt`,
      `--cluster-signing-cert-file=${pki}/ca.crt`,
      `--cluster-signing-key-file=${pki}/ca.key`,
      '--enable-hostpath-provisioner',
      // Nobody renews the leases of fake nodes (scale.ts).
      '--node-monitor-grace-period=24h',
    ],
    'kube-scheduler': [`--kubeconfig=${pki}/kube-scheduler.kubeconfig`, ...fast, ...served],
    kubelet: [
      `--kubeconfig=${pki}/kubelet.kubeconfig`,
      `--config=${config}/kubelet.yaml`,
      `--root-dir=${state}/kubelet`,
      `--cert-dir=${state}/kubelet/pki`,
      `--node-ip=${NODE_IP}`,
      `--hostname-override=${NODE}`,
    ],
    'kube-proxy': [`--config=${config}/kube-proxy.yaml`],
  };
  const ready: Record<ComponentName, () => Promise<unknown>> = {
    etcd: () => api.get(`${ETCD_URL}/health`),
    containerd: () => run(['ctr', '--address', containerdSocket(state), 'version']),
    'kube-apiserver': () => api.get('/readyz'),
    'kube-controller-manager': () => api.get('https://127.0.0.1:10257/healthz'),
    'kube-scheduler': () => api.get('https://127.0.0.1:10259/readyz'),
    kubelet: () => api.get('http://127.0.0.1:10248/healthz'),
    'kube-proxy': () => api.get('http://127.0.0.1:10256/livez'),
  };
  return NAMES.map((name) => ({
    name,
    file: name === 'containerd' ? 'containerd' : options.binary,
    args: [...args[name], ...options.flags.filter((one) => one.component === name).map((one) => one.flag)],
    ready: ready[name],
  }));
};
