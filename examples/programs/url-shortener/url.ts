/** The parameter `url` of a call. */
import { ConnectError } from '../../../plugin-sdk/src/index.js';
import type { MethodRequest } from '../../../plugin-sdk/src/index.js';

const MOST_CHARACTERS = 8_192;
const WRITTEN_PLAINLY = /^[a-z][a-z0-9+.-]*:\/\//i;

/**
 * The URL that a call is about, whole. In a body (JSON or a form) and in a query that encodes it (`url=https%3A%2F%2F…`) it is
 * what it is. A URL that stands plainly in the query, as people type it (`?url=https://x/?a=1&b=2`), has `&` and `%` of its
 * own: everything from it on belongs to it, as it came, but for the other parameters of the method at the query's end.
 * Throws ConnectError `invalid_argument` for one that is missing, too long, or neither http nor https.
 */
export function urlOf(request: MethodRequest, others: readonly string[] = []): string {
  return checked(plainly(request, others) ?? request.text('url'));
}

function plainly({ params, query }: MethodRequest, others: readonly string[]): string | undefined {
  const found = /(?:^|&)url=(.*)$/s.exec(query)?.[1];
  if (found === undefined || !WRITTEN_PLAINLY.test(found)) return undefined;
  // A body has the last word.
  if (params['url'] !== new URLSearchParams(query).get('url')) return undefined;
  return others.reduce((url, name) => url.replace(new RegExp(`&${name}=[^&]*$`), ''), found);
}

function checked(url: string): string {
  if (url.length > MOST_CHARACTERS)
    throw new ConnectError('invalid_argument', `the url has more than ${MOST_CHARACTERS} characters`);
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  const isWeb = parsed?.protocol === 'http:' || parsed?.protocol === 'https:';
  if (!isWeb || /[\s\p{Cc}]/u.test(url))
    throw new ConnectError(
      'invalid_argument',
      `'${url.slice(0, 100)}' is no http or https URL; give one such as https://example.com`,
    );
  return url;
}
