/** Calling a plugin's service through its host. */
import type { PluginAnswer } from '../../schemas/plugins.js';
import type { ErrorCode } from '../../schemas/errors.js';
import { AppError } from '../errors.js';
import { nearest } from '../library/nearest.js';
import type { Call, Filled, Implementations } from '../library/implementation.js';
import type { Contracts } from '../../schemas/index.js';
import type { PluginHost, PluginReply } from '../ports.js';
import { hostOf, pluginsOf, providersOf } from './plugins-view.js';

type Params = Filled<Contracts['call_plugin_service']>;

/** The codes of Connect as ours. */
const CODES: Readonly<Record<string, ErrorCode>> = {
  invalid_argument: 'invalid_params',
  out_of_range: 'invalid_params',
  not_found: 'not_found',
  unimplemented: 'not_found',
  already_exists: 'already_exists',
  failed_precondition: 'conflict',
  aborted: 'conflict',
  permission_denied: 'conflict',
  unauthenticated: 'conflict',
  resource_exhausted: 'too_many_requests',
  deadline_exceeded: 'deadline_exceeded',
};
/** For answers that are no Connect error. */
const STATUSES: Readonly<Record<number, ErrorCode>> = {
  400: 'invalid_params',
  401: 'conflict',
  403: 'conflict',
  404: 'not_found',
  405: 'not_found',
  409: 'conflict',
  412: 'conflict',
  413: 'payload_too_large',
  422: 'invalid_params',
  429: 'too_many_requests',
  504: 'deadline_exceeded',
};

/** How much of a plugin's own words an error carries. */
const MAX_WORDS = 1_000;

const UTF8 = new TextDecoder('utf-8', { fatal: true });

function textOf(body: Uint8Array): string | undefined {
  try {
    return UTF8.decode(body);
  } catch {
    return undefined;
  }
}

function jsonOf(text: string | undefined): { value: unknown } | undefined {
  if (text === undefined) return undefined;
  try {
    return { value: JSON.parse(text) };
  } catch {
    return undefined;
  }
}

/** A body as JSON, else as text, else as base64. */
function bodyView({
  body,
}: PluginReply): Pick<PluginAnswer, 'response' | 'response_text' | 'response_base64'> {
  if (body.length === 0) return {};
  const text = textOf(body);
  const json = jsonOf(text);
  if (json !== undefined) return { response: json.value };
  return text === undefined
    ? { response_base64: Buffer.from(body).toString('base64') }
    : { response_text: text };
}

/** An answer of 400 or more as the error of our call. */
function failureOf(what: string, { status, body }: PluginReply): AppError {
  const text = textOf(body) ?? '';
  const answer = jsonOf(text)?.value as { code?: unknown; message?: unknown } | null | undefined;
  const code = typeof answer?.code === 'string' ? answer.code : '';
  const said = typeof answer?.message === 'string' ? answer.message : text;
  const ours = CODES[code] ?? STATUSES[status] ?? 'bad_gateway';
  const words = said.trim().slice(0, MAX_WORDS) || 'it says nothing more';
  return new AppError(ours, `${what} failed with ${code === '' ? `status ${status}` : code}: ${words}`);
}

/** Refuses a service that nobody provides, or a plugin that does not provide it, with the name that comes nearest. */
async function provided(host: PluginHost, { type, provider }: Params, call: Call): Promise<string[]> {
  const types = providersOf(pluginsOf(await host.status(call.io())));
  const providers = types.get(type) ?? [];
  const missing = (what: string, name: string, known: Iterable<string>): AppError => {
    const near = nearest(name, [...known]);
    return new AppError(
      'not_found',
      `${what} at ${host.what}${near === undefined ? '; list_plugin_services shows what there is.' : `; did you mean ${near}?`}`,
      near === undefined ? {} : { suggestion: near },
    );
  };
  if (providers.length === 0) throw missing(`No plugin provides ${type}`, type, types.keys());
  if (provider !== undefined && !providers.includes(provider))
    throw missing(`The plugin ${provider} provides no ${type}`, provider, providers);
  return providers;
}

export const callService: Implementations['call_plugin_service'] = async (deps, params, call) => {
  const { type, method, provider, request = {} } = params;
  const host = hostOf(deps, 'call_plugin_service', params, call);
  const started = performance.now();
  const providers = await provided(host, params, call);
  const answer = {
    type,
    method,
    ...(provider !== undefined ? { provider } : providers.length === 1 ? { provider: providers[0] } : {}),
  };
  const duration = () => ({ duration_ms: Math.round((performance.now() - started) * 1000) / 1000 });
  if (call.dryRun) return { ...answer, ...duration() };
  const reply = await host.call({ type, method, provider, body: JSON.stringify(request) }, call.io());
  if (reply.status >= 400) throw failureOf(`${type}/${method} at ${host.what}`, reply);
  return { ...answer, status: reply.status, ...bodyView(reply), ...duration() };
};
