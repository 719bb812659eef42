/** Plays a case against a target: its steps in order, in a namespace of its own. */
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { titleOf } from './case.js';
import type { Call, Case, Events, Json, Step, Watch } from './case.js';
import { createNormaliser } from './normalise.js';
import type { Normaliser } from './normalise.js';
import type { Stream, Target } from './target.js';

/** The compared part of a step's answer, normalised. */
export interface Outcome {
  readonly step: string;
  readonly [field: string]: Json;
}

const WAIT_MS = 60_000;
const POLL_MS = 20;
/** Answers longer than this are kept by their beginning. */
const LONGEST = 20_000;
const HEADERS = ['warning', 'retry-after', 'allow'] as const;

/** Runs the steps. Rejects when a step of the preparation fails, or an awaited state or event does not come. */
export async function play(target: Target, one: Case): Promise<Outcome[]> {
  const namespace = `conf-${slug(one.name)}-${randomBytes(4).toString('hex')}`;
  const player = createPlayer(target, namespace);
  await makeNamespace(target, namespace);
  try {
    const outcomes: Outcome[] = [];
    for (const step of one.steps) {
      const outcome = await player.step(step).catch((error: unknown) => {
        throw new Error(`${titleOf(step)}: ${String(error)}`, { cause: error });
      });
      if (outcome !== undefined) outcomes.push({ step: titleOf(step), ...outcome });
    }
    return outcomes;
  } finally {
    player.close();
    await send(target, 'DELETE', `/api/v1/namespaces/${namespace}`);
    if (JSON.stringify(one.steps).includes('{ns}-b')) await release(target, `${namespace}-b`);
  }
}

/** A case's second namespace: one whose finalizers were emptied before it was deleted waits to be told once more. */
const release = (target: Target, name: string): Promise<unknown> =>
  send(target, 'PUT', `/api/v1/namespaces/${name}/finalize`, {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name },
    spec: { finalizers: [] },
  });

const slug = (name: string): string =>
  name
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-|-$/g, '')
    .slice(0, 30)
    .replace(/-$/, '');

const send = (target: Target, method: string, path: string, body?: Json): ReturnType<Target['call']> =>
  target.call({ method, path, headers: {}, body: body === undefined ? undefined : JSON.stringify(body) });

/** A namespace that takes pods: they need its ServiceAccount, which comes a little later. */
async function makeNamespace(target: Target, name: string): Promise<void> {
  await send(target, 'POST', '/api/v1/namespaces', { metadata: { name } });
  const own = `/api/v1/namespaces/${name}`;
  await eventually(`the namespace ${name} has its ServiceAccount and ConfigMap`, async () => {
    const made = await Promise.all([
      send(target, 'GET', `${own}/serviceaccounts/default`),
      send(target, 'GET', `${own}/configmaps/kube-root-ca.crt`),
    ]);
    return made.every(({ status }) => status === 200) || undefined;
  });
}

/**
 * What is read or watched from version 0 is what the API server's cache holds, which may be behind what was just written. A list
 * without a version waits for the cache.
 */
async function catchUp(target: Target, path: string): Promise<void> {
  if (!/[?&]resourceVersion=0(&|$)/.test(path)) return;
  await send(target, 'GET', path.replace(/\?.*/, '').replace(/(\/namespaces\/[^/]+\/[^/]+)\/.*/, '$1'));
}

async function eventually<T>(what: string, ask: () => Promise<T | undefined>): Promise<T> {
  const end = Date.now() + WAIT_MS;
  for (;;) {
    const found = await ask();
    if (found !== undefined) return found;
    if (Date.now() > end) throw new Error(`waited ${WAIT_MS / 1_000} s in vain until ${what}`);
    await sleep(POLL_MS);
  }
}

interface Player {
  step(step: Step): Promise<Record<string, Json> | undefined>;
  close(): void;
}

