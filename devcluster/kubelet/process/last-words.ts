/** What a container leaves as its message when it ends. */
import { open } from 'node:fs/promises';
import type { Container } from '../../../kube/index.js';
import { TERMINATION_LOG } from '../folders/pod-folders.js';
import { find } from '../folders/view.js';
import type { View } from '../folders/view.js';
import type { LogStore } from '../log-store.js';

const MOST_BYTES = 4096;
/** What is taken of a log instead. */
const OF_LOG = { lines: 80, bytes: 2048 };

/** The beginning of a file, which may be of any size. */
const beginning = async (view: View, path: string): Promise<string> => {
  const found = await find(view, path);
  if (found.stats?.isFile() !== true) return '';
  const file = await open(found.real);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(MOST_BYTES), 0, MOST_BYTES, 0);
    return buffer.subarray(0, bytesRead).toString();
  } finally {
    await file.close();
  }
};

/** Never rejects: what cannot be read was not said. */
export const lastWords = async (
  { terminationMessagePath: path = TERMINATION_LOG, terminationMessagePolicy: policy }: Container,
  { view, log, exitCode }: { view: View; log: LogStore; exitCode: number },
): Promise<string | undefined> => {
  const text = await beginning(view, path).catch(() => '');
  if (text !== '') return text;
  const fromLog = policy === 'FallbackToLogsOnError' && exitCode !== 0;
  return (fromLog && log.tail(OF_LOG.lines, OF_LOG.bytes)) || undefined;
};
