/** Adding the sidecar to a workload. */
import { AppError, invalidParams } from '../errors.js';
import type { Filled, Implementations } from '../library/implementation.js';
import type { Contracts } from '../../schemas/index.js';
import { DEFAULT_PORT, NETWORK_LABEL, PEER_CONTAINER, TLS_PORT_NAME } from '../networks/peer-pod.js';
import { DAEMON_SETS, DEPLOYMENTS, STATEFUL_SETS } from '../ports.js';
import type { DaemonSet, Deployment, Resource, StatefulSet } from '../ports.js';

type Params = Filled<Contracts['add_lightpeer']>;
type Workload = Deployment | StatefulSet | DaemonSet;

/** The names of the folders in the pod: the shared one, and that of the chain. */
const SHARED = 'lightchain';
const CHAIN = 'lightchain-chain';
const CHAIN_PATH = '/var/lib/lightpeer';
/** Where the sidecar has its certificates. */
const TLS = 'lightchain-tls';
const TLS_PATH = '/var/run/lightpeer-tls';
/** A manager of its own, so that applying anything else does not take the sidecar away. */
const MANAGER = 'xi-k8s-lightpeer';

const KINDS = {
  deployment: DEPLOYMENTS as Resource<Workload>,
  stateful_set: STATEFUL_SETS as Resource<Workload>,
  daemon_set: DAEMON_SETS as Resource<Workload>,
};

function workloadOf(params: Params): { resource: Resource<Workload>; name: string } {
  const given = (Object.keys(KINDS) as (keyof typeof KINDS)[]).filter((key) => params[key] !== undefined);
  const [key] = given;
  if (key === undefined || given.length > 1)
    throw invalidParams('add_lightpeer', [
      {
        field: '',
        message: `need exactly one of ${Object.keys(KINDS).join(', ')}, and have ${given.join(' and ') || 'none'}`,
      },
    ]);
  return { resource: KINDS[key], name: params[key] ?? '' };
}

/** A DaemonSet has no number of its own. */
const hasPods = ({ spec }: Workload): boolean => (spec as { replicas?: number } | undefined)?.replicas !== 0;

/** The sidecar's container: what a restricted namespace allows. */
const sidecar = (image: string, mountPath: string, stateFile: string | undefined, tls: boolean) => ({
  name: PEER_CONTAINER,
  image,
  args: [
    'lightpeer',
    '-repo',
    CHAIN_PATH,
    '-port',
    String(DEFAULT_PORT),
    '-statePath',
    stateFile === undefined ? mountPath : `${mountPath.replace(/\/$/, '')}/${stateFile}`,
    ...(tls
      ? [
          '-tls-cert',
          `${TLS_PATH}/tls.crt`,
          '-tls-key',
          `${TLS_PATH}/tls.key`,
          '-tls-ca',
          `${TLS_PATH}/ca.crt`,
        ]
      : []),
  ],
  ports: [{ name: tls ? TLS_PORT_NAME : 'klightport', containerPort: DEFAULT_PORT, protocol: 'TCP' }],
  resources: { requests: { cpu: '10m', memory: '64Mi' }, limits: { memory: '192Mi' } },
  securityContext: {
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    runAsNonRoot: true,
    capabilities: { drop: ['ALL'] },
    seccompProfile: { type: 'RuntimeDefault' },
  },
  volumeMounts: [
    { name: SHARED, mountPath },
    { name: CHAIN, mountPath: CHAIN_PATH },
    ...(tls ? [{ name: TLS, mountPath: TLS_PATH, readOnly: true }] : []),
  ],
});

export const addLightpeer: Implementations['add_lightpeer'] = async (deps, params, call) => {
  const { namespace, network, mount_path: mountPath, state_file: stateFile, tls_secret: tlsSecret } = params;
  const { resource, name } = workloadOf(params);
  const image = params.image ?? deps.networks.peerImage;
  if (image === undefined)
    throw invalidParams('add_lightpeer', [
      { field: 'image', message: 'is required: the setting XI_LIGHTPEER_IMAGE names none' },
    ]);
  if ([CHAIN_PATH, TLS_PATH].includes(mountPath.replace(/\/+$/, '')))
    throw invalidParams('add_lightpeer', [
      {
        field: 'mount_path',
        message: `must not be ${CHAIN_PATH} or ${TLS_PATH}: they are the sidecar's own`,
      },
    ]);
  const object = await deps.kube.get(resource, { namespace, name }, call.io());
  const template = object.spec?.template;
  const known = (template?.spec?.containers ?? [])
    .map((container) => container.name)
    .filter((container) => container !== PEER_CONTAINER);
  const unknown = (params.containers ?? []).filter((container) => !known.includes(container));
  if (unknown.length > 0)
    throw invalidParams('add_lightpeer', [
      {
        field: 'containers',
        message: `must be of those of ${resource.kind} ${namespace}/${name} (${known.join(', ')}), and ${unknown.join(', ')} is not`,
      },
    ]);
  const containers = params.containers ?? known;
  const selected = object.spec?.selector?.matchLabels?.[NETWORK_LABEL];
  if (network !== undefined && selected !== undefined && selected !== network)
    throw new AppError(
      'conflict',
      `${resource.kind} ${namespace}/${name} selects its pods by ${NETWORK_LABEL}=${selected}, so its template cannot have another value.`,
    );

  const present = template?.spec?.containers.find((container) => container.name === PEER_CONTAINER);
  const before = template?.spec?.volumes?.find((volume) => volume.name === TLS)?.secret?.secretName;
  if (tlsSecret !== undefined && present !== undefined && before === undefined && hasPods(object))
    throw new AppError(
      'conflict',
      `The pods of ${resource.kind} ${namespace}/${name} have peers without certificates, and those with one form no network with them: ` +
        'what they share would be lost. Scale it to 0 first, or make another workload.',
    );
  const secret = tlsSecret ?? before;

  // What an earlier call set stays: an apply takes away what it no longer names.
  const label = network ?? template?.metadata?.labels?.[NETWORK_LABEL];
  const body = {
    apiVersion: `${resource.group}/${resource.version}`,
    kind: resource.kind,
    // With its uid it is changed only if it is still that one, and never made.
    metadata: { name, namespace, uid: object.metadata?.uid },
    spec: {
      template: {
        metadata: { labels: label === undefined ? {} : { [NETWORK_LABEL]: label } },
        spec: {
          containers: [
            sidecar(image, mountPath, stateFile, secret !== undefined),
            ...containers.map((container) => ({
              name: container,
              volumeMounts: [{ name: SHARED, mountPath }],
            })),
          ],
          volumes: [
            { name: SHARED, emptyDir: {} },
            { name: CHAIN, emptyDir: {} },
            ...(secret === undefined ? [] : [{ name: TLS, secret: { secretName: secret } }]),
          ],
        },
      },
    },
  };
  await deps.kube.patch(
    resource,
    { namespace, name },
    { type: 'apply', body },
    { ...call.io(), dryRun: call.dryRun, fieldManager: MANAGER },
  );
  return {
    kind: resource.kind,
    name,
    namespace,
    ...(label === undefined ? {} : { network: label }),
    image,
    mount_path: mountPath,
    containers,
  };
};
