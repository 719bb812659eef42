/** Which position a block's id may have: 16 bytes a block at most, whatever the length of the ids. */
import { crc32 } from 'node:zlib';

export interface IdIndex {
  add(id: string, position: number): void;
  /** Positions whose id has the same hash: the caller looks whether it is the id. */
  candidates(id: string): number[];
}

/** Open addressing with linear probing; a slot is a hash and a position plus one. Nothing is ever removed: it is made anew. */
export function createIdIndex(expected = 0): IdIndex {
  let capacity = 1 << Math.max(10, Math.ceil(Math.log2(expected * 2 + 1)));
  let slots = new Uint32Array(capacity * 2);
  let used = 0;

  function put(hash: number, value: number): void {
    let slot = hash & (capacity - 1);
    while (slots[slot * 2 + 1] !== 0) slot = (slot + 1) & (capacity - 1);
    slots[slot * 2] = hash;
    slots[slot * 2 + 1] = value;
  }

  function grow(): void {
    const old = slots;
    capacity *= 2;
    slots = new Uint32Array(capacity * 2);
    for (let i = 0; i < old.length; i += 2) if (old[i + 1] !== 0) put(old[i]!, old[i + 1]!);
  }

  return {
    add: (id, position) => {
      if (++used * 2 > capacity) grow();
      put(crc32(id), position + 1);
    },
    candidates: (id) => {
      const hash = crc32(id);
      const found: number[] = [];
      for (let slot = hash & (capacity - 1); slots[slot * 2 + 1] !== 0; slot = (slot + 1) & (capacity - 1))
        if (slots[slot * 2] === hash) found.push(slots[slot * 2 + 1]! - 1);
      return found;
    },
  };
}
