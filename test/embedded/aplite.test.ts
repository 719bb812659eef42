/** The Aplite face: programs of both reference dialects, arguments by value, and every bad request's answer. */
import { readFile, readdir } from 'node:fs/promises';
import { createServer, request as httpRequest } from 'node:http';
import { join } from 'node:path';
import t from 'tap';
import * as wire from '../helpers/aplite-client.js';
import type { NativeFn, NativeIo, WireType } from '../helpers/aplite-client.js';
import { freePort } from '../helpers/free-port.js';
import { call } from '../helpers/http.js';
import type { Answer } from '../helpers/http.js';
import { startOperator } from '../helpers/operator.js';

interface Problem {
  code: string;
  detail: string;
  status: number;
  request_id?: string;
  suggestion?: string;
  errors?: { field: string; suggestion?: string }[];
}

/** A Deployment as the API server has it, and the status of reading it. */
async function stored(cluster: string, name: string): Promise<Answer['body']> {
  const response = await fetch(`${cluster}/apis/apps/v1/namespaces/default/deployments/${name}`);
  return { status: response.status, body: (await response.json()) as Answer['body'] };
}

const { str, int, unit, io, fn } = wire;

for (const dialect of ['python', 'deno'] as const)
  await t.test(`a ${dialect} program`, async (t) => {
    const program = await wire.startProgram(dialect);
    t.teardown(() => program.close());
    const operator = await startOperator('embedded', { XI_APLITE_CALLBACK: program.url });
    t.teardown(() => operator.stop());
    program.connect(operator.url);
    const whole = (n: number): unknown => (dialect === 'python' ? BigInt(n) : n);

    await t.test('makes nginx-deployment, and is told that it is there', async (t) => {
      const k8s = (await program.remote('k8s', fn(wire.type, wire.type))) as NativeFn;
      const actionType = (await k8s(unit)) as WireType;
      t.same(actionType, io(unit), 'k8s UnitType is IO UnitType');
      const create = (await program.remote('create_deployment', actionType)) as NativeIo;
      t.equal((await stored(operator.clusterUrl, 'nginx-deployment')).status, 404, 'nothing ran yet');
      await create();
      t.equal(program.last()?.text, 'null');

      const { body } = await stored(operator.clusterUrl, 'nginx-deployment');
      const { metadata, spec } = body;
      t.same(metadata.labels, { app: 'nginx' });
      t.equal(metadata.namespace, 'default');
      t.equal(spec.replicas, 3);
      t.same(spec.selector, { matchLabels: { app: 'nginx' } });
      t.same(spec.template.metadata.labels, { app: 'nginx' });
      t.equal(spec.template.spec.containers.length, 1);
      const [container] = spec.template.spec.containers;
      t.match(container, { name: 'nginx', image: 'nginx:1.15.4' });
      t.same(container.ports, [{ containerPort: 80, protocol: 'TCP' }]);
      t.same(container.resources, {
        requests: { cpu: '100m', memory: '200Mi' },
        limits: { cpu: '500m', memory: '500Mi' },
      });
      for (const more of ['env', 'command', 'args', 'volumeMounts', 'livenessProbe', 'readinessProbe'])
        t.notOk(more in container, `no ${more}`);

      const refusal = (await create().then(
        () => undefined,
        (error: unknown) => error,
      )) as wire.Refusal;
      t.equal(refusal.status, 409);
      t.equal(refusal.problem.code, 'already_exists');
      t.match(refusal.problem.detail, /nginx-deployment/);
      t.match(program.last()?.contentType, /^application\/problem\+json/);
      t.same(program.called, [], 'nobody was called back');
      const again = (await program.remote('create_deployment', io(unit))) as NativeIo;
      await t.rejects(again(), { message: /^409/ }, 'under its id asked for anew as well');
    });

    await t.test('scales it with arguments of its own', async (t) => {
      const scale = (await program.remote('scale_deployment', fn(str, fn(int, io(unit))))) as NativeFn;
      const toFive = (await ((await scale('nginx-deployment')) as NativeFn)(whole(5))) as NativeIo;
      t.equal((await stored(operator.clusterUrl, 'nginx-deployment')).body.spec.replicas, 3);
      t.equal(program.called.length, 2, 'both arguments were asked for');
      await toFive();
      t.equal((await stored(operator.clusterUrl, 'nginx-deployment')).body.spec.replicas, 5);
      const below = (await ((await scale('nginx-deployment')) as NativeFn)(whole(-1))) as NativeIo;
      await t.rejects(below(), { status: 400, message: /replicas must be at least 0/ });
      const absent = (await ((await scale('absent')) as NativeFn)(whole(1))) as NativeIo;
      await t.rejects(absent(), { status: 404, message: /absent/ });
      if (dialect === 'python')
        await t.rejects(((await scale('nginx-deployment')) as NativeFn)(10n ** 30n), {
          status: 400,
          message:
            /replicas must be a whole number from 0 to 2147483647, and is 1000000000000000000000000000000\./,
        });
      await toFive();
    });

    await t.test('sends and reads JSON text', async (t) => {
      const text = (await program.remote('get_deployment_text', fn(str, str))) as NativeFn;
      const read = JSON.parse((await text('{"name":"nginx-deployment"}')) as string) as Record<
        string,
        unknown
      >;
      t.match(read, { name: 'nginx-deployment', images: ['nginx:1.15.4'], replicas: { desired: 5 } });

      const create = (await program.remote('create_deployment_json', fn(str, io(str)))) as NativeFn;
      await ((await create('{"name":"web-é","replicas":1}')) as NativeIo)().then(
        () => t.fail('the name is bad'),
        (error: wire.Refusal) =>
          t.match(error.problem, { code: 'invalid_params', errors: [{ field: 'name' }] }),
      );
      await ((await create('{"name":"web","labels":{"note":"a\\"b\\\\c"},"replicas":0}')) as NativeIo)().then(
        () => t.fail('the label is bad'),
        (error: wire.Refusal) => t.equal(error.status, 422, 'the cluster refuses it'),
      );
      await (
        (await create('{"name":"web","annotations":{"note":"a\\"b\\\\c é"},"replicas":0}')) as NativeIo
      )();
      t.match(JSON.parse(JSON.parse(program.last()?.text ?? '') as string), {
        name: 'web',
        replicas: { desired: 0 },
      });
      t.equal((await stored(operator.clusterUrl, 'web')).body.metadata.annotations.note, 'a"b\\c é');

      const wait = (await program.remote('wait_for_deployment_text', fn(str, str))) as NativeFn;
      const waited = JSON.parse(
        (await wait('{"name":"nginx-deployment","timeout_seconds":60}')) as string,
      ) as {
        items: unknown[];
      };
      t.ok(waited.items.length > 0);
      t.match(waited, { result: { replicas: { available: 5 } } }, 'a stream is one value');
    });

    t.ok(
      operator.logged.some(({ audit }) => (audit as { face?: string } | undefined)?.face === 'aplite'),
      'calls are audited as those of Aplite',
    );
  });

