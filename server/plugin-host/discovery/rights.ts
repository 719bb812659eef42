/** What the plugin host of the operator needs of the API server, as data: the generated Roles include it. */

interface Right {
  readonly group: string;
  readonly resource: string;
  readonly verbs: readonly ('get' | 'list' | 'watch' | 'create')[];
}

export const discoveryRights: {
  /** On objects without a namespace. */
  readonly cluster: readonly Right[];
  /** In each namespace whose plugins it looks for. */
  readonly served: readonly Right[];
} = {
  cluster: [{ group: 'authentication.k8s.io', resource: 'tokenreviews', verbs: ['create'] }],
  served: [
    { group: 'discovery.k8s.io', resource: 'endpointslices', verbs: ['list', 'watch'] },
    { group: '', resource: 'pods', verbs: ['get'] },
  ],
};
