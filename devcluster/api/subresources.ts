/** Subresources that are not the object itself. */
import type { Registry } from './registry.js';
import type { PodRuntime } from './pod-runtime.js';
import type { ResourceHandler } from './resource-call.js';
import type { Schema } from './schema.js';
import { createLogHandler } from './logs.js';
import { createEvictionHandler } from './eviction.js';
import { createBindingHandler } from './pod-actions.js';
import { createScaleHandler } from './scale.js';
import { createTokenHandler } from './token-request.js';
import type { Tokens } from './tokens.js';

export interface SubresourceDeps {
  readonly schema: Schema;
  readonly registry: Registry;
  readonly tokens: Tokens;
  readonly runtime: () => PodRuntime | undefined;
  /** Has `end` called when the server closes. Answers what to call when the stream is over before. */
  readonly onStream: (end: () => void) => () => void;
}

/** Streams are loaded when the first comes: the start need not wait for them. */
const execHandler =
  (deps: SubresourceDeps, verb: 'exec' | 'attach'): ResourceHandler =>
  async (call) =>
    (await import('./streams/exec.js')).createExecHandler(deps, verb)(call);
const portForwardHandler =
  (deps: SubresourceDeps): ResourceHandler =>
  async (call) =>
    (await import('./streams/port-forward.js')).createPortForwardHandler(deps)(call);

/** The handlers by subresource name. */
export const createSubresources = (deps: SubresourceDeps): Readonly<Record<string, ResourceHandler>> => ({
  log: createLogHandler(deps),
  exec: execHandler(deps, 'exec'),
  attach: execHandler(deps, 'attach'),
  portforward: portForwardHandler(deps),
  token: createTokenHandler(deps),
  scale: createScaleHandler(deps),
  binding: createBindingHandler(deps),
  eviction: createEvictionHandler(deps),
});
