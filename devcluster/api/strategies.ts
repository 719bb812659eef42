/** The kinds with rules of their own. */
import type { Registry } from './registry.js';
import type { Strategy } from './strategy.js';

export function createStrategies(_registry: Registry): ReadonlyMap<string, Strategy> {
  return new Map();
}
