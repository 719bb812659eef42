/** Reading and following logs, of one container or of many at once. */
import type { Static } from '@sinclair/typebox';
import type { LogItem } from '../../schemas/pods.js';
import { AppError, invalidParams } from '../errors.js';
import { isStatus, statusText } from '../kube-errors.js';
import type { Batch, Call, Filled, Implementations, Progress } from '../library/implementation.js';
import { DEPLOYMENTS, PODS } from '../ports.js';
import type { Deps, LogQuery, Pod } from '../ports.js';
import type { Contracts } from '../../schemas/index.js';
import { createChannel } from './channel.js';
import { encodeLines } from './log-json.js';
import { lineBlocks, linesOf } from './log-lines.js';
import { allOf } from './list.js';
import { observe } from './observe.js';
import { podsOf } from './pods-of.js';
import type { PodSource } from './pods-of.js';
import { podView } from './views.js';

type LogItem = Static<typeof LogItem>;
type Params = Filled<Contracts['pod_logs']>;

const refuse = (field: string, message: string) => invalidParams('pod_logs', [{ field, message }]);

/** Where the pods are, and the params that a schema cannot check. */
async function target(deps: Deps, params: Params, call: Call): Promise<PodSource> {
  const { namespace, pod, deployment, label_selector: selector } = params;
  const given = Object.entries({ pod, deployment, label_selector: selector }).filter(
    ([, value]) => value !== undefined,
  );
  if (given.length !== 1)
    throw refuse(
      '',
      `need exactly one of pod, deployment, label_selector, and have ${given.map(([key]) => key).join(' and ') || 'none'}`,
    );
  if (params.container !== undefined && params.all_containers)
    throw refuse('container', 'must be absent with all_containers');
  if (params.since_seconds !== undefined && params.since_time !== undefined)
    throw refuse('since_time', 'must be absent with since_seconds');
  if (params.follow && params.previous)
    throw refuse('follow', 'must be false with previous, whose log has ended');
  if (params.since_time !== undefined && Number.isNaN(Date.parse(params.since_time)))
    throw refuse('since_time', 'must be a time that there is');
  const mine = (): boolean => true;
  if (pod !== undefined) return { resource: PODS, namespace, fieldSelector: `metadata.name=${pod}`, mine };
  if (selector !== undefined) return { resource: PODS, namespace, labelSelector: selector, mine };
  return podsOf(await deps.kube.get(DEPLOYMENTS, { namespace, name: deployment ?? '' }, call.io()));
}

/** The pods there are now. One that is named must exist. */
async function presentPods(deps: Deps, params: Params, source: PodSource, call: Call): Promise<Pod[]> {
  if (params.pod !== undefined)
    return [await deps.kube.get(PODS, { namespace: source.namespace, name: params.pod }, call.io())];
  const found: Pod[] = [];
  for await (const pod of allOf(deps, call, PODS, source)) if (source.mine(pod)) found.push(pod);
  return found;
}

const DEFAULT_CONTAINER = 'kubectl.kubernetes.io/default-container';

/** The containers of a pod whose logs are asked for. @throws `invalid_params` when that is not clear. */
function containersOf(pod: Pod, params: Params): string[] {
  const names = (pod.spec?.containers ?? []).map(({ name }) => name);
  const init = (pod.spec?.initContainers ?? []).map(({ name }) => name);
  if (params.all_containers) return [...init, ...names];
  const wanted =
    params.container ?? (names.length === 1 ? names[0] : pod.metadata?.annotations?.[DEFAULT_CONTAINER]);
  const known = [...init, ...names];
  if (wanted !== undefined && known.includes(wanted)) return [wanted];
  throw refuse(
    'container',
    `${params.container === undefined ? 'is required' : 'must be one of its containers'}: pod ${pod.metadata?.name} has ${known.join(', ')}; or give all_containers`,
  );
}

interface OneLog {
  readonly pod: string;
  readonly container: string;
  readonly namespace: string;
}

/** One container's log as items, first `opened`. */
async function* readLog(deps: Deps, call: Call, params: Params, log: OneLog): AsyncGenerator<Batch<LogItem>> {
  const { pod, container, namespace } = log;
  const query: LogQuery = {
    container,
    follow: params.follow,
    previous: params.previous,
    timestamps: params.timestamps,
    tailLines: params.tail_lines,
    sinceSeconds: params.since_seconds,
    sinceTime: params.since_time,
    limitBytes: params.limit_bytes,
  };
  const blocks = lineBlocks(deps.kube.logs({ namespace, name: pod }, query, call.io()));
  // A followed log may be silent for long; any other answers or fails at once, and a failure keeps its own status.
  const first = params.follow ? undefined : await blocks.next();
  yield [{ pod, container, event: 'opened' }];
  const items = params.timestamps ? stampedItems : plainItems;
  if (first?.done === false) yield items(log, first.value);
  for await (const block of blocks) yield items(log, block);
}

/** Lines that are items as they stand. */
const plainItems = ({ pod, container }: OneLog, block: Buffer): Batch<LogItem> => ({
  *[Symbol.iterator]() {
    for (const line of linesOf(block)) yield { pod, container, line };
  },
  encode: (before, after) =>
    encodeLines(
      block,
      `${before}{"pod":${JSON.stringify(pod)},"container":${JSON.stringify(container)},"line":`,
      `}${after}`,
    ),
});

