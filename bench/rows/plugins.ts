/** The plugin host: calls through its router, beside direct ones, hosts like the reference, and Go's own reverse proxy. */
import { setTimeout as delay } from 'node:timers/promises';
import { buildGo, hasGo } from '../../test/interop/build.js';
import { goPrograms } from '../../test/interop/plugin-programs.js';
import type { GoPrograms, Line as Said } from '../../test/interop/plugin-programs.js';
import { figuresOf, sideOf, startExample, startOurHost } from '../plugin-hosts.js';
import type { Serving, Side } from '../plugin-hosts.js';
import { alternate, spreadOf } from '../stats.js';
import { alone, compare, spreadText } from '../table.js';
import { idleMemory } from '../idle.js';
import type { Line } from '../table.js';
import type { Row, RowBench } from './row.js';

const MANY = 50;
const CALLS = 10_000;
const PLUGINS = 1_000;
const GIB = 1 << 30;
const ECHO = '/interop.echo.v1.Echo';
const DISCOVER = '/connectplugin.v1.ServiceRegistry/DiscoverService';
const REFERENCE = 'host like the reference';
/** Calls a second of the reference with its own plugins, measured before on such a machine, by connections. */
const RECORDED = { Shorten: { 1: 544, [MANY]: 1_573 }, Resolve: { 1: 614, [MANY]: 1_486 } } as const;
/** The same of calls through its router, and of DiscoverService; with MANY connections. */
const RECORDED_CALLS = { router: 5_674, discover: 34_007 } as const;
const RECORDED_NAME = 'the reference, measured before,';

/** What all the row's parts work with. */
interface Setting extends RowBench {
  readonly go: GoPrograms;
  readonly host: Serving;
  readonly ours: Side;
  readonly reference: Side;
  readonly proxy: Side;
}

type Figures = readonly Said[];
const rates = (figures: Figures): number[] => figures.map((line) => line.calls_per_second ?? NaN);
const p50s = (figures: Figures): number[] => figures.map((line) => line.p50_ms ?? NaN);
const p99s = (figures: Figures): number[] => figures.map((line) => line.p99_ms ?? NaN);

/** What the reference reached, beside so many rounds of ours. */
const recorded = (ours: Figures, rate: number) => ({ name: RECORDED_NAME, figures: ours.map(() => rate) });

async function startGoHost(go: GoPrograms, ...flags: readonly string[]): Promise<string> {
  const { url = '' } = await go.start(['host', ...flags]).heard('listening');
  return url;
}

/** A contender: so many connections on one URL, for the row's time. */
const driven =
  ({ go, scale }: Setting, url: string, connections: number, more: readonly string[] = []) =>
  (): Promise<Said> =>
    figuresOf(
      go,
      'load',
      '-url',
      url,
      '-connections',
      `${connections}`,
      '-duration',
      `${scale.seconds}s`,
      ...more,
    );

const ECHOED = ['-body', '{"text":"how are you?"}'];

/** The same unary call: directly, and through each of the hosts. */
function echoes(setting: Setting, connections: number) {
  const { ours, reference, proxy } = setting;
  const direct = driven(setting, `${ours.plugin.url}${ECHO}/Echo`, connections, ECHOED);
  const through = ({ service, identity }: Side) =>
    driven(setting, `${service}/Echo`, connections, [...ECHOED, ...identity]);
  return { direct, ours: through(ours), reference: through(reference), proxy: through(proxy) };
}

async function* oneByOne(setting: Setting): AsyncGenerator<Line> {
  const figures = await alternate(echoes(setting, 1), setting.scale.rounds);
  const direct = p50s(figures.direct);
  const added = (through: Figures): number[] => p50s(through).map((p50, round) => p50 - direct[round]!);
  const theirs = (name: string, through: Figures): string =>
    `${name} ${spreadText(spreadOf(added(through)), ' ms')}`;
  yield alone(
    'plugins: added p50, 1 at once',
    ' ms',
    added(figures.ours),
    { atMost: 0.3 },
    theirs(REFERENCE, figures.reference),
  );
  yield alone(
    'plugins: p50 of the direct call',
    ' ms',
    direct,
    undefined,
    theirs('Go proxy adds', figures.proxy),
  );
}

