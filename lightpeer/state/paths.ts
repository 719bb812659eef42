/** Which names are states: a file's path relative to the shared folder, `/` between its parts. */

const MOST_CHARACTERS = 1_024;
const LONGEST_PART = 255;

/** Names that programs use for files that are not done yet; ours for its own, too. */
const PASSING = /^\.|~$|\.(tmp|swp|swx|part)$/i;

/** Whether a file of this name is left alone: hidden, a back-up, or on its way to another name. */
export const isPassing = (name: string): boolean => PASSING.test(name);

/** What is wrong with a path that came from the network or from a program; undefined when nothing is. */
export function pathProblem(path: string): string | undefined {
  if (path === '') return 'is empty';
  if (path.length > MOST_CHARACTERS) return `has more than ${MOST_CHARACTERS} characters`;
  if (path.startsWith('/') || /^[a-z]:/i.test(path)) return 'is absolute';
  if (/[\0\\]/.test(path)) return 'holds a character that no file name has';
  // What stands for bytes that are not UTF-8.
  if (path.includes('\uFFFD')) return 'is not UTF-8';
  for (const part of path.split('/')) {
    if (part === '..' || part === '.') return `holds '${part}'`;
    if (part === '') return 'has an empty part';
    if (Buffer.byteLength(part) > LONGEST_PART) return `has a part longer than ${LONGEST_PART} bytes`;
    if (isPassing(part)) return `holds '${part}', a name of files that are not shared`;
  }
  return undefined;
}
