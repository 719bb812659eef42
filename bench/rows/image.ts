/** How large the image is beside what it is built on, as uncompressed archives. */
import { stat } from 'node:fs/promises';
import { alone } from '../table.js';
import type { Row } from './row.js';

const mib = async (file: string): Promise<number> => (await stat(file)).size / 2 ** 20;

export const image: Row = async function* ({ image: file, baseImage }) {
  if (file === undefined) return;
  const beside = baseImage === undefined ? '' : `its base ${Math.round(await mib(baseImage))} MiB`;
  yield alone('image', ' MiB', [await mib(file)], undefined, beside);
};
