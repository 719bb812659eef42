/** Calling functions over HTTP as any client would, with nothing of ours in between. */

export interface Answer {
  status: number;
  headers: Headers;
  // What a test reads out of an answer is for its assertions to judge.
  body: Record<string, any>; // eslint-disable-line @typescript-eslint/no-explicit-any
}

export interface CallInit {
  headers?: Record<string, string>;
  query?: string;
  signal?: AbortSignal;
}

const post = (base: string, name: string, params: unknown, init: CallInit): Promise<Response> =>
  fetch(`${base}/v1/functions/${name}${init.query ?? ''}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...init.headers },
    body: JSON.stringify(params),
    ...(init.signal === undefined ? {} : { signal: init.signal }),
  });

/** One call, answered whole. */
export async function call(
  base: string,
  name: string,
  params: unknown = {},
  init: CallInit = {},
): Promise<Answer> {
  const response = await post(base, name, params, init);
  return {
    status: response.status,
    headers: response.headers,
    body: (await response.json()) as Answer['body'],
  };
}

/** A streamed call's lines as they come. @throws when the answer is no stream. */
export async function* lines(
  base: string,
  name: string,
  params: unknown,
  init: CallInit = {},
): AsyncGenerator<Answer['body']> {
  const response = await post(base, name, params, {
    ...init,
    headers: { accept: 'application/x-ndjson', ...init.headers },
  });
  if (response.status !== 200) throw new Error(`${name}: ${response.status} ${await response.text()}`);
  let rest = '';
  for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
    const parts = (rest + chunk).split('\n');
    rest = parts.pop() ?? '';
    for (const part of parts) yield JSON.parse(part) as Answer['body'];
  }
  if (rest !== '') throw new Error(`${name}: the stream ended in the middle of a line: ${rest}`);
}

/** All lines of a stream. */
export async function allLines(
  base: string,
  name: string,
  params: unknown,
  init: CallInit = {},
): Promise<Answer['body'][]> {
  const found: Answer['body'][] = [];
  for await (const line of lines(base, name, params, init)) found.push(line);
  return found;
}
