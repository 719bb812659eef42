/** What people call: it makes short codes of URLs, and URLs of short codes. */
import { ConnectError } from '../../../plugin-sdk/src/index.js';
import type { MethodContext, MethodRequest, ServiceClient } from '../../../plugin-sdk/src/index.js';
import { startExample } from '../plugins.js';
import type { ExampleProgram } from '../programs.js';
import { codeOf } from './codes.js';
import { urlOf } from './url.js';

/** Another URL with the same code is rarer than one in 10^14; twice in a row does not happen. */
const ATTEMPTS = 4;

async function shorten(storage: ServiceClient, request: MethodRequest, signal: AbortSignal): Promise<object> {
  const url = urlOf(request);
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const code = codeOf(url, attempt);
    try {
      await storage.call('Store', { code, url }, { signal });
      return { short_code: code, url };
    } catch (error) {
      if (ConnectError.from(error).code !== 'already_exists') throw error;
    }
  }
  throw new ConnectError('resource_exhausted', `all codes for ${url} are taken`);
}

/** Answers `Shorten` (url) and `Resolve` (code) at /api.v1.API/. */
export const api: ExampleProgram = async (surroundings) => {
  const storage = (): ServiceClient => plugin.service('storage');
  const plugin = await startExample(surroundings, {
    id: 'api-plugin',
    version: '1.0.0',
    defaultPort: 8083,
    provides: [
      {
        type: 'api',
        version: '1.0.0',
        path: '/api.v1.API/',
        methods: {
          Shorten: (request: MethodRequest, { signal }: MethodContext) => shorten(storage(), request, signal),
          Resolve: (request: MethodRequest, { signal }: MethodContext) =>
            storage().call('Get', { code: request.text('code') }, { signal }),
        },
      },
    ],
    requires: [{ type: 'storage', minVersion: '1.0.0' }],
  });
  return plugin;
};
