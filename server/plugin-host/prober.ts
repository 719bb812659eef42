/**
 * Who is alive: asks each plugin how it is every few seconds, at each of its addresses, one that does not answer several times a second.
 * A plugin of any kind counts as alive that accepts a connection and answers at all; one that serves a health method says more.
 */
import { fromJson } from '@bufbuild/protobuf';
import type { DescMessage, JsonValue, MessageShape } from '@bufbuild/protobuf';
import {
  HealthCheckResponseSchema,
  ServingStatus,
} from '../../proto/gen/connectplugin/health/v1/health_pb.js';
import {
  GetHealthResponseSchema,
  GetPluginInfoResponseSchema,
  HealthState,
} from '../../proto/gen/connectplugin/v1/plugin_pb.js';
import type { Health, Probed } from './port.js';
import { ask } from './router/ask.js';
import type { Question, WholeAnswer } from './router/ask.js';
import { createUpstreams } from './router/upstreams.js';
import type { Upstreams } from './router/upstreams.js';

export interface ProberOptions {
  readonly probed: Probed;
  /** Milliseconds that a new plugin is left alone, since it may register before it listens; 10,000 by default. */
  readonly graceMs?: number | undefined;
  /** Milliseconds between two questions to a plugin that answers; 5,000 by default, more or less a tenth. */
  readonly everyMs?: number | undefined;
  /** Milliseconds between two questions to a plugin that does not answer; 500 by default. */
  readonly silentEveryMs?: number | undefined;
  /** Milliseconds in which a plugin must answer; 2,000 by default. */
  readonly timeoutMs?: number | undefined;
  /** Questions that are under way at a time; 64 by default. */
  readonly concurrency?: number | undefined;
}

export interface Prober {
  /** Asks no more; resolves when no question is under way. */
  close(): Promise<void>;
}

type Report = NonNullable<Parameters<Probed['alive']>[2]>;
/** What a plugin serves of the methods that tell how it is; they are tried in this order. */
const WAYS = ['GetHealth', 'Check', 'GET /health', 'any answer'] as const;
type Way = (typeof WAYS)[number];
type Heard = { readonly alive: true; readonly report?: Report } | { readonly silent: string } | 'starved';

/** An address of a plugin. What was heard there is of that pod alone. */
interface Watched {
  readonly key: string;
  readonly runtimeId: string;
  readonly baseUrl: string;
  readonly unmanaged: boolean;
  way: Way;
  nextAt: number;
  asking: boolean;
  silent: boolean;
  /** Whether the prober itself said that it is unhealthy, and has to take that back. */
  saidUnhealthy: boolean;
}

const ROUTES: Readonly<Record<Way, Pick<Question, 'method' | 'path' | 'body' | 'headers'>>> = {
  GetHealth: connectQuestion('/connectplugin.v1.PluginControl/GetHealth'),
  Check: connectQuestion('/connectplugin.health.v1.HealthService/Check'),
  'GET /health': { method: 'GET', path: '/health', body: undefined, headers: ['connection', 'close'] },
  'any answer': { method: 'GET', path: '/', body: undefined, headers: ['connection', 'close'] },
};

/** What HTTP servers answer to a method that they do not have. */
const NOT_SERVED: ReadonlySet<number> = new Set([400, 404, 405, 415, 501]);

