import type { AccessControl, Decision } from './access.ts';
import type { Audit } from './audit.ts';
import { type Body, parseBody } from './body.ts';
import { type Proof, proofHeaders, proveReply } from './cluster-auth.ts';
import { fileAnswer, heldBytes, type StreamedBody } from './file-answer.ts';
import { contentTypeOf, type Format, formatAccepted, written } from './format.ts';
import { type HttpReply, problem, type Route } from './route.ts';
import type { Router } from './router.ts';
import { pageHeaders, type StaticFiles } from './static-files.ts';

/** Of a reply: the id of the action that it is about. */
export const actionHeader = 'stellwerk-action';

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
  readonly ifModifiedSince: string;
  readonly range: string;
  readonly idempotencyKey: string;
  readonly deadline: string;
  readonly remoteAddress: string;
  readonly proof: Proof | null;
}

export interface Answer {
  readonly status: number;
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** A streamed one is to be closed by whoever sends it. */
  readonly body: Buffer | string | StreamedBody;
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

/** A file may be kept and asked about again: it is not made anew each time. */
const fileHeaders = apiHeaders.map(([name, value]) =>
  name === 'cache-control' ? ([name, 'private, no-cache'] as const) : ([name, value] as const),
);

export interface Parts {
  readonly access: AccessControl;
  readonly router: Router;
  readonly files: StaticFiles | null;
  readonly audit: Audit;
}

/** How much of a body is read: more than the usual only where the route takes it and a token that may is there. */
export function mostBodyBytes({ access, router }: Pick<Parts, 'access' | 'router'>, incoming: Incoming): number {
  const match = router.match(incoming.method, incoming.path);
  const wanted = match.kind === 'route' ? match.route.mostBodyBytes : undefined;
  if (match.kind !== 'route' || wanted === undefined) return bodyLimits.bytes;
  const signed = { method: incoming.method, target: incoming.path, host: incoming.host, body: Buffer.alloc(0) };
  const asked = { ...incoming, access: match.route.access, queryToken: null, signed };
  const decision = access.decide(asked, Date.now());
  return decision.kind === 'granted' && decision.grant !== null ? wanted : bodyLimits.bytes;
}

/** From a request to its answer; null where the client is gone. */
export function answerer({ access, router, files, audit }: Parts) {
  return async (incoming: Incoming, bodyRead: Promise<Body>): Promise<Answer | null> => {
    const { method, path } = incoming;
    const startMs = performance.now();
    let route: Route | null = null;
    let principal: string | null = null;
    const note = (status: number, error: string | null, action: string | null = null): void => {
      const changes = route === null ? mayHaveBody(incoming) && status === 403 : route.method === 'POST';
      if (!changes || route?.access === 'read') return;
      // What peers may do, and did, is no news; that somebody wanted to pass for one is.
      if (route?.access === 'cluster' && status < 400) return;
      const tookMs = Math.round(performance.now() - startMs);
      audit({ principal, address: incoming.remoteAddress, method, path, status, error, action, tookMs });
    };
    const refuse = (status: number, error: string, headers: Answer['headers'] = []): Answer => {
      note(status, error);
      const reply = fromReply(problem(status, error), 'json');
      return { ...reply, headers: [...reply.headers, ...headers], close: mayHaveBody(incoming) };
    };
    const wrongOrigin = access.originProblem(incoming, method !== 'GET' && method !== 'HEAD');
    if (wrongOrigin !== null) return refuse(403, wrongOrigin);

    const match = router.match(method, path);
    if (match.kind === 'format')
      return refuse(406, `${path} ends in no format: there are .json, .pretty, .cbor and .gron`);
    if (match.kind === 'method') {
      const allow = match.allow.includes('GET') ? [...match.allow, 'HEAD'] : match.allow;
      return refuse(405, `${path} takes ${match.allow.join(' and ')}`, [['allow', allow.join(', ')]]);
    }
    if (match.kind === 'none') {
      if (method !== 'GET' && method !== 'HEAD') return refuse(404, `nothing at ${path}`);
      const file = isApi(path) ? null : files?.serve(path, incoming);
      return file ?? refuse(404, `nothing at ${path}; all there is: GET /v1`);
    }
    const { params } = match;
    route = match.route;
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
        byRole: route.byRole ?? false,
        queryToken: null,
        signed: { method, target, host: incoming.host, body: body.bytes },
      },
      Date.now(),
    );
    principal = decision.principal;
    if (decision.kind === 'refused') {
      const challenge = decision.status === 401 ? ([['www-authenticate', 'Bearer']] as const) : [];
      return refuse(decision.status, decision.error, challenge);
    }
    const takesForm = route.form === true;
    const parsed = route.method === 'POST' ? parseBody(body.bytes, incoming.contentType, takesForm) : noBody;
    if (parsed.kind === 'refused') return refuse(parsed.status, parsed.error);
    const query = new URLSearchParams(incoming.queryText);
    if (parsed.kind === 'form') for (const [name, value] of parsed.fields) query.append(name, value);
    const { idempotencyKey, deadline } = incoming;
    const handled = route.handle({
      method: route.method,
      path,
      query,
      params,
      body: parsed.kind === 'value' ? parsed.value : undefined,
      accept: incoming.accept,
      remoteAddress: incoming.remoteAddress,
      principal: decision.principal,
      ...('grant' in decision && decision.grant !== null ? { grant: decision.grant } : {}),
      ...(idempotencyKey === '' ? {} : { idempotencyKey }),
      ...(deadline === '' ? {} : { deadline }),
    });
    const reply = await Promise.resolve(handled).catch((error: unknown) => {
      note(500, 'internal error');
      throw error;
    });
    note(reply.status, errorOf(reply), actionOf(reply));
    if ('json' in reply && format === null && reply.status < 400) return refuse(406, notAcceptable);
    if ('text' in reply && match.format !== null)
      return refuse(406, `${path}: this answers ${reply.contentType} alone`);
    if (!('file' in reply)) return sealed(fromReply(reply, format ?? 'json'), decision);
    const ofFile = [['content-type', headerSafe(reply.contentType)], ...fileHeaders] as const;
    return sealed(await fileAnswer(reply.file, ofFile, incoming), decision);
  };
}

