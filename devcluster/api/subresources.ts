/** Subresources that are not the object itself: log, scale, binding, eviction. */
import type { Registry } from './registry.js';
import type { PodRuntime } from './pod-runtime.js';
import type { ResourceHandler } from './resource-call.js';
import type { Schema } from './schema.js';
import { createLogHandler } from './logs.js';
import { createBindingHandler, createEvictionHandler } from './pod-actions.js';
import { createScaleHandler } from './scale.js';

export interface SubresourceDeps {
  readonly schema: Schema;
  readonly registry: Registry;
  readonly runtime: () => PodRuntime | undefined;
}

/** The handlers by subresource name. */
export const createSubresources = (deps: SubresourceDeps): Readonly<Record<string, ResourceHandler>> => ({
  log: createLogHandler(deps),
  scale: createScaleHandler(deps),
  binding: createBindingHandler(deps),
  eviction: createEvictionHandler(deps),
});
