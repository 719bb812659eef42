/** One gRPC call, by its description in proto/gen: bytes in and out, deadline, signal, and failures in our words. */
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import type {
  DescMethodServerStreaming,
  DescMethodUnary,
  MessageInitShape,
  MessageShape,
} from '@bufbuild/protobuf';
import { Metadata, status as codes } from '@grpc/grpc-js';
import type { Client, ClientReadableStream, ServiceError } from '@grpc/grpc-js';
import { PeerError } from '../peer-error.js';
import type { PeerFault } from '../peer-error.js';

export interface Bounds {
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds; none when absent. */
  readonly timeoutMs?: number | undefined;
}

const FAULTS: Partial<Record<codes, PeerFault>> = {
  [codes.UNAVAILABLE]: 'unreachable',
  [codes.DEADLINE_EXCEEDED]: 'deadline',
  [codes.CANCELLED]: 'cancelled',
  [codes.UNIMPLEMENTED]: 'unsupported',
  [codes.INTERNAL]: 'broken',
  [codes.RESOURCE_EXHAUSTED]: 'overloaded',
  [codes.INVALID_ARGUMENT]: 'invalid',
  [codes.ALREADY_EXISTS]: 'exists',
};

/** What grpc-js says of an endpoint that does not speak HTTP/2, of an answer that is no gRPC, or of bytes that are no message. */
const FOREIGN =
  /protocol error|parse error|parsing error|RST_STREAM|no message received|too many responses|HTTP status code|content-type|bad method|ERR_HTTP2|Expected HTTP/i;

/** What grpc-js adds that is another each time, or says nothing: the same fault is to have the same words. */
const NOISE = / \(\d{4}-\d\d-\d\dT[\d:.]+Z\)|\. Resolution note: (?=\.?$)/g;

const wordsOf: Record<PeerFault, (what: string, details: string) => string> = {
  unreachable: (what, details) => `${what} cannot be reached: ${details}.`,
  deadline: (what) => `${what} did not answer in time.`,
  foreign: (what, details) =>
    `${what} does not answer as a lightpeer: ${details}. Does another program listen there?`,
  refused: (what, details) => `${what} refuses: ${details}.`,
  overloaded: (what, details) => `${what} cannot take it now: ${details}.`,
  broken: (what, details) => `${what} fails: ${details}.`,
  invalid: (what, details) => `${what} refuses: ${details}.`,
  exists: (what, details) => `${what} refuses: ${details}.`,
  unsupported: (what, details) => `${what} cannot do that: ${details}.`,
  cancelled: (what) => `The call to ${what} was cancelled.`,
};

/** A failure of grpc-js as ours. `what` names the peer; `trouble` is what is known of its connection beside gRPC. */
export function peerError(what: string, error: unknown, trouble?: Error): PeerError {
  if (error instanceof PeerError) return error;
  const { code = codes.UNKNOWN, details: said = String(error) } = error as Partial<ServiceError>;
  const details = said.replace(NOISE, '').replace(/\.+$/, '');
  const known = FAULTS[code] ?? 'refused';
  const fault =
    ['unreachable', 'unsupported', 'broken'].includes(known) && FOREIGN.test(details) ? 'foreign' : known;
  if (trouble !== undefined && (fault === 'unreachable' || fault === 'deadline'))
    return new PeerError(fault, wordsOf.unreachable(what, trouble.message.replace(/\.+$/, '')), trouble);
  return new PeerError(fault, wordsOf[fault](what, details), error);
}

const deadlineOf = ({ timeoutMs }: Bounds): { deadline?: number } =>
  timeoutMs === undefined ? {} : { deadline: Date.now() + timeoutMs };

const pathOf = ({ parent, name }: { parent: { typeName: string }; name: string }): string =>
  `/${parent.typeName}/${name}`;

export function callUnary<M extends DescMethodUnary>(
  client: Client,
  method: M,
  request: MessageInitShape<M['input']>,
  bounds: Bounds,
): Promise<MessageShape<M['output']>> {
  return new Promise((resolve, reject) => {
    const { signal } = bounds;
    if (signal?.aborted === true) return reject(new PeerError('cancelled', 'The call was cancelled.'));
    const call = client.makeUnaryRequest(
      pathOf(method),
      (message: MessageShape<M['input']>) => Buffer.from(toBinary(method.input, message)),
      (bytes) => fromBinary(method.output, bytes) as MessageShape<M['output']>,
      create(method.input, request) as MessageShape<M['input']>,
      new Metadata(),
      deadlineOf(bounds),
      (error, answer) => {
        signal?.removeEventListener('abort', cancel);
        if (error !== null) reject(error);
        else resolve(answer as MessageShape<M['output']>);
      },
    );
    const cancel = (): void => call.cancel();
    signal?.addEventListener('abort', cancel, { once: true });
  });
}

/** A stream of answers; leaving it cancels the call. Back-pressure reaches the peer. */
export async function* callStream<M extends DescMethodServerStreaming>(
  client: Client,
  method: M,
  request: MessageInitShape<M['input']>,
  bounds: Bounds,
): AsyncGenerator<MessageShape<M['output']>, void, undefined> {
  const { signal } = bounds;
  if (signal?.aborted === true) throw new PeerError('cancelled', 'The call was cancelled.');
  const call: ClientReadableStream<MessageShape<M['output']>> = client.makeServerStreamRequest(
    pathOf(method),
    (message: MessageShape<M['input']>) => Buffer.from(toBinary(method.input, message)),
    (bytes) => fromBinary(method.output, bytes) as MessageShape<M['output']>,
    create(method.input, request) as MessageShape<M['input']>,
    new Metadata(),
    deadlineOf(bounds),
  );
  // A stream that is left early ends with an error that nobody waits for.
  call.on('error', () => {});
  const cancel = (): void => call.cancel();
  signal?.addEventListener('abort', cancel, { once: true });
  try {
    for await (const message of call) yield message as MessageShape<M['output']>;
  } finally {
    signal?.removeEventListener('abort', cancel);
    call.cancel();
  }
}
