/** The real cluster of KUBECONFIG answers as its record says: what the embedded one is held to is true. */
import t from 'tap';
import { kubeconfigConnection } from '../../kube/index.js';
import { areaTests } from '../conformance/areas.js';
import { createTarget } from '../conformance/target.js';

t.setTimeout(600_000);
const kubeconfig = process.env['KUBECONFIG'];
if (kubeconfig === undefined) t.plan(0, 'no KUBECONFIG: run it by `npm run cluster`');
else areaTests(t, createTarget(await kubeconfigConnection({ paths: [kubeconfig], env: process.env })));
