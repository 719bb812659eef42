/** Reading the API server past our functions: a plain HTTPS GET. */
import { request as plain } from 'node:http';
import { request as secure } from 'node:https';
import type { Connection } from '../../kube/index.js';

/** GETs paths of an API server as JSON. */
export const rawReader =
  (connection: Connection) =>
  async (path: string): Promise<Record<string, unknown>> => {
    const { authorization, ca, cert, key } = (await connection.credentials?.get()) ?? {};
    const url = new URL(path, connection.url);
    const headers = authorization === undefined ? {} : { authorization };
    return new Promise((resolve, reject) => {
      const sent = (url.protocol === 'https:' ? secure : plain)(
        url,
        { headers, ca, cert, key },
        (response) => {
          let text = '';
          response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
          response.on('end', () => resolve(JSON.parse(text) as Record<string, unknown>));
        },
      );
      sent.on('error', reject);
      sent.end();
    });
  };
