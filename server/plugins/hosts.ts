/** Plugin hosts as functions see them: the operator's own, and those in pods. */
import type { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { AppError } from '../errors.js';
import { HOST_PORT, OPERATOR } from '../plugin-host/names.js';
import { DEFAULT_COOKIE } from '../plugin-host/registry/handshake.js';
import { HostStatus, STATUS_PATH } from '../plugin-host/status.js';
import type { HostIo, Kube, PluginHost, PluginRequest, Plugins } from '../ports.js';
import { createLink } from './link.js';
import type { Link, LinkReply } from './link.js';

/** Who calls at a host. */
export interface HostIdentity {
  readonly runtimeId: string;
  readonly token: string;
}

/** What the operator's own host must offer. */
export interface OwnHost {
  /** A connection to its request handler; see `inProcess`. */
  open(): Duplex;
  status(): HostStatus;
  /** Calls back after each change of a plugin or service; answers how to stop that. */
  watch(listener: () => void): () => void;
  /** What the operator's own calls are made as; the same for the life of the host. */
  identity(): HostIdentity;
}

export interface PluginsOptions {
  readonly kube: Kube;
  readonly own: OwnHost | undefined;
  readonly hostImage: string | undefined;
  readonly version: string;
}

/** How often the host of a pod is asked while somebody watches, in milliseconds. */
const POLL_MS = 1_000;
/** Changes come in swarms; how long they are gathered, in milliseconds. */
const GATHER_MS = 50;
/** Pods whose identities are kept, at most. */
const MAX_IDENTITIES = 1_000;

const JSON_TYPE = { 'content-type': 'application/json' };

const identityHeaders = ({ runtimeId, token }: HostIdentity): Record<string, string> => ({
  'x-plugin-runtime-id': runtimeId,
  authorization: `Bearer ${token}`,
});

const serviceCall = (
  { type, method, provider = '-', body }: PluginRequest,
  identity: HostIdentity,
  timeoutMs: number | undefined,
) => ({
  method: 'POST' as const,
  path: `/services/${encodeURIComponent(type)}/${encodeURIComponent(provider)}/${method}`,
  headers: {
    ...identityHeaders(identity),
    ...JSON_TYPE,
    ...(timeoutMs === undefined ? {} : { 'connect-timeout-ms': String(Math.max(1, Math.floor(timeoutMs))) }),
  },
  body,
});

/** What a JSON answer holds; undefined when it is none. */
function parse(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString());
  } catch {
    return undefined;
  }
}

const field = (value: unknown, name: string): string => {
  const found: unknown = (value as Record<string, unknown> | undefined | null)?.[name];
  return typeof found === 'string' ? found : '';
};

const foreign = (what: string, said: string): AppError =>
  new AppError('bad_gateway', `What listens at ${what} is no plugin host of ours: ${said}.`);

function statusOf(what: string, { status, body }: LinkReply): HostStatus {
  if (status !== 200) throw foreign(what, `it answers GET ${STATUS_PATH} with ${status}`);
  const parsed = HostStatus.safeParse(parse(body));
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw foreign(what, `its status is not as it should be at ${issue?.path.join('.') || 'its start'}`);
}

/** Shakes hands with a host as any plugin does. */
async function shakeHands(
  what: string,
  link: Link,
  { version, appProtocolVersion }: { readonly version: string; readonly appProtocolVersion: number },
  io: HostIo,
): Promise<HostIdentity> {
  const { status, body } = await link(
    {
      method: 'POST',
      path: '/connectplugin.v1.HandshakeService/Handshake',
      headers: JSON_TYPE,
      body: JSON.stringify({
        coreProtocolVersion: 1,
        appProtocolVersion,
        magicCookieKey: DEFAULT_COOKIE.key,
        magicCookieValue: DEFAULT_COOKIE.value,
        selfId: OPERATOR,
        selfVersion: version,
      }),
    },
    io,
  );
  const answer = parse(body);
  const identity = { runtimeId: field(answer, 'runtimeId'), token: field(answer, 'runtimeToken') };
  if (status === 200 && identity.runtimeId !== '' && identity.token !== '') return identity;
  const why = field(answer, 'message').replace(/\.$/, '') || 'its answer has no identity';
  throw new AppError('bad_gateway', `The handshake with ${what} failed (${status}): ${why}.`);
}

