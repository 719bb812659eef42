/** Noticing that a plugin's server was away, however briefly. */
import { connect } from 'node:net';
import { PluginIdentity } from '../../../proto/gen/connectplugin/v1/plugin_pb.js';

/**
 * Holds a connection to a server until it is cut, or cannot be opened, or the signal fires.
 * @param talkMs milliseconds between questions: a server takes a connection for a dead one on which nothing is asked for
 * long. Nothing is asked without it.
 * @returns how many questions were asked
 */
export function tether(url: string, signal: AbortSignal, talkMs?: number): Promise<number> {
  const { hostname, port } = new URL(url);
  const question = questionFor(url);
  let asked = 0;
  let answered = true;
  return new Promise((resolve) => {
    const socket = connect({
      host: hostname.replace(/^\[|\]$/g, ''),
      port: Number(port) || 80,
      keepAlive: true,
    });
    const leave = (): void => void socket.destroy();
    const ask = (): void => {
      if (!answered) return;
      answered = false;
      asked += 1;
      socket.write(question);
    };
    let talking: NodeJS.Timeout | undefined;
    signal.addEventListener('abort', leave, { once: true });
    socket
      .on('connect', () => {
        if (talkMs === undefined) return;
        talking = setInterval(ask, talkMs);
        ask();
      })
      .on('data', () => (answered = true))
      .on('error', () => undefined)
      .on('close', () => {
        clearInterval(talking);
        signal.removeEventListener('abort', leave);
        resolve(asked);
      });
    if (signal.aborted) leave();
  });
}

/** What every managed plugin answers, and what changes nothing there. */
function questionFor(url: string): string {
  const { host, pathname } = new URL(url);
  const path = `/${PluginIdentity.typeName}/${PluginIdentity.method.getPluginInfo.name}`;
  return [
    `POST ${pathname.replace(/\/+$/, '')}${path} HTTP/1.1`,
    `host: ${host}`,
    'content-type: application/proto',
    'connect-protocol-version: 1',
    'content-length: 0',
    '\r\n',
  ].join('\r\n');
}

/**
 * Holds connections to one server, one after the other: each call resolves when the present one is cut. A server that keeps
 * none beyond its first answer is asked nothing on the next one.
 */
export function createTether(url: string, talkMs: number): (signal: AbortSignal) => Promise<void> {
  let talks = true;
  return async (signal) => {
    talks = (await tether(url, signal, talks ? talkMs : undefined)) !== 1;
  };
}