export function startProber(options: ProberOptions): Prober {
  const { probed, graceMs = 10_000, everyMs = 5_000, silentEveryMs = 500 } = options;
  const { timeoutMs = 2_000, concurrency = 64 } = options;
  // Plugins close idle connections before they are asked again.
  const upstreams = createUpstreams({ connectMs: timeoutMs, idleMs: 0 });
  const watched = new Map<string, Watched>();
  /** Plugins that have answered what they declare. */
  const declared = new Set<string>();
  const asking = new Set<Promise<void>>();
  /** Whether some were due that could not be asked yet. */
  let behind = false;

  const look = (): void => {
    const now = Date.now();
    const seen = new Set<string>();
    for (const { runtimeId, baseUrl, since, routable, unmanaged } of probed.toProbe()) {
      const key = `${runtimeId} ${baseUrl}`;
      seen.add(key).add(runtimeId);
      const plugin =
        watched.get(key) ?? newcomer({ key, runtimeId, baseUrl, unmanaged }, firstAt(since, now));
      watched.set(key, plugin);
      // A call was refused: it is asked now, even a new one.
      if (!routable) plugin.nextAt = Math.min(plugin.nextAt, now + silentEveryMs);
    }
    for (const key of watched.keys()) if (!seen.has(key)) watched.delete(key);
    for (const runtimeId of declared) if (!seen.has(runtimeId)) declared.delete(runtimeId);
  };

  const firstAt = (since: number, now: number): number => {
    const graceEnds = since + graceMs;
    // Those that are here already, at a restart of the host, are not asked all at once.
    return Math.max(graceEnds, now) + Math.random() * Math.min(everyMs, 1_000);
  };

  const probe = async (plugin: Watched): Promise<void> => {
    plugin.asking = true;
    const { key, runtimeId, baseUrl, unmanaged } = plugin;
    const heard: Heard = await hear(upstreams, plugin, timeoutMs).catch((error: unknown) => ({
      silent: String(error),
    }));
    const answers = heard !== 'starved' && 'alive' in heard;
    const asked = answers && unmanaged && !declared.has(runtimeId);
    const info = asked ? await askInfo(upstreams, baseUrl, timeoutMs) : undefined;
    plugin.asking = false;
    if (watched.get(key) !== plugin) return;
    tell(probed, plugin, heard);
    if (info !== undefined) {
      declared.add(runtimeId);
      probed.declares(runtimeId, info);
    }
    plugin.nextAt = Date.now() + (plugin.silent ? silentEveryMs : everyMs * (0.9 + Math.random() * 0.2));
  };

  const askDue = (): void => {
    const now = Date.now();
    for (const plugin of watched.values()) {
      behind = asking.size >= concurrency;
      if (behind) return;
      if (plugin.asking || plugin.nextAt > now) continue;
      // To the end of the row: those that had to wait come before it the next time.
      watched.delete(plugin.key);
      watched.set(plugin.key, plugin);
      const question = probe(plugin).finally(() => {
        asking.delete(question);
        if (behind) askDue();
      });
      asking.add(question);
    }
  };

  const looking = setInterval(look, Math.min(500, silentEveryMs)).unref();
  const clock = setInterval(askDue, Math.min(100, silentEveryMs)).unref();
  const sweeping = setInterval(() => upstreams.sweep(performance.now()), 1_000).unref();
  look();

  return {
    async close() {
      for (const timer of [looking, clock, sweeping]) clearInterval(timer);
      watched.clear();
      await Promise.all(asking);
      upstreams.close();
    },
  };
}

type Address = Pick<Watched, 'key' | 'runtimeId' | 'baseUrl' | 'unmanaged'>;
const newcomer = (address: Address, nextAt: number): Watched => ({
  ...address,
  nextAt,
  way: 'GetHealth',
  asking: false,
  silent: false,
  saidUnhealthy: false,
});

function tell(probed: Probed, plugin: Watched, heard: Heard): void {
  if (heard === 'starved') return;
  const { runtimeId, baseUrl } = plugin;
  plugin.silent = 'silent' in heard;
  if ('silent' in heard) {
    // What comes back may serve more than what went.
    plugin.way = 'GetHealth';
    return probed.silent(runtimeId, baseUrl, heard.silent);
  }
  const { report } = heard;
  if (report === undefined && plugin.saidUnhealthy) {
    plugin.saidUnhealthy = false;
    return probed.alive(runtimeId, baseUrl, { state: 'healthy', reason: '', unavailableDependencies: [] });
  }
  // What GetHealth says is the plugin's own word; what the other ways say is only known to be bad.
  plugin.saidUnhealthy = report !== undefined && plugin.way !== 'GetHealth';
  if (report === undefined) probed.alive(runtimeId, baseUrl);
  else probed.alive(runtimeId, baseUrl, report);
}

