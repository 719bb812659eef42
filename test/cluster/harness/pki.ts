/** Certificates and kubeconfigs of one cluster, made anew each time. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { API_PORT, NODE, NODE_IP, SERVICE_IP } from './addresses.js';
import { run } from './steps.js';

const SERVER_NAMES = [
  'DNS:localhost',
  'DNS:kubernetes',
  'DNS:kubernetes.default',
  'DNS:kubernetes.default.svc',
  'DNS:kubernetes.default.svc.cluster.local',
  'IP:127.0.0.1',
  `IP:${NODE_IP}`,
  `IP:${SERVICE_IP}`,
];

/** Certificate name → its subject. `server` also serves; the others only prove who calls. */
const SUBJECTS = {
  server: '/CN=kubernetes',
  admin: '/O=system:masters/CN=admin',
  'kubelet-client': '/O=system:masters/CN=kube-apiserver-kubelet-client',
  'kube-controller-manager': '/CN=system:kube-controller-manager',
  'kube-scheduler': '/CN=system:kube-scheduler',
  'kube-proxy': '/CN=system:kube-proxy',
  kubelet: `/O=system:nodes/CN=system:node:${NODE}`,
} as const;

/** Those who call the API server get a kubeconfig. */
const CALLERS = ['admin', 'kube-controller-manager', 'kube-scheduler', 'kube-proxy', 'kubelet'] as const;

const EC = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

/** Makes `folder` with ca.crt, NAME.crt, NAME.key, sa.key, sa.pub and NAME.kubeconfig. */
export const makePki = async (folder: string): Promise<void> => {
  await mkdir(folder, { recursive: true });
  const file = (name: string): string => join(folder, name);
  const request = (name: string, subject: string): string[] => [
    'openssl',
    'req',
    '-x509',
    ...EC,
    '-days',
    '30',
    '-subj',
    subject,
    '-keyout',
    file(`${name}.key`),
    '-out',
    file(`${name}.crt`),
  ];
  const serviceAccountKeys = async (): Promise<void> => {
    await run(['openssl', 'genrsa', '-out', file('sa.key'), '2048']);
    await run(['openssl', 'rsa', '-in', file('sa.key'), '-pubout', '-out', file('sa.pub')]);
  };
  const certificates = async (): Promise<void> => {
    await run([
      ...request('ca', '/CN=cluster-ca'),
      '-addext',
      'keyUsage=critical,keyCertSign,digitalSignature',
    ]);
    await Promise.all(
      Object.entries(SUBJECTS).map(([name, subject]) =>
        run([
          ...request(name, subject),
          ...['-CA', file('ca.crt'), '-CAkey', file('ca.key')],
          ...['-addext', 'basicConstraints=critical,CA:FALSE'],
          ...['-addext', `extendedKeyUsage=clientAuth${name === 'server' ? ',serverAuth' : ''}`],
          ...(name === 'server' ? ['-addext', `subjectAltName=${SERVER_NAMES.join(',')}`] : []),
        ]),
      ),
    );
  };
  await Promise.all([serviceAccountKeys(), certificates()]);
  await Promise.all(
    CALLERS.map(async (name) => writeFile(file(`${name}.kubeconfig`), await kubeconfig(folder, name))),
  );
};

/** A kubeconfig that needs no other file, so that it can be copied. */
const kubeconfig = async (folder: string, name: string): Promise<string> => {
  const data = async (file: string): Promise<string> =>
    (await readFile(join(folder, file))).toString('base64');
  const [ca, certificate, key] = await Promise.all([
    data('ca.crt'),
    data(`${name}.crt`),
    data(`${name}.key`),
  ]);
  const cluster = { server: `https://127.0.0.1:${API_PORT}`, 'certificate-authority-data': ca };
  const user = { 'client-certificate-data': certificate, 'client-key-data': key };
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'test', cluster }],
    users: [{ name, user }],
    contexts: [{ name: 'test', context: { cluster: 'test', user: name } }],
    'current-context': 'test',
  });
};
