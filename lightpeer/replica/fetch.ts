/** A stream of another peer's chain that may not stand still. */
import type { Point } from '../chain/block.js';
import { PeerError } from '../port.js';
import type { Fetched } from './ports.js';
import type { State } from './state.js';

/** A peer that is asked for its chain and sends nothing for so long is given up. */
const STILL_MS = 4000;

/** As the transport's `fetch`; rejects with `timeout` when the other side stands still. */
export async function* fetchChain(state: State, address: string, after: Point): AsyncGenerator<Fetched> {
  const stop = new AbortController();
  const parts = state.transport.fetch(address, after, stop.signal)[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = parts.next();
      const result = await new Promise<IteratorResult<Fetched, void>>((resolve, reject) => {
        const cancel = state.clock.after(STILL_MS, () =>
          reject(new PeerError('timeout', `${address} stopped sending its chain`)),
        );
        next.then(resolve, reject).finally(cancel);
      });
      if (result.done === true) return;
      if (state.closing) throw new PeerError('closed', 'this peer is being stopped');
      yield result.value;
    }
  } finally {
    stop.abort();
  }
}
