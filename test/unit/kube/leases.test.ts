/** Leader election against an API server in memory, with clocks that the test sets. */
import t from 'tap';
import { KubeError, startElection } from '../../../kube/index.js';
import type { Clocks, ElectionOptions, Kube, Lease, Leadership } from '../../../kube/index.js';
import { until } from '../../helpers/eventually.js';

const failure = (code: number): KubeError =>
  new KubeError(`answers ${code}`, { reason: 'status', outcome: 'refused', code });

/** Leases with optimistic concurrency, as the API server keeps them. */
function leases() {
  let kept: Lease | undefined;
  let version = 0;
  const writes: string[] = [];
  const store = (lease: Lease): Lease => {
    kept = structuredClone(lease);
    kept.metadata = { ...kept.metadata, resourceVersion: String(++version) };
    writes.push(kept.spec?.holderIdentity ?? '');
    return structuredClone(kept);
  };
  return {
    writes,
    holder: () => kept?.spec?.holderIdentity,
    spec: () => kept?.spec,
    /** A Kube of one process; `cut` makes all its calls fail. */
    kube() {
      const state = { cut: false };
      const call = <T>(work: () => T): Promise<T> =>
        state.cut
          ? Promise.reject(new KubeError('away', { reason: 'unreachable', outcome: 'not_sent' }))
          : Promise.resolve().then(work);
      const kube: Partial<Kube> = {
        get: () =>
          call(() => {
            if (kept === undefined) throw failure(404);
            return structuredClone(kept) as never;
          }),
        create: (_resource, _namespace, body) =>
          call(() => {
            if (kept !== undefined) throw failure(409);
            return store(body) as never;
          }),
        replace: (_resource, _at, body) =>
          call(() => {
            if (body.metadata?.resourceVersion !== kept?.metadata?.resourceVersion) throw failure(409);
            return store(body) as never;
          }),
      };
      return Object.assign(state, { kube: kube as Kube });
    },
  };
}

/** Two clocks that stand still unless moved, and otherwise run with the real ones. */
function clocks(): Clocks & { monotonicMs: number; wallMs: number } {
  const shift = { monotonicMs: 0, wallMs: 0 };
  return Object.assign(shift, {
    monotonic: () => performance.now() + shift.monotonicMs,
    wall: () => Date.now() + shift.wallMs,
  });
}

function take(
  part: { after(work: () => Promise<void>): void },
  kube: Kube,
  identity: string,
  more: Partial<ElectionOptions> = {},
) {
  const led: Leadership[] = [];
  const election = startElection({
    kube,
    namespace: 'default',
    name: 'lease',
    identity,
    durationMs: 5_000,
    periodMs: 20,
    lead: async (leadership) => {
      led.push(leadership);
      await new Promise((resolve) => leadership.signal.addEventListener('abort', resolve, { once: true }));
    },
    ...more,
  });
  part.after(() => election.stop());
  return { election, led };
}
const scope = (t: { teardown(work: () => Promise<void>): void }) => ({
  after: (work: () => Promise<void>) => t.teardown(work),
});

t.test('one leads, renews, and gives the lease up when it stops', async (t) => {
  const server = leases();
  const a = take(scope(t), server.kube().kube, 'a');
  await until(() => a.election.leading());
  t.ok(a.led[0]?.holds());
  t.match(server.spec(), {
    holderIdentity: 'a',
    leaseDurationSeconds: 5,
    leaseTransitions: 0,
    acquireTime: /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/,
    renewTime: /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/,
  });
  const b = take(scope(t), server.kube().kube, 'b');
  await until(() => server.writes.length > 5);
  t.same(new Set(server.writes), new Set(['a']), 'the other one waits');
  t.equal(b.election.holder, 'a');
  await a.election.stop();
  t.notOk(a.led[0]?.holds());
  t.ok(a.led[0]?.signal.aborted);
  await until(() => b.election.leading());
  t.equal(server.spec()?.leaseTransitions, 1);
  t.equal(a.led.length, 1);
});

t.test('one that is cut off gives up before another takes over', async (t) => {
  const server = leases();
  const cutOff = server.kube();
  const a = take(scope(t), cutOff.kube, 'a', { durationMs: 1_000 });
  await until(() => a.election.leading());
  let both = false;
  const b = take(scope(t), server.kube().kube, 'b', {
    durationMs: 1_000,
    lead: async ({ signal }) => {
      both ||= a.led[0]?.holds() === true;
      await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
    },
  });
  await until(() => b.election.holder === 'a');
  cutOff.cut = true;
  await until(() => b.election.leading());
  t.notOk(both, 'never two at once');
  cutOff.cut = false;
  await until(() => a.election.holder === 'b');
  t.notOk(a.election.leading());
});

t.test('a process that was stopped learns it before any timer tells', async (t) => {
  for (const clock of ['monotonicMs', 'wallMs'] as const) {
    const server = leases();
    const mine = clocks();
    const a = take(scope(t), server.kube().kube, 'a', { clocks: mine, periodMs: 100, durationMs: 60_000 });
    await until(() => a.election.leading());
    t.ok(a.led[0]?.holds());
    mine[clock] += 40_001;
    t.notOk(a.led[0]?.holds(), clock);
    mine[clock] -= 40_001;
    await a.election.stop();
  }
});

t.test("nobody's clock is compared with another's", async (t) => {
  const server = leases();
  const fast = clocks();
  fast.wallMs = 86_400_000;
  const a = take(scope(t), server.kube().kube, 'a');
  await until(() => a.election.leading());
  const b = take(scope(t), server.kube().kube, 'b', { clocks: fast });
  await until(() => server.writes.length > 8);
  t.same(new Set(server.writes), new Set(['a']), 'a day ahead, and it takes nothing');
  t.notOk(b.election.leading());
});

t.test('of many that start at once one leads', async (t) => {
  const server = leases();
  const all = Array.from({ length: 8 }, (_, i) => take(scope(t), server.kube().kube, `p${i}`));
  await until(() => all.some(({ election }) => election.leading()));
  await until(() => server.writes.length > 5);
  t.equal(all.filter(({ election }) => election.leading()).length, 1);
  t.equal(new Set(server.writes).size, 1);
});

t.test('work that fails gives the lease up, and is begun again', async (t) => {
  const server = leases();
  let tries = 0;
  const a = take(scope(t), server.kube().kube, 'a', {
    lead: async ({ signal }) => {
      tries++;
      if (tries === 1) throw new Error('it cannot start');
      await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
    },
  });
  await until(() => tries === 2 && a.election.leading());
  t.ok(server.writes.includes(''), 'another could have had it');
});
