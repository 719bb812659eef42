/** Tunnels through HTTP, HTTPS and SOCKS5 proxies, and who is reached without one. */
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { BlockList, connect, isIP } from 'node:net';
import type { Socket } from 'node:net';

interface Target {
  host: string;
  port: number;
}

/** A socket to the target. Rejects with what the proxy answered, or with why it could not be reached. */
export function openTunnel(proxy: URL, target: Target, timeoutMs: number): Promise<Socket> {
  if (proxy.protocol === 'http:' || proxy.protocol === 'https:') return httpTunnel(proxy, target, timeoutMs);
  if (/^socks5h?:$/.test(proxy.protocol)) return socksTunnel(proxy, target, timeoutMs);
  return Promise.reject(
    new Error(`The proxy ${shown(proxy)} is of no kind that is supported: use http, https or socks5.`),
  );
}

function httpTunnel(proxy: URL, { host, port }: Target, timeoutMs: number): Promise<Socket> {
  const authority = `${isIP(host) === 6 ? `[${host}]` : host}:${port}`;
  const login = loginOf(proxy);
  return new Promise((resolve, reject) => {
    const call = (proxy.protocol === 'https:' ? httpsRequest : httpRequest)({
      host: bare(proxy.hostname),
      port: proxy.port || (proxy.protocol === 'https:' ? 443 : 80),
      method: 'CONNECT',
      path: authority,
      headers: {
        host: authority,
        ...(login && {
          'proxy-authorization': `Basic ${Buffer.from(`${login.user}:${login.password}`).toString('base64')}`,
        }),
      },
      agent: false,
      timeout: timeoutMs,
    });
    call
      .on('connect', (answer, socket: Socket, head) => {
        socket.setTimeout(0);
        if (answer.statusCode === 200) {
          if (head.length > 0) socket.unshift(head);
          return resolve(socket);
        }
        socket.destroy();
        reject(new Error(`The proxy ${shown(proxy)} answered ${answer.statusCode} ${answer.statusMessage}.`));
      })
      .on('response', (answer) => {
        call.destroy();
        reject(new Error(`The proxy ${shown(proxy)} answered ${answer.statusCode} ${answer.statusMessage}.`));
      })
      .on('timeout', () => call.destroy(new Error(`the proxy did not answer within ${timeoutMs} ms`)))
      .on('error', (cause) => reject(new Error(`The proxy ${shown(proxy)}: ${cause.message}`, { cause })))
      .end();
  });
}

const SOCKS_ERRORS = [
  'success',
  'general failure',
  'not allowed by its rules',
  'network unreachable',
  'host unreachable',
  'connection refused',
  'TTL expired',
  'command not supported',
  'address type not supported',
];

/** RFC 1928, with user and password of RFC 1929. Names are resolved by the proxy. */
async function socksTunnel(proxy: URL, { host, port }: Target, timeoutMs: number): Promise<Socket> {
  const socket = connect({ host: bare(proxy.hostname), port: Number(proxy.port) || 1080 });
  socket.setTimeout(timeoutMs, () => socket.destroy(new Error(`no answer within ${timeoutMs} ms`)));
  const read = socketReader(socket);
  const login = loginOf(proxy);
  try {
    socket.write(login ? Buffer.from([5, 2, 0, 2]) : Buffer.from([5, 1, 0]));
    const method = (await read(2))[1];
    if (method === 2 && login) {
      const [user, password] = [Buffer.from(login.user), Buffer.from(login.password)];
      socket.write(Buffer.from([1, user.length, ...user, password.length, ...password]));
      if ((await read(2))[1] !== 0) throw new Error('it refused the user or the password');
    } else if (method !== 0) throw new Error('it wants another way to log in');

    const name = Buffer.from(host);
    socket.write(Buffer.from([5, 1, 0, 3, name.length, ...name, port >> 8, port & 0xff]));
    const [, code = 1, , kind] = await read(4);
    if (code !== 0) throw new Error(SOCKS_ERRORS[code] ?? `error ${code}`);
    await read((kind === 1 ? 4 : kind === 4 ? 16 : (await read(1))[0]!) + 2);
    socket.setTimeout(0);
    return socket;
  } catch (cause) {
    socket.destroy();
    throw new Error(`The proxy ${shown(proxy)}: ${(cause as Error).message}`, { cause });
  }
}

/** Reads exactly so many bytes of a paused socket and leaves the rest in it. */
function socketReader(socket: Socket): (size: number) => Promise<Buffer> {
  let failed: Error | undefined;
  let wake = () => {};
  socket
    .on('readable', () => wake())
    .on('end', () => (failed ??= new Error('it closed the connection')) && wake())
    .on('error', (error) => (failed = error) && wake());
  return async (size) => {
    for (;;) {
      const bytes = socket.read(size) as Buffer | null;
      if (bytes) return bytes;
      if (failed) throw failed;
      await new Promise<void>((resolve) => (wake = resolve));
    }
  };
}

/** Whether a host is on the list of those that are reached directly (the usual meaning of NO_PROXY). */
export function bypassesProxy(url: URL, noProxy: readonly string[]): boolean {
  const host = bare(url.hostname).toLowerCase();
  const port = url.port || (url.protocol === 'https:' ? '443' : '80');
  return noProxy.some((entry) => {
    const rule = entry.trim().toLowerCase();
    if (rule === '*') return true;
    const block = /^(.+)\/(\d+)$/.exec(rule);
    if (block) return isIP(host) !== 0 && inBlock(host, block[1]!, Number(block[2]));
    const [, name = rule, onPort] = isIP(rule) === 6 ? [] : (/^(.*?)(?::(\d+))?$/.exec(rule) ?? []);
    if (onPort !== undefined && onPort !== port) return false;
    const plain = bare(name).replace(/^\*?\./, '');
    return plain !== '' && (host === plain || (isIP(host) === 0 && host.endsWith(`.${plain}`)));
  });
}

function inBlock(host: string, net: string, prefix: number): boolean {
  const family = isIP(net);
  if (family === 0 || family !== isIP(host) || prefix > (family === 4 ? 32 : 128)) return false;
  const type = family === 4 ? 'ipv4' : 'ipv6';
  const list = new BlockList();
  list.addSubnet(net, prefix, type);
  return list.check(host, type);
}

const bare = (hostname: string) => hostname.replace(/^\[|\]$/g, '');

const loginOf = (proxy: URL) =>
  proxy.username === ''
    ? undefined
    : { user: decodeURIComponent(proxy.username), password: decodeURIComponent(proxy.password) };

/** The URL without its password. */
const shown = (proxy: URL) => `${proxy.protocol}//${proxy.host}`;
