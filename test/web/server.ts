// Serves a built page with simulated figures. For tests only: the real one is the agent.

import uWS from 'uWebSockets.js';
import { readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { simulatedOverview, simulatedPlots, simulatedStatus } from './simulated.ts';

const contentTypes: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};

export interface TestServer {
  readonly port: number;
  /** Bodies of the actions received, in order. */
  readonly actions: readonly unknown[];
  /** Drops every connection and each new one at once, as while an agent restarts, until `up`. */
  down(): void;
  up(): void;
  close(): void;
}

/** Listens on a free port of 127.0.0.1. */
export function serve(folder: string, token: string): Promise<TestServer> {
  const actions: unknown[] = [];
  let factor = 1;
  let pendingUntil = 0;
  let isDown = false;
  const sockets = new Set<uWS.WebSocket<unknown>>();
  const overview = () => JSON.stringify(simulatedOverview(Date.now(), factor));
  const app = uWS.App();
  app.ws('/v1/live', {
    upgrade(response, request, context) {
      if (isDown) {
        response.close();
        return;
      }
      const header = (name: string) => request.getHeader(name);
      response.upgrade(
        {},
        header('sec-websocket-key'),
        header('sec-websocket-protocol'),
        header('sec-websocket-extensions'),
        context,
      );
    },
    open(socket) {
      sockets.add(socket);
      socket.send(overview());
    },
    close(socket) {
      sockets.delete(socket);
    },
  });
  app.ws('/v1/stream', {
    message(socket) {
      socket.send(JSON.stringify({ timestamp: Date.now(), after: null, appends: [], values: {} }));
    },
  });
  app.get('/status', (response) =>
    isDown ? void response.close() : json(response, '200 OK', simulatedStatus(Date.now())),
  );
  app.get('/v1', (response) =>
    isDown ? void response.close() : json(response, '200 OK', { routes: [{ method: 'GET', path: '/v1/overview' }] }),
  );
  app.get('/v1/anomalies', (response) =>
    isDown ? void response.close() : json(response, '200 OK', { timestamp: Date.now(), anomalies: [] }),
  );
  app.get('/v1/plots', (response, request) => {
    if (isDown) {
      response.close();
      return;
    }
    const since = Number(request.getQuery('since') ?? 0);
    json(response, '200 OK', simulatedPlots(Date.now(), since));
  });
  app.get('/v1/action_is_pending/:id', (response) => json(response, '200 OK', { pending: Date.now() < pendingUntil }));
  app.post('/v1/action', (response, request) => {
    const allowed = request.getHeader('authorization') === `Bearer ${token}`;
    const chunks: Buffer[] = [];
    response.onAborted(() => {});
    response.onData((chunk, last) => {
      chunks.push(Buffer.from(chunk.slice(0)));
      if (!last) return;
      if (!allowed) return response.cork(() => json(response, '401 Unauthorized', { error: 'wrong token' }));
      const action: { button?: { action?: string } } = JSON.parse(Buffer.concat(chunks).toString());
      actions.push(action);
      factor = action.button?.action === 'double' ? 2 : 1;
      pendingUntil = Date.now() + 700;
      response.cork(() => json(response, '200 OK', { registered: 1_764_000_000_000 }));
    });
  });
  app.get('/*', (response, request) => file(response, folder, request.getUrl()));
  const timer = setInterval(() => {
    for (const socket of sockets) socket.send(overview());
  }, 2000);
  return new Promise((resolve, reject) => {
    app.listen('127.0.0.1', 0, (listening) => {
      if (!listening) return reject(new Error('no free port on 127.0.0.1'));
      const down = () => {
        isDown = true;
        for (const socket of [...sockets]) socket.close();
      };
      const up = () => {
        isDown = false;
      };
      const close = () => {
        clearInterval(timer);
        app.close();
      };
      resolve({ port: uWS.us_socket_local_port(listening), actions, down, up, close });
    });
  });
}

function json(response: uWS.HttpResponse, status: string, value: unknown): void {
  response.writeStatus(status).writeHeader('content-type', 'application/json').end(JSON.stringify(value));
}

function file(response: uWS.HttpResponse, folder: string, url: string): void {
  const path = join(folder, url === '/' ? 'index.html' : url);
  try {
    const body = readFileSync(path);
    response
      .writeHeader('content-type', contentTypes[extname(path)] ?? 'application/octet-stream')
      .writeHeader('content-security-policy', "default-src 'self'; style-src 'self'")
      .end(body);
  } catch {
    response.writeStatus('404 Not Found').end();
  }
}
