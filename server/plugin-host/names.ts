/** What hosts, those who deploy plugins and those who look for them call things by. */

/** On Services, and so on their EndpointSlices, and on pods: that plugins are behind it, and for people which. */
export const PLUGIN_LABEL = 'xi-k8s.dev/plugin';

/** What the operator calls itself at hosts. */
export const OPERATOR = 'xi-k8s';

/** Where the host of a pod listens, on the pod's loopback. */
export const HOST_PORT = 8080;
/** Where it tells how it is. */
export const HOST_OPS_PORT = 9090;
