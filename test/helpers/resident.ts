import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** MiB of memory that a running process holds now. */
export function residentMiB(pid: number): number {
  let kib: string | undefined;
  try {
    kib = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  } catch {
    // Not Linux.
    kib = execFileSync('ps', ['-o', 'rss=', '-p', String(pid)], { encoding: 'utf8' });
  }
  return Number(kib) / 1024;
}
