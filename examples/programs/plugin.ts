/**
 * A plugin without any library: it answers connect-plugin's identity and health calls by the Connect protocol (unary JSON), and
 * one service of its own. As every sidecar does, it means its own pod by `localhost`.
 */
import { createServer } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { once } from 'node:events';
import type { ExampleProgram } from './programs.js';

const METHODS: Readonly<Record<string, () => object>> = {
  '/connectplugin.v1.PluginIdentity/GetPluginInfo': () => ({
    selfId: 'clock',
    selfVersion: '1.0.0',
    provides: [{ type: 'clock', version: '1.0.0', path: '/clock.v1.Clock/' }],
  }),
  '/connectplugin.v1.PluginIdentity/SetRuntimeIdentity': () => ({ acknowledged: true }),
  '/connectplugin.v1.PluginControl/GetHealth': () => ({ state: 'HEALTH_STATE_HEALTHY' }),
  '/clock.v1.Clock/Now': () => ({ now: new Date().toISOString() }),
};

function answerTo({ method, url = '' }: IncomingMessage): readonly [status: number, body: object] {
  if (url === '/health') return [200, { status: 'ok' }];
  const found = Object.hasOwn(METHODS, url) ? METHODS[url] : undefined;
  if (found === undefined) return [404, { code: 'unimplemented', message: `there is no method ${url}` }];
  if (method !== 'POST') return [405, { code: 'unimplemented', message: `${url} is called by POST` }];
  return [200, found()];
}

/** Serves until the process ends. PORT is its port, 8080 by default. */
export const plugin: ExampleProgram = async ({ environment, place, print }) => {
  const port = Number(environment['PORT'] ?? 8080);
  const server = createServer((request, response) => {
    request.resume();
    const [status, body] = answerTo(request);
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  });
  server.listen(port, place.host('localhost'));
  await once(server, 'listening');
  print(`clock listens on localhost:${port}`);
};
