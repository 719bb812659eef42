/** What people and tools read about the functions: made from the contracts when first asked for. */
import type { FastifyInstance } from 'fastify';
import type { Contract } from '../../schemas/index.js';

export function registerPages(app: FastifyInstance, contracts: readonly Contract[], version: string): void {
  const once = (make: () => Promise<string>): (() => Promise<string>) => {
    let made: Promise<string> | undefined;
    return () => (made ??= make());
  };
  const openApi = once(async () => {
    const { openApiDocument } = await import('./openapi.js');
    return JSON.stringify(openApiDocument(contracts, { version }));
  });
  const reference = once(async () => {
    const { referencePage } = await import('./reference.js');
    return referencePage(contracts, { version });
  });
  app.get('/openapi.json', async (_request, reply) => reply.type('application/json').send(await openApi()));
  app.get('/docs', async (_request, reply) =>
    reply
      .type('text/html; charset=utf-8')
      .header(
        'content-security-policy',
        "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
      )
      .send(await reference()),
  );
  app.get('/', (_request, reply) => reply.redirect('/docs'));
}
