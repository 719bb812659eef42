/** The state of a network: reading its blocks, adding one, following them. */
import type { NetworkStateItem } from '../../schemas/networks.js';
import type { Static } from '@sinclair/typebox';
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { AppError, invalidParams } from '../errors.js';
import type { Call, Filled, Implementations, Progress } from '../library/implementation.js';
import type { Contracts } from '../../schemas/index.js';
import { placeOf } from '../networks/peer-pod.js';
import type { PeerPod } from '../networks/peer-pod.js';
import { PeerError, fromPeer, mayHaveHappened } from '../peer-error.js';
import type { PeerFault } from '../peer-error.js';
import type { Deps, Plan } from '../ports.js';
import { payloadOf } from './networks-block.js';
import { blockView, contactsOf, surveyOf } from './networks-view.js';

type StateItem = Static<typeof NetworkStateItem>;

/** How long a stream whose peer went looks for another before it fails, in milliseconds, and how often. */
const PATIENCE_MS = 30_000;
const LOOK_MS = 500;
/** How often the peer that a stream reads from is asked whether it is well, in milliseconds. */
const WELL_MS = 2_000;
/** Members that are tried for one call. */
const CONTACTS = 3;
/** What one member says or does not say, where another may do better. */
const OWN_FAULTS: ReadonlySet<PeerFault> = new Set([
  'unreachable',
  'deadline',
  'broken',
  'refused',
  'foreign',
]);

const speaksOurs = (plan: Plan, pod: PeerPod): boolean =>
  plan.standings.some((standing) => standing.pod.uid === pod.uid && standing.report?.kind === 'status');

const isPassing = (error: unknown): error is PeerError =>
  error instanceof PeerError && OWN_FAULTS.has(error.fault);

/** Asks one contact after another. @throws what the first said, but rather what leaves open whether it happened. */
async function byFirst<T>(
  call: Call,
  contacts: readonly PeerPod[],
  ask: (contact: PeerPod) => Promise<T>,
): Promise<T> {
  let told: PeerError | undefined;
  for (const contact of contacts.slice(0, CONTACTS))
    try {
      return await ask(contact);
    } catch (error) {
      if (error instanceof PeerError && error.fault === 'exists') throw error;
      if (call.signal.aborted || !isPassing(error)) throw told ?? error;
      if (told === undefined || (mayHaveHappened(error) && !mayHaveHappened(told))) told = error;
    }
  throw told ?? new Error('there is no contact');
}

