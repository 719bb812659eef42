/** Subresources that are not the object itself. */
import type { Registry } from './registry.js';
import type { PodRuntime } from './pod-runtime.js';
import type { ResourceHandler } from './resource-call.js';
import type { Schema } from './schema.js';
import type { Tokens } from './tokens.js';

export interface SubresourceDeps {
  readonly schema: Schema;
  readonly registry: Registry;
  readonly tokens: Tokens;
  readonly runtime: () => PodRuntime | undefined;
  /** Has `end` called when the server closes. Answers what to call when the stream is over before. */
  readonly onStream: (end: () => void) => () => void;
}

/** A handler that is loaded with its first request: the start need not wait for it. */
const loaded = (load: () => Promise<ResourceHandler>): ResourceHandler => {
  let handler: Promise<ResourceHandler> | undefined;
  return async (call) => (await (handler ??= load()))(call);
};

/** The handlers by subresource name. */
export const createSubresources = (deps: SubresourceDeps): Readonly<Record<string, ResourceHandler>> => ({
  log: loaded(async () => (await import('./logs.js')).createLogHandler(deps)),
  exec: loaded(async () => (await import('./streams/exec.js')).createExecHandler(deps, 'exec')),
  attach: loaded(async () => (await import('./streams/exec.js')).createExecHandler(deps, 'attach')),
  portforward: loaded(async () => (await import('./streams/port-forward.js')).createPortForwardHandler(deps)),
  token: loaded(async () => (await import('./token-request.js')).createTokenHandler(deps)),
  scale: loaded(async () => (await import('./scale.js')).createScaleHandler(deps)),
  binding: loaded(async () => (await import('./pod-actions.js')).createBindingHandler(deps)),
  eviction: loaded(async () => (await import('./eviction.js')).createEvictionHandler(deps)),
});
