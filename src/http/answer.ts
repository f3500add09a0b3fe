import type { AccessControl, Decision } from './access.ts';
import { type Body, parseBody } from './body.ts';
import { type Proof, proofHeaders, proveReply } from './cluster-auth.ts';
import { contentTypeOf, type Format, formatAccepted, written } from './format.ts';
import { type HttpReply, problem } from './route.ts';
import type { Router } from './router.ts';
import { pageHeaders, type StaticFiles } from './static-files.ts';

/** Spec cantal 7.1. */
export const bodyLimits = { bytes: 64 * 1024, ms: 15_000 } as const;

/** What a request brought, copied before the first await: the library takes its own object back then. */
export interface Incoming {
  readonly method: string;
  readonly path: string;
  readonly queryText: string;
  readonly host: string;
  readonly origin: string;
  readonly authorization: string;
  readonly contentType: string;
  readonly contentLength: string;
  readonly accept: string;
  readonly acceptEncoding: string;
  readonly ifNoneMatch: string;
  readonly ifRange: string;
  readonly range: string;
  readonly remoteAddress: string;
  readonly proof: Proof | null;
}

export interface Answer {
  readonly status: number;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: Buffer | string;
  /** Where the rest of the request is not worth reading. */
  readonly close?: boolean;
}

const apiHeaders = [
  ['cache-control', 'no-store'],
  ['x-content-type-options', 'nosniff'],
  ['content-security-policy', "default-src 'none'; frame-ancestors 'none'"],
  ['referrer-policy', 'no-referrer'],
  ['cross-origin-resource-policy', 'same-origin'],
] as const;

export interface Parts {
  readonly access: AccessControl;
  readonly router: Router;
  readonly files: StaticFiles | null;
}

/** How much of a body is read: more than the usual only where the route takes it and the token is there. */
export function mostBodyBytes({ access, router }: Pick<Parts, 'access' | 'router'>, incoming: Incoming): number {
  const match = router.match(incoming.method, incoming.path);
  const wanted = match.kind === 'route' ? match.route.mostBodyBytes : undefined;
  if (match.kind !== 'route' || wanted === undefined) return bodyLimits.bytes;
  const signed = { method: incoming.method, target: incoming.path, host: incoming.host, body: Buffer.alloc(0) };
  const asked = { ...incoming, access: match.route.access, queryToken: null, signed };
  const decision = access.decide(asked, Date.now());
  return decision.kind === 'granted' && decision.principal === 'token' ? wanted : bodyLimits.bytes;
}

/** From a request to its answer; null where the client is gone. */
export function answerer({ access, router, files }: Parts) {
  return async (incoming: Incoming, bodyRead: Promise<Body>): Promise<Answer | null> => {
    const { method, path } = incoming;
    const refuse = (status: number, error: string, headers: Answer['headers'] = []): Answer => {
      const reply = fromReply(problem(status, error), 'json');
      return { ...reply, headers: [...reply.headers, ...headers], close: mayHaveBody(incoming) };
    };
    const wrongOrigin = access.originProblem(incoming, method !== 'GET' && method !== 'HEAD');
    if (wrongOrigin !== null) return refuse(403, wrongOrigin);

    const match = router.match(method, path);
    if (match.kind === 'format') return refuse(406, `${path} ends in no format: there are .json, .cbor and .gron`);
    if (match.kind === 'method') {
      const allow = match.allow.includes('GET') ? [...match.allow, 'HEAD'] : match.allow;
      return refuse(405, `${path} takes ${match.allow.join(' and ')}`, [['allow', allow.join(', ')]]);
    }
    if (match.kind === 'none') {
      if (method !== 'GET' && method !== 'HEAD') return refuse(404, `nothing at ${path}`);
      const file = isApi(path) ? null : files?.serve(path, incoming);
      return file ?? refuse(404, `nothing at ${path}; all there is: GET /v1`);
    }
    const { route, params } = match;
    const format = match.format ?? formatAccepted(incoming.accept);
    // What changes something is refused before, what only reads may turn out to answer in a format of its own.
    if (format === null && route.method === 'POST') return refuse(406, notAcceptable);
    const most = mostBodyBytes({ access, router }, incoming);
    if (Number(incoming.contentLength) > most) return refuse(413, tooLarge(most));
    const body = await bodyRead;
    if (body.kind === 'gone') return null;
    if (body.kind === 'tooLarge') return refuse(413, tooLarge(most));
    if (body.kind === 'tooSlow') return refuse(408, `the body took longer than ${bodyLimits.ms / 1000} s`);

    const target = incoming.queryText === '' ? path : `${path}?${incoming.queryText}`;
    const decision = access.decide(
      {
        ...incoming,
        access: route.access,
        queryToken: null,
        signed: { method, target, host: incoming.host, body: body.bytes },
      },
      Date.now(),
    );
    if (decision.kind === 'refused') {
      const challenge = decision.status === 401 ? ([['www-authenticate', 'Bearer']] as const) : [];
      return refuse(decision.status, decision.error, challenge);
    }
    const takesForm = route.form === true;
    const parsed = route.method === 'POST' ? parseBody(body.bytes, incoming.contentType, takesForm) : noBody;
    if (parsed.kind === 'refused') return refuse(parsed.status, parsed.error);
    const query = new URLSearchParams(incoming.queryText);
    if (parsed.kind === 'form') for (const [name, value] of parsed.fields) query.append(name, value);
    const reply = await route.handle({
      method: route.method,
      path,
      query,
      params,
      body: parsed.kind === 'value' ? parsed.value : undefined,
      accept: incoming.accept,
      remoteAddress: incoming.remoteAddress,
      principal: decision.principal,
    });
    if ('json' in reply && format === null && reply.status < 400) return refuse(406, notAcceptable);
    if ('text' in reply && match.format !== null)
      return refuse(406, `${path}: this answers ${reply.contentType} alone`);
    return sealed(fromReply(reply, format ?? 'json'), decision);
  };
}

const noBody = { kind: 'value', value: undefined } as const;
const tooLarge = (most: number): string => `the body is larger than ${most / 1024} KiB`;
const notAcceptable = 'this answers application/json or application/cbor (or gron, with the suffix .gron)';
const isApi = (path: string): boolean => /^\/(v1|api)(\/|$)/.test(path);
const mayHaveBody = ({ method }: Incoming): boolean => method !== 'GET' && method !== 'HEAD';

/** A peer gets a reply that it can check against the key. */
function sealed(answer: Answer, decision: Exclude<Decision, { kind: 'refused' }>): Answer {
  if (decision.kind !== 'proven') return answer;
  const mac = proveReply(decision.key, decision.nonce, answer.status, answer.body);
  return { ...answer, headers: [...answer.headers, [proofHeaders.mac, mac]] };
}

export function fromReply(reply: HttpReply, format: Format): Answer {
  if ('json' in reply) {
    const own = Object.entries(reply.headers ?? {}).map(([name, value]) => [name, headerSafe(value)] as const);
    return {
      status: reply.status,
      headers: [['content-type', contentTypeOf[format]], ...apiHeaders, ...own],
      body: written(reply, format),
    };
  }
  if ('text' in reply) {
    const rest = reply.page === true ? pageHeaders : apiHeaders;
    return {
      status: reply.status,
      headers: [['content-type', headerSafe(reply.contentType)], ...rest],
      body: reply.text,
    };
  }
  return { status: reply.status, headers: [['location', headerSafe(reply.location)], ...apiHeaders], body: '' };
}

function headerSafe(value: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be in a header
  if (/[\x00-\x1f\x7f]/.test(value)) throw new Error('a control character in a header');
  return value;
}
