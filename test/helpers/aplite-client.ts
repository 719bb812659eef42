/**
 * The program's side of Aplite's protocol, in both reference dialects. Written from the description of the protocol and
 * sharing nothing with the server, so that a mistake there is not repeated here.
 */
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';

export type WireType =
  | { kind: 'U'; value: 'U' }
  | { kind: 'prim'; value: string }
  | { kind: 'pi'; left: WireType; right: WireType; var_id: number }
  | { kind: 'free_var'; index: number }
  | { kind: 'app'; left: WireType; right: WireType };

export const type: WireType = { kind: 'U', value: 'U' };
export const prim = (value: string): WireType => ({ kind: 'prim', value });
export const variable = (index: number): WireType => ({ kind: 'free_var', index });
export const int = prim('Int');
export const str = prim('Str');
export const unit = prim('UnitType');
export const io = (of: WireType): WireType => ({ kind: 'app', left: prim('IO'), right: of });
export const fn = (left: WireType, right: WireType, var_id = 0): WireType => ({
  kind: 'pi',
  left,
  right,
  var_id,
});

/** A value on the program's side: Int is a bigint for python and a number for deno. */
export type Native = unknown;
export type NativeFn = (arg: Native) => Promise<Native>;
export type NativeIo = () => Promise<Native>;

export type Dialect = 'python' | 'deno';

export interface Answer {
  status: number;
  text: string;
  contentType: string;
}

/** What the operator refused, as the program sees it. */
export class Refusal extends Error {
  constructor(
    readonly status: number,
    readonly text: string,
  ) {
    super(`${status}: ${text}`);
  }
  get problem(): {
    code: string;
    detail: string;
    status: number;
    errors?: { field: string; message: string }[];
  } {
    return JSON.parse(this.text) as never;
  }
}

/** Posts a body as it stands, over a connection of its own. */
export function post(url: string, body: string, headers: Record<string, string> = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request(url, {
      method: 'POST',
      agent: false,
      headers: { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body), ...headers },
    });
    sent.on('error', reject);
    sent.on('response', (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => (text += chunk));
      response.on('error', reject);
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          text,
          contentType: response.headers['content-type'] ?? '',
        }),
      );
    });
    sent.end(body);
  });
}

function substitute(of: WireType, index: number, by: WireType): WireType {
  if (of.kind === 'free_var') return of.index === index ? by : of;
  if (of.kind === 'app')
    return { ...of, left: substitute(of.left, index, by), right: substitute(of.right, index, by) };
  if (of.kind !== 'pi') return of;
  const right = of.var_id === index ? of.right : substitute(of.right, index, by);
  return { ...of, left: substitute(of.left, index, by), right };
}

export interface Program {
  readonly dialect: Dialect;
  /** Where the program's own server listens. */
  readonly url: string;
  /** The bodies that were posted to the program, in order. */
  readonly called: string[];
  /** The answer to the last request, as it came. */
  last(): Answer | undefined;
  /** Where the operator is; may be set after the program listens. */
  connect(operator: string): void;
  /** A top-level value of the operator. */
  remote(name: string, of: WireType): Promise<Native>;
  close(): Promise<void>;
}

export async function startProgram(dialect: Dialect): Promise<Program> {
  const registry: { value: Native; of: WireType }[] = [];
  const called: string[] = [];
  let operator = '';
  let last: Answer | undefined;

  /** Python's json.dumps puts a space after ':' and ','. None of our texts has these outside of the structure. */
  const encode = (body: object): string =>
    dialect === 'deno' ? JSON.stringify(body) : JSON.stringify(body).replace(/([:,])(?=["{\d])/g, '$1 ');

  async function ask(body: object): Promise<string> {
    last = await post(operator, encode(body));
    if (last.status !== 200) throw new Refusal(last.status, last.text);
    return last.text;
  }

  function serialise(of: WireType, value: Native): unknown {
    if (of.kind === 'U') return value;
    return registry.push({ value, of }) - 1;
  }

  async function deserialise(of: WireType, sent: unknown): Promise<Native> {
    if (of.kind === 'U') return sent;
    if (of.kind === 'prim' && of.value === 'Int') {
      const text = await ask({ remote_ident: sent });
      return dialect === 'python' ? BigInt(text) : Number(text);
    }
    if (of.kind === 'prim' && of.value === 'Str') return ask({ remote_ident: sent });
    if (of.kind === 'app')
      return async () => {
        await ask({ remote_ident: sent, IO: true });
        return null;
      };
    if (of.kind !== 'pi') throw new Error(`no values of ${JSON.stringify(of)}`);
    return async (arg: Native) => {
      const answer = await ask({ remote_ident: sent, arg: serialise(of.left, arg) });
      const result = of.left.kind === 'U' ? substitute(of.right, of.var_id, arg as WireType) : of.right;
      return deserialise(result, JSON.parse(answer));
    };
  }

  async function answer(body: { remote_ident: number; arg?: unknown; IO?: true }): Promise<string> {
    const entry = registry[body.remote_ident];
    if (entry === undefined) throw new Error(`unknown id ${body.remote_ident}`);
    const { of, value } = entry;
    if ('arg' in body) {
      if (of.kind !== 'pi') throw new Error('not a function');
      const arg = await deserialise(of.left, body.arg);
      const result = of.left.kind === 'U' ? substitute(of.right, of.var_id, arg as WireType) : of.right;
      return JSON.stringify(serialise(result, await (value as NativeFn)(arg)));
    }
    if (body.IO === true) {
      const result = await (value as NativeIo)();
      return typeof result === 'bigint' ? String(result) : JSON.stringify(result ?? null);
    }
    if (typeof value === 'string') return dialect === 'python' ? JSON.stringify(value) : value;
    return String(value);
  }

  const server = createServer((incoming, outgoing) => {
    let body = '';
    incoming.on('data', (chunk: Buffer) => (body += chunk.toString()));
    incoming.on('end', () => {
      called.push(body);
      answer(JSON.parse(body) as { remote_ident: number }).then(
        (text) => outgoing.end(text),
        (error: unknown) => {
          outgoing.statusCode = 500;
          outgoing.end(String(error));
        },
      );
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));

  return {
    dialect,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    called,
    last: () => last,
    connect: (to) => (operator = to),
    remote: async (name, of) =>
      deserialise(of, JSON.parse(await ask({ request_type: 'reg_id', var_name: name }))),
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}