/** Asks in the way that the plugin answered the last time, or, when it no longer serves that, in the next. */
async function hear(upstreams: Upstreams, plugin: Watched, timeoutMs: number): Promise<Heard> {
  for (let i = WAYS.indexOf(plugin.way); ; i += 1) {
    const way = WAYS[i] ?? 'any answer';
    const answer = await ask(upstreams, { baseUrl: plugin.baseUrl, timeoutMs, ...ROUTES[way] });
    if ('kind' in answer) {
      if (answer.kind === 'starved') return 'starved';
      if (answer.kind === 'silent') return { silent: `no answer within ${timeoutMs} ms` };
      if (answer.kind === 'unreached') return { silent: answer.why };
      // It took the connection, but does not speak HTTP/1.1: no way would tell more.
      return { alive: true };
    }
    const heard = understand(way, answer);
    if (heard === undefined) continue;
    plugin.way = way;
    return heard;
  }
}

const GET_PLUGIN_INFO = connectQuestion('/connectplugin.v1.PluginIdentity/GetPluginInfo');

/** What a plugin declares, nothing when it does not serve that; undefined when it does not answer now. */
async function askInfo(
  upstreams: Upstreams,
  baseUrl: string,
  timeoutMs: number,
): Promise<Parameters<Probed['declares']>[1] | undefined> {
  const answer = await ask(upstreams, { baseUrl, timeoutMs, ...GET_PLUGIN_INFO });
  // One that takes a connection and speaks no HTTP/1.1 declares nothing to us.
  if ('kind' in answer && answer.kind !== 'broken') return undefined;
  const info =
    'kind' in answer || answer.status !== 200 ? undefined : parse(GetPluginInfoResponseSchema, answer.body);
  return { selfId: info?.selfId ?? '', types: info?.provides.map(({ type }) => type) ?? [] };
}

/** Undefined when the plugin does not serve this way. */
function understand(way: Way, { status, body }: WholeAnswer): Heard | undefined {
  if (way === 'any answer') return { alive: true };
  if (NOT_SERVED.has(status)) return undefined;
  switch (way) {
    case 'GetHealth': {
      const told = status === 200 ? parse(GetHealthResponseSchema, body) : undefined;
      if (told === undefined) return status === 200 ? undefined : { alive: true };
      const state = HEALTH[told.state];
      if (state === undefined) return { alive: true };
      const { reason, unavailableDependencies } = told;
      return { alive: true, report: { state, reason, unavailableDependencies } };
    }
    case 'Check': {
      const told = status === 200 ? parse(HealthCheckResponseSchema, body) : undefined;
      if (told === undefined) return status === 200 ? undefined : { alive: true };
      return told.status === ServingStatus.NOT_SERVING
        ? unhealthy('its health service says NOT_SERVING')
        : { alive: true };
    }
    case 'GET /health':
      return status === 503 ? unhealthy('its GET /health answers 503') : { alive: true };
  }
}

const HEALTH: Readonly<Record<HealthState, Health | undefined>> = {
  [HealthState.UNSPECIFIED]: undefined,
  [HealthState.HEALTHY]: 'healthy',
  [HealthState.DEGRADED]: 'degraded',
  [HealthState.UNHEALTHY]: 'unhealthy',
};

const unhealthy = (reason: string): Heard => ({
  alive: true,
  report: { state: 'unhealthy', reason, unavailableDependencies: [] },
});

function parse<S extends DescMessage>(schema: S, body: Buffer): MessageShape<S> | undefined {
  try {
    return fromJson(schema, JSON.parse(body.toString()) as JsonValue, { ignoreUnknownFields: true });
  } catch {
    return undefined;
  }
}

function connectQuestion(path: string): Pick<Question, 'method' | 'path' | 'body' | 'headers'> {
  const headers = [
    'content-type',
    'application/json',
    'connect-protocol-version',
    '1',
    'connection',
    'close',
  ];
  return { method: 'POST', path, body: Buffer.from('{}'), headers };
}
