/** Lets COMMAND kill and start components: HTTP on a Unix socket, `POST /ACTION/NAME`. */
import { createServer } from 'node:http';
import { once } from 'node:events';
import { NAMES, type ComponentName } from './components.js';
import { Failure } from './steps.js';
import type { Supervisor } from './supervisor.js';

export interface ControlOptions {
  socket: string;
  supervisor: Supervisor;
  /** Loads a docker-archive file into the cluster. */
  loadImage: (file: string) => Promise<void>;
}

export const serveControl = async ({ socket, supervisor, loadImage }: ControlOptions): Promise<void> => {
  const component = (name: string): ComponentName => {
    const known = NAMES.find((one) => one === name);
    if (known === undefined)
      throw new Failure(`no component is called '${name}'. There are ${NAMES.join(', ')}.`);
    return known;
  };
  const actions: Record<string, (subject: string) => Promise<void>> = {
    start: (name) => supervisor.start(component(name)),
    stop: (name) => supervisor.signal(component(name), 'SIGTERM'),
    kill: (name) => supervisor.signal(component(name), 'SIGKILL'),
    pause: (name) => supervisor.signal(component(name), 'SIGSTOP'),
    resume: (name) => supervisor.signal(component(name), 'SIGCONT'),
    restart: async (name) => {
      await supervisor.signal(component(name), 'SIGKILL');
      await supervisor.start(component(name));
    },
    'load-image': loadImage,
    status: () => Promise.resolve(),
  };
  const answer = async (path: string): Promise<string> => {
    const [, action = '', subject = ''] = path.split('/').map(decodeURIComponent);
    const act = Object.hasOwn(actions, action) ? actions[action] : undefined;
    if (act === undefined)
      throw new Failure(`unknown action '${action}'. There are ${Object.keys(actions).join(', ')}.`);
    await act(subject);
    return NAMES.map((name) => `${name} ${supervisor.pid(name) ?? '-'}\n`).join('');
  };
  const server = createServer((request, response) => {
    answer(request.url ?? '').then(
      (text) => response.end(text),
      (error: unknown) => response.writeHead(400).end(error instanceof Error ? error.message : String(error)),
    );
  });
  server.listen(socket);
  await once(server, 'listening');
};
