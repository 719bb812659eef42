/** A container's environment, made anew: nothing of this machine's comes in, and nothing that steers a runtime. */
import type { Container, Service } from '../../kube/index.js';
import { expand } from './expansion.js';
import { fieldValue, resourceValue } from './fields.js';
import type { PlacedPod } from './fields.js';
import type { Configs } from './references.js';
import { isOurs } from './images.js';
import { serviceVariables } from './service-links.js';

export interface EnvironmentSources extends PlacedPod {
  readonly container: Container;
  readonly configs: Configs;
  readonly services: Iterable<Service>;
  /** The API's URL. */
  readonly api: string;
}

const decode = (value: string): string => Buffer.from(value, 'base64').toString();

/** What the container's own `envFrom` and `env` say. */
const declared = (sources: EnvironmentSources, links: ReadonlyMap<string, string>): Map<string, string> => {
  const { pod, container, configs } = sources;
  const namespace = pod.metadata?.namespace ?? '';
  const found = new Map<string, string>();
  const secretData = (name: string): Record<string, string> =>
    Object.fromEntries(
      Object.entries(configs.secret(namespace, name)?.data ?? {}).map(([key, value]) => [key, decode(value)]),
    );
  const mapData = (name: string): Record<string, string> => configs.configMap(namespace, name)?.data ?? {};
  const valueOf = (
    from: NonNullable<NonNullable<Container['env']>[number]['valueFrom']>,
  ): string | undefined => {
    const { fieldRef, resourceFieldRef, configMapKeyRef: map, secretKeyRef: secret } = from;
    if (fieldRef) return fieldValue(sources, fieldRef.fieldPath);
    if (resourceFieldRef) {
      const of = resourceFieldRef.containerName ?? container.name;
      const subject = pod.spec?.containers.find(({ name }) => name === of) ?? container;
      return resourceValue(subject, resourceFieldRef);
    }
    if (map?.name) return mapData(map.name)[map.key];
    return secret?.name ? secretData(secret.name)[secret.key] : undefined;
  };

  for (const { prefix = '', configMapRef, secretRef } of container.envFrom ?? []) {
    const data = configMapRef?.name
      ? mapData(configMapRef.name)
      : secretRef?.name
        ? secretData(secretRef.name)
        : {};
    for (const [key, value] of Object.entries(data)) found.set(prefix + key, value);
  }
  const lookup = (name: string): string | undefined => found.get(name) ?? links.get(name);
  for (const { name, value, valueFrom } of container.env ?? []) {
    const given = value === undefined && valueFrom ? valueOf(valueFrom) : expand(value ?? '', lookup);
    if (given !== undefined) found.set(name, given);
  }
  return found;
};

/** What the image itself sets. */
const OUR_IMAGE: readonly [string, string][] = [
  ['NODE_ENV', 'production'],
  ['XI_CLUSTER', 'in-cluster'],
];

/** The environment as the container's specification makes it, with the image's own. */
export const environmentOf = (sources: EnvironmentSources): Map<string, string> => {
  const { metadata, spec } = sources.pod;
  const links = serviceVariables(sources.services, {
    namespace: metadata?.namespace ?? '',
    links: spec?.enableServiceLinks !== false,
    api: sources.api,
  });
  return new Map([
    ['HOSTNAME', hostnameOf(sources)],
    ...(isOurs(sources.container.image ?? '') ? OUR_IMAGE : []),
    ...links,
    ...declared(sources, links),
  ]);
};

export const hostnameOf = ({ pod }: PlacedPod): string =>
  (pod.spec?.hostname ?? pod.metadata?.name ?? '').slice(0, 63).replace(/[-.]+$/, '');

/**
 * Variables that make a program, its runtime or its libraries load or run other code than its own, or find this
 * machine's files: what is for Node, the dynamic linker, OpenSSL, and what the C library itself ignores in programs
 * with privileges. Names count in any case, as some systems know no other.
 */
const STEERING =
  /^(PATH|NODE_.*|LD_.*|DYLD_.*|OPENSSL_.*|SSL_CERT_.*|GCONV_PATH|GETCONF_DIR|GLIBC_TUNABLES|HOSTALIASES|ICU_DATA|LOCALDOMAIN|LOCPATH|MALLOC_.*|NIS_PATH|NLSPATH|RESOLV_HOST_CONF|RES_OPTIONS|TMPDIR|TMP|TEMP|TZDIR|UV_.*|XI_POD_.*)$/i;

const isSafe = ([name, value]: [string, string]): boolean =>
  name !== '' && !/[=\0]/.test(name) && !value.includes('\0') && !STEERING.test(name);

/** What a process gets of a container's environment. */
export const processEnvironment = (
  environment: ReadonlyMap<string, string>,
  own: Readonly<Record<string, string>>,
): Record<string, string> => ({
  ...Object.fromEntries([...environment].filter(isSafe)),
  NODE_ENV: 'production',
  ...own,
});
