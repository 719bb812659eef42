/** What tells whether somebody has changed a file. */
import type { BigIntStats } from 'node:fs';

/** What a look at a file tells without reading it. */
export interface Look {
  readonly inode: bigint;
  readonly bytes: bigint;
  readonly changedNs: bigint;
  readonly modifiedNs: bigint;
  /** It came under its name whole, by a rename: nobody is in the middle of writing it. */
  readonly finished: boolean;
}

/** Whether nobody has written since; a rename or other rights do not count. */
export const sameContent = (a: Look | undefined, b: Look | undefined): boolean =>
  a?.inode === b?.inode && a?.bytes === b?.bytes && a?.modifiedNs === b?.modifiedNs;

export const sameLook = (a: Look | undefined, b: Look | undefined): boolean =>
  sameContent(a, b) && a?.changedNs === b?.changedNs;

export const lookOf = ({
  ino: inode,
  size: bytes,
  ctimeNs: changedNs,
  mtimeNs: modifiedNs,
}: BigIntStats): Look =>
  // A rename touches the inode and not the content, a write both at once.
  ({ inode, bytes, changedNs, modifiedNs, finished: modifiedNs < changedNs });
