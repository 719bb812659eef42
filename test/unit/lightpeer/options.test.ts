/** What the sidecar can be told, and what it says to wrong settings. */
import t from 'tap';
import { exposition } from '../../../lightpeer/ops.js';
import { OptionsError, readOptions } from '../../../lightpeer/options.js';
import type { PeerOptions } from '../../../lightpeer/options.js';
import { usage } from '../../../lightpeer/settings.js';

const read = (argv: readonly string[], environment: Record<string, string> = {}): PeerOptions =>
  readOptions(argv, { XI_PEER_HOST: '10.1.2.3', ...environment }).options;

t.test("the Go sidecar's flags as they stand in its manifests, and the long forms", async (t) => {
  const expected = {
    repo: '/data',
    host: '10.0.0.9',
    port: 9181,
    statePath: '/state/index.html',
    otlp: 'x:4317',
    verbose: true,
  };
  const flags = '-repo /data -host 10.0.0.9 -port 9181 -statePath /state/index.html -otlp x:4317 -v';
  for (const argv of [
    flags.split(' '),
    '--repo=/data --host=10.0.0.9 --port=9181 --state-path=/state/index.html --otlp=x:4317 --verbose'.split(
      ' ',
    ),
    '-repo=/data -host=10.0.0.9 -port=9181 -statePath=/state/index.html -otlp=x:4317 -v=true'.split(' '),
  ])
    t.match(read(argv), expected);
  t.match(
    read([], {
      XI_PEER_REPO: '/data',
      XI_PEER_HOST: '10.0.0.9',
      XI_PEER_PORT: '9181',
      XI_PEER_STATE_PATH: '/state/index.html',
      XI_PEER_OTLP: 'x:4317',
      XI_PEER_VERBOSE: '1',
    }),
    expected,
  );
  t.equal(read(['-port', '1'], { XI_PEER_PORT: '2' }).port, 1, 'a flag wins');
});

t.test('a switch is what Go takes for a bool', async (t) => {
  for (const yes of ['1', 't', 'T', 'TRUE', 'true', 'True']) t.equal(read([`-v=${yes}`]).verbose, true, yes);
  for (const no of ['0', 'f', 'F', 'FALSE', 'false', 'False']) t.equal(read([`-v=${no}`]).verbose, false, no);
});

t.test('what is not said', async (t) => {
  t.match(read([]), {
    repo: './blocks',
    host: '10.1.2.3',
    port: 9081,
    statePath: undefined,
    opsHost: '10.1.2.3',
    opsPort: 9082,
    tls: undefined,
    sync: true,
    verbose: false,
  });
  t.equal(readOptions([], { XI_POD_IP: '10.9.9.9' }).options.host, '10.9.9.9');
  t.match(readOptions([], {}).options.host, /^[0-9a-f.:]+$/);
  t.equal(read(['-host', '[::1]']).host, '[::1]');
  const empty = { XI_PEER_REPO: '', XI_PEER_PORT: '', XI_PEER_SYNC: '', XI_POD_IP: '', XI_PEER_HOST: '' };
  t.match(readOptions(['-repo', ''], empty).options, {
    repo: './blocks',
    host: /^[0-9a-f.:]+$/,
    port: 9081,
    sync: true,
  });
});

t.test('as a pod of the embedded cluster: its address, its folder', async (t) => {
  const environment = {
    XI_POD_ROOT: '/tmp/pod',
    XI_POD_IP: '127.5.5.5',
    XI_POD_API: 'http://127.0.0.1:6480',
  };
  const { options } = readOptions(['-repo', '/data', '-statePath', '/state/x'], environment);
  t.match(options, { host: '127.5.5.5', repo: '/tmp/pod/data', statePath: '/tmp/pod/state/x' });
  t.equal(readOptions(['-host', 'localhost'], environment).options.host, '127.5.5.5');
});

t.test('wrong settings are named, with what is allowed', async (t) => {
  const cases: [string[], RegExp][] = [
    [['-port', 'x'], /-port \(XI_PEER_PORT\) is 'x': give a whole number from 1 to 65535/],
    [['-port', '70000'], /from 1 to 65535/],
    [['-port'], /-port needs a value/],
    [['-host', 'a b'], /-host \(XI_PEER_HOST\) is 'a b'/],
    [['-host', '0.0.0.0'], /the one address that other peers dial/],
    [['-host', '::'], /the one address that other peers dial/],
    [['-host', '[::]'], /the one address that other peers dial/],
    [['-host', '0:0:0:0:0:0:0:0'], /the one address that other peers dial/],
    [['-nonsense'], /'-nonsense' is no flag of lightpeer/],
    [['data'], /'data' is no flag/],
    [['-tls-cert', 'x'], /go together/],
    [['-tls-ca', 'x'], /would speak plain text/],
    [['-name', 'x'.repeat(301)], /-name \(XI_PEER_NAME\): .* has 301 characters/],
    [['-v=perhaps'], /give true or false/],
    [['-compact-blocks', '1'], /from 10 to/],
  ];
  for (const [argv, message] of cases) t.throws(() => read(argv), { name: 'OptionsError', message });
  t.ok(new OptionsError('x') instanceof Error);
  t.match(usage(), /-statePath +XI_PEER_STATE_PATH/);
});

t.test('metrics as Prometheus reads them', async (t) => {
  const names =
    'persisted views moves removed rewinds notified refused rejoins compactions diskFailures height committed bytes blocks members lost leading ready cutBytes importedBlocks';
  const metrics = Object.fromEntries(names.split(' ').map((name, i) => [name, i])) as never;
  const text = exposition(metrics, { published: 7, received: 0, refused: 0, failed: 0 });
  t.match(
    text,
    /^# HELP xi_lightpeer_persisted_total .*\n# TYPE xi_lightpeer_persisted_total counter\nxi_lightpeer_persisted_total 0$/m,
  );
  t.match(text, /^xi_lightpeer_disk_failures_total 9$/m);
  t.match(text, /^xi_lightpeer_members 14$/m);
  t.match(text, /^# TYPE xi_lightpeer_state_published_total counter\nxi_lightpeer_state_published_total 7$/m);
  for (const line of text.trimEnd().split('\n')) t.match(line, /^(# (HELP|TYPE) \S+ .+|\S+ \d+)$/);
});
