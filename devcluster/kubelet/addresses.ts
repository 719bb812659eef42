/**
 * Loopback addresses for pods: each is given to one pod at a time. They begin anywhere, as other processes of this machine
 * take theirs from the same range; the clusters of this one go on where the last of them is.
 */
import { randomInt } from 'node:crypto';

export interface Addresses {
  take(): string;
  give(address: string): void;
}

/** 127.64.0.0/10, without what looks like a network or broadcast address. */
const FIRST = (127 << 24) | (64 << 16);
const COUNT = 1 << 22;

let next = randomInt(COUNT);

const text = (address: number): string => [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join('.');

export const createAddresses = (): Addresses => {
  const taken = new Set<string>();
  return {
    take: () => {
      if (taken.size >= COUNT / 2)
        throw new Error(`All ${COUNT / 2} pod addresses are in use; delete some pods.`);
      for (;;) {
        next = (next + 1) % COUNT;
        const address = text(FIRST + next);
        const last = next & 255;
        if (last === 0 || last === 255 || taken.has(address)) continue;
        taken.add(address);
        return address;
      }
    },
    give: (address) => taken.delete(address),
  };
};
