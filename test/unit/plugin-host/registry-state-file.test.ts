/** The file that the registry is kept in: a disk that takes nothing for a while, and a file that says what nobody wrote. */
import { mkdirSync, rmSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import type { Test } from 'tap';
import { createStateFile } from '../../../server/plugin-host/registry/state-file.js';
import { eventually, until } from '../../helpers/eventually.js';
import { memoryLog, newRegistry } from './registry-host.js';

const STATE = { plugins: ['one'] };

/** A path at which nothing can be written as long as it is blocked. */
function place(t: Test) {
  const path = join(t.testdir(), 'state.json');
  const log = memoryLog();
  return {
    ...{ path, log },
    block: () => void mkdirSync(join(`${path}.new`, 'x'), { recursive: true }),
    free: () => rmSync(`${path}.new`, { recursive: true }),
    text: () => readFile(path, 'utf8').catch(() => ''),
  };
}

await t.test('what could not be written is written once it can be', async (t) => {
  const { path, log, block, free, text } = place(t);
  block();
  let tries = 0;
  const file = createStateFile({ path, log, retryMs: 20, snapshot: () => ({ ...STATE, tries: ++tries }) });
  t.teardown(() => file.close());
  file.schedule();
  await eventually(
    () => tries,
    (count) => count > 2,
    { what: 'tried again' },
  );
  t.match(log.lines, [/cannot be kept/], 'and that is said once');
  free();
  const kept = await eventually(text, (found) => found !== '', { what: 'written' });
  t.match(JSON.parse(kept), STATE);
  await until(() => log.lines.length > 1);
  t.match(log.lines[1], /kept .* again/);
});

await t.test('what could not be written is written at the end', async (t) => {
  const { path, log, block, free, text } = place(t);
  block();
  const file = createStateFile({ path, log, snapshot: () => STATE });
  file.schedule();
  await until(() => log.lines.length > 0);
  free();
  await file.close();
  t.equal(await text(), JSON.stringify(STATE));
});

await t.test('and so is what fails while the end comes', async (t) => {
  const { path, log, block, free, text } = place(t);
  let ended: Promise<void> | undefined;
  const file = createStateFile({
    path,
    log,
    delayMs: 0,
    snapshot: () => {
      if (ended !== undefined) free();
      else {
        block();
        ended = file.close();
      }
      return STATE;
    },
  });
  file.schedule();
  await until(() => ended !== undefined);
  await ended;
  t.equal(await text(), JSON.stringify(STATE));
});

await t.test('a time that nobody can say is none of a state', async (t) => {
  const first = newRegistry();
  first.registry.admit({
    ...{ selfId: 'storage', selfVersion: '1.0.0', origin: 'managed' },
    ...{ baseUrls: ['http://127.0.0.1:1001'], provides: [], requires: {} },
  });
  const { plugins, ...rest } = first.registry.snapshot();
  await first.registry.close();
  for (const more of [
    { lost: { why: 'killed', at: 1e300 } },
    { since: 1e300 },
    // Of a year that no RFC 3339 text can say, as those who read GET /status expect it.
    { since: Date.UTC(10_000, 0) },
    { since: -1e13 },
  ]) {
    const path = join(t.testdir(), 'state.json');
    await writeFile(
      path,
      JSON.stringify({ ...rest, plugins: plugins.map((kept) => ({ ...kept, ...more })) }),
    );
    const { registry, lines } = newRegistry({ stateFile: path });
    await registry.load();
    t.match(lines, [/plugins\.0\.(lost\.at|since): .*every plugin has to shake hands again/]);
    t.same([...registry.toProbe()], []);
    t.same(registry.plugins(), []);
    await registry.close();
  }
});
