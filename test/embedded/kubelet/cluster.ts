/** An embedded cluster whose pods of our image are run by the program of these tests. */
import { Readable, Writable } from 'node:stream';
import type { Test } from 'tap';
import { startDevcluster } from '../../../devcluster/devcluster.js';
import type { DevclusterOptions } from '../../../devcluster/devcluster.js';
import { EVENTS, PODS, createKube, plainConnection } from '../../../kube/index.js';
import type { Container, Kube, KubeObject, LogQuery, Pod } from '../../../kube/index.js';
import { writeProgram } from './program.js';
import { eventually as poll } from '../../helpers/eventually.js';

export const NAMESPACE = 'default';

export type PodSpec = NonNullable<Pod['spec']>;

export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export interface PodCluster {
  readonly url: string;
  readonly kube: Kube;
  /** Creates a pod. */
  create(name: string, spec: PodSpec, more?: KubeObject['metadata']): Promise<Pod>;
  pod(name: string): Promise<Pod>;
  /** Waits until the pod passes; fails with what it was last. */
  until(name: string, what: string, passes: (pod: Pod) => boolean): Promise<Pod>;
  ready(name: string): Promise<Pod>;
  /** Resolves when the pod is no more. */
  gone(name: string): Promise<void>;
  /** `reason: message` of the pod's events, in their order. */
  events(name: string): Promise<string[]>;
  log(name: string, query?: LogQuery): Promise<string>;
  exec(name: string, command: readonly string[], input?: string): Promise<Ran>;
  /** What the pod's program answers at its own address. */
  ask(pod: Pod, path: string): Promise<{ status: number; text: string }>;
  /** Waits until what is read passes; fails with what was read last. */
  eventually<T>(read: () => Promise<T>, passes: (value: T) => boolean, what: string): Promise<T>;
  close(): Promise<void>;
}

export const ours = (more: Partial<Container> = {}): Container => ({
  name: 'main',
  image: 'xi-k8s:1',
  ...more,
});

/** One container of our image. */
export const specOf = (container: Partial<Container> = {}, more: Partial<PodSpec> = {}): PodSpec => ({
  containers: [ours(container)],
  automountServiceAccountToken: false,
  terminationGracePeriodSeconds: 5,
  ...more,
});

export const isReady = ({ status }: Pod): boolean =>
  status?.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True') ?? false;

const collect = (): { stream: Writable; text(): string } => {
  const parts: Buffer[] = [];
  const stream = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      parts.push(chunk);
      done();
    },
  });
  return { stream, text: () => Buffer.concat(parts).toString() };
};

export const startPods = async (t: Test, options: DevclusterOptions = {}): Promise<PodCluster> => {
  const program = await writeProgram();
  const devcluster = await startDevcluster({
    program,
    podStartMillis: [10, 30],
    backoffMillis: [200, 800],
    log: { debug: () => undefined, warn: (fields, text) => t.comment(text, fields) },
    ...options,
  });
  const kube = createKube(plainConnection({ url: devcluster.url, how: 'embedded' }));
  let closed: Promise<void> | undefined;
  const close = (): Promise<void> =>
    (closed ??= kube
      .close()
      .then(() => devcluster.close())
      .then(() => program.remove()));
  t.teardown(close);

  const eventually: PodCluster['eventually'] = (read, passes, what) => poll(read, passes, { what });
  const pod = (name: string): Promise<Pod> => kube.get(PODS, { namespace: NAMESPACE, name });
  const until: PodCluster['until'] = (name, what, passes) =>
    eventually(() => pod(name), passes, `${name}: ${what}`);
  return {
    url: devcluster.url,
    kube,
    create: (name, spec, more = {}) =>
      kube.create(PODS, NAMESPACE, { apiVersion: 'v1', kind: 'Pod', metadata: { name, ...more }, spec }),
    pod,
    until,
    ready: (name) => until(name, 'ready', isReady),
    gone: async (name) => {
      const list = (): Promise<Pod[]> => kube.list(PODS, NAMESPACE).then(({ items }) => items);
      await eventually(
        list,
        (pods) => !pods.some(({ metadata }) => metadata?.name === name),
        `${name} is gone`,
      );
    },
    events: async (name) =>
      (await kube.list(EVENTS, NAMESPACE)).items
        .filter(({ involvedObject }) => involvedObject.name === name)
        .sort((a, b) => ((a.metadata.name ?? '') < (b.metadata.name ?? '') ? -1 : 1))
        .map(({ reason, message }) => `${reason}: ${message}`),
    log: async (name, query = {}) => {
      const parts: Uint8Array[] = [];
      for await (const part of kube.logs({ namespace: NAMESPACE, name }, query))
        parts.push(Buffer.from(part));
      return Buffer.concat(parts).toString();
    },
    exec: async (name, command, input) => {
      const [out, err] = [collect(), collect()];
      const stdin = input === undefined ? {} : { stdin: Readable.from([Buffer.from(input)]) };
      const streams = { ...stdin, stdout: out.stream, stderr: err.stream };
      const code = await kube.exec({ namespace: NAMESPACE, name }, { command }, streams);
      return { code, out: out.text(), err: err.text() };
    },
    ask: ({ status }, path) =>
      eventually(
        // A process has started before it listens.
        () =>
          fetch(`http://${status?.podIP ?? ''}:8080${path}`).then(
            async (response) => ({ status: response.status, text: await response.text() }),
            (error: unknown) => ({ status: 0, text: String(error) }),
          ),
        (answer) => answer.status !== 0,
        `${path} is answered`,
      ),
    eventually,
    close,
  };
};
