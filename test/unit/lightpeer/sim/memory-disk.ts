/** A disk in memory that forgets on a crash what was not synced, or half of it, and can be full. */
import type { Disk } from '../../../../lightpeer/store/disk.js';

interface Entry {
  data: Buffer;
  /** What a crash leaves. */
  durable: Buffer;
}

export interface MemoryDisk {
  /** As a process sees it that starts now. */
  mount(): Disk;
  crash(): void;
  full: boolean;
  /** A file that there is no room for. */
  noRoomFor: string | undefined;
  /** How much longer than usual a write takes. */
  slowMs: number;
  /** Whether a crash now would leave a text in the chain's file. */
  holds(text: string): boolean;
  files: Map<string, Entry>;
}

export function memoryDisk(
  after: (ms: number, run: () => void) => unknown,
  random: () => number,
): MemoryDisk {
  const files = new Map<string, Entry>();
  const entry = (name: string): Entry => {
    let found = files.get(name);
    if (found === undefined) files.set(name, (found = { data: Buffer.alloc(0), durable: Buffer.alloc(0) }));
    return found;
  };
  const wait = (ms: number): Promise<void> => new Promise((resolve) => after(ms, resolve));
  const self: MemoryDisk = {
    files,
    full: false,
    noRoomFor: undefined,
    slowMs: 0,
    holds: (text) => files.get('chain.log')?.durable.includes(text) ?? false,
    crash: () => {
      for (const file of files.values()) {
        // Some of what was appended and not synced may have reached the disk, cut anywhere.
        const extra = file.data.subarray(file.durable.length);
        const grown = file.data.subarray(0, file.durable.length).equals(file.durable);
        file.data = grown
          ? Buffer.concat([file.durable, extra.subarray(0, Math.floor(random() * (extra.length + 1)))])
          : file.durable;
        file.durable = file.data;
      }
    },
    mount: () => ({
      folder: 'memory',
      open: async (name) => {
        const file = entry(name);
        const sync = async (): Promise<void> => {
          const { data } = file;
          await wait(0.5 + 2 * random() + self.slowMs);
          if (self.full) throw new Error('no space left on device');
          if (file.durable.length <= data.length) file.durable = data;
        };
        return {
          size: async () => file.data.length,
          read: async (buffer, position) => {
            const part = file.data.subarray(position, position + buffer.byteLength);
            buffer.set(part);
            return part.length;
          },
          write: async (buffer, position) => {
            if (self.full || files.get(self.noRoomFor ?? '') === file)
              throw new Error('no space left on device');
            const data = Buffer.alloc(Math.max(file.data.length, position + buffer.byteLength));
            file.data.copy(data);
            data.set(buffer, position);
            file.data = data;
            await sync();
          },
          sync,
          truncate: async (size) => {
            file.data = Buffer.from(file.data.subarray(0, size));
            file.durable = file.data;
          },
          close: async () => undefined,
        };
      },
      rename: async (from, to) => {
        files.set(to, entry(from));
        files.delete(from);
      },
      remove: async (name) => void files.delete(name),
      list: async () => [...files.keys()],
      text: async (name) => entry(name).data.toString(),
    }),
  };
  return self;
}
