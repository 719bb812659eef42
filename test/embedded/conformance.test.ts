/** The embedded cluster answers as the recorded real one: one subtest an area. */
import t from 'tap';
import { startDevcluster } from '../../devcluster/devcluster.js';
import { plainConnection } from '../../kube/index.js';
import { areaTests } from '../conformance/areas.js';
import { createTarget } from '../conformance/target.js';

const cluster = await startDevcluster();
t.teardown(() => cluster.close());
areaTests(t, createTarget(plainConnection({ url: cluster.url, how: 'embedded' })));
