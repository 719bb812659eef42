import { once } from 'node:events';
import { createServer } from 'node:net';

/** Below the ports that systems give to who asks for any: what nobody listens on now is nobody's a moment later. */
const FIRST = 10_000;
const COUNT = 20_000;
/** Test files run beside each other, in processes whose numbers are near each other: they begin far from each other. */
const APART = 12_361;
let next = (process.pid * APART) % COUNT;

/** A port of 127.0.0.1 that nothing listens on, and that nobody else is given. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < COUNT; tries += 1) {
    next = (next + 1) % COUNT;
    const port = FIRST + next;
    const server = createServer().listen(port, '127.0.0.1');
    const isFree = await once(server, 'listening').then(
      () => true,
      () => false,
    );
    if (!isFree) continue;
    server.close();
    await once(server, 'close');
    return port;
  }
  throw new Error('every port is taken');
}
