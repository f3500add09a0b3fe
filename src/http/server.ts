import type { HttpResponse, HttpRequest as RawRequest, TemplatedApp, us_listen_socket } from 'uWebSockets.js';
import { STATUS_CODES } from 'node:http';
import { isIP } from 'node:net';
import { type AccessControl, accessControl, type Decision } from './access.ts';
import { addressText, authority } from './address.ts';
import { parseJson, readBody } from './body.ts';
import { type Proof, proofHeaders, proveReply } from './cluster-auth.ts';
import { diagnoseListen } from './listen-error.ts';
import { type PeerStream, servePeerStreams } from './peer-streams.ts';
import { type HttpReply, json, problem, type Route, type Stream } from './route.ts';
import { router } from './router.ts';
import { type StaticFiles, staticFiles } from './static-files.ts';
import { serveStreams } from './streams.ts';
import { loadUws } from './uws.ts';

export interface HttpOptions {
  /** IP address (or localhost). */
  readonly host: string;
  /** 0 = any free one. */
  readonly port: number;
  readonly routes: readonly Route[];
  readonly streams?: readonly Stream[];
  /** For agents of the cluster only. */
  readonly peerStreams?: readonly PeerStream[];
  /** Folder of the UI; absent: paths outside the routes are 404. */
  readonly staticDir?: string;
  /** Secrets for `act`; without any, nothing can be changed over HTTP. */
  readonly tokens?: readonly string[];
  /** All are accepted from peers; a reply is signed with the key of its request. */
  readonly clusterKeys?: readonly Uint8Array[];
  /** Lets every host read without the token; default false. */
  readonly allowRemoteRead?: boolean;
  /** Names besides localhost, this host's name and addresses, under which browsers may ask. */
  readonly hostNames?: readonly string[];
  /** Told of handlers that threw; default: nobody. */
  readonly report?: (what: string, error: unknown) => void;
}

export interface HttpServer {
  readonly port: number;
  readonly url: string;
  /** Takes no new request, lets running ones end for at most `graceMs` (default 500), then closes everything. */
  stop(graceMs?: number): Promise<void>;
}

/** Spec cantal 7.1. */
const bodyLimitBytes = 64 * 1024;
/** Spec cantal 7.1: requests under way and streams, each. */
const maxConnections = 500;
const defaultGraceMs = 500;
/** LIBUS_LISTEN_EXCLUSIVE_PORT: without it two agents would silently share the port. */
const exclusivePort = 1;

/** What a request brought, copied before the first await: the library takes its own object back then. */
interface Incoming {
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
  readonly remoteAddress: string;
  readonly proof: Proof | null;
}

