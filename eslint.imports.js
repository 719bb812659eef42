/** Lint's part of the design: which folder may import what, and who may touch `process`. */
import ts from 'typescript-eslint';

/**
 * The import rules: what a folder may import of the project's own, beside itself. The first entry that fits a file counts.
 * `only` names single modules where a whole folder would be too much.
 */
const RULES = [
  { files: ['schemas/**'], may: [] },
  { files: ['kube/**'], may: [] },
  { files: ['client/src/**'], may: [] },
  { files: ['place/**'], may: [] },
  { files: ['proto/**'], may: [] },
  { files: ['connect/**'], may: [] },
  { files: ['plugin-sdk/**'], may: ['proto', 'connect'] },
  { files: ['devcluster/**'], may: ['kube', 'place'] },
  { files: ['lightpeer/**'], may: ['proto', 'place'] },
  {
    files: ['server/functions/**'],
    may: ['schemas'],
    only: [
      'server/ports',
      'server/errors',
      'server/kube-errors',
      'server/peer-error',
      'server/library/implementation',
      'server/library/nearest',
      'server/networks/peer-pod',
      'server/plugins/graph',
      'server/plugin-host/names',
    ],
  },
  {
    files: ['server/networks/**'],
    may: ['schemas'],
    only: ['server/ports', 'server/errors', 'server/kube-errors', 'server/peer-error'],
  },
  // The program of the host, which puts it together with what every program has.
  {
    files: ['server/plugin-host/main.ts'],
    may: ['connect', 'place', 'server/ops'],
    only: ['server/settings', 'server/listen-errors', 'server/origin'],
  },
  {
    files: ['server/plugin-host/**'],
    may: ['proto', 'connect', 'place'],
    only: ['server/ports', 'server/errors', 'server/kube-errors', 'server/settings', 'server/origin'],
  },
  {
    files: ['server/plugins/**'],
    may: ['schemas', 'server/plugin-host'],
    only: ['server/ports', 'server/errors'],
  },
  { files: ['server/peers/**'], may: ['proto'], only: ['server/ports', 'server/peer-error'] },
  {
    files: ['server/library/**'],
    may: ['schemas'],
    only: ['server/ports', 'server/errors', 'server/kube-errors'],
  },
  { files: ['server/http/**'], may: ['schemas', 'server/library'], only: ['server/errors', 'server/ports'] },
  { files: ['server/auth/**'], may: ['schemas'], only: [] },
  { files: ['server/ops/**'], may: [], only: ['server/probe', 'server/ports'] },
  // Only app, main and lifecycle compose; the rest of server/ are the edges that they compose.
  {
    files: ['server/{ports,probe,kube-errors,peer-error}.ts'],
    may: ['schemas', 'kube'],
    only: [
      'server/errors',
      'server/probe',
      'server/networks/network-key',
      'server/networks/peer-pod',
      'server/networks/plan',
      'server/plugin-host/status',
    ],
  },
  { files: ['server/errors.ts'], may: ['schemas'] },
  { files: ['server/**'], may: ['schemas', 'kube', 'devcluster', 'place', 'proto', 'connect', 'server'] },
  { files: ['cli/**'], may: ['server', 'devcluster', 'lightpeer', 'place'], only: ['examples/programs'] },
  { files: ['examples/programs/**'], may: ['place', 'plugin-sdk', 'lightpeer'] },
];

const FOLDERS = [
  'schemas',
  'place',
  'proto',
  'connect',
  'lightpeer',
  'kube',
  'server',
  'devcluster',
  'cli',
  'scripts',
  'test',
  'bench',
  'examples',
  'client',
  'plugin-sdk',
];

/** A pattern for relative paths that lead to any project folder but those allowed. */
function forbidden({ files, may, only = [] }) {
  const own = files[0].replace(/\/?[*{].*$/, '').replace(/\.ts$/, '');
  const allowed = [...may, ...(own === 'server' ? [] : [own])];
  const inServer = own.startsWith('server');
  // Inside server/ a path such as ../errors.js names no folder of the top level.
  const modules = [...allowed, ...only].map((path) =>
    inServer ? path.replace(/^server\//, '(server/)?') : path,
  );
  const heads = inServer
    ? [
        ...FOLDERS,
        'library',
        'functions',
        'http',
        'auth',
        'ops',
        'networks',
        'peers',
        'plugins',
        'plugin-host',
        'errors',
        'kube-errors',
        'peer-error',
        'ports',
        'config',
        'settings',
        'origin',
        'app',
        'lifecycle',
        'main',
        'cluster',
        'listen-errors',
        'probe',
      ]
    : FOLDERS;
  const exceptions = modules.map((path) => `${path}(/|\\.js$)`).join('|');
  return `^(\\.\\./)+(?!${exceptions === '' ? '\\b\\B' : exceptions})(${heads.join('|')})(/|\\.js$)`;
}

const importRule = (rule, clientNode) => ({
  files: rule.files,
  rules: {
    'no-restricted-imports': [
      'error',
      {
        patterns: [
          {
            regex: forbidden(rule),
            message: `${rule.files[0]} may import: ${[...rule.may, ...(rule.only ?? [])].join(', ') || 'nothing local'}.`,
          },
          ...(clientNode
            ? []
            : [{ regex: '^@kubernetes/client-node', message: 'Only kube/ may import client-node.' }]),
          ...(rule.files[0].startsWith('server/functions')
            ? [{ regex: '^fastify', message: 'Functions know nothing of HTTP.' }]
            : []),
        ],
      },
    ],
  },
});

export const importRules = [
  // Reversed, so that the first entry that fits is the last word.
  ...RULES.toReversed().map((rule) => importRule(rule, rule.files[0] === 'kube/**')),
  {
    files: [
      'schemas/**',
      'place/**',
      'kube/**',
      'devcluster/**',
      'lightpeer/**',
      'connect/**',
      'plugin-sdk/**',
      'server/**',
      'client/src/**',
    ],
    ignores: ['server/main.ts'],
    rules: {
      'no-restricted-globals': [
        'error',
        { name: 'process', message: 'Only the programs’ main.ts and cli/ touch process.' },
      ],
    },
  },
];

/** The rules alone, without types: what their test uses. */
export default [{ files: ['**/*.ts'], languageOptions: { parser: ts.parser } }, ...importRules];
