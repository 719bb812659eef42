/** The embedded cluster as a process of its own, so that its work is not counted as the operator's. */
import { startDevcluster } from '../../devcluster/devcluster.js';
import { serveMessages } from './peer.js';

serveMessages(async () => {
  const { url } = await startDevcluster({ podStartMillis: [0, 100] });
  return { url, startMs: performance.now() };
});
