import t from 'tap';
import { settingsOf } from '../../../plugin-sdk/src/options.js';
import type { Host } from '../../../plugin-sdk/src/link.js';
import { createTrust } from '../../../plugin-sdk/src/trust.js';

const identity = { runtimeId: 'a-1a2b', runtimeToken: 'x', hostUrl: 'http://host:8080' };
const other = { runtimeId: 'a-ffff', runtimeToken: 'y', hostUrl: 'http://evil:8080' };

/** A way to a host that knows the plugin by this identity, or to none. */
const linkTo = (known: typeof identity | undefined, inTouch = true): Parameters<typeof createTrust>[1] => ({
  host: () => (known === undefined ? undefined : ({ identity: known } as Host)),
  inTouch: () => inTouch && known !== undefined,
  doubt: () => undefined,
});

const settings = settingsOf({ id: 'a', version: '1.0.0' });

t.test('another host may not take the plugin from one that answers', async (t) => {
  const expected = {
    code: 'permission_denied',
    message: 'a is managed by the host http://host:8080, which answers',
  };
  const trust = createTrust(settings, linkTo(identity));
  t.throws(() => trust.identity(other, '10.0.0.9'), expected);
  t.same(trust.identity(identity, '10.0.0.5'), identity, 'who knows the token is the host');
  t.same(
    trust.identity({ ...other, hostUrl: 'http://host' }, '::ffff:10.0.0.5').runtimeId,
    'a-ffff',
    'from there',
  );
});

t.test('one that does not answer is replaced', async (t) => {
  t.same(createTrust(settings, linkTo(identity, false)).identity(other, '10.0.0.9'), other);
  t.same(createTrust(settings, linkTo(undefined)).identity(other, '10.0.0.9'), other);
});

t.test('one that names its host takes an identity of that one only', async (t) => {
  const named = settingsOf({ id: 'a', version: '1.0.0', environment: { MANAGED_BY: 'http://host:8080/' } });
  const trust = createTrust(named, linkTo(undefined));
  t.throws(() => trust.identity(other, '10.0.0.9'), {
    code: 'permission_denied',
    message: /managed by http:\/\/host:8080\/? only/,
  });
  t.same(trust.identity(identity, '10.0.0.5'), identity);
  t.throws(() => settingsOf({ id: 'a', version: '1.0.0', managedBy: 'nonsense' }), {
    code: 'invalid_argument',
  });
});

t.test('who may say stop', async (t) => {
  const trust = createTrust(settings, linkTo(undefined));
  for (const from of ['127.0.0.1', '127.4.5.6', '::1', '::ffff:127.0.0.1'])
    await t.resolves(trust.maySayStop(from));
  const expected = { code: 'permission_denied', message: 'only its host may stop a, not 10.0.0.9' };
  await t.rejects(trust.maySayStop('10.0.0.9'), expected);
  trust.identity(identity, '10.0.0.9');
  await t.resolves(trust.maySayStop('10.0.0.9'), 'who gave it its identity');
});

t.test('of a plugin that goes to its host by itself', async (t) => {
  const trust = createTrust(
    settingsOf({ id: 'a', version: '1.0.0', hostUrl: 'http://10.0.0.9:80' }),
    linkTo(identity),
  );
  await t.resolves(trust.maySayStop('10.0.0.9'), 'its host');
  await t.rejects(trust.maySayStop('10.0.0.8'), { code: 'permission_denied' });
});
