/** Addresses of a cluster. Each cluster has a network of its own, so that they never clash. */
export const NODE = 'node-1';
export const NODE_IP = '10.88.0.1';
export const API_PORT = 6443;
/** Where pods find the API server. */
export const SERVICE_IP = '10.96.0.1';
export const SERVICE_CIDR = '10.96.0.0/16';
export const POD_CIDR = '10.244.0.0/24';
export const ETCD_URL = 'http://127.0.0.1:2379';
