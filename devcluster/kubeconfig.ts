/** A kubeconfig for the embedded cluster, which asks for no credentials. */

const NAME = 'xi-k8s-embedded';

/** The YAML text of a kubeconfig whose current context is the cluster at this URL. */
export const kubeconfigOf = (url: string): string => `apiVersion: v1
kind: Config
clusters:
  - name: ${NAME}
    cluster:
      server: ${url}
users:
  - name: ${NAME}
    user: {}
contexts:
  - name: ${NAME}
    context:
      cluster: ${NAME}
      user: ${NAME}
      namespace: default
current-context: ${NAME}
`;
