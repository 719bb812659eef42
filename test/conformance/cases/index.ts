/** All cases, by area. */
import type { Case } from '../case.js';
import { applying } from './apply.js';
import { creating } from './create.js';
import { custom } from './custom.js';
import { deleting } from './delete.js';
import { discovery } from './discovery.js';
import { errors } from './errors.js';
import { patching } from './patch.js';
import { reading } from './read.js';
import { subresources } from './subresources.js';
import { tables } from './tables.js';
import { updating } from './update.js';
import { watching } from './watch.js';

export const CASES: readonly Case[] = [
  ...reading,
  ...watching,
  ...creating,
  ...updating,
  ...patching,
  ...applying,
  ...subresources,
  ...deleting,
  ...tables,
  ...discovery,
  ...errors,
  ...custom,
];
