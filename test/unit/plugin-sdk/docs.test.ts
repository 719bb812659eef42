/** The first example of docs/plugins.md, as it is printed. */
import { readFile } from 'node:fs/promises';
import t from 'tap';
import { startPlugin } from '../../../plugin-sdk/src/index.js';
import type { Plugin, PluginOptions } from '../../../plugin-sdk/src/index.js';
import { startTestHost } from './host.js';

t.test('the plugin of docs/plugins.md', async (t) => {
  const host = await startTestHost();
  const plugins: Plugin[] = [];
  t.teardown(async () => {
    await Promise.all(plugins.map((plugin) => plugin.close()));
    await host.close();
  });
  /** On loopback alone. */
  const start = async (options: PluginOptions): Promise<Plugin> => {
    const plugin = await startPlugin({ ...options, host: '127.0.0.1', graceMs: 0 });
    plugins.push(plugin);
    return plugin;
  };
  const environment = { HOST_URL: host.url, PORT: '0', HOSTNAME: 'localhost' };
  const logged: string[] = [];
  const logger = await start({
    id: 'logger-plugin',
    version: '1.0.0',
    environment,
    provides: [
      {
        type: 'logger',
        version: '1.0.0',
        path: '/logger.v1.Logger/',
        methods: { Log: (request) => void logged.push(request.text('message')) },
      },
    ],
  });
  await logger.whenReady();

  const page = await readFile('docs/plugins.md', 'utf8');
  const [, printed = ''] =
    /^```ts\nimport \{ startPlugin \} from '@xi-k8s\/plugin';\n(.*?)^```$/ms.exec(page) ?? [];
  const AsyncFunction = (async () => undefined).constructor as new (
    ...parts: string[]
  ) => (startPlugin: typeof start, process: { env: object }) => Promise<void>;
  await new AsyncFunction('startPlugin', 'process', printed)(start, { env: environment });
  t.same(logged, ['the greeter is there']);
  const greeter = plugins.at(-1)!;
  await greeter.whenReady();
  t.same(await logger.service('greeter').call('Hello', { name: 'all' }), { text: 'hello all' });
});
