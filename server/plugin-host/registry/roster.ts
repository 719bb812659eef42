/** The plugins that this host knows, by runtime id, and the proof that a caller is one of them. */
import { Unroutable } from '../port.js';
import type { HeaderOf } from '../port.js';
import { WELL } from './condition.js';
import { bearerOf, hashOf, isTokenOf, newRuntimeId, newToken, secretOf } from './identity.js';
import type { PluginEntry } from './model.js';
import { refusal } from './refusal.js';

/** What a plugin is when it comes. */
export type Newcomer = Pick<
  PluginEntry,
  | 'selfId'
  | 'selfVersion'
  | 'origin'
  | 'principal'
  | 'metadata'
  | 'allowBaseUrl'
  | 'isStill'
  | 'declared'
  | 'baseUrls'
  | 'standby'
>;

export interface Roster {
  /** Gives a newcomer its identity. @throws ConnectError resource_exhausted when the host is full */
  admit(newcomer: Newcomer): { plugin: PluginEntry; token: string };
  /** Takes an entry in as it is. */
  add(plugin: PluginEntry): void;
  delete(plugin: PluginEntry): void;
  get(runtimeId: string): PluginEntry | undefined;
  all(): IterableIterator<PluginEntry>;
  readonly size: number;
  /** Plugins of this self id, the oldest first. */
  namesakes(selfId: string): PluginEntry[];
  /** @throws Unroutable 401 */
  authenticate(header: HeaderOf): PluginEntry;
}

export interface RosterOptions {
  readonly now: () => number;
  /** Plugins at most. */
  readonly most: number;
  /** Milliseconds after which a token that nobody uses lapses. */
  readonly tokenLapsesMs: number;
  /** Makes room in a full roster; false when it cannot. */
  readonly makeRoom: () => boolean;
}

/** Of what a plugin says at the handshake, what is read again. */
export const keptOf = ({ base_url }: Readonly<Record<string, string>>): Record<string, string> =>
  base_url === undefined ? {} : { base_url };

/** A new entry: healthy, as long as it says nothing else. */
export const newPlugin = (
  newcomer: Newcomer,
  identity: { runtimeId: string; tokenHash: Buffer },
  at: number,
): PluginEntry => ({
  ...newcomer,
  ...identity,
  said: WELL,
  pods: new Map(),
  heard: new Map(),
  health: 'healthy',
  reason: '',
  unavailableDependencies: [],
  lost: undefined,
  doubtedUntil: 0,
  refused: new Set(),
  services: new Map(),
  retired: false,
  requires: new Map(),
  since: at,
  lastUsed: at,
  supersededAt: undefined,
  watches: new Set(),
});

const unauthenticated = (message: string): Unroutable => new Unroutable(401, 'unauthenticated', message);

export function createRoster({ now, most, tokenLapsesMs, makeRoom }: RosterOptions): Roster {
  const plugins = new Map<string, PluginEntry>();
  const bySelfId = new Map<string, Set<PluginEntry>>();

  function add(plugin: PluginEntry): void {
    plugins.set(plugin.runtimeId, plugin);
    const own = bySelfId.get(plugin.selfId) ?? new Set();
    bySelfId.set(plugin.selfId, own.add(plugin));
  }

  function admit(newcomer: Newcomer): { plugin: PluginEntry; token: string } {
    if (plugins.size >= most) makeRoom();
    const runtimeId =
      plugins.size >= most ? undefined : newRuntimeId(newcomer.selfId, (id) => plugins.has(id));
    if (runtimeId === undefined)
      throw refusal('resource_exhausted', `This host has ${plugins.size} plugins and takes no more.`);
    const token = newToken();
    const plugin = newPlugin(newcomer, { runtimeId, tokenHash: hashOf(token) }, now());
    add(plugin);
    return { plugin, token };
  }

  function authenticate(header: HeaderOf): PluginEntry {
    const runtimeId = header('x-plugin-runtime-id');
    if (runtimeId === undefined || runtimeId === '')
      throw unauthenticated('The header X-Plugin-Runtime-ID is missing; shake hands with the host first.');
    const token = bearerOf(header('authorization'));
    if (token === undefined)
      throw unauthenticated('The header Authorization must be one "Bearer <runtime_token>".');
    const plugin = plugins.get(runtimeId);
    const at = now();
    const proven = isTokenOf(plugin?.tokenHash, secretOf(token));
    if (!proven || plugin === undefined || at - plugin.lastUsed >= tokenLapsesMs)
      throw unauthenticated(
        'X-Plugin-Runtime-ID and token are of no plugin of this host, or have lapsed; shake hands again.',
      );
    plugin.lastUsed = at;
    return plugin;
  }

  return {
    admit,
    add,
    delete(plugin) {
      plugins.delete(plugin.runtimeId);
      const own = bySelfId.get(plugin.selfId);
      own?.delete(plugin);
      if (own?.size === 0) bySelfId.delete(plugin.selfId);
    },
    get: (runtimeId) => plugins.get(runtimeId),
    all: () => plugins.values(),
    get size() {
      return plugins.size;
    },
    namesakes: (selfId) => [...(bySelfId.get(selfId) ?? [])],
    authenticate,
  };
}