interface Answer {
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

/** Starts the server; rejects with ListenError where the address cannot be had, with Error where the library does not fit. */
export async function startHttp(options: HttpOptions): Promise<HttpServer> {
  const uws = loadUws();
  const report = options.report ?? (() => {});
  const streams = options.streams ?? [];
  const peerStreams = options.peerStreams ?? [];
  let port = options.port;
  const access = accessControl({
    host: options.host,
    ownAuthority: () => (isWildcard(options.host) ? null : authority(options.host, port)),
    tokens: options.tokens ?? [],
    clusterKeys: options.clusterKeys ?? [],
    allowRemoteRead: options.allowRemoteRead ?? false,
    hostNames: options.hostNames ?? [],
  });
  const answer = answerer({
    access,
    router: router([indexRoute(options.routes, [...streams, ...peerStreams]), ...options.routes]),
    files: options.staticDir === undefined ? null : staticFiles(options.staticDir),
    report,
  });

  const app = uws.App();
  const clients = serveStreams(app, streams, { access, maxClients: maxConnections, report });
  // A window of 4 kB holds what is said again at each scan: `npm run bench -- remote`.
  const compression = uws.DEDICATED_COMPRESSOR_4KB;
  const peers = servePeerStreams(app, peerStreams, { access, report, compression });
  let running = 0;
  let stopping = false;
  let idle: (() => void) | null = null;

  app.any('/*', (res, req) => {
    const incoming = copyRequest(res, req);
    let gone = false;
    const goneListeners: (() => void)[] = [];
    res.onAborted(() => {
      gone = true;
      for (const listener of goneListeners) listener();
    });
    if (stopping || running >= maxConnections) {
      write(res, incoming, {
        ...fromReply(problem(503, stopping ? 'the agent stops' : 'too many requests at once')),
        close: true,
      });
      return;
    }
    running += 1;
    const body = readBody(res, bodyLimitBytes, (listener) => goneListeners.push(listener));
    answer(incoming, body)
      .catch((error: unknown) => {
        report(`${incoming.method} ${incoming.path}`, error);
        return fromReply(problem(500, 'internal error'));
      })
      .then((reply) => {
        if (!gone && reply !== null) res.cork(() => write(res, incoming, reply));
      })
      .catch((error: unknown) => report(`reply to ${incoming.method} ${incoming.path}`, error))
      .finally(() => {
        running -= 1;
        if (running === 0) idle?.();
      });
  });

  const socket = await listen(app, options.host, options.port);
  port = uws.us_socket_local_port(socket);
  const reachable = isWildcard(options.host) ? '127.0.0.1' : options.host;

  return {
    port,
    url: `http://${authority(reachable, port)}`,
    async stop(graceMs = defaultGraceMs) {
      if (stopping) return;
      stopping = true;
      uws.us_listen_socket_close(socket);
      clients.closeAll();
      peers.closeAll();
      if (running > 0) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, graceMs);
          idle = () => {
            clearTimeout(timer);
            // The last reply is still in the library's hands.
            setImmediate(resolve);
          };
        });
      }
      app.close();
    },
  };
}

function listen(app: TemplatedApp, host: string, port: number): Promise<us_listen_socket> {
  return new Promise((resolve, reject) => {
    const done = (socket: us_listen_socket | false) => {
      if (socket !== false) return resolve(socket);
      diagnoseListen(host, port).then(reject, reject);
    };
    // The library takes (host, port, options, callback); its types name only the shorter forms.
    (app.listen as unknown as (host: string, port: number, options: number, cb: typeof done) => void).call(
      app,
      host,
      port,
      exclusivePort,
      done,
    );
  });
}

const isWildcard = (host: string): boolean => host === '0.0.0.0' || (isIP(host) === 6 && /^[0:]+$/.test(host));

function copyRequest(res: HttpResponse, req: RawRequest): Incoming {
  const date = req.getHeader(proofHeaders.date);
  const nonce = req.getHeader(proofHeaders.nonce);
  const mac = req.getHeader(proofHeaders.mac);
  return {
    method: req.getCaseSensitiveMethod().toUpperCase(),
    path: req.getUrl(),
    queryText: req.getQuery() ?? '',
    host: req.getHeader('host'),
    origin: req.getHeader('origin'),
    authorization: req.getHeader('authorization'),
    contentType: req.getHeader('content-type'),
    contentLength: req.getHeader('content-length'),
    accept: req.getHeader('accept'),
    acceptEncoding: req.getHeader('accept-encoding'),
    ifNoneMatch: req.getHeader('if-none-match'),
    remoteAddress: addressText(new Uint8Array(res.getRemoteAddress())),
    proof: mac === '' ? null : { date, nonce, mac },
  };
}

interface Parts {
  readonly access: AccessControl;
  readonly router: ReturnType<typeof router>;
  readonly files: StaticFiles | null;
  readonly report: (what: string, error: unknown) => void;
}

