import { createServer } from 'node:http';
import type { AddressInfo, Server } from 'node:net';
import { once } from 'node:events';
import { Server as GrpcServer, ServerCredentials } from '@grpc/grpc-js';
import t from 'tap';
import { check } from '../../../devcluster/kubelet/probes/check.js';
import type { CheckTarget, Handler } from '../../../devcluster/kubelet/probes/check.js';
import { startProber } from '../../../devcluster/kubelet/probes/prober.js';
import type { Prober } from '../../../devcluster/kubelet/probes/prober.js';
import type { Container } from '../../../kube/index.js';
import { freePort } from '../../helpers/free-port.js';

const IP = '127.0.0.1';

const listening = async (server: Server): Promise<number> => {
  server.listen(0, IP);
  await once(server, 'listening');
  t.teardown(() => server.close());
  return (server.address() as AddressInfo).port;
};

let ready = 200;
const seen: { host: string | undefined; agent: string | undefined; extra: string | undefined }[] = [];
const web = await listening(
  createServer((request, response) => {
    const { host, 'user-agent': agent, 'x-extra': extra } = request.headers;
    seen.push({ host, agent, extra: extra as string | undefined });
    if (request.url === '/silent') return;
    response
      .writeHead(request.url === '/moved' ? 302 : ready, { location: 'http://203.0.113.1/' })
      .end('body');
  }),
);
const closed = await freePort();

const grpc = new GrpcServer();
const bytes = (buffer: Buffer): Buffer => buffer;
grpc.addService(
  {
    check: {
      path: '/grpc.health.v1.Health/Check',
      requestStream: false,
      responseStream: false,
      requestSerialize: bytes,
      requestDeserialize: bytes,
      responseSerialize: bytes,
      responseDeserialize: bytes,
    },
  },
  {
    check: (call: { request: Buffer }, answer: (error: null, reply: Buffer) => void) => {
      const name = call.request.subarray(call.request.length > 129 ? 3 : 2).toString();
      answer(
        null,
        Buffer.from([0x08, name === 'bad' ? 2 : name === '' || name === 'good' || name.length > 128 ? 1 : 3]),
      );
    },
  },
);
const health = await new Promise<number>((resolve, reject) =>
  grpc.bindAsync(`${IP}:0`, ServerCredentials.createInsecure(), (error, port) =>
    error ? reject(error) : resolve(port),
  ),
);
t.teardown(() => grpc.forceShutdown());
const bare = new GrpcServer();
const other = await new Promise<number>((resolve, reject) =>
  bare.bindAsync(`${IP}:0`, ServerCredentials.createInsecure(), (error, port) =>
    error ? reject(error) : resolve(port),
  ),
);
t.teardown(() => bare.forceShutdown());

const target = (container: Partial<Container> = {}): CheckTarget => ({
  ip: IP,
  container: { name: 'c', ports: [{ name: 'web', containerPort: web }], ...container },
  exec: async ([program], signal) => {
    if (program === 'good') return { code: 0, output: '' };
    if (program === 'bad') return { code: 3, output: 'out of order\n' };
    if (program === 'slow') await new Promise((resolve) => signal.addEventListener('abort', resolve));
    throw new Error(`no ${program}`);
  },
});

t.test('what is asked, and how failures are worded', async (t) => {
  const rows: [Handler, 'success' | 'failure' | 'unknown', string?][] = [
    [{ httpGet: { port: web } }, 'success'],
    [{ httpGet: { port: 'web', path: 'healthz' } }, 'success'],
    [{ httpGet: { port: web, path: '/moved' } }, 'success'],
    [{ httpGet: { port: 'none' } }, 'unknown', 'strconv.Atoi: parsing "none": invalid syntax'],
    [
      { httpGet: { port: closed, path: '/x' } },
      'failure',
      `Get "http://${IP}:${closed}/x": dial tcp ${IP}:${closed}: connect: connection refused`,
    ],
    [
      { httpGet: { port: web, path: '/silent' } },
      'failure',
      `Get "http://${IP}:${web}/silent": context deadline exceeded (Client.Timeout exceeded while awaiting headers)`,
    ],
    [{ httpGet: { port: web, path: '/a b' } }, 'success'],
    [
      { httpGet: { port: web, httpHeaders: [{ name: 'x', value: 'a\nb' }] } },
      'unknown',
      'Invalid character in header content ["x"]',
    ],
    [{ httpGet: { port: 70_000 } }, 'unknown', 'Invalid URL'],
    [{ tcpSocket: { port: 70_000 } }, 'unknown'],
    [{ tcpSocket: { port: 'web' } }, 'success'],
    [{ tcpSocket: { port: closed } }, 'failure', `dial tcp ${IP}:${closed}: connect: connection refused`],
    [{ exec: { command: ['good'] } }, 'success'],
    [{ exec: { command: ['bad'] } }, 'failure', 'out of order'],
    [{ exec: { command: ['none'] } }, 'unknown', 'no none'],
    [{ exec: { command: ['slow', 'x'] } }, 'failure', 'command timed out: "slow x" timed out after 0.2s'],
    [{ grpc: { port: health } }, 'success'],
    [{ grpc: { port: health, service: 'good' } }, 'success'],
    [{ grpc: { port: health, service: 'l'.repeat(200) } }, 'success'],
    [
      { grpc: { port: health, service: 'bad' } },
      'failure',
      'service unhealthy (responded with "NOT_SERVING")',
    ],
    [
      { grpc: { port: closed } },
      'failure',
      `timeout: failed to connect service "${IP}:${closed}" within 0.2s: context deadline exceeded`,
    ],
    [
      { grpc: { port: other } },
      'failure',
      'error: this server does not implement the grpc health protocol (grpc.health.v1.Health)',
    ],
  ];
  for (const [handler, is, message] of rows) {
    const isLate = /deadline exceeded|timed out/.test(message ?? '');
    const verdict = await check(handler, target(), isLate ? 200 : 5_000);
    t.equal(verdict.is, is, JSON.stringify(handler));
    if (message !== undefined) t.match(verdict, { message });
  }
  ready = 503;
  t.match(await check({ httpGet: { port: web } }, target(), 1000), {
    message: 'HTTP probe failed with statuscode: 503',
  });
  ready = 200;
  seen.length = 0;
  const headers = [{ name: 'X-Extra', value: 'x' }];
  await check({ httpGet: { port: web, host: 'evil.example', httpHeaders: headers } }, target(), 1000);
  t.same(
    seen,
    [{ host: `evil.example:${web}`, agent: 'kube-probe/1.35', extra: 'x' }],
    'a host is a header; what is asked is the pod',
  );
});

