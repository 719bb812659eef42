/** Certificates in files, and that they are read again. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { followCertificates, readCertificates } from '../../../lightpeer/certificates.js';
import { until } from '../../helpers/eventually.js';
import { CA, PEER, RENEWED } from '../../helpers/peer-certificates.js';

const folder = await mkdtemp(join(tmpdir(), 'certificates-'));
t.teardown(() => rm(folder, { recursive: true }));
const files = { cert: join(folder, 'tls.crt'), key: join(folder, 'tls.key'), ca: join(folder, 'ca.crt') };
const put = async ({ cert, key }: typeof PEER): Promise<void> => {
  await writeFile(files.cert, cert);
  await writeFile(files.key, key);
};

t.test('what cannot be used is told with its file', async (t) => {
  await t.rejects(readCertificates(files), { code: 'ENOENT', message: /tls\.crt/ });
  await put(PEER);
  await t.rejects(readCertificates(files), { code: 'ENOENT', message: /ca\.crt/ });
  await writeFile(files.ca, CA);
  await put({ ...PEER, key: RENEWED.key });
  await t.rejects(readCertificates(files), {
    code: 'invalid',
    message: /tls\.crt.*cannot be used: .*mismatch/,
  });
  await put({ ...PEER, cert: 'nothing' });
  await t.rejects(readCertificates(files), { code: 'invalid' });
  await put(PEER);
  for (const text of ['', 'nothing', CA.replace('MII', 'XXX')]) {
    await writeFile(files.ca, text);
    await t.rejects(readCertificates(files), { code: 'invalid', message: /ca\.crt cannot be used/ });
  }
  await writeFile(files.ca, CA);
  await put({ ...PEER, cert: 'nothing' });
  await t.rejects(readCertificates(files), { code: 'invalid' });
  await put(PEER);
  t.match(await readCertificates({ ...files, ca: undefined }), { ca: undefined });
});

t.test('changed files are told, once; between two of them nothing is', async (t) => {
  await put(PEER);
  const renewed: string[] = [];
  const problems: string[] = [];
  const following = followCertificates(
    files,
    await readCertificates(files),
    {
      renewed: ({ cert }) => renewed.push(cert.toString()),
      problem: (message) => problems.push(message),
    },
    5,
  );
  t.teardown(() => following.stop());
  await writeFile(files.cert, RENEWED.cert);
  await until(() => problems.length > 0);
  t.match(problems[0], /not renewed: .*cannot be used/);
  await writeFile(files.key, RENEWED.key);
  await until(() => renewed.length > 0);
  await put(PEER);
  await until(() => renewed.at(-1) === PEER.cert);
  t.same(renewed, [RENEWED.cert, PEER.cert]);
});
