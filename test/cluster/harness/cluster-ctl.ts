/** The program bin/cluster-ctl: `cluster-ctl ACTION [COMPONENT|FILE]`. */
import { resolve } from 'node:path';
import { controlCluster, controlSocket, type ControlAction } from '../control.js';

const [action = 'status', subject = ''] = process.argv.slice(2);
const socket = controlSocket();
try {
  if (socket === undefined)
    throw new Error('TEST_CLUSTER_CONTROL is not set: this works inside `npm run cluster -- COMMAND`');
  // The server refuses an unknown action and lists the known ones.
  process.stdout.write(
    await controlCluster(
      socket,
      action as ControlAction,
      action === 'load-image' ? resolve(subject) : subject,
    ),
  );
} catch (error) {
  process.stderr.write(`cluster-ctl: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