const errorOf = (reply: HttpReply): string | null => {
  if (reply.status < 400 || !('json' in reply)) return null;
  const { error } = (reply.json ?? {}) as { readonly error?: unknown };
  return typeof error === 'string' ? error : null;
};
const actionOf = (reply: HttpReply): string | null => ('json' in reply && reply.headers?.[actionHeader]) || null;

const noBody = { kind: 'value', value: undefined } as const;
const tooLarge = (most: number): string => `the body is larger than ${most / 1024} KiB`;
const notAcceptable = 'this answers application/json or application/cbor (or gron, with the suffix .gron)';
const isApi = (path: string): boolean => /^\/(v1|api)(\/|$)/.test(path);
const mayHaveBody = ({ method }: Incoming): boolean => method !== 'GET' && method !== 'HEAD';

/** A peer gets a reply that it can check against the key. */
async function sealed(answer: Answer, decision: Exclude<Decision, { kind: 'refused' }>): Promise<Answer> {
  if (decision.kind !== 'proven') return answer;
  const { body } = answer;
  if (typeof body === 'object' && 'read' in body) {
    await body.close();
    const most = `a peer is sent at most ${heldBytes / 1024} KiB of a file at once: ask for it by ranges`;
    return sealed(fromReply(problem(413, most), 'json'), decision);
  }
  const mac = proveReply(decision.key, decision.nonce, answer.status, body);
  return { ...answer, headers: [...answer.headers, [proofHeaders.mac, mac]] };
}

export function fromReply(reply: Exclude<HttpReply, { readonly file: unknown }>, format: Format): Answer {
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
