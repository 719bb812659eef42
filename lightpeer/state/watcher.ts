/** Notices changes of the shared folder: by the file system's events, and by looking now and then for what they miss. */
import { watch } from 'node:fs';
import type { FSWatcher } from 'node:fs';
import { dirname, join } from 'node:path';
import { isPassing } from './paths.js';

export interface FolderWatcher {
  /** Folders that states lie in; each is watched. */
  follow(states: Iterable<string>): void;
  close(): void;
}

export interface WatcherOptions {
  readonly root: string;
  /** Folders in it count too. */
  readonly whole: boolean;
  /** Called with the state that changed, or without one when any may have. Must not throw. */
  readonly onChange: (state?: string) => void;
  /** Milliseconds between looks of its own. */
  readonly checkMs: number;
}

export function watchFolder({ root, whole, onChange, checkMs }: WatcherOptions): FolderWatcher {
  const watchers = new Map<string, FSWatcher>();
  const add = (folder: string): void => {
    if (watchers.has(folder)) return;
    try {
      const watcher = watch(join(root, folder), { persistent: false }, (_event, name) => {
        if (name === null) return onChange();
        if (isPassing(name)) return;
        onChange(folder === '' ? name : `${folder}/${name}`);
      });
      // The folder is gone, or events are not to be had: the looks go on.
      watcher.on('error', () => drop(folder));
      watchers.set(folder, watcher);
    } catch {
      // As above.
    }
  };
  const drop = (folder: string): void => {
    watchers.get(folder)?.close();
    watchers.delete(folder);
  };
  add('');
  const timer = setInterval(() => onChange(), checkMs).unref();
  return {
    follow(states) {
      if (!whole) return;
      const folders = new Set(['']);
      for (const state of states)
        for (let folder = dirname(state); folder !== '.' && !folders.has(folder); folder = dirname(folder))
          folders.add(folder);
      for (const folder of watchers.keys()) if (!folders.has(folder)) drop(folder);
      for (const folder of folders) add(folder);
    },
    close() {
      clearInterval(timer);
      for (const folder of [...watchers.keys()]) drop(folder);
    },
  };
}
