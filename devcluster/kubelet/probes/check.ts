/** What probes and lifecycle hooks do: a request, a connection or a command; always to the pod's own address. */
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { connect } from 'node:net';
import type { Container, Probe } from '../../../kube/index.js';
import { MAX_TIMER_MS } from '../../../kube/timers.js';

export type Handler = Pick<Probe, 'exec' | 'httpGet' | 'tcpSocket' | 'grpc'>;

export type Verdict =
  | { is: 'success' }
  | { is: 'failure'; message: string }
  /** It could not be asked: nothing is known, and nothing changes. */
  | { is: 'unknown'; message: string };

export interface CheckTarget {
  readonly ip: string;
  readonly container: Container;
  /** Runs a command in the container. Rejects when there is no such command. */
  exec(command: readonly string[], signal: AbortSignal): Promise<{ code: number; output: string }>;
}

const SUCCESS: Verdict = { is: 'success' };
const failure = (message: string): Verdict => ({ is: 'failure', message });

/** A port by number, or by the name that the container gives it. */
const portOf = ({ ports = [] }: Container, port: unknown): number | undefined => {
  if (typeof port === 'number') return port;
  const named = ports.find(({ name }) => name === port)?.containerPort;
  return named ?? (/^\d+$/.test(String(port)) ? Number(port) : undefined);
};

const badPort = (port: unknown): Verdict => ({
  is: 'unknown',
  message: `strconv.Atoi: parsing ${JSON.stringify(port)}: invalid syntax`,
});

/** A failed connection as Go words it. */
const dialError = (error: NodeJS.ErrnoException, address: string): string => {
  const why = { ECONNREFUSED: 'connection refused', ECONNRESET: 'connection reset by peer' }[
    error.code ?? ''
  ];
  return error.code === 'ECONNREFUSED' ? `dial tcp ${address}: connect: ${why}` : (why ?? error.message);
};

const tcpSocket = (address: { host: string; port: number }, timeoutMs: number): Promise<Verdict> =>
  new Promise((resolve) => {
    const at = `${address.host}:${address.port}`;
    const socket = connect({ ...address, timeout: timeoutMs });
    const end = (verdict: Verdict): void => {
      socket.destroy();
      resolve(verdict);
    };
    socket.once('connect', () => end(SUCCESS));
    socket.once('timeout', () => end(failure(`dial tcp ${at}: i/o timeout`)));
    socket.once('error', (error) => end(failure(dialError(error, at))));
  });

type HttpGet = NonNullable<Probe['httpGet']>;

const httpGet = (
  { path = '/', scheme = 'HTTP', host, httpHeaders = [] }: HttpGet,
  { ip, port }: { ip: string; port: number },
  timeoutMs: number,
): Promise<Verdict> =>
  new Promise((resolve) => {
    const authority = `${ip}:${port}`;
    const url = `${scheme.toLowerCase()}://${authority}${path.startsWith('/') ? '' : '/'}${path}`;
    const headers: Record<string, string> = { 'user-agent': 'kube-probe/1.35', accept: '*/*' };
    if (host) headers['host'] = `${host}:${port}`;
    for (const { name, value } of httpHeaders) headers[name.toLowerCase()] = value;
    const send = scheme === 'HTTPS' ? httpsRequest : httpRequest;
    let late = false;
    const end = (verdict: Verdict): void => {
      clearTimeout(timer);
      call.destroy();
      resolve(verdict);
    };
    const call = send(url, { headers, agent: false, rejectUnauthorized: false }, (response) => {
      const { statusCode = 0 } = response;
      response.resume();
      end(
        statusCode >= 200 && statusCode < 400
          ? SUCCESS
          : failure(`HTTP probe failed with statuscode: ${statusCode}`),
      );
    });
    const timer = setTimeout(() => {
      late = true;
      end(
        failure(`Get "${url}": context deadline exceeded (Client.Timeout exceeded while awaiting headers)`),
      );
    }, timeoutMs);
    call.on('error', (error) => {
      if (!late) end(failure(`Get "${url}": ${dialError(error, authority)}`));
    });
    call.end();
  });

