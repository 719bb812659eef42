/** `npm run bench`: what xi-k8s costs, beside what the same work costs without it. See docs/performance.md. */
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { openGround } from './ground.js';
import { create } from './rows/create.js';
import { embedded } from './rows/embedded.js';
import { image } from './rows/image.js';
import { lightchain } from './rows/lightchain.js';
import { list } from './rows/list.js';
import { log } from './rows/log.js';
import { memory } from './rows/memory.js';
import { networks } from './rows/networks.js';
import { noCluster } from './rows/no-cluster.js';
import { plugins } from './rows/plugins.js';
import type { Bench, Row, Scale } from './rows/row.js';
import { start } from './rows/start.js';
import { HEADER, lineText } from './table.js';
import type { Line } from './table.js';

const ROWS: Readonly<Record<string, Row>> = {
  create,
  'no-cluster': noCluster,
  list,
  log,
  memory,
  start,
  embedded,
  lightchain,
  networks,
  plugins,
  image,
};

const WHOLE: Scale = {
  rounds: 5,
  seconds: 2,
  pods: 5_000,
  watchedPods: 10_000,
  logBytes: 100_000_000,
  calls: 100_000,
};
const QUICK: Scale = {
  rounds: 1,
  seconds: 0.2,
  pods: 100,
  watchedPods: 200,
  logBytes: 1_000_000,
  calls: 1_000,
};

const NODE_IMAGE = `localhost/node-base:${process.versions.node.split('.')[0]}`;

const HELP = `npm run bench -- [OPTION…]

Prints a line a comparison, against an embedded cluster, or against the one that KUBECONFIG names:
npm run cluster -- --image @base node dist/bench/run.js

  --quick             just enough of everything to see that it runs; its figures say nothing
  --only ROW          one row, several when given several times: ${Object.keys(ROWS).join(', ')}
  --rounds N          runs of each contender, alternating; ${WHOLE.rounds} by default
  --image FILE        the image's docker-archive, for its size
  --base-image FILE   that of its base
  --node-image NAME   for the pod that writes a log on a real cluster; ${NODE_IMAGE} by default
  --strict            ends with 1 when a goal does not hold
`;

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string', multiple: true },
    rounds: { type: 'string' },
    image: { type: 'string' },
    'base-image': { type: 'string' },
    'node-image': { type: 'string', default: NODE_IMAGE },
    strict: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

/** The lines of a row, and then the end of what it started. */
async function* linesOf(row: Row, bench: Bench): AsyncGenerator<Line> {
  const ends: (() => Promise<unknown>)[] = [];
  try {
    yield* row({ ...bench, onEnd: (action) => ends.push(action) });
  } finally {
    for (const end of ends.reverse()) await end();
  }
}

async function main(): Promise<void> {
  if (values.help) {
    process.stdout.write(HELP);
    return;
  }
  const wanted = values.only ?? Object.keys(ROWS);
  const unknown = wanted.find((name) => !(name in ROWS));
  if (unknown !== undefined) throw new Error(`there is no row ${unknown}; see --help`);
  const base = values.quick ? QUICK : WHOLE;
  const rounds = Number(values.rounds ?? base.rounds);
  if (!Number.isInteger(rounds) || rounds < 1) throw new Error('--rounds takes a whole number above 0');
  const ground = await openGround(process.env);
  const missed: string[] = [];
  try {
    const [cpu] = cpus();
    process.stdout.write(
      `Node ${process.versions.node}, ${cpus().length} × ${cpu?.model ?? 'unknown processor'}; ` +
        `${ground.how === 'embedded' ? 'an embedded cluster' : 'a cluster by KUBECONFIG'}, ${ground.version}\n` +
        `Medians of ${rounds}, with the least and the most. A ratio is the median of the rounds' own ratios.\n\n${HEADER}\n`,
    );
    const bench: Bench = {
      ground,
      scale: { ...base, rounds },
      nodeImage: values['node-image'],
      image: values.image,
      baseImage: values['base-image'],
    };
    for (const name of wanted)
      for await (const line of linesOf(ROWS[name]!, bench)) {
        process.stdout.write(`${lineText(line)}\n`);
        if (line.holds === false) missed.push(line.what);
      }
  } finally {
    await ground.close();
  }
  process.stdout.write(
    missed.length === 0 ? '\nAll goals hold.\n' : `\nGoals that do not hold: ${missed.join('; ')}\n`,
  );
  if (values.strict && missed.length > 0) process.exitCode = 1;
}

main().catch((error: unknown) => {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