/** Lines that begin with the time at which they were written. */
const stampedItems = ({ pod, container }: OneLog, block: Buffer): Batch<LogItem> =>
  linesOf(block).map((line) => {
    const space = line.indexOf(' ');
    return space < 0
      ? { pod, container, line }
      : { pod, container, line: line.slice(space + 1), time: line.slice(0, space) };
  });

/** What the API server says about one log that it does not have (yet): its text; undefined for other failures. */
const notThere = (error: unknown): string | undefined =>
  isStatus(error, 400) || isStatus(error, 404) ? statusText(error) : undefined;

/** What is there now, log after log. */
async function* readAll(deps: Deps, call: Call, params: Params, pods: Pod[]): AsyncGenerator<Batch<LogItem>> {
  const logs = pods.flatMap((pod) => {
    const { name = '', namespace = '' } = pod.metadata ?? {};
    return containersOf(pod, params).map((container) => ({ pod: name, namespace, container }));
  });
  const missing: string[] = [];
  for (const log of logs) {
    try {
      yield* readLog(deps, call, params, log);
    } catch (error) {
      const why = notThere(error);
      if (why === undefined) throw error;
      missing.push(why);
      if (missing.length === logs.length)
        throw new AppError(
          isStatus(error, 404) ? 'not_found' : 'conflict',
          logs.length === 1
            ? `The log of ${log.namespace}/${log.pod} cannot be read: ${why}`
            : `None of ${logs.length} logs can be read: ${why}`,
        );
      yield [{ pod: log.pod, container: log.container, event: 'failed', message: why }];
    }
  }
}

/** The runs of a pod's containers that have a log by now: each is read once. */
function runsOf(pod: Pod, params: Params): { container: string; run: string }[] {
  const wanted = new Set(containersOf(pod, params));
  return podView(pod)
    .containers.filter(
      ({ name, state, restarts }) => wanted.has(name) && (state !== 'waiting' || restarts > 0),
    )
    .map(({ name, state, restarts }) => ({
      container: name,
      // While a container waits to be restarted its log is that of the run before.
      run: `${pod.metadata?.uid}/${name}/${state === 'waiting' ? restarts - 1 : restarts}`,
    }));
}

const isOver = ({ metadata, status }: Pod): boolean =>
  metadata?.deletionTimestamp !== undefined || status?.phase === 'Succeeded' || status?.phase === 'Failed';

/** All logs at once, as they grow, with those of pods and restarts that come meanwhile. */
async function* followAll(
  deps: Deps,
  outer: Call,
  params: Params,
  source: PodSource,
): AsyncGenerator<Batch<LogItem>> {
  // Fires also when the consumer just goes, so that no log stays open behind it.
  const gone = new AbortController();
  const call = outer.until(gone.signal);
  const channel = createChannel<Batch<LogItem>>();
  const watching = observe(deps, call, source, undefined);
  const opened = new Set<string>();
  const waiting = new Set<string>();
  let open = 0;

  const pump = async (log: OneLog): Promise<void> => {
    const { pod, container } = log;
    try {
      for await (const items of readLog(deps, call, params, log)) if (!(await channel.push(items))) return;
      await channel.push([{ pod, container, event: 'ended' }]);
    } catch (error) {
      const why = notThere(error);
      if (why === undefined) channel.fail(error);
      else await channel.push([{ pod, container, event: 'failed', message: why }]);
    }
  };
  const pumping = new Set<Promise<void>>();
  const start = (log: OneLog): void => {
    open++;
    const running = pump(log).finally(() => {
      open--;
      pumping.delete(running);
      watching.flag.raise();
    });
    pumping.add(running);
  };

  const supervise = async (): Promise<void> => {
    let seen = false;
    for (;;) {
      await watching.changed();
      const pods = [...watching.first.values()].filter(source.mine);
      seen ||= pods.length > 0;
      for (const pod of pods) {
        const { name = '', namespace = '', uid = '' } = pod.metadata ?? {};
        const runs = runsOf(pod, params);
        for (const { container, run } of runs) {
          if (opened.has(run)) continue;
          opened.add(run);
          start({ pod: name, namespace, container });
        }
        if (runs.length === 0 && !isOver(pod) && !waiting.has(uid)) {
          waiting.add(uid);
          const { status, message = status } = podView(pod);
          await channel.push(
            containersOf(pod, params).map((container) => ({
              pod: name,
              container,
              event: 'waiting',
              message,
            })),
          );
        }
      }
      if (seen && open === 0 && pods.every(isOver)) return channel.end();
    }
  };
  const supervising = supervise().catch((error: unknown) => channel.fail(error));
  try {
    yield* channel.items();
  } finally {
    channel.end();
    gone.abort();
    await watching.stop();
    await Promise.allSettled([supervising, ...pumping]);
  }
}

export const podLogs: Implementations['pod_logs'] = async function* (
  deps,
  params,
  call,
): Progress<LogItem, undefined> {
  const source = await target(deps, params, call);
  const pods = await presentPods(deps, params, source, call);
  for (const pod of pods) containersOf(pod, params);
  if (params.follow) yield* followAll(deps, call, params, source);
  else if (pods.length === 0)
    throw new AppError(
      'not_found',
      `No pod in namespace ${source.namespace} has the labels ${source.labelSelector}.`,
    );
  else yield* readAll(deps, call, params, pods);
  return undefined;
};