async function* manyAtOnce(setting: Setting): AsyncGenerator<Line> {
  const { direct, ours, reference, proxy } = await alternate(echoes(setting, MANY), setting.scale.rounds);
  const what = `plugins: call, ${MANY} at once`;
  yield compare(what, '/s', rates(ours), {
    name: REFERENCE,
    figures: rates(reference),
    goal: { atLeast: 2 },
  });
  yield compare(what, '/s', rates(ours), recorded(ours, RECORDED_CALLS.router));
  yield compare(what, '/s', rates(ours), { name: 'direct', figures: rates(direct) });
  yield compare(what, '/s', rates(ours), {
    name: 'Go ReverseProxy, no log,',
    figures: rates(proxy),
    goal: { atLeast: 1 },
  });
  yield compare(`${what}, p99`, ' ms', p99s(ours), {
    name: REFERENCE,
    figures: p99s(reference),
    goal: { atMost: 1 },
  });
  yield compare(`${what}, p99`, ' ms', p99s(ours), {
    name: 'Go ReverseProxy, no log,',
    figures: p99s(proxy),
  });
}

/** Connections that a plugin has been opened to so far. */
async function connectionsTo({ plugin }: Side): Promise<number> {
  const answer = await fetch(`${plugin.url}${ECHO}/state`);
  return ((await answer.json()) as { connections: number }).connections;
}

/** The new ones for so many calls. The reading itself comes over a kept connection, or adds one. */
async function opened({ go }: Setting, side: Side, calls: number): Promise<number> {
  const before = await connectionsTo(side);
  const amount = ['-connections', `${MANY}`, '-calls', `${calls}`, '-duration', '10m'];
  await figuresOf(go, 'load', '-url', `${side.service}/Echo`, ...ECHOED, ...side.identity, ...amount);
  return (await connectionsTo(side)) - before;
}

async function* connections(setting: Setting): AsyncGenerator<Line> {
  const calls = Math.min(CALLS, setting.scale.calls);
  const theirs = await opened(setting, setting.reference, calls);
  yield alone(
    `plugins: connections for ${calls} calls`,
    '',
    [await opened(setting, setting.ours, calls)],
    { atMost: MANY + 1 },
    `${REFERENCE} ${theirs}`,
  );
}

async function* discovery(setting: Setting): AsyncGenerator<Line> {
  const { ours, reference, scale } = setting;
  const of = ({ url, identity }: Side) =>
    driven(setting, `${url}${DISCOVER}`, MANY, ['-body', '{"serviceType":"echo"}', ...identity]);
  const figures = await alternate({ ours: of(ours), reference: of(reference) }, scale.rounds);
  const what = `plugins: DiscoverService, ${MANY} at once`;
  yield compare(what, '/s', rates(figures.ours), {
    name: REFERENCE,
    figures: rates(figures.reference),
    goal: { atLeast: 0.5 },
  });
  yield compare(what, '/s', rates(figures.ours), recorded(figures.ours, RECORDED_CALLS.discover));
}

async function* streams(setting: Setting): AsyncGenerator<Line> {
  const { go, host, ours, proxy, scale } = setting;
  const bytes = Math.min(GIB, scale.logBytes * 11);
  const before = host.residentMiB();
  for (const [way, path, more] of [
    ['down', `/source?bytes=${bytes}`, []],
    ['up', '/sink', ['-up', `${bytes}`]],
  ] as const) {
    const transfer = (url: string, identity: readonly string[]) => async () =>
      (await figuresOf(go, 'transfer', '-url', url + path, ...more, ...identity)).mib_per_second ?? NaN;
    const figures = await alternate(
      {
        direct: transfer(ours.plugin.url + ECHO, []),
        ours: transfer(ours.service, ours.identity),
        proxy: transfer(proxy.service, proxy.identity),
      },
      scale.rounds,
    );
    const what = `plugins: ${Math.round(bytes / (1 << 20))} MiB ${way}`;
    yield compare(what, ' MiB/s', figures.ours, {
      name: 'direct',
      figures: figures.direct,
      goal: { atLeast: 0.8 },
    });
    yield compare(what, ' MiB/s', figures.ours, { name: 'Go ReverseProxy', figures: figures.proxy });
  }
  yield alone('plugins: memory grown by the streams', ' MiB', [host.residentMiB() - before], { atMost: 64 });
}

