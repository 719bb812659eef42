/** Tar archives: the headers of POSIX ustar with pax records, and GNU's long names when reading. */

export type EntryType = 'file' | 'directory' | 'symlink' | 'link' | 'other';

export interface TarEntry {
  readonly path: string;
  readonly type: EntryType;
  readonly mode: number;
  readonly size: number;
  /** Seconds. */
  readonly mtime: number;
  /** What a link points to. */
  readonly target: string;
}

export const BLOCK = 512;

/** Bytes up to the next block. */
export const paddingOf = (size: number): number => (BLOCK - (size % BLOCK)) % BLOCK;

const FLAGS: Readonly<Record<string, EntryType>> = {
  '0': 'file',
  '\0': 'file',
  '7': 'file',
  '1': 'link',
  '2': 'symlink',
  '5': 'directory',
};
const LETTERS = { file: '0', link: '1', symlink: '2', directory: '5', other: '0' } as const;

const FIELDS = {
  name: [0, 100],
  mode: [100, 8],
  uid: [108, 8],
  gid: [116, 8],
  size: [124, 12],
  mtime: [136, 12],
  checksum: [148, 8],
  type: [156, 1],
  target: [157, 100],
  magic: [257, 8],
  prefix: [345, 155],
} as const;
type Field = keyof typeof FIELDS;

const MOST_OCTAL = 8 ** 11;

const putNumber = (block: Buffer, field: Field, value: number): void => {
  const [at, length] = FIELDS[field];
  if (value < MOST_OCTAL)
    block.write(
      `${Math.trunc(value)
        .toString(8)
        .padStart(length - 1, '0')}\0`,
      at,
      'latin1',
    );
  else {
    // GNU's form of large numbers: binary, with the first bit set.
    block.fill(0, at, at + length);
    block.writeBigUInt64BE(BigInt(value), at + length - 8);
    block[at] = 0x80;
  }
};

const checksumOf = (block: Buffer): number => {
  const [from, length] = FIELDS.checksum;
  let sum = 0;
  for (let at = 0; at < BLOCK; at++) sum += at >= from && at < from + length ? 32 : (block[at] ?? 0);
  return sum;
};

const headerOf = (entry: TarEntry, letter: string): Buffer => {
  const block = Buffer.alloc(BLOCK);
  block.write(entry.path, 0, 100);
  putNumber(block, 'mode', entry.mode & 0o7777);
  putNumber(block, 'uid', 0);
  putNumber(block, 'gid', 0);
  putNumber(block, 'size', entry.size);
  putNumber(block, 'mtime', Math.max(0, entry.mtime));
  block.write(letter, FIELDS.type[0], 'latin1');
  block.write(entry.target, FIELDS.target[0], 100);
  block.write('ustar\x0000', FIELDS.magic[0], 'latin1');
  block.write(`${checksumOf(block).toString(8).padStart(6, '0')}\0 `, FIELDS.checksum[0], 'latin1');
  return block;
};

/** `length key=value\n`, where the length counts itself. */
const record = (key: string, value: string): Buffer => {
  const rest = Buffer.byteLength(` ${key}=${value}\n`);
  let length = rest + 1;
  while (String(length).length + rest !== length) length = String(length).length + rest;
  return Buffer.from(`${length} ${key}=${value}\n`);
};

/** All that stands before an entry's content. */
export const encodeHeader = (entry: TarEntry): Buffer => {
  const records = [
    ...(Buffer.byteLength(entry.path) > 100 ? [record('path', entry.path)] : []),
    ...(Buffer.byteLength(entry.target) > 100 ? [record('linkpath', entry.target)] : []),
  ];
  const header = headerOf(entry, LETTERS[entry.type]);
  if (records.length === 0) return header;
  const body = Buffer.concat(records);
  const pax = headerOf({ ...entry, path: 'PaxHeader', target: '', size: body.length }, 'x');
  return Buffer.concat([pax, body, Buffer.alloc(paddingOf(body.length)), header]);
};

export const END_OF_ARCHIVE = Buffer.alloc(2 * BLOCK);

const textAt = (block: Buffer, field: Field): string => {
  const [at, length] = FIELDS[field];
  const bytes = block.subarray(at, at + length);
  const end = bytes.indexOf(0);
  return bytes.subarray(0, end < 0 ? length : end).toString();
};

const numberAt = (block: Buffer, field: Field): number => {
  const [at, length] = FIELDS[field];
  if (((block[at] ?? 0) & 0x80) !== 0) return Number(block.readBigUInt64BE(at + length - 8));
  const text = textAt(block, field).trim();
  return /^[0-7]*$/.test(text) ? parseInt(text || '0', 8) : NaN;
};

/** The header with its letter, which may announce names of the next one; undefined for an empty block. */
export const decodeHeader = (block: Buffer): { entry: TarEntry; letter: string } | undefined => {
  if (block.every((byte) => byte === 0)) return undefined;
  if (numberAt(block, 'checksum') !== checksumOf(block))
    throw new Error('This does not look like a tar archive');
  const prefix = textAt(block, 'magic').startsWith('ustar') ? textAt(block, 'prefix') : '';
  const name = textAt(block, 'name');
  const letter = block.toString('latin1', 156, 157);
  const path = prefix === '' || textAt(block, 'magic').startsWith('ustar ') ? name : `${prefix}/${name}`;
  const size = numberAt(block, 'size');
  if (!Number.isSafeInteger(size) || size < 0) throw new Error('Archive contains an invalid size');
  const type = FLAGS[letter] ?? 'other';
  return {
    letter,
    entry: {
      path,
      // Archives from before POSIX mark folders by their names.
      type: type === 'file' && path.endsWith('/') ? 'directory' : type,
      mode: numberAt(block, 'mode') || 0,
      size,
      mtime: numberAt(block, 'mtime') || 0,
      target: textAt(block, 'target'),
    },
  };
};

/** The records of a pax header. */
export const decodeRecords = (body: Buffer): Map<string, string> => {
  const records = new Map<string, string>();
  for (let at = 0; at < body.length;) {
    const space = body.indexOf(32, at);
    const length = Number(body.toString('latin1', at, space));
    if (space < 0 || !Number.isSafeInteger(length) || length <= 0) break;
    const [key = '', value = ''] = body.toString('utf8', space + 1, at + length - 1).split(/=(.*)/s);
    records.set(key, value);
    at += length;
  }
  return records;
};
