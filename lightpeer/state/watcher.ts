/** Notices changes of the shared folder: by the file system's events, and by looking now and then for what they miss. */
import { watch } from 'node:fs';
import type { FSWatcher } from 'node:fs';
import { join } from 'node:path';
import { isPassing } from './paths.js';

export interface FolderWatcher {
  /**
   * Watches these folders and no others. True when some were not watched before: what changed in them until now was not told.
   * @param folders what there is, as paths in the root, each with what tells it from another one of that name.
   */
  follow(folders: ReadonlyMap<string, string>): boolean;
  close(): void;
}

export interface WatcherOptions {
  readonly root: string;
  /** Called with the state that changed, or without one when any may have. Must not throw. */
  readonly onChange: (state?: string) => void;
  /** Milliseconds between looks of its own. */
  readonly checkMs: number;
}

/** Watches nothing until it is told what to follow. */
export function watchFolder({ root, onChange, checkMs }: WatcherOptions): FolderWatcher {
  const watched = new Map<string, { readonly watcher: FSWatcher; readonly identity: string }>();
  const drop = (folder: string): void => {
    watched.get(folder)?.watcher.close();
    watched.delete(folder);
  };
  const add = (folder: string, identity: string): boolean => {
    try {
      const watcher = watch(join(root, folder), { persistent: false }, (_event, name) => {
        if (name === null) return onChange();
        if (isPassing(name)) return;
        onChange(folder === '' ? name : `${folder}/${name}`);
      });
      // The folder is gone, or events are not to be had: the looks go on.
      watcher.on('error', () => {
        if (watched.get(folder)?.watcher === watcher) drop(folder);
      });
      watched.set(folder, { watcher, identity });
      return true;
    } catch {
      // As above.
      return false;
    }
  };
  const timer = setInterval(() => onChange(), checkMs).unref();
  return {
    follow(folders) {
      // A watch stays with the folder that it began with, also when that one is removed and another is made in its place.
      for (const [folder, { identity }] of watched) if (folders.get(folder) !== identity) drop(folder);
      let isNew = false;
      for (const [folder, identity] of folders)
        if (!watched.has(folder) && add(folder, identity)) isNew = true;
      return isNew;
    },
    close() {
      clearInterval(timer);
      for (const folder of [...watched.keys()]) drop(folder);
    },
  };
}
