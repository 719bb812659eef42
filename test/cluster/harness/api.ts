/** The few calls that the harness itself makes: health endpoints, and the API server as admin. */
import { readFile } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import { Agent, request as httpsRequest } from 'node:https';
import { join } from 'node:path';
import { API_PORT } from './addresses.js';

export interface ApiClient {
  /** GET of a path of the API server, or of a whole URL. Rejects unless the answer is 200. */
  get(path: string): Promise<string>;
  /** POST of JSON to a path of the API server. Rejects unless the answer is 2xx. */
  post(path: string, body: unknown): Promise<string>;
}

const CALL_MS = 5000;

/** `pki` is the folder that makePki made. */
export const createApiClient = async (pki: string): Promise<ApiClient> => {
  const [ca, cert, key] = await Promise.all(
    ['ca.crt', 'admin.crt', 'admin.key'].map((name) => readFile(join(pki, name))),
  );
  const agent = new Agent({ ca, cert, key });
  const call = (method: string, path: string, body?: string): Promise<string> =>
    new Promise((resolve, reject) => {
      const url = new URL(path, `https://127.0.0.1:${API_PORT}`);
      const headers = body === undefined ? {} : { 'content-type': 'application/json' };
      const options = { method, headers, signal: AbortSignal.timeout(CALL_MS) };
      const send =
        url.protocol === 'https:' ? httpsRequest(url, { ...options, agent }) : httpRequest(url, options);
      send.on('error', reject).on('response', (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk)).on('error', reject);
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString();
          const status = response.statusCode ?? 0;
          if (status >= 200 && status < 300) resolve(text);
          else reject(new Error(`${method} ${url.href} answered ${status}: ${text.slice(0, 300)}`));
        });
      });
      send.end(body);
    });
  return {
    get: (path) => call('GET', path),
    post: (path, body) => call('POST', path, JSON.stringify(body)),
  };
};
