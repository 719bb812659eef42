/**
 * A terminal in front of a command, as the kernel's: what is typed comes back, lines are edited and handed on as they
 * end, ^D ends the input, ^C and ^\ the command, and lines that are written end with CR LF.
 */
import { PassThrough, Writable } from 'node:stream';
import type { ExecStreams } from '../../api/pod-runtime.js';

export interface Terminal {
  readonly streams: ExecStreams;
  /** Fires when a key ends the command; its reason is the exit code. */
  readonly interrupted: AbortSignal;
}

const KEY = {
  interrupt: 0x03,
  end: 0x04,
  backspace: 0x08,
  newline: 0x0a,
  return: 0x0d,
  kill: 0x15,
  quit: 0x1c,
  erase: 0x7f,
} as const;
/** Exit codes of a command that a signal ended. */
const ENDS: ReadonlyMap<number, number> = new Map([
  [KEY.interrupt, 130],
  [KEY.quit, 131],
]);
/** What is typed beyond it is lost. */
const LONGEST_LINE = 4095;

const isContinuation = (byte: number | undefined): boolean => byte !== undefined && (byte & 0xc0) === 0x80;

/** A terminal has one output. */
export const openTerminal = ({ stdin, stdout }: ExecStreams): Terminal => {
  const interrupted = new AbortController();
  const output =
    stdout &&
    new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        const text = chunk.toString('latin1').replaceAll('\n', '\r\n');
        stdout.write(Buffer.from(text, 'latin1'), done);
      },
    });
  // A reader that is gone ends the command elsewhere.
  output?.on('error', () => undefined);
  const streams = { stdout: output, stderr: output };
  if (stdin === undefined) return { streams: { ...streams, stdin }, interrupted: interrupted.signal };

  const input = new PassThrough();
  let line: number[] = [];
  const handOn = (): void => {
    if (line.length > 0 && !input.writableEnded) input.write(Buffer.from(line));
    line = [];
  };
  const erase = (): string => {
    if (line.length === 0) return '';
    while (isContinuation(line.at(-1))) line.pop();
    line.pop();
    return '\b \b';
  };
  /** Answers what is shown of it. */
  const press = (byte: number): Uint8Array | string => {
    const code = ENDS.get(byte);
    if (code !== undefined) {
      line = [];
      interrupted.abort(code);
      return `^${String.fromCharCode(byte + 0x40)}`;
    }
    switch (byte) {
      case KEY.end:
        // Within a line it only hands on what is there.
        if (line.length === 0) input.end();
        handOn();
        return '';
      case KEY.erase:
      case KEY.backspace:
        return erase();
      case KEY.kill: {
        let shown = '';
        while (line.length > 0) shown += erase();
        return shown;
      }
      case KEY.return:
      case KEY.newline:
        line.push(KEY.newline);
        handOn();
        return '\n';
      default:
        if (line.length >= LONGEST_LINE) return '';
        line.push(byte);
        return Uint8Array.of(byte);
    }
  };
  stdin.on('data', (chunk: Buffer) => {
    const shown: Uint8Array[] = [];
    for (const byte of chunk) if (!interrupted.signal.aborted) shown.push(Buffer.from(press(byte)));
    output?.write(Buffer.concat(shown));
    const full = [input, output].find((stream) => stream?.writableNeedDrain && !stream.writableEnded);
    if (full === undefined) return;
    stdin.pause();
    full.once('drain', () => stdin.resume());
  });
  stdin.once('end', () => {
    handOn();
    input.end();
  });
  stdin.once('error', (error) => input.destroy(error));
  input.on('error', () => undefined);
  return { streams: { ...streams, stdin: input }, interrupted: interrupted.signal };
};
