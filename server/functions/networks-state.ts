/** The state of a network: reading its blocks, adding one, following them. */
import type { NetworkStateItem } from '../../schemas/networks.js';
import { MAX_PAYLOAD_BYTES } from '../../schemas/networks.js';
import type { Static } from '@sinclair/typebox';
import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { AppError, invalidParams } from '../errors.js';
import type { Call, Filled, Implementations, Progress } from '../library/implementation.js';
import type { Contracts } from '../../schemas/index.js';
import { placeOf } from '../networks/peer-pod.js';
import type { PeerPod } from '../networks/peer-pod.js';
import { PeerError, fromPeer } from '../peer-error.js';
import type { Deps } from '../ports.js';
import { blockView, contactsOf, surveyOf } from './networks-view.js';

type StateItem = Static<typeof NetworkStateItem>;

/** How long a stream whose peer went looks for another before it fails, in milliseconds, and how often. */
const PATIENCE_MS = 30_000;
const LOOK_MS = 500;

/** The payload of a new block, checked. */
function payloadOf(params: Filled<Contracts['persist_to_network']>): Buffer {
  const { payload, payload_base64: base64, deleted, path } = params;
  const given = Object.entries({ payload, payload_base64: base64, deleted }).filter(
    ([, value]) => value !== undefined,
  );
  const refuse = (field: string, message: string) =>
    invalidParams('persist_to_network', [{ field, message }]);
  if (given.length !== 1)
    throw refuse(
      '',
      `need exactly one of payload, payload_base64, deleted, and have ${given.map(([key]) => key).join(' and ') || 'none'}`,
    );
  if (deleted === true && path === undefined)
    throw refuse('path', 'is required with deleted: it names the file that is gone');
  if (base64 !== undefined && base64.length % 4 !== 0)
    throw refuse('payload_base64', 'must be base64, whose length is a multiple of 4');
  const bytes = base64 === undefined ? Buffer.from(payload ?? '', 'utf8') : Buffer.from(base64, 'base64');
  if (bytes.byteLength > MAX_PAYLOAD_BYTES)
    throw new AppError(
      'payload_too_large',
      `The payload has ${bytes.byteLength} bytes; a block holds at most ${MAX_PAYLOAD_BYTES}.`,
    );
  return bytes;
}

const speaksOurs = (plan: Awaited<ReturnType<typeof surveyOf>>['plan'], pod: PeerPod): boolean =>
  plan.standings.some((standing) => standing.pod.uid === pod.uid && standing.report?.kind === 'status');

export const states = {
  async query_network(deps, params, call) {
    const { ref, plan } = await surveyOf(deps, call, params);
    const contacts = contactsOf(ref, plan);
    // A page follows another of the same kind of peer only; those that can be asked come first.
    const [contact] = contacts;
    try {
      const { blocks, next } = await deps.networks.peers.list(
        placeOf(contact!),
        { limit: params.limit, continue: params.continue },
        call.io(),
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
    const contact = contactsOf(ref, plan)[0]!;
    const ours = speaksOurs(plan, contact);
    if (path !== undefined && !ours)
      throw new AppError(
        'conflict',
        `No peer of network ${network} knows files: they are the reference's, which share one state. Leave path out.`,
      );
    const blockId = id ?? randomUUID();
    if (!call.dryRun)
      try {
        await deps.networks.peers.persist(
          placeOf(contact),
          { payload, path, deleted, id: blockId },
          call.io(),
        );
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
    for (;;) {
      let contact: PeerPod | undefined;
      try {
        const { ref, plan } = await surveyOf(deps, call, params);
        contact = contactsOf(ref, plan)[0]!;
        for await (const item of watchAt(deps, call, contact, cursor)) {
          if (lost !== undefined) yield [{ event: 'switched', pod: contact.name }];
          begun = true;
          lost = undefined;
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

async function* watchAt(
  deps: Deps,
  call: Call,
  contact: PeerPod,
  from: string | undefined,
): AsyncGenerator<StateItem, void, undefined> {
  for await (const event of deps.networks.peers.watch(placeOf(contact), from, { signal: call.signal })) {
    const cursor = event.cursor === undefined ? {} : { cursor: event.cursor };
    yield event.type === 'block'
      ? { event: 'block', ...blockView(event.block), ...cursor }
      : { event: event.type, ...cursor };
  }
}
