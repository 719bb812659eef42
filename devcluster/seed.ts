/** Objects to start with: read from YAML or JSON, and applied in the order of their files. */
import { KubeError } from '../kube/index.js';
import type { Kube, KubeObject, Resource } from '../kube/index.js';
import type { Resources } from './api/resources.js';
import { yaml } from './lazy-yaml.js';

/** A seed that cannot be read or applied; the message says which object of which file. */
export class SeedError extends Error {
  override readonly name = 'SeedError';
}

export interface SeedObject {
  readonly object: KubeObject & { metadata: { name: string } };
  /** `Deployment web in pods.yaml`. */
  readonly called: string;
}

type Document = Record<string, unknown>;

const isObject = (value: unknown): value is Document =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function seedObject(value: unknown, file: string, place: string): SeedObject[] {
  if (value === null || value === undefined) return [];
  if (!isObject(value)) throw new SeedError(`${place} of ${file} is no object`);
  const { apiVersion, kind, metadata, items } = value;
  if (typeof apiVersion !== 'string' || typeof kind !== 'string')
    throw new SeedError(`${place} of ${file} lacks apiVersion or kind`);
  if (kind.endsWith('List') && Array.isArray(items))
    return items.flatMap((item, at) => seedObject(item, file, `item ${at + 1} of ${place}`));
  const name = isObject(metadata) ? metadata['name'] : undefined;
  if (typeof name !== 'string' || name === '')
    throw new SeedError(`${kind} in ${place} of ${file} has no metadata.name`);
  return [{ object: value as unknown as SeedObject['object'], called: `${kind} ${name} in ${file}` }];
}

/**
 * The objects of a file: YAML documents or JSON, Lists taken apart.
 * @throws SeedError
 */
export function parseSeed(text: string, file: string): SeedObject[] {
  let documents: unknown[];
  try {
    documents = yaml().loadAll(text);
  } catch (error) {
    throw new SeedError(`${file} is neither YAML nor JSON: ${(error as Error).message}`);
  }
  return documents.flatMap((value, at) => seedObject(value, file, `document ${at + 1}`));
}

const RETRY_MS = 20;
/** A custom resource may come in the same seed as its definition, which takes a moment to be served; so may a pod and its namespace. */
const TRIES = 250;

/** A new namespace has its ServiceAccount a moment later, and no pods before. */
const NO_ACCOUNT = /error looking up service account/;

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function resourceOf(
  resources: () => Resources,
  { object, called }: SeedObject,
  mayCome: boolean,
): Promise<Resource<KubeObject> & { namespaced: boolean }> {
  const { apiVersion = '', kind = '' } = object;
  for (let left = mayCome ? TRIES : 1; left > 0; left -= 1) {
    const found = resources().byKind(apiVersion, kind);
    if (found !== undefined) return found;
    await pause(RETRY_MS);
  }
  throw new SeedError(`${called}: the embedded cluster has no kind ${kind} of ${apiVersion}`);
}

/**
 * Applies the objects one after another, by server-side apply with the field manager `seed`.
 * @param resources what the API serves at the moment.
 * @throws SeedError that names the object and holds the API's reason.
 */
export async function applySeed(
  kube: Kube,
  resources: () => Resources,
  objects: readonly SeedObject[],
): Promise<void> {
  const definesKinds = objects.some(({ object }) => object.kind === 'CustomResourceDefinition');
  for (const seed of objects) {
    const resource = await resourceOf(resources, seed, definesKinds);
    const { name, namespace = 'default' } = seed.object.metadata as { name: string; namespace?: string };
    const at = { name, namespace: resource.namespaced ? namespace : undefined };
    for (let left = TRIES; ; left -= 1) {
      try {
        await kube.patch(
          resource,
          at,
          { type: 'apply', body: seed.object, force: true },
          { fieldManager: 'seed' },
        );
        break;
      } catch (error) {
        if (!(error instanceof KubeError)) throw error;
        if (left === 0 || !NO_ACCOUNT.test(error.message))
          throw new SeedError(`${seed.called} was refused: ${error.message}`);
        await pause(RETRY_MS);
      }
    }
  }
}
