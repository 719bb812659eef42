import t from 'tap';
import {
  ConnectError,
  codeOfStatus,
  errorBody,
  errorOfAnswer,
  isCode,
  statusOf,
} from '../../../connect/index.js';
import type { Code } from '../../../connect/index.js';

t.test('codes and statuses are those of the protocol', async (t) => {
  const statuses: Record<Code, number> = {
    canceled: 499,
    unknown: 500,
    invalid_argument: 400,
    deadline_exceeded: 504,
    not_found: 404,
    already_exists: 409,
    permission_denied: 403,
    resource_exhausted: 429,
    failed_precondition: 400,
    aborted: 409,
    out_of_range: 400,
    unimplemented: 501,
    internal: 500,
    unavailable: 503,
    data_loss: 500,
    unauthenticated: 401,
  };
  for (const [code, status] of Object.entries(statuses)) {
    t.ok(isCode(code));
    t.equal(statusOf(code as Code), status, code);
  }
  for (const text of ['', 'ok', 'toString', '__proto__', 7, undefined]) t.notOk(isCode(text), String(text));
  const codes: [number, Code][] = [
    [400, 'internal'],
    [401, 'unauthenticated'],
    [403, 'permission_denied'],
    [404, 'unimplemented'],
    [405, 'unknown'],
    [415, 'unknown'],
    [429, 'unavailable'],
    [500, 'unknown'],
    [502, 'unavailable'],
    [503, 'unavailable'],
    [504, 'unavailable'],
    [302, 'unknown'],
  ];
  for (const [status, code] of codes) t.equal(codeOfStatus(status), code, String(status));
});

t.test('whatever is thrown becomes one error', async (t) => {
  const own = new ConnectError('aborted', 'own');
  t.equal(ConnectError.from(own), own);
  const refused = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
  const rows: [unknown, Code, string][] = [
    [refused, 'unavailable', 'connect ECONNREFUSED'],
    [new DOMException('left', 'AbortError'), 'canceled', 'left'],
    [new DOMException('late', 'TimeoutError'), 'deadline_exceeded', 'late'],
    [new Error('odd'), 'internal', 'odd'],
    [Object.assign(new Error('odd'), { code: 7 }), 'internal', 'odd'],
    ['a text', 'internal', 'a text'],
    [undefined, 'internal', 'undefined'],
  ];
  for (const [reason, code, message] of rows) {
    const error = ConnectError.from(reason);
    t.same([error.code, error.message], [code, message]);
    t.equal(error.cause, reason);
  }
});

t.test('an error is written and read', async (t) => {
  const details = [{ type: 'a.B', value: 'AAE', debug: { x: 1 } }];
  const error = new ConnectError('not_found', 'no "größe"', { details });
  const body = Buffer.from(JSON.stringify(error));
  t.match(errorOfAnswer(404, 'application/json', body), {
    code: 'not_found',
    message: 'no "größe"',
    details,
  });
  t.same(JSON.parse(errorBody('not_found', 'no "größe"').toString()), {
    code: 'not_found',
    message: 'no "größe"',
  });
  t.same(JSON.parse(JSON.stringify(new ConnectError('aborted', 'm'))), { code: 'aborted', message: 'm' });
});

t.test('of a body only what is well-formed counts', async (t) => {
  const read = (body: unknown, status = 503) =>
    errorOfAnswer(status, 'Application/JSON; charset=utf-8', Buffer.from(JSON.stringify(body)));
  t.match(read({ code: 7, message: 8, details: 9 }), { code: 'unavailable', message: '', details: [] });
  const details = [null, 1, {}, { type: 'a' }, { type: 'a.B', value: 'AA' }];
  t.same(read({ code: 'aborted', details }).details, [{ type: 'a.B', value: 'AA' }]);
  for (const body of [null, [], 'text', 7]) t.match(read(body), { code: 'unavailable', message: /503/ });
});
