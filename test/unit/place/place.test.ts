/** Where a program of ours runs: addresses and paths of a process that plays a pod. */
import t from 'tap';
import { placeOf } from '../../../place/place.js';

const POD = { XI_POD_ROOT: '/cluster/pod', XI_POD_IP: '127.64.0.9', XI_POD_API: 'http://127.0.0.1:6480' };

await t.test('a process that plays a pod', async (t) => {
  const place = placeOf(POD);
  t.equal(place.api, 'http://127.0.0.1:6480');
  for (const host of ['localhost', 'LocalHost', '127.0.0.1', '::1', '[::1]', '0.0.0.0', '::', '[::]'])
    t.equal(place.host(host), '127.64.0.9', host);
  for (const host of ['127.64.0.7', '10.0.0.1', 'web', 'localhost.example']) t.equal(place.host(host), host);

  const addresses: [string, string][] = [
    ['localhost:8080', '127.64.0.9:8080'],
    ['[::1]:8080', '127.64.0.9:8080'],
    ['http://localhost:8080/a?b=localhost', 'http://127.64.0.9:8080/a?b=localhost'],
    ['http://user:pw@127.0.0.1/', 'http://user:pw@127.64.0.9/'],
    ['http://web:80/localhost', 'http://web:80/localhost'],
    ['off', 'off'],
  ];
  for (const [given, wanted] of addresses) t.equal(place.address(given), wanted, given);

  const paths: [string, string][] = [
    ['/etc/config', '/cluster/pod/etc/config'],
    ['data', '/cluster/pod/data'],
    ['/', '/cluster/pod/'],
    ['/../../etc/passwd', '/cluster/pod/etc/passwd'],
    ['../../etc/passwd', '/cluster/pod/etc/passwd'],
    ['/a/../../b', '/cluster/pod/b'],
  ];
  for (const [given, wanted] of paths) t.equal(place.path(given), wanted, given);
});

await t.test('everywhere else all stays as it is', async (t) => {
  for (const environment of [{}, { XI_POD_IP: '10.1.2.3' }, { XI_POD_ROOT: '' }]) {
    const place = placeOf(environment);
    t.equal(place.api, undefined);
    t.equal(place.host('localhost'), 'localhost');
    t.equal(place.address('http://localhost:1/x'), 'http://localhost:1/x');
    t.equal(place.path('../x'), '../x');
  }
});

await t.test('a root without an address or API is refused', async (t) => {
  t.throws(() => placeOf({ XI_POD_ROOT: '/x' }), /XI_POD_IP and XI_POD_API/);
  t.throws(() => placeOf({ XI_POD_ROOT: '/x', XI_POD_IP: '127.64.0.1' }), /belong to it/);
});
