/** Deployments and Services of plugins, from what a caller names. Pure. */
import type { PluginContainer } from '../../schemas/plugins.js';
import type { FieldError } from '../errors.js';
import { HOST_OPS_PORT, HOST_PORT, PLUGIN_LABEL } from '../plugin-host/names.js';
import type { Container, Deployment, PodTemplateSpec, Service } from '../ports.js';
import { podTemplate, workloadErrors } from './pod-template.js';

/** On what has a host and plugins in one pod: its name. */
export const PLUGIN_POD_LABEL = 'xi-k8s.dev/plugin-pod';
export const HOST_CONTAINER = 'host';

const STATE = 'host-state';
const STATE_PATH = '/var/lib/xi-k8s';

export interface Place {
  readonly namespace: string;
  /** The Deployment's name. */
  readonly name: string;
  /** The label `app`. */
  readonly app: string;
  /** When undefined, what is there keeps its number. */
  readonly replicas: number | undefined;
}

/**
 * Seconds that containers go on after their pod was asked to go: everybody is to learn that a plugin goes before it does, and a
 * pod's host outlives its plugins, which finish their calls through it.
 */
const GOES_AFTER = { lone: 2, plugin: 3, host: 5 };

const goesAfter = (seconds: number): Pick<Container, 'lifecycle'> => ({
  lifecycle: { preStop: { sleep: { seconds } } },
});

const SECURITY = {
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  runAsNonRoot: true,
  capabilities: { drop: ['ALL'] },
  seccompProfile: { type: 'RuntimeDefault' },
};

/** The faults of plugins that a schema cannot state. */
export function pluginErrors(plugins: readonly PluginContainer[], model: 'pod' | 'separate'): FieldError[] {
  const errors: FieldError[] = [];
  const names = new Set<string>(model === 'pod' ? [HOST_CONTAINER] : []);
  const ports = new Map<number, string>(
    model === 'pod'
      ? [
          [HOST_PORT, 'the host'],
          [HOST_OPS_PORT, "the host's health"],
        ]
      : [],
  );
  plugins.forEach((plugin, i) => {
    const at = `plugins[${i}]`;
    const { name, port } = plugin;
    if (names.has(name))
      errors.push({
        field: `${at}.name`,
        message:
          name === HOST_CONTAINER ? 'is the name of the host’s own container' : `repeats the name ${name}`,
      });
    names.add(name);
    const other = ports.get(port);
    if (other !== undefined)
      errors.push({ field: `${at}.port`, message: `is taken: ${other} listens on ${port} of the same pod` });
    if (model === 'pod') ports.set(port, name);
    for (const { field, message } of workloadErrors({ ...plugin, container_name: name }))
      errors.push({ field: `${at}.${field}`, message });
  });
  return errors;
}

type EnvVar = NonNullable<Container['env']>[number];

/** A plugin's container, with the variables by which it finds its host; what the caller names wins. */
function container(
  plugin: PluginContainer,
  given: readonly EnvVar[],
  more: Pick<Container, 'lifecycle'>,
): Container {
  const { spec } = podTemplate(
    { ...plugin, container_name: plugin.name, ports: [{ container_port: plugin.port }] },
    {},
  );
  const made = spec?.containers[0] ?? { name: plugin.name };
  const own = new Set(made.env?.map(({ name }) => name));
  return {
    ...made,
    ports: [{ name: 'plugin', containerPort: plugin.port, protocol: 'TCP' }],
    env: [...given.filter(({ name }) => !own.has(name)), ...(made.env ?? [])],
    ...more,
    // Without one, a pod whose plugin fails at its start would be ready, and take the place of one that works.
    readinessProbe: made.readinessProbe ?? { tcpSocket: { port: plugin.port }, periodSeconds: 2 },
    securityContext: SECURITY,
  };
}

const hostContainer = (image: string): Container => ({
  name: HOST_CONTAINER,
  image,
  args: ['plugin-host'],
  env: [{ name: 'XI_PLUGIN_HOST_STATE', value: `${STATE_PATH}/plugin-host.json` }],
  ports: [{ name: 'ops', containerPort: HOST_OPS_PORT, protocol: 'TCP' }],
  readinessProbe: { httpGet: { path: '/readyz', port: 'ops' }, periodSeconds: 5, timeoutSeconds: 4 },
  livenessProbe: { httpGet: { path: '/healthz', port: 'ops' }, periodSeconds: 10, timeoutSeconds: 4 },
  ...goesAfter(GOES_AFTER.host),
  resources: { requests: { cpu: '20m', memory: '64Mi' }, limits: { memory: '256Mi' } },
  securityContext: SECURITY,
  volumeMounts: [{ name: STATE, mountPath: STATE_PATH }],
});

const deployment = (
  { namespace, name, app, replicas }: Place,
  labels: Record<string, string>,
  spec: NonNullable<PodTemplateSpec['spec']>,
): Deployment => {
  const all = { app, 'app.kubernetes.io/name': app, 'app.kubernetes.io/managed-by': 'xi-k8s', ...labels };
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace, labels: all },
    spec: {
      ...(replicas === undefined ? {} : { replicas }),
      // Of its own labels those that never change.
      selector: { matchLabels: labels },
      template: {
        metadata: { labels: all },
        // The variables of a Service called xi-… would look like settings.
        spec: {
          enableServiceLinks: false,
          automountServiceAccountToken: false,
          securityContext: {
            runAsNonRoot: true,
            // Whatever user an image names, if it names one.
            runAsUser: 1000,
            runAsGroup: 1000,
            seccompProfile: { type: 'RuntimeDefault' },
          },
          ...spec,
        },
      },
    },
  };
};

/** A Deployment whose pods hold a host and the plugins, which meet on the pod's loopback. */
export const pluginPod = (place: Place, plugins: readonly PluginContainer[], hostImage: string): Deployment =>
  deployment(
    place,
    { [PLUGIN_POD_LABEL]: place.name },
    {
      containers: [
        hostContainer(hostImage),
        ...plugins.map((plugin) =>
          container(
            plugin,
            [
              { name: 'HOST_URL', value: `http://localhost:${HOST_PORT}` },
              { name: 'PORT', value: String(plugin.port) },
              { name: 'HOSTNAME', value: 'localhost' },
            ],
            goesAfter(GOES_AFTER.plugin),
          ),
        ),
      ],
      volumes: [{ name: STATE, emptyDir: {} }],
    },
  );

/** A Deployment of one plugin. Its host comes to it, so that HOST_URL is none of its settings. */
export const lonePlugin = (place: Place, plugin: PluginContainer): Deployment =>
  deployment(
    place,
    { [PLUGIN_LABEL]: plugin.name },
    {
      containers: [
        container(
          plugin,
          [
            { name: 'PORT', value: String(plugin.port) },
            // What others reach it by, rather than the pod's name.
            { name: 'HOSTNAME', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
          ],
          goesAfter(GOES_AFTER.lone),
        ),
      ],
    },
  );

/** The Service by which a plugin's pods are found; it goes with its Deployment. */
export const pluginService = (owner: Deployment, { name, port }: PluginContainer): Service => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: {
    name,
    namespace: owner.metadata?.namespace ?? '',
    labels: owner.metadata?.labels ?? {},
    ownerReferences: [
      {
        apiVersion: 'apps/v1',
        kind: 'Deployment',
        name: owner.metadata?.name ?? '',
        uid: owner.metadata?.uid ?? '',
      },
    ],
  },
  spec: {
    selector: { [PLUGIN_LABEL]: name },
    ports: [{ name: 'plugin', port, targetPort: 'plugin', protocol: 'TCP' }],
  },
});
