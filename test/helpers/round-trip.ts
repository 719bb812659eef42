/** A connection whose far side sends back all that it gets: whether nothing is lost or changed on the way. */
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import type { Duplex } from 'node:stream';

/** Sends so many bytes and reads them back, pausing after each chunk. Answers whether they were the same. */
export async function roundTrip(stream: Duplex, size: number, pauseMs = 0): Promise<boolean> {
  const [sent, received] = [createHash('sha256'), createHash('sha256')];
  let got = 0;
  const done = new Promise<void>((resolve, reject) => {
    stream.on('error', reject).on('data', (part: Buffer) => {
      received.update(part);
      got += part.length;
      if (got === size) resolve();
      if (pauseMs === 0) return;
      stream.pause();
      setTimeout(() => stream.resume(), pauseMs);
    });
  });
  for (let left = size; left > 0;) {
    const chunk = randomBytes(Math.min(left, 200_000));
    left -= chunk.length;
    sent.update(chunk);
    if (!stream.write(chunk)) await Promise.race([once(stream, 'drain'), done]);
  }
  await done;
  const closed = once(stream, 'close');
  stream.end();
  await closed;
  return sent.digest('hex') === received.digest('hex');
}
