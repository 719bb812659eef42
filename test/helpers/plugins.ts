/** Small plugins on the addresses of pods that only pretend to run: what discovery meets. */
import { createHandler, listenBoth, unary } from '../../connect/index.js';
import { PODS, startReflector } from '../../kube/index.js';
import type { Kube, Pod } from '../../kube/index.js';
import { HealthState, PluginControl, PluginIdentity } from '../../proto/gen/connectplugin/v1/plugin_pb.js';

export interface PluginSpec {
  readonly selfId: string;
  readonly version: string;
  /** Whether it serves PluginIdentity; true when absent. */
  readonly managed?: boolean;
  /** What else it says of itself. */
  readonly metadata?: Readonly<Record<string, string>>;
}

export interface TestPlugin {
  readonly address: string;
  /** What it was told that it is, last. */
  identity():
    { readonly runtimeId: string; readonly runtimeToken: string; readonly hostUrl: string } | undefined;
  stop(): Promise<void>;
}

/** Provides its self id as a type of service; `Echo` answers who answered, and what was sent by which HTTP, any other method a 404. */
export async function startTestPlugin(host: string, port: number, spec: PluginSpec): Promise<TestPlugin> {
  const { selfId, version, managed = true, metadata = {} } = spec;
  const path = `/${selfId}.v1.Service/`;
  let identity: ReturnType<TestPlugin['identity']>;
  const handlers = createHandler([
    unary(PluginControl.method.getHealth, () => ({ state: HealthState.HEALTHY })),
    ...(managed
      ? [
          unary(PluginIdentity.method.getPluginInfo, () => ({
            selfId,
            selfVersion: version,
            provides: [{ type: selfId, version, path }],
            metadata: { ...metadata },
          })),
          unary(PluginIdentity.method.setRuntimeIdentity, ({ runtimeId, runtimeToken, hostUrl }) => {
            identity = { runtimeId, runtimeToken, hostUrl };
            return { acknowledged: true };
          }),
        ]
      : []),
  ]);
  const listener = await listenBoth({
    host,
    port,
    onRequest: (request, response) => {
      if (handlers(request, response)) return;
      if (request.url !== `${path}Echo`) {
        response.writeHead(404, { 'content-type': 'application/json' });
        response.end('{"code":"unimplemented","message":"there is Echo alone"}');
        return;
      }
      let body = '';
      request.setEncoding('utf8').on('data', (part: string) => (body += part));
      request.on('end', () => {
        const { headers, httpVersion } = request;
        response.writeHead(200, { 'content-type': 'application/json' });
        response.end(
          JSON.stringify({
            by: `${host}:${port}`,
            caller: headers['x-plugin-caller'],
            sent: body,
            http: httpVersion,
          }),
        );
      });
    },
  });
  return {
    address: `${host}:${listener.port}`,
    identity: () => identity,
    stop: () => listener.close(0),
  };
}

/** A plugin for as long as a pod runs. */
export interface PodPlugin {
  stop(): Promise<void>;
}

/**
 * Runs a plugin on the address of every running pod with the label `test-plugin` (`<self id>_<version>`), until the pod is asked to go,
 * on the first port of its first container.
 */
export function servePlugins<P extends PodPlugin>(
  kube: Kube,
  start: (host: string, port: number, spec: PluginSpec) => Promise<P>,
): { readonly plugins: ReadonlyMap<string, Promise<P>>; stop(): Promise<void> } {
  const plugins = new Map<string, Promise<P>>();
  const names = new Map<string, string>();
  const end = async (uid: string): Promise<void> => {
    const name = names.get(uid) ?? '';
    const plugin = plugins.get(name);
    names.delete(uid);
    plugins.delete(name);
    await (await plugin)?.stop();
  };
  const reflector = startReflector({
    kube,
    resource: PODS,
    labelSelector: 'test-plugin',
    onChange: ({ type, object: { metadata, spec, status } }) => {
      const uid = metadata?.uid ?? '';
      if (type === 'deleted' || metadata?.deletionTimestamp !== undefined) return void end(uid);
      if (status?.podIP === undefined || names.has(uid)) return;
      const [selfId = '', version = ''] = (metadata?.labels?.['test-plugin'] ?? '').split('_');
      const port = spec?.containers[0]?.ports?.[0]?.containerPort ?? 0;
      names.set(uid, metadata?.name ?? '');
      plugins.set(metadata?.name ?? '', start(status.podIP, port, { selfId, version }));
    },
  });
  return {
    plugins,
    async stop() {
      await reflector.stop();
      await Promise.all([...names.keys()].map(end));
    },
  };
}

/** An EndpointSlice that no Service makes: of one pod, for the plugin that is called as the pod is. */
export const sliceByHand = (
  { metadata, status }: Pod,
  port: number,
  { name = metadata?.name ?? '', address = status?.podIP ?? '', ready = true } = {},
) => ({
  metadata: {
    name,
    labels: { 'xi-k8s.dev/plugin': metadata?.name ?? '', 'kubernetes.io/service-name': metadata?.name ?? '' },
  },
  addressType: 'IPv4',
  ports: [{ name: 'plugin', port }],
  endpoints: [
    {
      addresses: [address],
      conditions: { ready },
      targetRef: {
        kind: 'Pod',
        namespace: metadata?.namespace ?? '',
        name: metadata?.name ?? '',
        uid: metadata?.uid ?? '',
      },
    },
  ],
});
