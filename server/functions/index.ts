/** All implementations. */
import type { Implementations } from '../library/implementation.js';
import { cluster } from './cluster.js';
import { deployments } from './deployments.js';
import { networks } from './networks.js';
import { plugins } from './plugins.js';
import { pods } from './pods.js';

export const implementations: Implementations = {
  ...deployments,
  ...pods,
  ...networks,
  ...plugins,
  ...cluster,
};
