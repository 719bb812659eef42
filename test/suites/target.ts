/** What a suite runs against: any cluster behind a running operator. */
import type { Test } from 'tap';
import { call } from '../helpers/http.js';
import type { Answer } from '../helpers/http.js';

export interface Target {
  /** Base URL of the functions. */
  readonly url: string;
  /** A namespace of the suites' own. */
  readonly namespace: string;
  /** An image that runs on this cluster and writes a log, and another one. */
  readonly images: readonly [string, string];
  /** A command with which a container of these images ends at once with an error. */
  readonly crash: readonly string[];
  /** Reads an object, past our functions. */
  object(path: string): Promise<Answer['body']>;
}

/** Calls in the target's namespace. */
export const caller =
  ({ url, namespace }: Target) =>
  (name: string, params: object = {}, query = ''): Promise<Answer> =>
    call(url, name, { namespace, ...params }, { query });

/** Expects a status, and for a failure a whole problem document. */
export function expectAnswer(t: Test, answer: Answer, status: number, code?: string): void {
  t.equal(answer.status, status, JSON.stringify(answer.body));
  if (code === undefined) return;
  t.match(answer.headers.get('content-type'), /^application\/problem\+json/);
  t.match(answer.body, { code, status, title: String, type: /^urn:/, detail: /.{10,}/ });
  t.equal(answer.body['request_id'], answer.headers.get('x-request-id'));
}