/** Each round at a fresh host of ours and of theirs. */
async function* enrolment({ go, scale }: Setting): AsyncGenerator<Line> {
  const count = Math.min(PLUGINS, scale.calls);
  const timed = async (url: string): Promise<number> =>
    (await figuresOf(go, 'enroll', '-host', url, '-count', `${count}`)).seconds ?? NaN;
  const ours = async (): Promise<number> => {
    const host = await startOurHost();
    try {
      return await timed(host.url);
    } finally {
      await host.stop();
    }
  };
  const theirs = async (): Promise<number> => {
    const host = go.start(['host']);
    try {
      return await timed((await host.heard('listening')).url ?? '');
    } finally {
      await host.end();
    }
  };
  const figures = await alternate({ ours, theirs }, scale.rounds);
  yield alone(
    `plugins: ${count} plugins registered`,
    ' s',
    figures.ours,
    { atMost: 1 },
    `${REFERENCE} ${spreadText(spreadOf(figures.theirs), ' s')}`,
  );
}

/** The api plugin's URL, when the three are there: ours at our host. */
async function ourShortener({ host, onEnd }: Setting): Promise<string> {
  let url = '';
  for (const name of ['logger', 'storage', 'api']) {
    const plugin = await startExample(name, host.url);
    onEnd(() => plugin.stop());
    url = plugin.url;
  }
  return url;
}

/** The same by Go plugins at a host like the reference. */
async function goShortener({ go, reference }: Setting): Promise<string> {
  let url = '';
  for (const name of ['logger', 'storage', 'api']) {
    const plugin = go.start(['shortener', name], { HOST_URL: reference.url, HOSTNAME: '127.0.0.1' });
    url = (await plugin.heard('listening')).url ?? '';
  }
  return url;
}

const SHORTEN = '/api.v1.API/Shorten?url=https%3A%2F%2Fexample.com%2Fa%2Flong%2Fone';

/** Shortens once, when the plugins have found each other; answers how the code is resolved. */
async function resolvePath(api: string): Promise<string> {
  for (let left = 100; ; left--) {
    const answer = await fetch(api + SHORTEN, { method: 'POST' });
    const text = await answer.text();
    if (answer.ok)
      return `/api.v1.API/Resolve?code=${(JSON.parse(text) as { short_code: string }).short_code}`;
    if (left === 0) throw new Error(`Shorten was answered ${answer.status}: ${text}`);
    await delay(100);
  }
}

async function* shortener(setting: Setting): AsyncGenerator<Line> {
  const apis = { ours: await ourShortener(setting), theirs: await goShortener(setting) };
  const resolve = { ours: await resolvePath(apis.ours), theirs: await resolvePath(apis.theirs) };
  for (const at of [1, MANY] as const)
    for (const method of ['Shorten', 'Resolve'] as const) {
      const of = (side: 'ours' | 'theirs') =>
        driven(setting, apis[side] + (method === 'Shorten' ? SHORTEN : resolve[side]), at);
      const figures = await alternate({ ours: of('ours'), theirs: of('theirs') }, setting.scale.rounds);
      const what = `plugins: ${method}, end to end, ${at} at once`;
      const ours = rates(figures.ours);
      yield compare(what, '/s', ours, {
        ...recorded(figures.ours, RECORDED[method][at]),
        goal: { atLeast: 1 },
      });
      yield compare(what, '/s', ours, { name: 'Go plugins, Go host,', figures: rates(figures.theirs) });
    }
}

export const plugins: Row = async function* (bench) {
  if (!hasGo()) {
    process.stdout.write('plugins: skipped, as the plugins and hosts beside ours are built with Go\n');
    return;
  }
  const go = goPrograms(await buildGo('plugin', 'connectplugin/v1/plugin.proto'));
  bench.onEnd(() => go.end());
  const host = await startOurHost();
  bench.onEnd(() => host.stop());
  const setting: Setting = {
    ...bench,
    go,
    host,
    ours: await sideOf(go, host.url),
    reference: await sideOf(go, await startGoHost(go)),
    proxy: await sideOf(go, await startGoHost(go, '-router', 'proxy', '-lines=false')),
  };
  yield await idleMemory(
    'plugins: memory of an idle host',
    { start: startOurHost, rounds: bench.scale.rounds, atMost: 80 },
    'the reference 16–18 MB, measured before',
  );
  yield* oneByOne(setting);
  yield* manyAtOnce(setting);
  yield* connections(setting);
  yield* discovery(setting);
  yield* streams(setting);
  yield* enrolment(setting);
  yield* shortener(setting);
};