/** Whether a host still knows who we are: what a 401 means that may be the plugin's own. */
async function isKnown(link: Link, identity: HostIdentity, io: HostIo): Promise<boolean> {
  const { status } = await link(
    {
      method: 'POST',
      path: '/connectplugin.v1.PluginLifecycle/ReportHealth',
      headers: { ...JSON_TYPE, ...identityHeaders(identity) },
      body: JSON.stringify({ state: 'HEALTH_STATE_HEALTHY' }),
    },
    io,
  );
  return status !== 401;
}

/** Waits for what goes on without those who leave. Rejects with the signal's reason. */
async function within<T>(shared: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return shared;
  let leave = (): void => {};
  const left = new Promise<never>((_, reject) => (leave = () => reject(signal.reason as Error)));
  if (signal.aborted) leave();
  signal.addEventListener('abort', leave, { once: true });
  try {
    return await Promise.race([shared, left]);
  } finally {
    signal.removeEventListener('abort', leave);
  }
}

/** Waits until `raise` was called, or the signal fires. */
function createBell(signal: AbortSignal) {
  let rung = false;
  let wake = (): void => {};
  const raise = (): void => {
    rung = true;
    wake();
  };
  signal.addEventListener('abort', raise, { once: true });
  return {
    raise,
    async rung(): Promise<void> {
      if (!rung) await new Promise<void>((resolve) => (wake = resolve));
      rung = false;
      signal.throwIfAborted();
    },
    end: () => signal.removeEventListener('abort', raise),
  };
}

function ownHost(own: OwnHost): PluginHost {
  const what = "the operator's host";
  const link = createLink(what, () => own.open());
  return {
    what,
    status: () => Promise.resolve(own.status()),
    async *changes(signal) {
      const bell = createBell(signal);
      const stop = own.watch(bell.raise);
      try {
        for (;;) {
          yield own.status();
          await bell.rung();
          await delay(GATHER_MS);
        }
      } finally {
        stop();
        bell.end();
      }
    },
    call: (request, io = {}) => link(serviceCall(request, own.identity(), io.timeoutMs), io),
  };
}

/** @throws what the Kube port throws when the pod or the way to it is refused; see `createPlugins`. */
export function createPlugins({ kube, own, hostImage, version }: PluginsOptions): Plugins {
  /** By `namespace/name`. A pod of the same name that came later does not know it, and is asked anew. */
  const identities = new Map<string, HostIdentity>();
  /** Handshakes under way: calls side by side share one, for each makes an identity that the host keeps. */
  const meetings = new Map<string, Promise<HostIdentity>>();
  const keep = (key: string, identity: HostIdentity): HostIdentity => {
    const [oldest] = identities.keys();
    if (identities.size >= MAX_IDENTITIES && oldest !== undefined) identities.delete(oldest);
    identities.set(key, identity);
    return identity;
  };

  const inPod: Plugins['inPod'] = ({ namespace, name }) => {
    const key = `${namespace}/${name}`;
    const what = `the host of pod ${key}`;
    const link = createLink(what, (io) => kube.portForward({ namespace, name }, HOST_PORT, io));
    const status = async (io?: HostIo): Promise<HostStatus> =>
      statusOf(what, await link({ method: 'GET', path: STATUS_PATH }, io));
    const meet = async (): Promise<HostIdentity> => {
      const { appProtocolVersion } = await status();
      return keep(key, await shakeHands(what, link, { version, appProtocolVersion }, {}));
    };
    /** Who we are to the host; `forgotten` is who we are no more. */
    const identityOf = (io: HostIo, forgotten?: HostIdentity): Promise<HostIdentity> | HostIdentity => {
      const kept = identities.get(key);
      if (kept !== undefined && kept !== forgotten) return kept;
      const meeting = meetings.get(key) ?? meet().finally(() => meetings.delete(key));
      meetings.set(key, meeting);
      return within(meeting, io.signal);
    };
    return {
      what,
      status,
      async *changes(signal) {
        for (;;) {
          yield await status({ signal });
          await delay(POLL_MS, undefined, { signal }).catch(() => signal.throwIfAborted());
        }
      },
      async call(request, io = {}) {
        const identity = await identityOf(io);
        const reply = await link(serviceCall(request, identity, io.timeoutMs), io);
        if (reply.status !== 401 || (await isKnown(link, identity, io))) return reply;
        return link(serviceCall(request, await identityOf(io, identity), io.timeoutMs), io);
      },
    };
  };
  return { own: own === undefined ? undefined : ownHost(own), hostImage, inPod };
}
