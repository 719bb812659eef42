/** The `exec` and `attach` subresources of pods. */
import { CHANNELS_V4, CHANNELS_V5 } from '../../../kube/streams/channels.js';
import { ApiError, internalError } from '../errors.js';
import type { JsonObject } from '../json.js';
import type { ResourceCall, ResourceHandler } from '../resource-call.js';
import type { SubresourceDeps } from '../subresources.js';
import { spdyStreams, webSocketStreams } from './command-streams.js';
import type { CommandStreams, Wanted } from './command-streams.js';
import { isOn, streamTarget } from './pod.js';
import type { StreamTarget } from './pod.js';
import {
  negotiate,
  offeredSpdy,
  offeredWebSocket,
  refuse,
  requireUpgrade,
  wantsWebSocket,
} from './upgrade.js';

type Verb = 'exec' | 'attach';

interface Command {
  readonly verb: Verb;
  readonly target: StreamTarget;
  readonly container: string | undefined;
  readonly command: readonly string[];
  readonly tty: boolean;
}

/** What the kubelet has against a request, with the code of its answer. */
interface Refusal {
  readonly code: number;
  readonly message: string;
}

const SUCCESS: JsonObject = { metadata: {}, status: 'Success' };

const exited = (code: number, why: string): JsonObject => ({
  metadata: {},
  status: 'Failure',
  message: `command terminated with non-zero exit code: ${why} exit code ${code}`,
  reason: 'NonZeroExitCode',
  details: { causes: [{ reason: 'ExitCode', message: String(code) }] },
});

/** As it goes over the error channel: without kind and version. */
function failed({ status }: ApiError): JsonObject {
  const { message = '', reason = '', details = {}, code = 0 } = status;
  return { metadata: {}, status: 'Failure', message, reason, details, code };
}

export const createExecHandler =
  (deps: SubresourceDeps, verb: Verb): ResourceHandler =>
  async (call) => {
    const { query, request } = call;
    const container = query.get('container');
    const target = streamTarget(deps, call, container);
    requireUpgrade(call);
    const tty = isOn(query, 'tty');
    const wanted = {
      stdin: isOn(query, 'stdin'),
      stdout: isOn(query, 'stdout'),
      // A terminal has one output.
      stderr: isOn(query, 'stderr') && !tty,
    };
    const command = {
      verb,
      target,
      container: container ?? undefined,
      command: query.getAll('command'),
      tty,
    };
    const refusal = refusalOf(command, wanted);
    const isV5 = wantsWebSocket(request) && offeredWebSocket(request).includes(CHANNELS_V5);
    // For v5 the API server connects its caller before it asks the kubelet.
    if (refusal !== undefined && !isV5) return refuse(call, refusal.code, refusal.message);
    const streams = await open(call, wanted);
    if (streams === undefined) return;
    const ended = deps.onStream(() => streams.destroy());
    const status =
      refusal === undefined
        ? await run(command, streams, isV5)
        : failed(internalError(`unable to upgrade connection: ${refusal.message}`));
    await streams.end(status);
    ended();
  };

function refusalOf({ target, container }: Command, wanted: Wanted): Refusal | undefined {
  const { namespace, name, runtime } = target;
  if (!wanted.stdin && !wanted.stdout && !wanted.stderr)
    return { code: 400, message: 'you must specify at least 1 of stdin, stdout, stderr' };
  try {
    runtime.checkExec(namespace, name, container);
    return undefined;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    return { code: 500, message: error.message };
  }
}

/** Undefined when the request is answered with a refusal. */
async function open(call: ResourceCall, wanted: Wanted): Promise<CommandStreams | undefined> {
  const { request } = call;
  if (wantsWebSocket(request)) {
    const offered = offeredWebSocket(request);
    const protocol = [CHANNELS_V5, CHANNELS_V4].find((served) => offered.includes(served));
    if (protocol !== undefined) return webSocketStreams(call, protocol, wanted);
    refuse(call, 403, `unable to upgrade: [${offered.join(' ')}] is not served: offer ${CHANNELS_V5}\n`);
    return undefined;
  }
  const protocol = negotiate(call, offeredSpdy(request), [CHANNELS_V4]);
  // A caller that is gone before its streams are open gets no answer.
  return (protocol && (await spdyStreams(call, protocol, wanted).catch(() => undefined))) || undefined;
}

/** The Status of a command that has ended or could not be run. */
async function run(asked: Command, streams: CommandStreams, isV5: boolean): Promise<JsonObject> {
  const { verb, target, container, command, tty } = asked;
  const { namespace, name, runtime } = target;
  const { signal } = streams;
  try {
    if (verb === 'attach') {
      await runtime.attach(namespace, name, { container, tty }, streams, signal);
      return SUCCESS;
    }
    const code = await runtime.exec(namespace, name, { container, command, tty }, streams, signal);
    if (code === 0) return SUCCESS;
    return exited(code, isV5 ? 'command terminated with' : `error executing command [${command.join(' ')}],`);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    const doing = verb === 'attach' ? 'error attaching to container' : 'error executing command in container';
    const error = internalError(`${doing}: ${why}`);
    // What the kubelet says of v5 passes through the API server, which wraps it once more.
    return failed(isV5 ? internalError(error.message) : error);
  }
}
