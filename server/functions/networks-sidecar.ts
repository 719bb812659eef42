/** Adding the sidecar to a workload. */
import { posix } from 'node:path';
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
const DEFAULT_MOUNT_PATH = '/lightchain';
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

const OWN_PATHS = [CHAIN_PATH, TLS_PATH];

/** Whether one folder is the other, lies in it, or holds it. */
function overlap(a: string, b: string): boolean {
  const [one, other] = [a, b].map((path) => posix.normalize(`/${path}/`).replace(/^\/+/, '/'));
  return one!.startsWith(other!) || other!.startsWith(one!);
}

/** Whether a volume of the template is ours: an earlier call applied it. */
const isApplied = ({ metadata }: Workload, volume: string): boolean =>
  (metadata?.managedFields ?? []).some(({ manager, operation, fieldsV1 }) => {
    if (manager !== MANAGER || operation !== 'Apply') return false;
    let fields: unknown = fieldsV1;
    for (const key of [
      'f:spec',
      'f:template',
      'f:spec',
      'f:volumes',
      `k:${JSON.stringify({ name: volume })}`,
    ])
      fields = (fields as Record<string, unknown> | undefined)?.[key];
    return fields !== undefined;
  });

/** A volume of the workload's own that has a name of ours. */
function foreignVolume(workload: Workload): string | undefined {
  const { volumeClaimTemplates = [] } = (workload.spec ?? {}) as Partial<NonNullable<StatefulSet['spec']>>;
  const claims = volumeClaimTemplates.map(({ metadata }) => metadata?.name);
  const volumes = (workload.spec?.template.spec?.volumes ?? []).map((volume) => volume.name);
  return [SHARED, CHAIN, TLS].find(
    (name) => claims.includes(name) || (volumes.includes(name) && !isApplied(workload, name)),
  );
}

type Container = NonNullable<NonNullable<Workload['spec']>['template']['spec']>['containers'][number];

/** What the sidecar of a template shares, and who sees it; undefined when there is none. */
function sharedBy(containers: readonly Container[]) {
  const pathIn = ({ volumeMounts }: Container): string | undefined =>
    volumeMounts?.find((mount) => mount.name === SHARED)?.mountPath;
  const peer = containers.find(({ name }) => name === PEER_CONTAINER);
  const mountPath = peer && pathIn(peer);
  if (mountPath === undefined) return undefined;
  const { args = [] } = peer!;
  const at = args.indexOf('-statePath') + 1;
  const path = at > 0 ? posix.relative(mountPath, args[at] ?? '') : '';
  const stateFile = path.includes('/') || path === '..' ? '' : path;
  const seeing = containers.filter((container) => container !== peer && pathIn(container) !== undefined);
  return { mountPath, stateFile, containers: seeing.map(({ name }) => name) };
}

export const addLightpeer: Implementations['add_lightpeer'] = async (deps, params, call) => {
  const { namespace, network, tls_secret: tlsSecret } = params;
  const { resource, name } = workloadOf(params);
  const image = params.image ?? deps.networks.peerImage;
  if (image === undefined)
    throw invalidParams('add_lightpeer', [
      { field: 'image', message: 'is required: the setting XI_LIGHTPEER_IMAGE names none' },
    ]);
  const object = await deps.kube.get(resource, { namespace, name }, call.io());
  const foreign = foreignVolume(object);
  if (foreign !== undefined)
    throw new AppError(
      'conflict',
      `${resource.kind} ${namespace}/${name} has a volume ${foreign} of its own, whose files would be shared with all of the network. Give it another name there first.`,
    );
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
  // What an earlier call set stays: an apply takes away what it no longer names.
  const shared = sharedBy(template?.spec?.containers ?? []);
  const containers = params.containers ?? shared?.containers ?? known;
  const mountPath = params.mount_path ?? shared?.mountPath ?? DEFAULT_MOUNT_PATH;
  if (OWN_PATHS.some((own) => overlap(own, mountPath)))
    throw invalidParams('add_lightpeer', [
      {
        field: 'mount_path',
        message: `must be neither in nor around ${OWN_PATHS.join(' or ')}: they are the sidecar's own, and it would share its chain`,
      },
    ]);
  const stateFile = (params.state_file ?? shared?.stateFile) || undefined;
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
    ...(stateFile === undefined ? {} : { state_file: stateFile }),
    containers,
  };
};
