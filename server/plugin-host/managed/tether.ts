/** Noticing that a plugin's server was away, however briefly. */
import { connect } from 'node:net';

/** Holds a connection to a server, and resolves when it is cut, or cannot be opened, or the signal fires. */
export function tether(url: string, signal: AbortSignal): Promise<void> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve) => {
    const socket = connect({
      host: hostname.replace(/^\[|\]$/g, ''),
      port: Number(port) || 80,
      keepAlive: true,
    });
    const leave = (): void => void socket.destroy();
    signal.addEventListener('abort', leave, { once: true });
    socket
      .on('error', () => undefined)
      .on('close', () => {
        signal.removeEventListener('abort', leave);
        resolve();
      })
      .resume();
    if (signal.aborted) leave();
  });
}
