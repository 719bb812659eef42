/** `$(NAME)` in commands, arguments and the values of variables. */

/**
 * Replaces what is known; an unknown reference stays as it is, and `$$` is a dollar sign.
 * Rules: Kubernetes' third_party/forked/golang/expansion.
 */
export const expand = (text: string, lookup: (name: string) => string | undefined): string =>
  text.replace(/\$(?:\$|\(([^)]*)\))/g, (whole, name: string | undefined) =>
    name === undefined ? '$' : (lookup(name) ?? whole),
  );
