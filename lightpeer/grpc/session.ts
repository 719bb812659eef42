/** What both ends of a connection between peers set: room for messages, and pings that find out when the other side is gone. */
import type { Http2Session, SessionOptions } from 'node:http2';

/** Largest message between our peers. */
export const MESSAGE_BYTES = 16 << 20;

/** Bytes of a stream's messages that may wait to be sent: many small ones go out together, of large ones only few are held. */
export const AHEAD_BYTES = 256 << 10;

/** Bytes that may be on their way before the other side has read some. */
const WINDOW_BYTES = 1 << 20;
const PING_EVERY_MS = 10_000;
const PING_ANSWER_MS = 5000;

export const SESSION_OPTIONS: SessionOptions = {
  settings: { initialWindowSize: WINDOW_BYTES },
  // In MiB. What is held is bounded by those who write.
  maxSessionMemory: Number.MAX_SAFE_INTEGER,
  maxSendHeaderBlockLength: 1 << 20,
};

/**
 * For a session that is connected. While it is `busy` it is pinged, and ended when a ping is not answered. Go servers take
 * pings of a client without calls for an attack.
 */
export function keepUp(
  session: Http2Session,
  busy: () => boolean,
  { everyMs = PING_EVERY_MS, answerMs = PING_ANSWER_MS } = {},
): void {
  session.setLocalWindowSize(WINDOW_BYTES);
  let overdue: NodeJS.Timeout | undefined;
  const pings = setInterval(() => {
    if (session.destroyed || overdue !== undefined || !busy()) return;
    overdue = setTimeout(() => session.destroy(), answerMs).unref();
    session.ping(() => {
      clearTimeout(overdue);
      overdue = undefined;
    });
  }, everyMs).unref();
  session.once('close', () => {
    clearInterval(pings);
    clearTimeout(overdue);
  });
}
