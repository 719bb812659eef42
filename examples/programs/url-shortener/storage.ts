/** Keeps URLs by their codes, and has what it does logged. */
import { ConnectError } from '../../../plugin-sdk/src/index.js';
import type { MethodRequest, Plugin } from '../../../plugin-sdk/src/index.js';
import { startExample } from '../plugins.js';
import type { ExampleProgram, Surroundings } from '../programs.js';
import { CODE } from './codes.js';
import { startReplica } from './replica.js';
import { memoryStore } from './store.js';
import type { Store } from './store.js';
import { urlOf } from './url.js';

const LOG_MS = 2_000;

function codeIn(request: MethodRequest): string {
  const code = request.text('code');
  if (CODE.test(code)) return code;
  throw new ConnectError(
    'invalid_argument',
    `'${code.slice(0, 100)}' is no code: give 1 to 64 letters, digits, - and _`,
  );
}

/** What `Store` and `Get` do; `log` says it. */
const methodsOf = (store: Store, log: (message: string) => Promise<void>) => ({
  async Store(request: MethodRequest): Promise<object> {
    const url = urlOf(request, ['code']);
    const code = codeIn(request);
    if (!(await store.put(code, url)))
      throw new ConnectError('already_exists', `the code ${code} is that of another URL; take another code`);
    await log(`STORE ${code} → ${url}`);
    return { code, url };
  },
  async Get(request: MethodRequest): Promise<object> {
    const code = codeIn(request);
    const url = await store.get(code);
    if (url === undefined) throw new ConnectError('not_found', `there is no URL for the code ${code}`);
    await log(`GET ${code} → ${url}`);
    return { url };
  },
});

/** Logs through another plugin; when that one is away, nothing stops for it. */
const logTo =
  ({ print }: Surroundings, plugin: () => Plugin) =>
  async (message: string): Promise<void> => {
    try {
      await plugin().service('logger').call('Log', { message }, { timeoutMs: LOG_MS });
    } catch (error) {
      print(`not logged: ${message}: ${(error as Error).message}`);
    }
  };

/**
 * Answers `Store` (code, url) and `Get` (code) at /storage.v1.Storage/. With STATE_PEER=on all replicas have the same URLs,
 * and keep them in STATE_PATH; without it each has its own, as long as it runs.
 */
export const storage: ExampleProgram = async (surroundings) => {
  const replica =
    surroundings.environment['STATE_PEER'] === 'on' ? await startReplica(surroundings) : undefined;
  const log = logTo(surroundings, () => plugin);
  const plugin = await startExample(surroundings, {
    id: 'storage-plugin',
    version: '1.0.0',
    defaultPort: 8082,
    provides: [
      {
        type: 'storage',
        version: '1.0.0',
        path: '/storage.v1.Storage/',
        methods: methodsOf(replica?.store ?? memoryStore(), log),
      },
    ],
    requires: [{ type: 'logger', minVersion: '1.0.0' }],
  }).catch(async (error: unknown) => {
    await replica?.close();
    throw error;
  });
  replica?.store.ended.catch((error: Error) =>
    plugin.setHealth('unhealthy', `its state is not shared any more: ${error.message}`),
  );
  const closed = plugin.closed.then(() => replica?.close());
  return {
    closed,
    async close() {
      await plugin.close();
      await closed;
    },
  };
};
