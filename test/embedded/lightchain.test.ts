/** The examples of the networks on the embedded cluster as a user starts it: their own manifests, real peers, real files. */
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { load } from 'js-yaml';
import t from 'tap';
import type { Test } from 'tap';
import { DEPLOYMENTS, EVENTS, PODS, createKube, plainConnection } from '../../kube/index.js';
import type { Deployment, Kube, Pod } from '../../kube/index.js';
import { call } from '../helpers/http.js';
import { eventually as poll } from '../helpers/eventually.js';
import { serve } from '../helpers/serve.js';
import { isReady } from './kubelet/cluster.js';

const NAMESPACE = 'default';
const DATE = /^\d{4}-\d{2}-\d{2}T[\d:.]+Z$/;

t.setTimeout(180_000);
const home = await mkdtemp(join(tmpdir(), 'lightchain-'));
t.teardown(() => rm(home, { recursive: true }));

interface Kustomization {
  resources: string[];
  images: { name: string; newName: string; newTag: string }[];
}

/** What kustomize makes of an example: its objects with the image's full name. */
async function rendered<T>(example: string): Promise<T[]> {
  const folder = join('k8s-yamls/examples', example);
  const { resources, images } = load(
    await readFile(join(folder, 'kustomization.yaml'), 'utf8'),
  ) as Kustomization;
  const texts = await Promise.all(resources.map((file) => readFile(join(folder, file), 'utf8')));
  return texts.map((text) =>
    images.reduce(
      (object, { name, newName, newTag }) =>
        JSON.parse(
          JSON.stringify(object).replaceAll(`"image":"${name}"`, `"image":"${newName}:${newTag}"`),
        ) as T,
      load(text) as T,
    ),
  );
}

const eventually = <T>(read: () => Promise<T>, passes: (value: T) => boolean, what: string): Promise<T> =>
  poll(read, passes, { what, patienceMs: 60_000 });

async function examples(): Promise<void> {
  const operator = await serve(t, home);
  const kube: Kube = createKube(plainConnection({ url: operator.clusterUrl, how: 'embedded' }));
  t.teardown(() => kube.close());

  const podNamed = (name: string): Promise<Pod | undefined> =>
    kube.list(PODS, NAMESPACE, { fieldSelector: `metadata.name=${name}` }).then(({ items }) => items[0]);
  const ready = (name: string): Promise<unknown> =>
    eventually(
      () => podNamed(name),
      (pod) => pod !== undefined && isReady(pod),
      `${name} is ready`,
    );
  const gone = (name: string): Promise<unknown> =>
    eventually(
      () => podNamed(name),
      (pod) => pod === undefined,
      `${name} is gone`,
    );
  /** What the reader printed, which is what `kubectl logs lightreader` prints. */
  const readerSays = async (): Promise<string[]> => {
    const parts: Uint8Array[] = [];
    const query = { container: 'reader' };
    for await (const part of kube.logs({ namespace: NAMESPACE, name: 'lightreader' }, query))
      parts.push(part);
    return Buffer.concat(parts).toString().trimEnd().split('\n');
  };
  /** Waits for three dates after a point in time, each later than the one before. */
  const dateGoesOn = async (t: Test, since: string): Promise<void> => {
    const lines = await eventually(
      readerSays,
      (said) => new Set(said.filter((line) => line > since && DATE.test(line))).size >= 3,
      `the reader prints three dates after ${since}`,
    );
    const dates = lines.filter((line) => DATE.test(line));
    t.same(dates, [...dates].sort(), 'it never goes back');
    t.same(
      lines.filter((line) => !DATE.test(line) && line !== 'nothing yet'),
      [],
      'and is never seen half written',
    );
  };

  await t.test('the reader prints what the writer writes', async (t) => {
    const began = new Date().toISOString();
    const pods = await rendered<Pod>('lightchain');
    t.same(pods.map(({ metadata }) => metadata?.name).sort(), ['lightreader', 'lightwriter']);
    for (const pod of pods) await kube.create(PODS, NAMESPACE, pod);
    await Promise.all([ready('lightwriter'), ready('lightreader')]);
    await dateGoesOn(t, began);
    const { status, body } = await call(operator.url, 'get_network', { network: 'k8sPodNetwork' });
    t.equal(status, 200, JSON.stringify(body));
    t.match(body, { complete: true, members: [{ speaks: 'xi-k8s' }, { speaks: 'xi-k8s' }] });
    const { items } = await kube.list(EVENTS, NAMESPACE, { fieldSelector: 'reason=JoinedNetwork' });
    t.match(items[0]?.involvedObject.name, /^light(reader|writer)$/);
  });

  for (const name of ['lightreader', 'lightwriter'])
    await t.test(`${name} is deleted and made anew, and the date goes on`, async (t) => {
      await kube.delete(PODS, { namespace: NAMESPACE, name });
      await gone(name);
      const since = new Date().toISOString();
      const pods = await rendered<Pod>('lightchain');
      await kube.create(PODS, NAMESPACE, pods.find(({ metadata }) => metadata?.name === name) ?? {});
      await ready(name);
      await dateGoesOn(t, since);
    });

  await t.test('three replicas share their files', async (t) => {
    const [deployment] = await rendered<Deployment>('lightchain-directory');
    await kube.create(DEPLOYMENTS, NAMESPACE, deployment ?? {});
    /** The replicas' files, by the folder that they are in. */
    const shared = async (): Promise<string[][]> => {
      const folders = new Map<string, string[]>();
      // With types: without them links to folders are followed, and these are the volumes' mounts.
      for (const { name, parentPath } of await readdir(home, { recursive: true, withFileTypes: true }))
        if (/^shared-directory-.*\.txt$/.test(name))
          folders.set(parentPath, [...(folders.get(parentPath) ?? []), join(parentPath, name)]);
      return [...folders.values()];
    };
    const folders = await eventually(
      shared,
      (found) => found.length === 3 && found.every((files) => files.length === 3),
      'three folders with three files each',
    );
    const names = folders.map((files) => files.map((path) => basename(path)).sort());
    t.same(names[0], names[1]);
    t.same(names[0], names[2]);
    const { items } = await kube.list(PODS, NAMESPACE, { labelSelector: 'klight.networkId=sharedDirectory' });
    t.same(names[0], items.map(({ metadata }) => `${metadata?.name}.txt`).sort(), 'each replica has its own');
    const files = folders.flat();
    const contents = (): Promise<string[]> => Promise.all(files.map((path) => readFile(path, 'utf8')));
    const before = await contents();
    await eventually(
      contents,
      (now) => now.every((text, at) => text > (before[at] ?? '')),
      'every copy goes on',
    );
    t.pass('every copy goes on');
  });

  await t.test('nothing is left of it', async (t) => {
    t.same(await operator.stop(), [0, null]);
    t.same(await readdir(home), []);
  });
}

await examples();
