/**
 * How a pretended container lives. It runs until its pod is deleted, but:
 * - its command is `false` or `true`: it exits at once with 1 or 0;
 * - its command is a shell with `-c "exit N"` or `-c "sleep S; exit N"`: it exits with N, after S seconds;
 * - an init container exits well at once, and any other one whose pod is not always restarted exits well after a second.
 */
import type { Container } from '../../kube/index.js';

export interface Exit {
  afterMs: number;
  code: number;
}

const AT_ONCE_MS = 100;
const COMMANDS: Record<string, number> = { false: 1, true: 0 };
const SHELLS = new Set(['sh', 'bash', 'ash', 'dash']);
const SCRIPT = /^\s*(?:sleep\s+(\d+(?:\.\d+)?)\s*(?:;|&&)\s*)?exit\s+(\d{1,3})\s*;?\s*$/;

const baseName = (path: string): string => path.slice(path.lastIndexOf('/') + 1);

/** Undefined for a container that runs on. */
export const exitOf = (
  container: Container,
  isInit: boolean,
  restartPolicy: string | undefined,
): Exit | undefined => {
  const [program = '', flag, script = ''] = [...(container.command ?? []), ...(container.args ?? [])];
  const name = baseName(program);
  const code = COMMANDS[name];
  if (code !== undefined) return { afterMs: AT_ONCE_MS, code };
  const shell = SHELLS.has(name) && flag === '-c' ? SCRIPT.exec(script) : null;
  if (shell !== null) {
    return {
      afterMs: shell[1] === undefined ? AT_ONCE_MS : Number(shell[1]) * 1000,
      code: Number(shell[2]) % 256,
    };
  }
  if (isInit) return { afterMs: AT_ONCE_MS, code: 0 };
  return restartPolicy === 'Never' || restartPolicy === 'OnFailure' ? { afterMs: 1000, code: 0 } : undefined;
};
