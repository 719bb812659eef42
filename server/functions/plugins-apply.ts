/** Applying the objects of plugins, over what is there already. */
import { AppError } from '../errors.js';
import { fromKube, isConflict, isStatus } from '../kube-errors.js';
import type { Call } from '../library/implementation.js';
import { PLUGIN_LABEL } from '../plugin-host/names.js';
import type { Deps, KubeObject, Resource } from '../ports.js';
import { PLUGIN_POD_LABEL } from './plugins-template.js';

/** A manager of its own, so that applying anything else does not take plugins away. */
const MANAGER = 'xi-k8s-plugins';
/** What says that a field was set by another of our functions: the caller of this one decides as well. */
const OURS = /^conflict with "xi-k8s"( |$)/;

/** How one object is applied; a failure names it. */
export type Apply = <T extends KubeObject>(resource: Resource<T>, body: T) => Promise<T>;

export interface ApplyOptions {
  readonly dryRun: boolean;
  /** Takes over what others set. */
  readonly force: boolean;
}

const LABELS = ['app', 'app.kubernetes.io/managed-by', PLUGIN_LABEL, PLUGIN_POD_LABEL];

/** Refuses an object that deploy_plugins did not make, or not for these plugins: what is there would be lost. */
function refuseOthers(what: string, found: KubeObject, wanted: KubeObject): void {
  const [there, here] = [found.metadata?.labels ?? {}, wanted.metadata?.labels ?? {}];
  if (LABELS.every((label) => there[label] === here[label])) return;
  const made =
    there['app.kubernetes.io/managed-by'] === 'xi-k8s' &&
    (PLUGIN_LABEL in there || PLUGIN_POD_LABEL in there);
  const why = !made
    ? 'was not made by deploy_plugins'
    : there['app'] === here['app']
      ? 'was made for the other model'
      : `belongs to the plugins of ${there['app'] ?? 'another name'}`;
  throw new AppError('conflict', `${what} ${why}: choose another name, or remove it first.`);
}

/** Which way out there is when others hold fields. */
function wayOut({ details: { causes = [] } }: AppError): string {
  const replicas = causes.some(
    ({ field, message = '' }) => field === '.spec.replicas' && !OURS.test(message),
  );
  return `To take over what others set, pass \`force\`${replicas ? '; to keep their number of pods, leave out `replicas`' : ''}.`;
}

const byOurs = ({ details: { causes = [] } }: AppError): boolean =>
  causes.length > 0 && causes.every(({ message = '' }) => OURS.test(message));

export const applying = (deps: Deps, call: Call, { dryRun, force }: ApplyOptions): Apply => {
  const find = async <T extends KubeObject>(
    resource: Resource<T>,
    at: { namespace: string; name: string },
  ): Promise<T | undefined> => {
    try {
      return await deps.kube.get(resource, at, call.io());
    } catch (error) {
      if (isStatus(error, 404)) return undefined;
      throw error;
    }
  };

  const apply = async <T extends KubeObject>(resource: Resource<T>, body: T, forced: boolean): Promise<T> => {
    const { namespace = '', name = '' } = body.metadata ?? {};
    const options = { ...call.io(), dryRun, fieldManager: MANAGER };
    try {
      return await deps.kube.patch(
        resource,
        { namespace, name },
        { type: 'apply', body, force: forced },
        options,
      );
    } catch (error) {
      const failure = fromKube(error);
      if (!(failure instanceof AppError) || !isConflict(error)) throw failure;
      if (!forced && byOurs(failure)) return apply(resource, body, true);
      throw failure.details.causes === undefined ? failure : failure.adding(wayOut(failure), {});
    }
  };

  return async (resource, body) => {
    const { namespace = '', name = '' } = body.metadata ?? {};
    const what = `${resource.kind} ${namespace}/${name}`;
    try {
      const found = await find(resource, { namespace, name });
      if (found !== undefined) refuseOthers(what, found, body);
      return await apply(resource, body, force);
    } catch (error) {
      const failure = fromKube(error);
      if (!(failure instanceof AppError)) throw failure;
      const plural = resource.group === '' ? resource.plural : `${resource.plural}.${resource.group}`;
      const object = { object: { resource: plural, namespace, name } };
      throw failure.message.includes(what)
        ? failure.with(object)
        : failure.adding(`It was about ${what}.`, object);
    }
  };
};
