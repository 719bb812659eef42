/** Commands in containers, and the output of their main processes. */
import type { Readable, Writable } from 'node:stream';
import { KubeError } from '../errors.js';
import { statusError } from '../answers.js';
import type { At, CallOptions, ExecRequest, ExecStreams } from '../kube.js';
import { PODS } from '../objects.js';
import type { Status } from '../objects.js';
import { objectPath, withQuery } from '../paths.js';
import { CHANNEL, CHANNELS_V5, openChannels } from './channels.js';
import type { Channels } from './channels.js';
import type { Opener } from './open.js';

/** Milliseconds between pings, below what proxies and load balancers take for idle. */
const PING_MS = 10_000;
/** Bytes that are read of a command's Status. */
const MAX_STATUS = 1024 * 1024;

export interface Command {
  verb: 'exec' | 'attach';
  at: At;
  request: Omit<ExecRequest, 'command'> & { command?: readonly string[] };
}

/** See `Kube.exec` and `Kube.attach`. */
export async function runCommand(
  opener: Opener,
  { verb, at, request }: Command,
  streams: ExecStreams,
  options?: CallOptions,
): Promise<number> {
  const { stdin, stdout, stderr } = streams;
  const { container, tty = false, command = [] } = request;
  const path = withQuery(objectPath(PODS, at, verb), {
    container,
    tty,
    stdin: stdin !== undefined,
    stdout: stdout !== undefined,
    stderr: stderr !== undefined && !tty,
  });
  const words = command.map((word) => withQuery('', { command: word }).slice(1));
  const { what, socket, scope } = await opener.open([path, ...words].join('&'), CHANNELS_V5, options);
  const channels = openChannels(socket, CHANNELS_V5);
  const pings = setInterval(() => socket.ping(), PING_MS);
  pings.unref();
  let failed: KubeError | undefined;
  const stop = (error: KubeError): void => {
    failed ??= error;
    channels.destroy();
  };
  const giveUp = (of: string, cause: Error): void =>
    stop(
      new KubeError(`${what} was given up: its ${of}: ${cause.message}`, {
        reason: 'cancelled',
        outcome: 'unknown',
        cause,
      }),
    );
  scope.onStop = () => stop(scope.error(what, 'unknown'));
  if (scope.stopped) scope.onStop();
  const unfeed = stdin && feed(stdin, channels, (cause) => giveUp('input failed', cause));
  try {
    const drained = [
      ...(stdout ? [drain(channels.readable(CHANNEL.stdout), stdout)] : []),
      ...(stderr && !tty ? [drain(channels.readable(CHANNEL.stderr), stderr)] : []),
    ].map((done) => done.catch((cause: Error) => giveUp('output cannot be written', cause)));
    const status = await text(channels.readable(CHANNEL.error));
    await Promise.all(drained);
    const cause = await channels.closed;
    if (failed !== undefined) throw failed;
    return exitCode(what, status, cause);
  } finally {
    unfeed?.();
    clearInterval(pings);
    scope.end();
  }
}

/** Answers what stops it. */
function feed(stdin: Readable, channels: Channels, onError: (cause: Error) => void): () => void {
  const input = channels.writable(CHANNEL.stdin, { signalsEnd: true });
  stdin.on('error', onError).pipe(input);
  return () => {
    stdin.off('error', onError).unpipe(input);
    input.destroy();
  };
}

/** Resolves when all has been written. */
async function drain(from: Readable, to: Writable): Promise<void> {
  for await (const chunk of from as AsyncIterable<Buffer>)
    await new Promise<void>((resolve, reject) => {
      to.write(chunk, (error) => (error ? reject(error) : resolve()));
    });
}

async function text(from: Readable): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of from as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size <= MAX_STATUS) chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function exitCode(what: string, body: Buffer, cause: Error | undefined): number {
  if (body.length === 0)
    throw new KubeError(
      `${what}: the connection was lost before the command's end: ${cause?.message ?? 'it was closed'}`,
      { reason: 'unreachable', outcome: 'unknown', cause },
    );
  let status: Status;
  try {
    status = JSON.parse(body.toString('utf8')) as Status;
  } catch (error) {
    throw new KubeError(`${what}: the command's end is no Status: ${body.toString('utf8').slice(0, 200)}`, {
      reason: 'bad_answer',
      outcome: 'unknown',
      cause: error,
    });
  }
  if (status.status === 'Success') return 0;
  const code = status.details?.causes?.find(({ reason }) => reason === 'ExitCode')?.message;
  if (status.reason === 'NonZeroExitCode' && code !== undefined) return Number(code);
  // Such a Status names no kind.
  const answer = JSON.stringify({ ...status, kind: 'Status' });
  throw statusError(what, { code: status.code ?? 500, body: Buffer.from(answer) }, true);
}
