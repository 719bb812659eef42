/** All implementations. */
import type { Implementations } from '../library/implementation.js';
import { clusterFunctions } from './cluster.js';
import { deployments } from './deployments.js';
import { pods } from './pods.js';

export const implementations = (): Implementations => ({ ...deployments, ...pods, ...clusterFunctions() });