await t.test('without callbacks', async (t) => {
  const operator = await startOperator('embedded', {
    XI_APLITE_CALLBACK: 'off',
    XI_BODY_LIMIT_BYTES: '100000',
  });
  t.teardown(() => operator.stop());
  const { url } = operator;
  const send = (body: unknown, query = '', headers: Record<string, string> = {}): Promise<wire.Answer> =>
    wire.post(`${url}/${query}`, typeof body === 'string' ? body : JSON.stringify(body), headers);
  const id = async (name: string): Promise<number> =>
    Number((await send({ request_type: 'reg_id', var_name: name })).text);
  const apply = async (to: number, value: unknown): Promise<number> =>
    Number((await send({ remote_ident: to, arg: { value } })).text);

  await t.test('ids and answers', async (t) => {
    const answer = await send({ request_type: 'reg_id', var_name: 'create_deployment' });
    t.equal(answer.status, 200);
    t.match(answer.text, /^\d{1,16}$/);
    t.match(answer.contentType, /^text\/plain/);
    t.equal(await id('create_deployment'), Number(answer.text), 'a name keeps its id');
    t.not(await id('create_deployment_json'), Number(answer.text));
  });

  await t.test('arguments by value, a dry run, a big whole number', async (t) => {
    const create = await id('create_deployment');
    t.equal((await send({ remote_ident: create, IO: true }, '?dry_run=true')).status, 200);
    t.equal((await stored(operator.clusterUrl, 'nginx-deployment')).status, 404, 'a dry run stores nothing');
    t.equal((await send({ remote_ident: create, IO: true })).status, 200);
    const partial = await apply(await id('scale_deployment'), 'nginx-deployment');
    for (const [value, replicas] of [
      [2, 2],
      ['4', 4],
    ]) {
      t.equal((await send({ remote_ident: await apply(partial, value), IO: true })).text, 'null');
      t.equal((await stored(operator.clusterUrl, 'nginx-deployment')).body.spec.replicas, replicas);
    }
    const big = await send(`{"remote_ident":${partial},"arg":{"value":123456789012345678901234567890}}`);
    t.equal(big.status, 400);
    t.match((JSON.parse(big.text) as Problem).detail, /and is 123456789012345678901234567890\./);
  });

  await t.test('every bad request has its code and says what to do', async (t) => {
    const k8s = await id('k8s');
    const create = await id('create_deployment');
    const scale = await id('scale_deployment');
    const json = await id('list_pods_json');
    const text = await id('list_pods_text');
    const kept = await apply(text, '{}');
    const cases: [body: unknown, status: number, code: string, detail: RegExp][] = [
      ['', 400, 'invalid_json', /the text ends/],
      ['{"remote_ident":', 400, 'invalid_json', /at position 16 \(line 1, column 17\)/],
      ['remote_ident=5', 400, 'invalid_json', /at position 0/],
      ['[]', 400, 'invalid_params', /must be a JSON object/],
      ['7', 400, 'invalid_params', /must be a JSON object/],
      ['null', 400, 'invalid_params', /must be a JSON object/],
      [{}, 400, 'invalid_params', /remote_ident is required.*An Aplite request is/],
      [{ arg: 5 }, 400, 'invalid_params', /remote_ident is required/],
      [{ remote_id: 5 }, 400, 'invalid_params', /remote_id is not known here; did you mean remote_ident\?/],
      [{ remote_ident: create, io: true }, 400, 'invalid_params', /did you mean IO\?/],
      [{ remote_ident: '5' }, 400, 'invalid_params', /must be an id: a whole number/],
      [{ remote_ident: 1.5 }, 400, 'invalid_params', /must be an id/],
      [{ remote_ident: null }, 400, 'invalid_params', /must be an id/],
      [{ request_type: 'id', var_name: 'k8s' }, 400, 'invalid_params', /request_type must be "reg_id"/],
      [{ request_type: 'reg_id' }, 400, 'invalid_params', /var_name must be text/],
      [{ request_type: 'reg_id', var_name: 5 }, 400, 'invalid_params', /var_name must be text/],
      [
        { request_type: 'reg_id', var_name: 'k8s', remote_ident: 1 },
        400,
        'invalid_params',
        /remote_ident is not known here/,
      ],
      [
        { request_type: 'reg_id', var_name: 'create_deploymnet' },
        404,
        'unknown_function',
        /did you mean create_deployment\?/,
      ],
      [{ request_type: 'reg_id', var_name: '__proto__' }, 404, 'unknown_function', /GET \/v1\/aplite/],
      [{ remote_ident: 0 }, 404, 'not_found', /earlier run of the server, or has it expired, after 3600 s/],
      [{ remote_ident: -1 }, 404, 'not_found', /the id -1/],
      [
        '{"remote_ident":123456789012345678901234567890}',
        404,
        'not_found',
        /the id 123456789012345678901234567890/,
      ],
      ['{"remote_ident":9007199254740993}', 404, 'not_found', /the id 9007199254740993/],
      [{ remote_ident: create, arg: 5, IO: true }, 400, 'invalid_params', /exclude each other/],
      [{ remote_ident: create, IO: false }, 400, 'invalid_params', /IO must be true/],
      [
        { remote_ident: create, arg: { value: 'x' } },
        400,
        'invalid_params',
        /create_deployment is of type IO UnitType and cannot be applied to an argument; run it/,
      ],
      [{ remote_ident: create }, 400, 'invalid_params', /cannot be read; run it/],
      [
        { remote_ident: scale },
        400,
        'invalid_params',
        /of type Str -> Int -> IO UnitType and cannot be read; apply it/,
      ],
      [{ remote_ident: scale, IO: true }, 400, 'invalid_params', /cannot be run; apply it/],
      [
        { remote_ident: kept, IO: true },
        400,
        'invalid_params',
        /list_pods_text is of type Str and cannot be run; read it/,
      ],
      [
        { remote_ident: kept, arg: { value: 'x' } },
        400,
        'invalid_params',
        /cannot be applied to an argument; read it/,
      ],
      [
        { remote_ident: scale, arg: null },
        400,
        'invalid_params',
        /The Str argument of scale_deployment must be an id/,
      ],
      [{ remote_ident: scale, arg: 'web' }, 400, 'invalid_params', /or sent by value/],
      [{ remote_ident: scale, arg: {} }, 400, 'invalid_params', /is an object without value/],
      [{ remote_ident: scale, arg: { value: 5 } }, 400, 'invalid_params', /is a Str: its value must be text/],
      [{ remote_ident: scale, arg: 5 }, 400, 'invalid_params', /came as the id 5.*`xi-k8s bridge`.*by value/],
      [
        { remote_ident: await apply(scale, 'web'), arg: { value: 'five' } },
        400,
        'invalid_params',
        /is an Int/,
      ],
      [{ remote_ident: k8s, arg: 5 }, 400, 'invalid_params', /The Type argument of k8s is not a type/],
      [{ remote_ident: k8s, arg: { value: 'UnitType' } }, 400, 'invalid_params', /must have a kind/],
      [
        { remote_ident: k8s, arg: { kind: 'app', left: { kind: 'prim', value: 'IO' } } },
        400,
        'invalid_params',
        /right must be an object/,
      ],
      [{ remote_ident: k8s, IO: true }, 400, 'invalid_params', /of type Type -> Type and cannot be run/],
      [
        { remote_ident: await apply(json, '{"limit":}'), IO: true },
        400,
        'invalid_json',
        /The argument of list_pods is not JSON: at position 9/,
      ],
      [
        { remote_ident: await apply(json, '[]'), IO: true },
        400,
        'invalid_params',
        /list_pods: the params must be an object/,
      ],
      [{ remote_ident: text, arg: { value: '{"limti":5}' } }, 400, 'invalid_params', /did you mean limit\?/],
      [
        { remote_ident: text, arg: { value: '{"limit":123456789012345678901}' } },
        400,
        'invalid_params',
        /limit must be at most 5000/,
      ],
      [
        { remote_ident: await id('pod_logs_text'), arg: { value: '{"pod":"a","follow":true}' } },
        400,
        'invalid_params',
        /Follow over HTTP, POST \/v1\/functions\/pod_logs/,
      ],
      [
        { remote_ident: await id('get_deployment_text'), arg: { value: '{"name":"absent"}' } },
        404,
        'not_found',
        /absent/,
      ],
      [
        { remote_ident: scale, arg: { value: 'x'.repeat(100_000) } },
        413,
        'payload_too_large',
        /100000 bytes/,
      ],
    ];
    for (const [body, status, code, detail] of cases) {
      const answer = await send(body, '', { 'X-Request-Id': 'mine' });
      const name = (typeof body === 'string' ? body : JSON.stringify(body)).slice(0, 60);
      t.equal(answer.status, status, `${name} → ${answer.text.slice(0, 300)}`);
      t.match(answer.contentType, /^application\/problem\+json/);
      const problem = JSON.parse(answer.text) as Problem;
      t.equal(problem.code, code, name);
      t.match(problem.detail, detail, name);
      t.equal(problem.request_id, 'mine');
    }
    t.equal((await send('{}', '', { 'Content-Type': 'text/plain' })).status, 415);
    t.equal((await send({ remote_ident: create }, '?dry_urn=true')).status, 400);
    t.equal((await send({ remote_ident: create }, '', { 'X-Timeout-Seconds': 'soon' })).status, 400);
    t.equal((await send({ request_type: 'reg_id', var_name: 'k8s' })).status, 200, 'and it still serves');
  });

  await t.test('the remote block that it prints is what the examples have', async (t) => {
    /** The block as a reader gets it who came by this Host. */
    const page = await new Promise<wire.Answer>((resolve, reject) => {
      const sent = httpRequest(`${url}/v1/aplite`, { headers: { host: 'localhost:8080' } }, (response) => {
        let body = '';
        response.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            text: body,
            contentType: response.headers['content-type'] ?? '',
          }),
        );
      });
      sent.on('error', reject);
      sent.end();
    });
    t.equal(page.status, 200);
    t.match(page.contentType, /^text\/plain/);
    const BLOCK = /^remote ("[^"]*") \{\n([^}]*)\n\}\n/m;
    const entries = (program: string): [host: string, entries: string[]] => {
      const [, host = '', body = ''] = BLOCK.exec(program) ?? [];
      return [host, body.split(/,\s*/).map((entry) => entry.trim())];
    };
    const [host, printed] = entries(page.text);
    t.equal(host, '"localhost:8080"');
    for (const entry of printed) {
      const name = entry.split(':')[0] ?? '';
      t.equal((await send({ request_type: 'reg_id', var_name: name })).status, 200, `${name} is there`);
    }

    const folder = join(process.cwd(), 'examples', 'aplite');
    const programs = (await readdir(folder)).filter((file) => file.endsWith('.aplite'));
    t.same(programs.sort(), ['nginx.aplite', 'scale.aplite']);
    for (const file of programs) {
      const program = await readFile(join(folder, file), 'utf8');
      const [address, wanted] = entries(program);
      t.equal(address, host, file);
      t.ok(wanted.length > 1);
      for (const entry of wanted) t.ok(printed.includes(entry), `${file}: ${entry}`);
      const names = wanted.map((entry) => entry.split(':')[0]);
      const used = [...program.matchAll(/\bdo (\w+)/g)].map(([, name]) => name);
      t.ok(used.length > 0);
      for (const name of used) t.ok(names.includes(name), `${file} imports ${name}`);
    }
  });
});

await t.test('a program that does not answer', async (t) => {
  const silent = createServer(() => undefined);
  const port = await freePort();
  await new Promise<void>((resolve) => silent.listen(port, '127.0.0.1', resolve));
  const address = `http://127.0.0.1:${port}`;
  const operator = await startOperator('embedded', { XI_APLITE_CALLBACK: address });
  t.teardown(() => operator.stop());
  const { text } = await wire.post(operator.url, '{"request_type":"reg_id","var_name":"get_deployment"}');
  const arg = `{"remote_ident":${text},"arg":7}`;
  const late = await wire.post(operator.url, arg, { 'X-Timeout-Seconds': '0.1' });
  t.equal(late.status, 504, 'the deadline covers the callback');
  silent.closeAllConnections();
  await new Promise((resolve) => silent.close(resolve));
  const away = await wire.post(operator.url, arg);
  t.equal(away.status, 502);
  const { code, detail } = JSON.parse(away.text) as Problem;
  t.equal(code, 'bad_gateway');
  t.match(detail, new RegExp(`${address}.*cannot be reached.*XI_APLITE_CALLBACK`));
  t.equal((await call(operator.url, 'list_pods')).status, 200);
});
