/** The Connect library on the wire with Go's: our server and its client, our client and its server. Needs Go. */
import t from 'tap';
import {
  ConnectError,
  createConnectClient,
  createHandler,
  listenBoth,
  serverStream,
  unary,
} from '../../connect/index.js';
import type { CallContext } from '../../connect/index.js';
import { until } from '../helpers/eventually.js';
import { Echo } from './plugin/echo.gen.js';
import { go, skip } from './plugin-go.js';

t.setTimeout(120_000);
const ENDPOINT = '/interop.echo.v1.Echo';
const BIG = 'x'.repeat(100_000);
/** A program that shakes no hands: it calls what is no host. */
const anybody = (url: string, ...flags: string[]): string[] => ['client', '-host', url, '-id', 'x', ...flags];

/** A server of ours, with what came. */
async function serveEcho() {
  const signals: AbortSignal[] = [];
  const contexts: CallContext[] = [];
  let left = 0;
  const handler = createHandler([
    unary(Echo.method.echo, ({ text, data }, context) => {
      contexts.push(context);
      if (text.startsWith('refuse: ')) throw new ConnectError('already_exists', text.slice(8));
      if (text === 'fail') throw new Error('a secret');
      if (text === 'wait') {
        signals.push(context.signal);
        return new Promise(() => undefined);
      }
      return { text, data, by: 'ours' };
    }),
    serverStream(Echo.method.count, async function* ({ to, hold }, context) {
      for (let number = 1; number <= to; number++) {
        yield { number };
        if (!hold) continue;
        await new Promise<void>((resolve) => context.signal.addEventListener('abort', () => resolve()));
        left++;
        return;
      }
      if (to === 13) throw new ConnectError('out_of_range', 'thirteen');
    }),
  ]);
  const listener = await listenBoth({
    host: '127.0.0.1',
    port: 0,
    onRequest: (request, response) => {
      if (!handler(request, response)) response.writeHead(404).end();
    },
  });
  const url = `http://127.0.0.1:${listener.port}`;
  return { url, contexts, signals, left: () => left, close: () => listener.close() };
}

t.teardown(() => go.end());

t.test('the Go client at our server', { skip }, async (t) => {
  const server = await serveEcho();
  t.teardown(() => server.close());
  for (const flags of [[], ['-json'], ['-gzip'], ['-json', '-gzip'], ['-h2c'], ['-h2c', '-json', '-gzip']]) {
    const how = flags.join(' ') || 'binary';
    const echoed = await go.run(...anybody(server.url, ...flags), 'echo', ENDPOINT, 'häl\nlo', BIG);
    t.strictSame(
      echoed.map(({ event, said }) => [event, said?.text, said?.by]),
      [
        ['echo', 'häl\nlo', 'ours'],
        ['echo', BIG, 'ours'],
      ],
      how,
    );
    const [refused] = await go.run(
      ...anybody(server.url, ...flags),
      'echo',
      ENDPOINT,
      'refuse: no, “thanks”',
    );
    t.match(refused, { event: 'error', code: 'already_exists', message: /no, “thanks”$/ }, how);
    const [failed] = await go.run(...anybody(server.url, ...flags), 'echo', ENDPOINT, 'fail');
    t.match(failed, { event: 'error', code: 'internal' }, how);
    t.notMatch(failed?.message, /secret/, 'what an implementation threw stays here');
    const counted = await go.run(...anybody(server.url, ...flags), 'count', ENDPOINT, '300');
    t.strictSame(
      counted.map(({ number }) => number),
      [...Array.from({ length: 300 }, (_, i) => i + 1), undefined],
      how,
    );
    t.equal(counted.at(-1)?.event, 'end');
    const broken = await go.run(...anybody(server.url, ...flags), 'count', ENDPOINT, '13');
    t.equal(broken.filter(({ event }) => event === 'number').length, 13, 'what came before it is kept');
    t.match(broken.at(-1), { event: 'error', code: 'out_of_range', message: /thirteen/ }, how);
  }
});

t.test('a Go client that has no time, or leaves', { skip }, async (t) => {
  const server = await serveEcho();
  t.teardown(() => server.close());
  const [late] = await go.run(...anybody(server.url, '-timeout', '300ms'), 'echo', ENDPOINT, 'wait');
  t.match(late, { event: 'error', code: 'deadline_exceeded' });
  await until(() => server.signals[0]!.aborted);
  t.match(server.contexts.at(-1)!.header('connect-timeout-ms'), /^\d+$/, 'was told');

  for (const [nth, flags] of [[], ['-h2c']].entries()) {
    const holding = go.start([...anybody(server.url, ...flags), 'hold', ENDPOINT, '5']);
    t.equal((await holding.heard('number')).number, 1, 'the first message comes before the stream ends');
    t.equal(server.left(), nth, 'and the call is still there');
    await holding.end();
    await until(() => server.left() === nth + 1);
  }
});

t.test('our client at a Go server', { skip }, async (t) => {
  const host = go.start(['host']);
  const { url: hostUrl = '' } = await host.heard('listening');
  const plugin = await go.plugin(hostUrl, { H2C: 'yes' });
  for (const json of [false, true]) {
    const client = createConnectClient({ baseUrl: plugin.url, json });
    t.teardown(() => client.close());
    const data = Uint8Array.from({ length: 256 }, (_, i) => i);
    const echoed = await client.unary(Echo.method.echo, { text: 'häl\nlo', data });
    t.strictSame([echoed.text, [...echoed.data], echoed.by], ['häl\nlo', [...data], 'echo-plugin']);
    t.equal((await client.unary(Echo.method.echo, { text: BIG })).text, BIG, 'Go answers it compressed');
    await t.rejects(client.unary(Echo.method.echo, { text: 'refuse: no' }), {
      code: 'already_exists',
      message: /no/,
    });
    const numbers: number[] = [];
    for await (const { number } of client.stream(Echo.method.count, { to: 100 })) numbers.push(number);
    t.strictSame(
      numbers,
      Array.from({ length: 100 }, (_, i) => i + 1),
    );
    for await (const { number } of client.stream(Echo.method.count, { to: 5, hold: true })) {
      t.equal(number, 1);
      break;
    }
  }
  await until(async () => {
    const answer = await fetch(`${plugin.url}${ENDPOINT}/state`);
    return ((await answer.json()) as { left: number }).left === 2;
  });
  await plugin.end();
  const client = createConnectClient({ baseUrl: plugin.url });
  t.teardown(() => client.close());
  await t.rejects(client.unary(Echo.method.echo, {}), { code: 'unavailable', message: /ECONNREFUSED/ });
});
