/**
 * A program in place of ours, for tests of how programs are run: what it is told to do, and what it found itself with.
 * Its subcommands stand for ours; only the program itself is another one.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { PodProgram } from '../../../devcluster/devcluster.js';

const SOURCE = `
import { createServer } from 'node:http';
import { readFileSync, writeFileSync } from 'node:fs';
import { Socket } from 'node:net';
import { join } from 'node:path';

const { XI_POD_IP: ip, XI_POD_ROOT: root, XI_POD_PARENT_FD: fd } = process.env;
new Socket({ fd: Number(fd), readable: true, writable: false }).on('end', () => process.exit(99)).resume().unref();
const [command, ...args] = process.argv.slice(2);
let healthy = true;

const serve = (port) => {
  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url, 'http://x');
    const answer = (status, text) => response.writeHead(status).end(text);
    if (pathname === '/self') {
      const { env, execArgv, argv, pid } = process;
      return answer(200, JSON.stringify({ env, execArgv, args: argv.slice(2), cwd: process.cwd(), pid }));
    }
    if (pathname === '/healthz') return answer(healthy ? 200 : 500, '');
    if (pathname === '/sick') healthy = false;
    if (pathname === '/say') process.stdout.write(searchParams.get('text'));
    if (pathname === '/file') {
      try {
        return answer(200, readFileSync(join(root, searchParams.get('path'))));
      } catch (error) {
        return answer(404, error.code);
      }
    }
    if (pathname === '/exit') {
      answer(200, '');
      return setTimeout(() => process.exit(Number(searchParams.get('code'))), 10);
    }
    answer(200, '');
  });
  server.listen(port, ip, () => console.log('listens on ' + ip + ':' + port));
};

const COMMANDS = {
  serve: () => {
    process.on('SIGTERM', () => {
      console.log('stops');
      process.exit(0);
    });
    serve(8080);
  },
  stubborn: () => {
    process.on('SIGTERM', () => console.log('does not care'));
    serve(8080);
  },
  exit: ([code, text = '']) => {
    if (text !== '') console.error(text);
    process.exitCode = Number(code);
  },
  words: ([text]) => {
    writeFileSync(join(root, '/dev/termination-log'), text);
    process.exitCode = 4;
  },
  write: ([path, text]) => writeFileSync(join(root, path), text),
};
COMMANDS[command](args);
`;

export interface TestProgram extends PodProgram {
  remove(): Promise<void>;
}

export const writeProgram = async (): Promise<TestProgram> => {
  const folder = await mkdtemp(join(tmpdir(), 'pod-program-'));
  const file = join(folder, 'program.mjs');
  await writeFile(file, SOURCE);
  return {
    argv: [process.execPath, file],
    commands: ['serve', 'stubborn', 'exit', 'words', 'write'],
    kill: (group, signal) => void process.kill(-group, signal),
    remove: () => rm(folder, { recursive: true }),
  };
};
