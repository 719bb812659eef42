/** The client's types, proven by the compiler: this file does not compile when a line of it is wrong. */
import t from 'tap';
import { createClient, functions } from '@xi-k8s/client';
import type {
  Client,
  Deployment,
  Functions,
  LogItem,
  RolloutProgress,
  Stream,
  XiErrorCode,
} from '@xi-k8s/client';
import type * as client from '@xi-k8s/client';
import { contractList } from '../../../schemas/index.js';
import type {
  Contracts,
  ErrorCode,
  FunctionName,
  Item,
  Params,
  Problem,
  Result,
} from '../../../schemas/index.js';

/** Exactly the same, optional fields and all: identity, field by field, and not only assignable both ways. */
type Same<A, B> =
  (<T>() => T extends Flat<A> ? 1 : 2) extends <T>() => T extends Flat<B> ? 1 : 2 ? true : false;
type Flat<T> = T extends object ? { [K in keyof T]: Flat<T[K]> } : T;
/** The functions for which it is not so; `never` when all are well. */
type Differing = {
  [K in FunctionName]: [
    // No params are `{}` in the contracts; the client's type refuses any.
    keyof Params<Contracts[K]> extends never ? true : Same<Params<Contracts[K]>, Functions[K]['params']>,
    Same<Result<Contracts[K]>, Functions[K]['result']>,
    Same<Item<Contracts[K]>, Functions[K]['item']>,
  ] extends [true, true, true]
    ? never
    : K;
}[FunctionName];
const holds = <T extends true>(value: T): T => value;

t.test('the generated types are those of the contracts', async (t) => {
  holds<Same<Differing, never>>(true);
  holds<Same<keyof Functions, FunctionName>>(true);
  holds<Same<client.Problem, Problem>>(true);
  holds<Same<client.ErrorCode, ErrorCode>>(true);
  holds<Same<XiErrorCode, ErrorCode | 'unreachable'>>(true);
  // @ts-expect-error the proof itself tells an optional field from none
  holds<Same<{ a: string; b?: number }, { a: string }>>(true);
  // @ts-expect-error and looks inside lists
  holds<Same<{ a: { b: string }[] }, { a: { b: string; c?: string }[] }>>(true);
  t.same(
    Object.entries(functions),
    contractList.map(({ name, effect, mode }) => [name, { effect, mode }]),
    'and so is the table',
  );
});

/** Never run: every line is about what compiles. */
export async function calls(client: Client): Promise<void> {
  const made: Deployment = await client.create_deployment();
  await client.create_deployment(
    { name: 'web', replicas: 2, ports: [{ container_port: 80 }] },
    { dryRun: true },
  );
  const progress: Stream<RolloutProgress, Deployment> = client.scale_deployment.progress({
    name: 'web',
    replicas: 1,
  });
  const logs: AsyncIterable<LogItem> = client.pod_logs(
    { pod: made.name },
    { signal: AbortSignal.timeout(1) },
  );
  void [progress, logs];

  // @ts-expect-error an unknown function
  await client.create_deploiment();
  // @ts-expect-error an unknown param
  await client.create_deployment({ nam: 'web' });
  // @ts-expect-error a param of the wrong type
  await client.create_deployment({ replicas: '2' });
  // @ts-expect-error an unknown field of a nested type
  await client.create_deployment({ ports: [{ containerPort: 80 }] });
  // @ts-expect-error a word that is none of those allowed
  await client.delete_deployment({ name: 'web', propagation_policy: 'Orphan' });
  // @ts-expect-error a required param is missing
  await client.scale_deployment({ name: 'web' });
  // @ts-expect-error params are required
  await client.get_deployment();
  // @ts-expect-error a function that only reads has no dry run
  await client.list_pods({}, { dryRun: true });
  // @ts-expect-error a function without params takes none
  await client.server_info({ verbose: true });
  // @ts-expect-error a field that the result does not have
  void made.replica;
  // @ts-expect-error a function without progress has no such method
  client.list_pods.progress();
  // @ts-expect-error a stream is no promise
  await client.pod_logs({ pod: 'p' }).then();
}

t.test('a client has a method for every function, and progress where the contract has it', async (t) => {
  const methods = createClient({ baseUrl: 'http://127.0.0.1:1' });
  t.same(Object.keys(methods), Object.keys(functions));
  for (const contract of contractList)
    t.equal(
      'progress' in methods[contract.name as FunctionName],
      contract.mode === 'progress',
      contract.name,
    );
});
