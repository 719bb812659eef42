/** What the pretending kubelet makes of an image's name. Nothing is ever pulled. */

const COMPONENT = '[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*';
const LABEL = '(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])';
const HOST = `(?:${LABEL}(?:\\.${LABEL})*|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?`;
const REFERENCE = new RegExp(
  `^(?:${HOST}/)?${COMPONENT}(?:/${COMPONENT})*` +
    '(?::[\\w][\\w.-]{0,127})?(?:@[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,})?$',
);

/** A name that holds this stands for an image that no registry has. */
const ABSENT = 'does-not-exist';

export type Image = { is: 'there' } | { is: 'invalid' | 'absent'; message: string };

export const imageOf = (name: string): Image => {
  if (!REFERENCE.test(name)) {
    const message = `Failed to apply default image tag "${name}": couldn't parse image name "${name}": invalid reference format`;
    return { is: 'invalid', message };
  }
  if (name.includes(ABSENT)) {
    return {
      is: 'absent',
      message: `failed to pull and unpack image "${name}": failed to resolve reference "${name}": not found`,
    };
  }
  return { is: 'there' };
};

/** The last segment of our image's repository; registry, tag and digest do not matter. */
const OUR_IMAGE = 'xi-k8s';

/** Whether an image is that of our programs. */
export const isOurs = (name: string): boolean => {
  const last = name.replace(/@.*$/, '').split('/').at(-1) ?? '';
  return last.replace(/:.*$/, '') === OUR_IMAGE;
};

const isLatest = (name: string): boolean =>
  !name.includes('@') && !/:[^/]+$/.test(name.replace(/:latest$/, ''));

/** The policy that applies: a missing one depends on the tag. */
export const pullPolicyOf = (container: { image?: string; imagePullPolicy?: string }): string =>
  container.imagePullPolicy ?? (isLatest(container.image ?? '') ? 'Always' : 'IfNotPresent');
