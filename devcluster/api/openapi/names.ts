/** The names of definitions in OpenAPI documents and the short ones of the schema data. */

/** Beginning of a definition's name, and what stands for it in the data. */
export const PREFIXES: readonly (readonly [string, string])[] = [
  ['io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.', 'apiextensions.'],
  ['io.k8s.apimachinery.pkg.apis.meta.', 'meta.'],
  ['io.k8s.api.', ''],
];

/** The definition's name of a struct of the schema data; other names stay as they are. */
export function definitionName(struct: string): string {
  if (!/^[a-z]+\.v\d\w*\.\w+$/.test(struct)) return struct;
  const found = PREFIXES.find(([, short]) => struct.startsWith(short));
  return found === undefined ? struct : found[0] + struct.slice(found[1].length);
}
