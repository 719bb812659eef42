/** The `token` subresource of ServiceAccounts: a TokenRequest answered with its token. */
import { sendJson, warningHeaders } from './answers.js';
import { conflict, invalid, methodNotAllowed } from './errors.js';
import { invalidValue, notSupported, required } from './field-errors.js';
import type { FieldError } from './field-errors.js';
import { numberAt, objectAt, stringAt, stringsAt } from './json.js';
import type { JsonObject } from './json.js';
import type { At, Registry } from './registry.js';
import { parseWriteQuery, readBody } from './requests.js';
import { namedObject, userAgent } from './resource-call.js';
import type { ResourceHandler } from './resource-call.js';
import type { ApiResource } from './resources.js';
import { toObject } from './storage.js';
import type { SubresourceDeps } from './subresources.js';
import { ISSUER } from './tokens.js';
import type { BoundObject } from './tokens.js';
import { decodeBody } from './write-body.js';
import type { Strictness } from './write-body.js';

const KIND = {
  group: 'authentication.k8s.io',
  version: 'v1',
  apiVersion: 'authentication.k8s.io/v1',
  kind: 'TokenRequest',
  struct: 'authentication.v1.TokenRequest',
} as const;

const MIN_SECONDS = 600;
const MAX_SECONDS = 2 ** 32;
const DEFAULT_SECONDS = 3_600;
const BOUND: Readonly<Record<string, string>> = { Pod: 'pods', Secret: 'secrets', Node: 'nodes' };

function validate(spec: JsonObject): FieldError[] {
  const seconds = numberAt(spec, 'expirationSeconds') ?? DEFAULT_SECONDS;
  const bound = objectAt(spec, 'boundObjectRef');
  const kind = stringAt(bound, 'kind') ?? '';
  return [
    ...(seconds < MIN_SECONDS
      ? [invalidValue('spec.expirationSeconds', seconds, 'may not specify a duration less than 10 minutes')]
      : []),
    ...(seconds > MAX_SECONDS
      ? [
          invalidValue(
            'spec.expirationSeconds',
            seconds,
            'may not specify a duration larger than 2^32 seconds',
          ),
        ]
      : []),
    ...(bound !== undefined && !Object.hasOwn(BOUND, kind)
      ? [notSupported('spec.boundObjectRef.kind', kind, Object.keys(BOUND))]
      : []),
    ...(bound !== undefined && !stringAt(bound, 'name') ? [required('spec.boundObjectRef.name')] : []),
  ];
}

/** The object that a token is to be bound to; throws 404 or 409 for one that is not there or another one. */
function boundTo(registry: Registry, account: At, ref: JsonObject): BoundObject {
  const kind = stringAt(ref, 'kind') as BoundObject['kind'];
  const name = stringAt(ref, 'name') ?? '';
  const resource = registry.resources.find('', 'v1', BOUND[kind] ?? '') as ApiResource;
  const namespace = resource.namespaced ? account.namespace : '';
  const stored = registry.get({ resource, namespace, name });
  const uid = stringAt(ref, 'uid') ?? '';
  if (uid !== '' && uid !== stored.uid)
    throw conflict(
      resource,
      name,
      `the UID in the bound object reference (${uid}) does not match the UID in record. The object might have been deleted and then recreated`,
    );
  if (kind !== 'Pod') return { kind, name, uid: stored.uid };
  const pod = toObject(resource, stored);
  if (stringAt(pod, 'spec', 'serviceAccountName') !== account.name)
    throw invalid(KIND, '', [
      invalidValue(
        'spec.boundObjectRef.name',
        name,
        'cannot bind token to a Pod not using this ServiceAccount',
      ),
    ]);
  const nodes = registry.resources.find('', 'v1', 'nodes') as ApiResource;
  const node = registry.storage(nodes).get(stringAt(pod, 'spec', 'nodeName') ?? '');
  return { kind, name, uid: stored.uid, node: node && { name: node.name, uid: node.uid } };
}

export const createTokenHandler =
  ({ schema, registry, tokens }: SubresourceDeps): ResourceHandler =>
  async (call) => {
    const { request, response } = call;
    if (request.method !== 'POST') throw methodNotAllowed();
    const account = namedObject(call);
    const text = await readBody(request, schema, KIND.struct);
    const query = parseWriteQuery(call.query, 'CreateOptions', userAgent(request));
    const strictness: Strictness = { fieldValidation: query.fieldValidation, warnings: [] };
    const body = decodeBody(schema, KIND, text, strictness);
    const spec = objectAt(body, 'spec') ?? {};
    const errors = validate(spec);
    const stored = registry.get(account);
    if (errors.length > 0) throw invalid(KIND, '', errors);
    const ref = objectAt(spec, 'boundObjectRef');
    const audiences = stringsAt(spec, 'audiences');
    const init = {
      account: stored,
      audiences: audiences.length === 0 ? [ISSUER] : audiences,
      expirationSeconds: numberAt(spec, 'expirationSeconds') ?? DEFAULT_SECONDS,
      bound: ref && boundTo(registry, account, ref),
    };
    const { token, expires } = tokens.issue(init);
    const answer = {
      kind: KIND.kind,
      apiVersion: KIND.apiVersion,
      metadata: {
        name: account.name,
        namespace: account.namespace,
        creationTimestamp: new Date().toISOString().slice(0, 19) + 'Z',
      },
      spec: {
        audiences: init.audiences,
        expirationSeconds: init.expirationSeconds,
        boundObjectRef: ref ?? null,
      },
      status: { token, expirationTimestamp: expires.toISOString().slice(0, 19) + 'Z' },
    };
    sendJson(response, 201, JSON.stringify(answer) + '\n', warningHeaders(strictness.warnings));
  };
