/** The typed client of xi-k8s, the remote function library for Kubernetes. */
export { createClient } from './client.js';
export type { ChangeOptions, Client, ClientOptions, ReadOptions } from './client.js';
export { XiError } from './error.js';
export type { ProblemLike, XiErrorCode } from './error.js';
export type { Stream } from './stream.js';
export * from './functions.gen.js';
