import type { HttpResponse, HttpRequest as RawRequest, TemplatedApp, us_listen_socket } from 'uWebSockets.js';
import { isIP } from 'node:net';
import { accessControl } from './access.ts';
import { addressText, authority } from './address.ts';
import { type Answer, answerer, bodyLimits, fromReply, type Incoming, mostBodyBytes } from './answer.ts';
import type { Audit } from './audit.ts';
import { readBody } from './body.ts';
import { proofHeaders } from './cluster-auth.ts';
import { frontendFiles } from './frontend-files.ts';
import { diagnoseListen } from './listen-error.ts';
import { type PeerStream, servePeerStreams } from './peer-streams.ts';
import { respond } from './respond.ts';
import { json, problem, type Route, type Stream } from './route.ts';
import { router } from './router.ts';
import { type StaticFiles, staticFiles } from './static-files.ts';
import { serveStreams } from './streams.ts';
import type { Token } from './token.ts';
import { loadUws } from './uws.ts';

export interface HttpOptions {
  /** IP address (or localhost). */
  readonly host: string;
  /** 0 = any free one. */
  readonly port: number;
  /** Listens on 127.0.0.1 too, at the same port, where `host` leaves it out; default false. */
  readonly alsoLocalhost?: boolean;
  readonly routes: readonly Route[];
  readonly streams?: readonly Stream[];
  /** For agents of the cluster only. */
  readonly peerStreams?: readonly PeerStream[];
  /** Folder of the UI; absent: paths outside the routes are 404. */
  readonly staticDir?: string;
  /** Front-ends beside it. */
  readonly frontends?: { readonly folder: string; readonly defaultName: string };
  /** Without any, nothing can be changed over HTTP; a text is a secret that may do everything. */
  readonly tokens?: readonly (string | Token)[];
  /** All are accepted from peers; a reply is signed with the key of its request. */
  readonly clusterKeys?: readonly Uint8Array[];
  /** Lets every host read without the token; default false. */
  readonly allowRemoteRead?: boolean;
  /** Names besides localhost, this host's name and addresses, under which browsers may ask. */
  readonly hostNames?: readonly string[];
  /** Value of the header Server; default: none. */
  readonly software?: string;
  /** Default: those of spec cantal 7.1, 15 s and 30 s. */
  readonly bodyLimitMs?: number;
  readonly responseLimitMs?: number;
  /** Told of each request that changed something, or was kept from it; default: nobody. */
  readonly audit?: Audit;
  /** Told of handlers that threw; default: nobody. */
  readonly report?: (what: string, error: unknown) => void;
}

export interface HttpServer {
  readonly port: number;
  readonly url: string;
  /** Open WebSockets. */
  streamClients(): number;
  /** Takes no new request, lets running ones end for at most `graceMs` (default 500), then closes everything. */
  stop(graceMs?: number): Promise<void>;
}

/**
 * Spec cantal 7.1: requests under way and streams, each. Of the other limits there the library keeps two itself, measured: a connection without a whole head
 * of a request is closed after 10 to 12 s, however slowly it drips, and so is one that is kept alive without a request;
 * a second request while the first is not answered closes. body.ts and respond.ts keep the rest.
 */
const maxConnections = 500;
/** Requests and streams together: a connection beyond is closed unheard. */
const maxSockets = 2 * maxConnections;
const defaultGraceMs = 500;
/** LIBUS_LISTEN_EXCLUSIVE_PORT: without it two agents would silently share the port. */
const exclusivePort = 1;

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
  const routes = router([indexRoute(options.routes, [...streams, ...peerStreams]), ...options.routes]);
  const answer = answerer({
    access,
    router: routes,
    files: filesOf(options),
    audit: options.audit ?? (() => {}),
  });
  const software: Answer['headers'] = options.software === undefined ? [] : [['server', options.software]];

  const app = uws.App();
  let connections = 0;
  // biome-ignore lint/suspicious/useIterableCallbackReturn: this app is no list; it tells of each connection that comes (1) or goes (-1)
  app.filter((res, change) => {
    connections += Number(change);
    if (Number(change) > 0 && connections > maxSockets) res.close();
  });
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
    const onGone = (listener: () => void) => goneListeners.push(listener);
    const write = (answer: Answer) =>
      respond(
        res,
        incoming.method,
        { ...answer, headers: [...software, ...answer.headers] },
        onGone,
        options.responseLimitMs,
      );
    res.onAborted(() => {
      gone = true;
      for (const listener of goneListeners) listener();
    });
    if (stopping || running >= maxConnections) {
      const error = stopping ? 'the agent stops' : 'too many requests at once';
      void write({ ...fromReply(problem(503, error), 'json'), close: true });
      return;
    }
    running += 1;
    const body = readBody(
      res,
      { bytes: mostBodyBytes({ access, router: routes }, incoming), ms: options.bodyLimitMs ?? bodyLimits.ms },
      onGone,
    );
    answer(incoming, body)
      .catch((error: unknown) => {
        report(`${incoming.method} ${incoming.path}`, error);
        return fromReply(problem(500, 'internal error'), 'json');
      })
      .then((reply) => {
        if (reply === null) return;
        // An answer that its client is slow to take counts as a request under way.
        let written = Promise.resolve();
        if (!gone)
          res.cork(() => {
            written = write(reply);
          });
        const { body } = reply;
        return typeof body === 'object' && 'read' in body ? written.finally(() => body.close()) : written;
      })
      .catch((error: unknown) => report(`reply to ${incoming.method} ${incoming.path}`, error))
      .finally(() => {
        running -= 1;
        if (running === 0) idle?.();
      });
  });

  const sockets = [await listen(app, options.host, options.port)];
  port = uws.us_socket_local_port(sockets[0] as us_listen_socket);
  if (options.alsoLocalhost === true && !isWildcard(options.host) && !isLocalhost(options.host)) {
    try {
      sockets.push(await listen(app, '127.0.0.1', port));
    } catch (error) {
      app.close();
      throw error;
    }
  }
  const reachable = isWildcard(options.host) ? '127.0.0.1' : options.host;

  return {
    port,
    url: `http://${authority(reachable, port)}`,
    streamClients: () => clients.count(),
    async stop(graceMs = defaultGraceMs) {
      if (stopping) return;
      stopping = true;
      for (const socket of sockets) uws.us_listen_socket_close(socket);
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

function filesOf({ staticDir, frontends }: HttpOptions): StaticFiles | null {
  if (staticDir === undefined) return null;
  return frontends === undefined ? staticFiles(staticDir) : frontendFiles({ builtIn: staticDir, ...frontends });
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

const isLocalhost = (host: string): boolean => host === 'localhost' || host === '127.0.0.1';
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
    ifRange: req.getHeader('if-range'),
    ifModifiedSince: req.getHeader('if-modified-since'),
    range: req.getHeader('range'),
    idempotencyKey: req.getHeader('idempotency-key'),
    deadline: req.getHeader('x-deadline'),
    remoteAddress: addressText(new Uint8Array(res.getRemoteAddress())),
    proof: mac === '' ? null : { date, nonce, mac },
  };
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
