/** The way to the host: there late, gone, back without a memory, and what it refuses. */
import { writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import type { Test } from 'tap';
import { startPlugin } from '../../../plugin-sdk/src/index.js';
import type { Plugin, PluginOptions } from '../../../plugin-sdk/src/index.js';
import type { RegistryOptions } from '../../../server/plugin-host/registry/registry.js';
import { eventually, until } from '../../helpers/eventually.js';
import { freePort } from '../../helpers/free-port.js';
import { startTestHost } from './host.js';
import type { TestHost } from './host.js';

const provides = (type: string): NonNullable<PluginOptions['provides']> => [
  { type, version: '1.0.0', path: `/${type}.v1.Test/`, methods: { Who: () => ({ who: type }) } },
];

async function host(t: Test, options: Partial<RegistryOptions> & { port?: number } = {}): Promise<TestHost> {
  const started = await startTestHost(options);
  t.teardown(() => started.close());
  return started;
}

async function plugin(t: Test, options: Partial<PluginOptions> = {}): Promise<Plugin> {
  const id = options.id ?? 'test-plugin';
  const started = await startPlugin({
    id,
    version: '1.0.0',
    host: '127.0.0.1',
    port: 0,
    heartbeatMs: 50,
    ...options,
  });
  t.teardown(() => started.close());
  return started;
}

const types = ({ registry }: TestHost): string[] =>
  registry
    .services()
    .map(({ type }) => type)
    .sort();

t.test('it shakes hands, registers, and tells how it is', async (t) => {
  const { url, registry } = await host(t);
  const { port, runtimeId } = await plugin(t, { hostUrl: url, provides: provides('a') }).then(
    async (started) => {
      await started.whenReady();
      return started;
    },
  );
  t.match(runtimeId, /^test-plugin-[0-9a-f]{4}$/);
  t.match(registry.services(), [
    {
      type: 'a',
      version: '1.0.0',
      provider: runtimeId,
      targets: [{ baseUrl: `http://localhost:${port}`, path: '/a.v1.Test/' }],
    },
  ]);
});

t.test('it is degraded, naming what it lacks, until that is there', async (t) => {
  const { url, registry } = await host(t);
  const needy = await plugin(t, {
    id: 'needy',
    hostUrl: url,
    requires: [{ type: 'b' }, { type: 'a', minVersion: '1.0.0' }],
  });
  const seen = (): object | undefined => registry.plugins().find(({ selfId }) => selfId === 'needy');
  await eventually(seen, (found) => found !== undefined && 'health' in found && found.health === 'degraded', {
    what: 'degraded',
  });
  t.match(seen(), { reason: 'nobody provides a, b', unavailableDependencies: ['a', 'b'] });
  t.notOk(needy.ready());

  const a = await plugin(t, { id: 'a', hostUrl: url, provides: provides('a') });
  await until(() => needy.health().unavailableDependencies.join() === 'b');
  t.equal(needy.health().state, 'degraded', 'one is not enough');
  await plugin(t, { id: 'b', hostUrl: url, provides: provides('b') });
  await needy.whenReady();
  t.match(needy.health(), { state: 'healthy', reason: '', unavailableDependencies: [] });
  await until(() => /healthy/.test(JSON.stringify(seen())));

  await a.close();
  await until(() => needy.health().state === 'degraded');
  t.same(needy.health().unavailableDependencies, ['a'], 'and again when it goes');
});

t.test('a version that is too low is none', async (t) => {
  const { url } = await host(t);
  await plugin(t, { id: 'a', hostUrl: url, provides: provides('a') });
  const needy = await plugin(t, {
    id: 'needy',
    hostUrl: url,
    requires: [{ type: 'a', minVersion: '1.1.0' }],
  });
  await until(() => needy.runtimeId !== undefined);
  await t.rejects(needy.service('a').call('Who'), {
    code: 'unavailable',
    message: /^nobody provides a 1\.1\.0 at /,
  });
  t.notOk(needy.ready());
});

t.test('the host may come later, go, and come back knowing nobody', async (t) => {
  const port = await freePort();
  const lines: string[] = [];
  const log = {
    info: (text: string) => void lines.push(text),
    warn: (text: string) => void lines.push(text),
  };
  const one = await plugin(t, { hostUrl: `http://127.0.0.1:${port}`, provides: provides('a'), log });
  await until(() => lines.some((line) => line.includes('ECONNREFUSED')));
  const first = await startTestHost({ port });
  await one.whenReady();
  const before = one.runtimeId;
  await first.close();
  await until(() => !one.ready());

  const second = await host(t, { port });
  await until(() => one.ready());
  t.same(types(second), ['a']);
  t.match(lines.join('\n'), new RegExp(`does not know ${before} any more`));
});

t.test('a host that comes back with its memory knows it still', async (t) => {
  const stateFile = join(t.testdir(), 'state.json');
  const first = await startTestHost({ stateFile });
  const one = await plugin(t, { hostUrl: first.url, provides: provides('a') });
  await one.whenReady();
  const { runtimeId } = one;
  await first.close();
  await until(() => !one.ready());
  const second = await startTestHost({ stateFile, port: first.port, load: true });
  t.teardown(() => second.close());
  await one.whenReady();
  t.equal(one.runtimeId, runtimeId);
  t.same(types(second), ['a']);
});

t.test('it registers again when its address changes', async (t) => {
  const { url, registry } = await host(t);
  let address = 'http://10.0.0.1:81';
  const one = await plugin(t, { hostUrl: url, provides: provides('a'), baseUrl: () => address });
  await one.whenReady();
  address = 'http://10.0.0.2:81';
  const at = (): string[] =>
    registry.services().flatMap(({ targets }) => targets.map(({ baseUrl }) => baseUrl));
  await eventually(at, (found) => found.join() === 'http://10.0.0.2:81', { what: 'the new address alone' });
  t.equal(one.runtimeId, registry.services()[0]?.provider);
});

t.test('a service that the host refuses makes it degraded, and the others work', async (t) => {
  const { url, registry } = await host(t, { allow: { 'test-plugin': ['b'] } });
  const one = await plugin(t, { hostUrl: url, provides: [...provides('a'), ...provides('b')] });
  await until(() => registry.services().length === 1 && one.health().state === 'degraded');
  t.match(one.health().reason, /refuses the service a: .*may register b/);
  t.notOk(one.ready());
});

t.test('a handshake that is refused is told, and tried again', async (t) => {
  const { url } = await host(t);
  const lines: string[] = [];
  const log = { info: () => undefined, warn: (text: string) => void lines.push(text) };
  await plugin(t, { hostUrl: url, log, cookie: { key: 'A', value: 'b' } });
  await until(() => lines.length > 0);
  t.match(lines[0], /^test-plugin: .*magic cookie.*; trying again$/);
});

t.test('a token goes with the handshake, and is read anew', async (t) => {
  const seen: (string | undefined)[] = [];
  const { url } = await host(t, {
    identify: async ({ header }) => {
      seen.push(header('authorization'));
      if (seen.length === 1) throw new Error('the token has expired');
      return { principal: 'system:serviceaccount:default:test' };
    },
  });
  const file = join(t.testdir(), 'token');
  await writeFile(file, 'one');
  const one = await plugin(t, {
    environment: { HOST_URL: url, XI_PLUGIN_TOKEN_FILE: file },
    log: { info: () => undefined, warn: (text) => void (/expired/.test(text) && writeFile(file, 'two')) },
  });
  await until(() => one.runtimeId !== undefined);
  t.same(seen, ['Bearer one', 'Bearer two']);
});

t.test('a stop unregisters first and lets calls end', async (t) => {
  const { url, registry } = await host(t);
  let release: () => void = () => undefined;
  const held = new Promise<void>((resolve) => (release = resolve));
  let calls = 0;
  const slow = await plugin(t, {
    id: 'slow',
    hostUrl: url,
    provides: [
      {
        type: 'slow',
        version: '1.0.0',
        path: '/slow.v1.Slow/',
        methods: {
          async Wait() {
            calls += 1;
            await held;
            return { done: true };
          },
        },
      },
    ],
  });
  const caller = await plugin(t, { id: 'caller', hostUrl: url, requires: [{ type: 'slow' }] });
  await caller.whenReady();
  const call = caller.service('slow').call('Wait');
  await until(() => calls === 1);
  const closing = slow.close();
  await until(() => registry.services().length === 0);
  release();
  t.same(await call, { done: true });
  await closing;
});

/** A way to the host on which answers are held back from a moment on, until they are let through. */
async function slowWay(t: Test, port: number) {
  let passing: Promise<void> | undefined;
  let release: () => void = () => undefined;
  const way = createServer((near) => {
    const far = connect(port, '127.0.0.1');
    near.pipe(far);
    far.on('data', (chunk) => void (passing ?? Promise.resolve()).then(() => near.write(chunk)));
    near.on('close', () => far.destroy()).on('error', () => undefined);
    far.on('close', () => near.destroy()).on('error', () => undefined);
    t.teardown(() => near.destroy());
  });
  await new Promise<void>((resolve) => way.listen(0, '127.0.0.1', resolve));
  t.teardown(() => way.close());
  return {
    url: `http://127.0.0.1:${(way.address() as AddressInfo).port}`,
    hold: () => void (passing ??= new Promise((resolve) => (release = resolve))),
    release: () => release(),
  };
}

/** A plugin of two services whose first registration is there, and whose answer is not. */
async function registering(t: Test) {
  const started = await host(t);
  const way = await slowWay(t, started.port);
  const there = new Promise<void>((resolve) => {
    started.registry.watch(({ plugin: { services } }) => {
      if (services.length === 0) return;
      way.hold();
      resolve();
    });
  });
  const one = await plugin(t, { hostUrl: way.url, provides: [...provides('a'), ...provides('b')] });
  await there;
  return { host: started, way, one };
}

t.test(
  'a stop in the middle of a registration unregisters that too, and registers nothing more',
  async (t) => {
    const { host: there, way, one } = await registering(t);
    const closing = one.close();
    way.release();
    await closing;
    t.same(types(there), []);
    t.notOk(there.lines.some((line) => line.startsWith('Registered service: b')));
  },
);

t.test('a stop does not wait for ever for the answer to a registration', async (t) => {
  const { host: there, one } = await registering(t);
  await one.close();
  t.same(types(there), ['a'], 'it could not know of it');
});