function createPlayer(target: Target, namespace: string): Player {
  const variables = new Map([['ns', namespace]]);
  const streams = new Map<string, Stream>();
  const normaliser = createNormaliser(namespace);
  const fill = (text: string): string =>
    text.replace(/\{([a-zA-Z]\w*)\}/g, (whole, name: string) => variables.get(name) ?? whole);
  const headersOf = ({ headers }: { headers?: Readonly<Record<string, string>> }): Record<string, string> =>
    Object.fromEntries(Object.entries(headers ?? {}).map(([name, value]) => [name, fill(value)]));

  const call = async (step: Call): Promise<Record<string, Json> | undefined> => {
    const { body, how = 'compared' } = step;
    const text =
      body === undefined
        ? undefined
        : typeof body === 'function'
          ? body()
          : fill(typeof body === 'string' ? body : JSON.stringify(body));
    const prefix = dig(body as Json | undefined, 'metadata.generateName');
    if (typeof prefix === 'string') normaliser.expect(prefix);
    const request = { method: step.method, path: fill(step.path), headers: headersOf(step), body: text };
    await catchUp(target, request.path);
    const answer =
      typeof how === 'object'
        ? await eventually(JSON.stringify(how.until), async () => {
            const seen = await target.call(request);
            return has(seen, how.until) ? seen : undefined;
          })
        : await target.call(request);
    for (const [name, path] of Object.entries(step.save ?? {})) {
      const value = dig(read(answer.text), path);
      if (typeof value !== 'string' && typeof value !== 'number')
        throw new Error(`${answer.status}, without ${path}: ${answer.text.slice(0, 500)}`);
      variables.set(name, String(value));
      // Takes its number in the order of the steps.
      normaliser.text(String(value));
    }
    if (how === 'setup' && answer.status >= 300)
      throw new Error(`${answer.status} ${answer.text.slice(0, 500)}`);
    return how === 'compared'
      ? { ...head(answer, normaliser), ...bodyOf(answer.text, normaliser) }
      : undefined;
  };

  const begin = async (step: Watch): Promise<Record<string, Json>> => {
    const path = fill(step.path);
    await catchUp(target, path);
    const stream = await target.stream({ method: 'GET', path, headers: headersOf(step) });
    streams.set(step.watch, stream);
    if (stream.status === 200) return head(stream, normaliser);
    let text = '';
    for (let line = await stream.next(); line !== undefined; line = await stream.next()) text += line;
    return { ...head(stream, normaliser), ...bodyOf(text, normaliser) };
  };

  const collect = async ({ events, count }: Events): Promise<Record<string, Json>> => {
    const stream = streams.get(events);
    if (stream === undefined) throw new Error(`there is no watch ${events}`);
    const found: Json[] = [];
    while (count === 'end' || found.length < count) {
      const line = await Promise.race([
        stream.next(),
        sleep(WAIT_MS, null, { ref: false }).then(() => {
          throw new Error(`no further event in ${WAIT_MS / 1_000} s after ${JSON.stringify(found)}`);
        }),
      ]);
      if (line === undefined) {
        if (count !== 'end') found.push('the watch ended');
        break;
      }
      found.push(normaliser.json(read(line) ?? line));
    }
    return { events: found };
  };

  return {
    step: (step) => ('events' in step ? collect(step) : 'watch' in step ? begin(step) : call(step)),
    close: () => streams.forEach((stream) => stream.close()),
  };
}

function head(answer: Pick<Stream, 'status' | 'headers'>, normaliser: Normaliser): Record<string, Json> {
  const type = answer.headers['content-type'] ?? 'none';
  return {
    status: answer.status,
    ...(type !== 'application/json' && { type }),
    ...Object.fromEntries(
      HEADERS.flatMap((name) => {
        const value = answer.headers[name];
        return value === undefined ? [] : [[name, normaliser.text(String(value))]];
      }),
    ),
  };
}

function bodyOf(text: string, normaliser: Normaliser): { body: Json } {
  const value = read(text);
  if (value !== undefined) return { body: normaliser.json(value) };
  const shown = text.length > LONGEST ? `${text.slice(0, LONGEST)} …` : text;
  return { body: normaliser.text(shown) };
}

function read(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return undefined;
  }
}

const dig = (value: Json | undefined, path: string): Json | undefined =>
  path
    .split('.')
    .reduce<Json | undefined>(
      (current, key) =>
        typeof current === 'object' && current !== null ? (current as Record<string, Json>)[key] : undefined,
      value,
    );

const has = (
  { status, text }: { status: number; text: string },
  values: Readonly<Record<string, Json>>,
): boolean =>
  Object.entries(values).every(
    ([path, value]) => (path === 'code' ? status : dig(read(text), path)) === value,
  );
