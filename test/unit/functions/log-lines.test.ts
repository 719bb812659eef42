/** Logs from bytes to lines and to JSON. */
import t from 'tap';
import { encodeLines } from '../../../server/functions/log-json.js';
import { lineBlocks, linesOf } from '../../../server/functions/log-lines.js';

const LINE_LIMIT = 1 << 20;

/** The lines of bytes that come in chunks of `size`. */
async function linesBy(bytes: Buffer, size: number): Promise<string[]> {
  async function* chunks(): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
  }
  const lines: string[] = [];
  for await (const block of lineBlocks(chunks())) {
    if (block.at(-1) !== 0x0a) throw new Error('a block ends in the middle of a line');
    lines.push(...linesOf(block));
  }
  return lines;
}

await t.test('lines come whole, however the bytes are cut', async (t) => {
  const texts: Record<string, string[]> = {
    '': [],
    '\n': [''],
    'a\nb\n': ['a', 'b'],
    'a\n\n\nb': ['a', '', '', 'b'],
    'ä€😀\r\nzwei\n': ['ä€😀\r', 'zwei'],
  };
  for (const [text, lines] of Object.entries(texts))
    for (const size of [1, 2, 3, 100])
      t.strictSame(await linesBy(Buffer.from(text), size), lines, `${JSON.stringify(text)} by ${size}`);
});

await t.test('a line without an end is cut, between characters', async (t) => {
  const text = `${'x'.repeat(LINE_LIMIT - 1)}${'€'.repeat(LINE_LIMIT / 2)}`;
  const lines = await linesBy(Buffer.from(`${text}\nnext\n`), 65_536);
  t.equal(lines.at(-1), 'next');
  t.equal(lines.slice(0, -1).join(''), text, 'nothing is lost');
  t.ok(lines.length >= 3, 'it was cut');
  for (const line of lines) t.ok(Buffer.byteLength(line) <= LINE_LIMIT);
});

await t.test('bytes that are no text are cut all the same', async (t) => {
  const lines = await linesBy(Buffer.alloc(3 * LINE_LIMIT, 0x80), 65_536);
  t.equal(lines.join('').length, 3 * LINE_LIMIT);
});

/** What JSON.stringify makes of each line. */
const slowly = (lines: readonly string[]): string =>
  lines.map((line) => `<${JSON.stringify(line)}>`).join('');

await t.test('the JSON is that of JSON.stringify', async (t) => {
  const every = Array.from({ length: 0x250 }, (_, code) => String.fromCharCode(code)).filter(
    (c) => c !== '\n',
  );
  const blocks: string[][] = [
    [''],
    ['', '', ''],
    ['plain', 'a "quoted" one', 'C:\\path\\', '\ttab\r', '\u001b[31mred\u001b[0m', 'ä€😀'],
    [every.join('')],
    every,
    ['x'.repeat(1000), '"'.repeat(1000), `${'x'.repeat(47)}"${'y'.repeat(48)}\\${'z'.repeat(49)}`],
    ['{"level":"info","text":"a \\"b\\""}'],
  ];
  for (const lines of blocks)
    for (let shift = 0; shift < 4; shift++) {
      // Blocks begin anywhere in their memory.
      const bytes = Buffer.from(`${' '.repeat(shift)}${lines.join('\n')}\n`).subarray(shift);
      t.equal(encodeLines(bytes, '<', '>').toString(), slowly(lines));
    }
});

await t.test('of random bytes too', async (t) => {
  // A generator with a fixed seed: a failure comes again.
  let state = 42;
  const random = (below: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return (state >>> 8) % below;
  };
  for (let round = 0; round < 300; round++) {
    const bytes = Buffer.from([...Array.from({ length: random(400) }, () => random(256)), 0x0a]);
    t.equal(encodeLines(bytes, '<', '>').toString(), slowly(linesOf(bytes)));
  }
});
