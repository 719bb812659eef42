/** The path of a routed call, `/services/{type}/{provider}/{method…}`. */
import { badRequest } from './refusal.js';

export interface RoutedPath {
  readonly type: string;
  /** A runtime id, or `-` for any. */
  readonly provider: string;
  /** What follows the provider, without a slash at its beginning; may be empty and may hold slashes. */
  readonly method: string;
  /** With its `?`; empty when there is none. */
  readonly query: string;
}

const PREFIX = '/services/';
const ABSOLUTE = /^[a-z][a-z0-9+.-]*:\/\/[^/?#]*\/services\//i;
/** Printable ASCII but the backslash and the characters that no URL holds unencoded. */
const PRINTABLE = /^[!$-;=?-Z_a-z~[\]|]*$/;
/** A percent sign without two hex digits, and the encodings of dot, slash, backslash and control characters. */
const BAD_ENCODING = /%(?![0-9a-f]{2})|%(?:2e|2f|5c|[01][0-9a-f]|7f)/i;
const DOT_SEGMENT = /(?:^|\/)\.{1,2}(?:;[^/]*)?(?:\/|$)/;

/**
 * The parts of a path below /services/; undefined for any other path.
 * @throws Refusal 400 for a path that could mean another one to the plugin than it means here.
 */
export function parsePath(url: string): RoutedPath | undefined {
  if (!url.startsWith(PREFIX)) {
    if (ABSOLUTE.test(url))
      throw badRequest('the request names a whole URL; ask for the path alone, as in /services/{type}/…');
    return undefined;
  }
  const mark = url.indexOf('?');
  const path = mark < 0 ? url : url.slice(0, mark);
  const query = mark < 0 ? '' : url.slice(mark);
  check(path, query);
  const afterType = path.indexOf('/', PREFIX.length);
  if (afterType < 0) throw badRequest('the path names no provider; it must be /services/{type}/{provider}/…');
  const afterProvider = path.indexOf('/', afterType + 1);
  return {
    type: path.slice(PREFIX.length, afterType),
    provider: path.slice(afterType + 1, afterProvider < 0 ? undefined : afterProvider),
    method: afterProvider < 0 ? '' : path.slice(afterProvider + 1),
    query,
  };
}

function check(path: string, query: string): void {
  if (path.includes('\\')) throw badRequest('the path holds a backslash; separate its parts by slashes');
  if (!PRINTABLE.test(path))
    throw badRequest('the path holds a character that a URL cannot hold; percent-encode it');
  if (path.includes('%') && BAD_ENCODING.test(path))
    throw badRequest(
      'the path holds an encoded dot, slash, backslash or control character; write it plainly',
    );
  if (path.includes('/.') && DOT_SEGMENT.test(path))
    throw badRequest('the path holds a "." or ".." segment; write the path that is meant');
  if (query !== '' && !isQuery(query))
    throw badRequest('the query holds a character that a URL cannot hold; percent-encode it');
}

/** Looser than a path: browsers and Go send more of ASCII unencoded. Nothing that could end a request's line. */
const isQuery = (query: string): boolean => /^[\x21-\x7e]*$/.test(query) && !query.includes('#');