/** From a request to its answer; null where the client is gone. */
function answerer({ access, router, files }: Parts) {
  return async (incoming: Incoming, bodyRead: ReturnType<typeof readBody>): Promise<Answer | null> => {
    const { method, path } = incoming;
    const refuse = (status: number, error: string, headers: Answer['headers'] = []): Answer => {
      const reply = fromReply(problem(status, error));
      return { ...reply, headers: [...reply.headers, ...headers], close: mayHaveBody(incoming) };
    };
    const wrongOrigin = access.originProblem(incoming, method !== 'GET' && method !== 'HEAD');
    if (wrongOrigin !== null) return refuse(403, wrongOrigin);

    const match = router.match(method, path);
    if (match.kind === 'method') {
      const allow = match.allow.includes('GET') ? [...match.allow, 'HEAD'] : match.allow;
      return refuse(405, `${path} takes ${match.allow.join(' and ')}`, [['allow', allow.join(', ')]]);
    }
    if (match.kind === 'none') {
      if (method !== 'GET' && method !== 'HEAD') return refuse(404, `nothing at ${path}`);
      const file = isApi(path) ? null : files?.serve(path, incoming.acceptEncoding, incoming.ifNoneMatch);
      return file ?? refuse(404, `nothing at ${path}; all there is: GET /v1`);
    }
    if (Number(incoming.contentLength) > bodyLimitBytes) return refuse(413, tooLarge);
    const body = await bodyRead;
    if (body.kind === 'gone') return null;
    if (body.kind === 'tooLarge') return refuse(413, tooLarge);

    const { route, params } = match;
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
    const parsed = route.method === 'POST' ? parseJson(body.bytes, incoming.contentType) : noBody;
    if (parsed.kind === 'refused') return refuse(parsed.status, parsed.error);
    const reply = await route.handle({
      method: route.method,
      path,
      query: new URLSearchParams(incoming.queryText),
      params,
      body: parsed.value,
      accept: incoming.accept,
      remoteAddress: incoming.remoteAddress,
      principal: decision.principal,
    });
    return sealed(fromReply(reply), decision);
  };
}

const noBody = { kind: 'json', value: undefined } as const;
const tooLarge = `the body is larger than ${bodyLimitBytes / 1024} KiB`;
const isApi = (path: string): boolean => path === '/v1' || path.startsWith('/v1/');
const mayHaveBody = ({ method }: Incoming): boolean => method !== 'GET' && method !== 'HEAD';

/** A peer gets a reply that it can check against the key. */
function sealed(answer: Answer, decision: Exclude<Decision, { kind: 'refused' }>): Answer {
  if (decision.kind !== 'proven') return answer;
  const mac = proveReply(decision.key, decision.nonce, answer.status, answer.body);
  return { ...answer, headers: [...answer.headers, [proofHeaders.mac, mac]] };
}

function fromReply(reply: HttpReply): Answer {
  if ('json' in reply) {
    return {
      status: reply.status,
      headers: [['content-type', 'application/json'], ...apiHeaders],
      body: JSON.stringify(reply.json) ?? 'null',
    };
  }
  if ('text' in reply) {
    return {
      status: reply.status,
      headers: [['content-type', headerSafe(reply.contentType)], ...apiHeaders],
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

/** Inside a cork, in one go. */
function write(res: HttpResponse, { method }: Incoming, { status, headers, body, close = false }: Answer): void {
  res.writeStatus(`${status} ${STATUS_CODES[status] ?? 'Unknown'}`);
  for (const [name, value] of headers) res.writeHeader(name, value);
  if (method === 'HEAD') res.endWithoutBody(Buffer.byteLength(body), close);
  else if (status === 304) res.endWithoutBody(undefined, close);
  else res.end(body, close);
}

function indexRoute(routes: readonly Route[], streams: readonly Pick<Stream, 'path' | 'summary'>[]): Route {
  return {
    method: 'GET',
    path: '/v1',
    access: 'read',
    summary: 'This list',
    handle: () =>
      json({
        routes: routes.map(({ method, path, access, summary }) => ({ method, path, access, summary })),
        streams: streams.map(({ path, summary }) => ({ path, summary })),
      }),
  };
}
