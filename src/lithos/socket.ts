import { chmodSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { Socket } from 'node:net';
import { containerAddon, isFailure } from '../native/container.ts';

export interface SocketHandlers {
  status(): unknown;
  config(): unknown;
  reload(): unknown;
  shutdown(): unknown;
}

/**
 * Listens on `path`, which must be of nobody else any more: the caller holds tree.lock. Who may ask is decided by
 * SO_PEERCRED, unix(7); the mode keeps others away before that where nobody else is to be let in.
 */
export function serveSocket(path: string, controlUsers: readonly number[], handlers: SocketHandlers): Promise<Server> {
  const allowed = new Set([0, process.geteuid?.() ?? 0, ...controlUsers]);
  const server = createServer((asked, reply) => {
    const answer = (code: number, value: unknown): void => {
      reply.writeHead(code, { 'content-type': 'application/json' });
      reply.end(`${JSON.stringify(value)}\n`);
    };
    asked.resume();
    const uid = peerOf(asked.socket);
    if (uid === null || !allowed.has(uid)) return answer(403, { error: `uid ${uid ?? 'unknown'} may not use this` });
    const methods = routes(handlers)[asked.url ?? ''];
    if (methods === undefined) return answer(404, { error: `there is no ${asked.url}` });
    const handler = methods[asked.method ?? ''];
    if (handler === undefined) return answer(405, { error: `${asked.method} is none of ${Object.keys(methods)}` });
    answer(200, handler());
  });
  server.on('clientError', (_, socket) => {
    socket.end('HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\n\r\n{"error":"not HTTP"}\n');
  });
  rmSync(path, { force: true });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    // Between bind and chmod there must be no moment in which others may connect.
    const before = process.umask(0o177);
    server.listen(path, () => {
      if (controlUsers.length > 0) chmodSync(path, 0o666);
      resolve(server);
    });
    process.umask(before);
  });
}

const routes = (handlers: SocketHandlers): Readonly<Record<string, Readonly<Record<string, () => unknown>>>> => ({
  '/v1/status': { GET: handlers.status },
  '/v1/config': { GET: handlers.config },
  '/v1/reload': { POST: handlers.reload },
  '/v1/shutdown': { POST: handlers.shutdown },
});

/** Node shows the descriptor of a socket nowhere but on its handle. */
function peerOf(socket: Socket): number | null {
  const { _handle: handle } = socket as unknown as { readonly _handle?: { readonly fd?: number } };
  if (typeof handle?.fd !== 'number' || handle.fd < 0) return null;
  const peer = containerAddon().peerCredentials(handle.fd);
  return isFailure(peer) ? null : peer.uid;
}
