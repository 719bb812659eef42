import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { ConnectError } from '../../../plugin-sdk/src/index.js';
import type { PluginOptions } from '../../../plugin-sdk/src/index.js';
import { settingsOf } from '../../../plugin-sdk/src/options.js';

const methods = { Now: () => undefined };
const service = { type: 'clock', version: '1.0.0', path: '/clock.v1.Clock/', methods };
const good: PluginOptions = { id: 'clock', version: '1.0.0', provides: [service] };

const BAD: readonly [what: string, options: Partial<PluginOptions>, says: RegExp][] = [
  ['no id', { id: '' }, /plugin id ''/],
  ['an id that is no name', { id: '1/2' }, /plugin id '1\/2'/],
  ['a version that is none', { version: '1.0' }, /plugin clock: the version '1.0' is no semantic version/],
  ['a leading zero', { version: '1.02.0' }, /no semantic version/],
  ['a type that is none', { provides: [{ ...service, type: 'a b' }] }, /service type 'a b'/],
  ['a service version', { provides: [{ ...service, version: 'v1' }] }, /service clock: the version 'v1'/],
  [
    'a path without slashes',
    { provides: [{ ...service, path: 'clock' }] },
    /the path 'clock' must look like/,
  ],
  ['a path that climbs', { provides: [{ ...service, path: '/a/../b/' }] }, /the path '\/a\/\.\.\/b\/' must/],
  ['nothing to answer', { provides: [{ ...service, methods: undefined as never }] }, /clock answers nothing/],
  ['a type twice', { provides: [service, { ...service, path: '/b/' }] }, /clock is provided twice/],
  ['a path twice', { provides: [service, { ...service, type: 'b' }] }, /clock and b share the path/],
  [
    'a path in another',
    { provides: [service, { ...service, type: 'b', path: '/clock.v1.Clock/b/' }] },
    /share/,
  ],
  ['a required type', { requires: [{ type: '-' }] }, /required service '-'/],
  [
    'a required version',
    { requires: [{ type: 'a', minVersion: '1' }] },
    /required service a: the version '1'/,
  ],
  ['a type that is required twice', { requires: [{ type: 'a' }, { type: 'a' }] }, /a is required twice/],
  ['a base URL that is none', { baseUrl: 'me' }, /the base URL 'me' must be an http URL/],
  ['a name that is none', { environment: { HOSTNAME: 'a b' } }, /the base URL 'http:\/\/a b:1' must/],
  ['a host that is no URL', { hostUrl: 'localhost:8080' }, /HOST_URL 'localhost:8080' must be an http URL/],
  [
    'a host by https',
    { environment: { HOST_URL: 'https://h' } },
    /HOST_URL 'https:\/\/h' must be an http URL/,
  ],
  ['a user in the host', { hostUrl: 'http://u:p@h' }, /must be an http URL/],
  ['a port that is none', { environment: { PORT: '80a' } }, /PORT '80a' is no port/],
  ['a port beyond all', { port: 65_536 }, /PORT '65536' is no port/],
];

t.test('options that are wrong are named', async (t) => {
  for (const [what, options, says] of BAD) {
    const expected = { name: 'ConnectError', code: 'invalid_argument', message: says };
    t.throws(() => settingsOf({ ...good, ...options }), expected, what);
  }
  t.ok(new ConnectError('internal', '') instanceof Error);
});

t.test('what is not said comes from the environment', async (t) => {
  const environment = { HOST_URL: 'http://host:8080/', PORT: '8082', HOSTNAME: 'pod' };
  const settings = settingsOf({ ...good, environment });
  t.match(settings, { hostUrl: 'http://host:8080', port: 8082, heartbeatMs: 3000, graceMs: 10_000 });
  t.equal(settings.baseUrl(8082), 'http://pod:8082');
  const own = settingsOf({ ...good, environment, hostUrl: 'http://other', port: 1, baseUrl: 'http://me:1' });
  t.match(own, { hostUrl: 'http://other', port: 1 });
  t.equal(own.baseUrl(1), 'http://me:1', 'options of its own win');
});

t.test('without an environment', async (t) => {
  const settings = settingsOf(good);
  t.match(settings, { hostUrl: undefined, port: 8080, token: undefined });
  t.equal(settings.baseUrl(8080), 'http://localhost:8080');
  t.equal(settingsOf({ ...good, environment: { HOST_URL: '' } }).hostUrl, undefined, 'empty is not set');
  const v6 = settingsOf({ ...good, environment: { HOSTNAME: 'fd00::7' } });
  t.equal(v6.baseUrl(80), 'http://[fd00::7]:80', 'an address of IPv6 gets its brackets');
});

t.test('addresses are mapped, where a plugin plays a pod', async (t) => {
  const address = (text: string): string => text.replace(/localhost|0\.0\.0\.0/, '127.1.2.3');
  const settings = settingsOf({ ...good, address, hostUrl: 'http://localhost:8080' });
  t.match(settings, { hostUrl: 'http://127.1.2.3:8080', host: '127.1.2.3' });
  t.equal(settings.baseUrl(8081), 'http://127.1.2.3:8081');
});

t.test('a token is read again each time', async (t) => {
  const file = join(t.testdir(), 'token');
  await writeFile(file, 'first\n');
  const { token } = settingsOf({ ...good, environment: { XI_PLUGIN_TOKEN_FILE: file } });
  t.equal(await token?.(), 'first');
  await writeFile(file, 'second\n');
  t.equal(await token?.(), 'second');
  t.equal(await settingsOf({ ...good, token: 'own' }).token?.(), 'own');
  const { token: none } = settingsOf({ ...good, environment: { XI_PLUGIN_TOKEN_FILE: `${file}-not` } });
  await t.rejects(async () => none?.(), { message: /^XI_PLUGIN_TOKEN_FILE cannot be read: ENOENT/ });
});