const SERVING = 1;
const STATES = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN'];

/** grpc.health.v1.Health/Check; its two messages have one field each. */
const grpcCheck = async (address: string, service: string, timeoutMs: number): Promise<Verdict> => {
  const { Client, Metadata, credentials, status } = await import('@grpc/grpc-js');
  const client = new Client(address, credentials.createInsecure());
  const name = Buffer.from(service);
  const size = name.length < 128 ? [name.length] : [(name.length & 127) | 128, name.length >> 7];
  const request = name.length === 0 ? name : Buffer.concat([Buffer.from([0x0a, ...size]), name]);
  const stateOf = (bytes: Buffer): number => (bytes[0] === 0x08 ? (bytes[1] ?? 0) : 0);
  const seconds = timeoutMs / 1000;
  const notConnected = failure(
    `timeout: failed to connect service "${address}" within ${seconds}s: context deadline exceeded`,
  );
  try {
    return await new Promise<Verdict>((resolve) => {
      client.makeUnaryRequest(
        '/grpc.health.v1.Health/Check',
        (bytes: Buffer) => bytes,
        stateOf,
        request,
        new Metadata(),
        { deadline: Date.now() + timeoutMs },
        (error, state) => {
          if (error?.code === status.UNIMPLEMENTED)
            resolve(
              failure(
                'error: this server does not implement the grpc health protocol (grpc.health.v1.Health)',
              ),
            );
          else if (error?.code === status.UNAVAILABLE) resolve(notConnected);
          else if (error?.code === status.DEADLINE_EXCEEDED)
            resolve(failure(`timeout: health rpc did not complete within ${seconds}s`));
          else if (error) resolve(failure(`error: health rpc probe failed: ${error.message}`));
          else if (state === SERVING) resolve(SUCCESS);
          else resolve(failure(`service unhealthy (responded with "${STATES[state ?? 0] ?? 'UNKNOWN'}")`));
        },
      );
    });
  } finally {
    client.close();
  }
};

const execCheck = async (
  command: readonly string[],
  target: CheckTarget,
  timeoutMs: number,
): Promise<Verdict> => {
  const ending = new AbortController();
  const late = Symbol('late');
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<typeof late>((resolve) => {
    timer = setTimeout(() => resolve(late), timeoutMs);
  });
  try {
    const result = await Promise.race([target.exec(command, ending.signal), timeout]);
    if (result === late)
      return failure(`command timed out: "${command.join(' ')}" timed out after ${timeoutMs / 1000}s`);
    return result.code === 0 ? SUCCESS : failure(result.output.trimEnd());
  } catch (error) {
    return { is: 'unknown', message: (error as Error).message };
  } finally {
    clearTimeout(timer);
    ending.abort();
  }
};

const ask = async (handler: Handler, target: CheckTarget, timeoutMs: number): Promise<Verdict> => {
  const { exec, httpGet: get, tcpSocket: tcp, grpc } = handler;
  const { ip, container } = target;
  if (exec) return execCheck(exec.command ?? [], target, timeoutMs);
  const wanted = get?.port ?? tcp?.port ?? grpc?.port;
  const port = portOf(container, wanted);
  if (port === undefined) return badPort(wanted);
  if (get) return httpGet(get, { ip, port }, timeoutMs);
  if (tcp) return tcpSocket({ host: ip, port }, timeoutMs);
  return grpcCheck(`${ip}:${port}`, grpc?.service ?? '', timeoutMs);
};

/** Never rejects: what cannot even be asked, such as a header that is none, is unknown. */
export const check = (handler: Handler, target: CheckTarget, timeoutMs: number): Promise<Verdict> =>
  ask(handler, target, Math.min(timeoutMs, MAX_TIMER_MS)).catch((error: unknown): Verdict => ({
    is: 'unknown',
    message: error instanceof Error ? error.message : String(error),
  }));
