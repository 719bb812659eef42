/** README's kubectl transcript on a real cluster: the same as on the embedded one. */
import t from 'tap';
import { transcriptSuite } from '../suites/transcript.js';
import { whyNot } from './kubectl.js';

t.setTimeout(600_000);
const reason = whyNot();
if (reason !== undefined) t.plan(0, reason);
else await t.test('README’s kubectl transcript', (t) => transcriptSuite(t, process.env['KUBECONFIG'] ?? ''));