export const states = {
  async query_network(deps, params, call) {
    const { ref, plan } = await surveyOf(deps, call, params);
    const contacts = contactsOf(ref, plan);
    // A page follows another of the same kind of peer only; those that can be asked come first.
    const ours = speaksOurs(plan, contacts[0]!);
    const alike = contacts.filter((contact) => speaksOurs(plan, contact) === ours);
    const page = { limit: params.limit, continue: params.continue };
    try {
      const { blocks, next } = await byFirst(call, alike, (contact) =>
        deps.networks.peers.list(placeOf(contact), page, call.io()),
      );
      return { items: blocks.map(blockView), ...(next === undefined ? {} : { continue: next }) };
    } catch (error) {
      if (params.continue !== undefined && error instanceof PeerError && error.fault === 'invalid')
        throw invalidParams('query_network', [{ field: 'continue', message: error.message }]);
      if (params.continue !== undefined && error instanceof PeerError && error.fault === 'refused')
        throw new AppError(
          'gone',
          `${error.message} The page is not there any more: start again without continue.`,
        );
      throw fromPeer(error);
    }
  },

  async persist_to_network(deps, params, call) {
    const { namespace, network, path, deleted, id } = params;
    const payload = payloadOf(params);
    const { ref, plan } = await surveyOf(deps, call, params);
    const contacts = contactsOf(ref, plan);
    let contact = contacts[0]!;
    const ours = speaksOurs(plan, contact);
    if (path !== undefined && !ours)
      throw new AppError(
        'conflict',
        `No peer of network ${network} knows files: they are the reference's, which share one state. Leave path out.`,
      );
    const blockId = id ?? randomUUID();
    if (!call.dryRun)
      try {
        const block = { payload, path, deleted, id: blockId };
        // Ours know the block by its id when it comes again; the reference's would add it twice.
        const able = ours ? contacts.filter((other) => speaksOurs(plan, other)) : [contact];
        contact = await byFirst(call, able, async (one) => {
          await deps.networks.peers.persist(placeOf(one), block, call.io());
          return one;
        });
      } catch (error) {
        throw fromPeer(error, true);
      }
    return {
      network,
      namespace,
      pod: contact.name,
      ...(ours ? { id: blockId } : {}),
      size_bytes: payload.byteLength,
    };
  },

  async *watch_network_state(deps, params, call): Progress<StateItem, undefined> {
    let { cursor } = params;
    let begun = false;
    let lost: number | undefined;
    /** Those that failed since anything came: uids. */
    const failed = new Set<string>();
    for (;;) {
      let contact: PeerPod | undefined;
      let others = 0;
      try {
        const { ref, plan } = await surveyOf(deps, call, params);
        const contacts = contactsOf(ref, plan);
        const untried = contacts.filter(({ uid }) => !failed.has(uid));
        contact = untried[0] ?? contacts[0]!;
        others = untried.length - 1;
        for await (const item of watchAt(deps, params, call, contact, cursor)) {
          if (lost !== undefined && begun) yield [{ event: 'switched', pod: contact.name }];
          begun = true;
          lost = undefined;
          failed.clear();
          cursor = item.cursor ?? cursor;
          yield [item];
        }
        // A peer that goes in good order ends the stream, which otherwise has no end.
        throw new PeerError('unreachable', `The peer of pod ${contact.name} has ended the stream.`);
      } catch (error) {
        if (call.signal.aborted) throw call.signal.reason;
        if (error instanceof PeerError && error.fault === 'invalid' && cursor === params.cursor)
          throw invalidParams('watch_network_state', [{ field: 'cursor', message: error.message }]);
        if (error instanceof PeerError && error.fault === 'refused' && cursor !== undefined) {
          if (params.cursor === cursor)
            throw new AppError('gone', `${error.message} Start again without cursor.`);
          // Another peer's chain does not go on from there.
          cursor = undefined;
          yield [{ event: 'rewound' }];
          continue;
        }
        lost ??= performance.now();
        if (contact !== undefined) failed.add(contact.uid);
        if (isPassing(error) && others > 0) continue;
        const passing =
          error instanceof PeerError || (error instanceof AppError && error.code === 'conflict');
        if (!begun || !passing || performance.now() - lost > PATIENCE_MS) throw fromPeer(error);
        await delay(LOOK_MS, undefined, { signal: call.signal }).catch(() => {
          throw call.signal.reason;
        });
      }
    }
  },
} satisfies Partial<Implementations>;

/** A peer's stream; it fails when the peer stands aside and another does not: what comes to the others does not come to it. */
async function* watchAt(
  deps: Deps,
  params: Filled<Contracts['watch_network_state']>,
  call: Call,
  contact: PeerPod,
  from: string | undefined,
): AsyncGenerator<StateItem, void, undefined> {
  const over = new AbortController();
  const own = call.until(over.signal);
  let aside: PeerError | undefined;
  const look = async (): Promise<void> => {
    const { peers } = deps.networks;
    const status = await peers.status(placeOf(contact), { signal: own.signal, timeoutMs: WELL_MS });
    if (status?.trouble === undefined) return;
    const { ref, plan } = await surveyOf(deps, own, params);
    if (contactsOf(ref, plan)[0]?.uid === contact.uid) return;
    aside = new PeerError('broken', `The peer of pod ${contact.name} stands aside: ${status.trouble}.`);
    over.abort(aside);
  };
  // What is wrong with the connection the stream learns by itself.
  const timer = setInterval(() => void look().catch(() => undefined), WELL_MS);
  try {
    for await (const event of deps.networks.peers.watch(placeOf(contact), from, { signal: own.signal })) {
      const cursor = event.cursor === undefined ? {} : { cursor: event.cursor };
      yield event.type === 'block'
        ? { event: 'block', ...blockView(event.block), ...cursor }
        : { event: event.type, ...cursor };
    }
  } catch (error) {
    throw aside ?? error;
  } finally {
    clearInterval(timer);
    over.abort();
  }
  if (aside !== undefined) throw aside;
}