interface Told {
  prober: Prober;
  events: string[];
  until(what: string, holds: () => boolean): Promise<void>;
}

const prober = (container: Partial<Container>): Told => {
  const events: string[] = [];
  let wake = (): void => undefined;
  const started = startProber({
    target: target(container),
    onEvent: ({ message }) => {
      events.push(message);
      wake();
    },
    onChange: () => wake(),
  });
  t.teardown(() => started.stop());
  const until = async (what: string, holds: () => boolean): Promise<void> => {
    while (!holds())
      await new Promise<void>((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error(`not so: ${what}`)), 20_000);
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
  };
  return { prober: started, events, until };
};

const fast = { periodSeconds: 0.02 };

t.test('without probes a run is ready at once', async (t) => {
  const { prober: none } = prober({});
  t.match(none, { started: true, ready: true, unhealthy: undefined });
});

t.test('readiness comes and goes by its thresholds', async (t) => {
  ready = 500;
  const readinessProbe = { httpGet: { port: 'web' }, ...fast, failureThreshold: 2 };
  const told = prober({ readinessProbe });
  t.equal(told.prober.ready, false);
  await told.until('a failure is told', () => told.events.length > 0);
  t.equal(told.events[0], 'Readiness probe failed: HTTP probe failed with statuscode: 500');
  ready = 200;
  await told.until('ready', () => told.prober.ready);
  ready = 500;
  await told.until('not ready', () => !told.prober.ready);
  t.equal(told.prober.unhealthy, undefined, 'and nothing is killed for it');
  ready = 200;
});

t.test('a startup probe holds the others back', async (t) => {
  ready = 500;
  const startupProbe = { httpGet: { port: 'web' }, ...fast, failureThreshold: 1000 };
  const livenessProbe = {
    exec: { command: ['bad'] },
    ...fast,
    failureThreshold: 2,
    terminationGracePeriodSeconds: 7,
  };
  const told = prober({ startupProbe, livenessProbe });
  await told.until('the startup probe fails', () => told.events.length >= 3);
  t.match(told.prober, { started: false, ready: false, unhealthy: undefined });
  t.ok(told.events.every((message) => message.startsWith('Startup probe failed: ')));
  ready = 200;
  await told.until('started', () => told.prober.started);
  await told.until('to be killed', () => told.prober.unhealthy !== undefined);
  t.same(told.prober.unhealthy, { by: 'liveness', graceMs: 7000 });
  t.equal(told.events.at(-1), 'Liveness probe failed: out of order');
});

t.test('a startup probe that never passes kills', async (t) => {
  const startupProbe = { tcpSocket: { port: closed }, ...fast, failureThreshold: 2 };
  const told = prober({ startupProbe });
  await told.until('to be killed', () => told.prober.unhealthy !== undefined);
  t.match(told.prober, { started: false, unhealthy: { by: 'startup' } });
});

t.test('what cannot be asked changes nothing', async (t) => {
  const livenessProbe = { exec: { command: ['none'] }, ...fast, failureThreshold: 1 };
  const told = prober({ livenessProbe });
  await told.until('it is told', () => told.events.length >= 3);
  t.equal(told.events[0], 'Liveness probe errored and resulted in unknown state: no none');
  t.equal(told.prober.unhealthy, undefined);
});
