import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Route, Stream } from '../../src/http/route.ts';
import { type HttpOptions, type HttpServer, startHttp } from '../../src/http/server.ts';
import type { Leadership, Peers } from '../../src/verwalter/ports.ts';
import { startVerwalter } from '../../src/verwalter/shell.ts';
import type { Verwalter, VerwalterOptions } from '../../src/verwalter/verwalter.ts';
import { asJson, ask, type Reply } from '../http/ask.ts';

/** A node that is alone, leads when it is told to, and answers over real HTTP; Lua, files and commands are real. */
export interface OneNode {
  readonly root: string;
  readonly verwalter: Verwalter;
  readonly server: HttpServer;
  /** Lines for the operator. */
  readonly said: readonly string[];
  put(path: string, text: string): void;
  /** '' where there is none. */
  read(path: string): string;
  lead(on: boolean): void;
  get(path: string, headers?: Readonly<Record<string, string>>): Promise<Reply>;
  post(path: string, body: unknown, headers?: Readonly<Record<string, string>>): Promise<Reply>;
  stop(): Promise<void>;
}

export interface OneNodeOptions {
  /** Path below the root → text; the configuration is in config/. */
  readonly files: Readonly<Record<string, string>>;
  readonly workerUrl: URL;
  readonly http?: Partial<HttpOptions>;
  readonly verwalter?: Partial<VerwalterOptions>;
  readonly routes: (verwalter: Verwalter, peers: Peers) => readonly Route[];
  readonly streams?: () => readonly Stream[];
}

export const selfId = 'a'.repeat(32);

export const startOneNode = async (options: OneNodeOptions): Promise<OneNode> => {
  const root = mkdtempSync(join(tmpdir(), 'verwalter-node-'));
  const put = (path: string, text: string): void => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  };
  for (const [path, text] of Object.entries(options.files)) put(path, text.replaceAll('ROOT', root));
  let leadership: Leadership = { role: 'leader', epoch: 1 };
  const listeners = new Set<() => void>();
  const peers: Peers = {
    self: { id: selfId, addr: '127.0.0.1:1', hostname: 'n1', name: 'n1.example.org' },
    members: () => [],
    leadership: () => leadership,
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    announce: () => {},
    mayLead: () => {},
  };
  const said: string[] = [];
  const verwalter = startVerwalter({
    peers,
    metrics: { queryByHost: () => Promise.resolve({ byHost: {}, missing: [] }) },
    peerHttp: { getJson: () => Promise.reject(new Error('there is nobody')) },
    configDir: join(root, 'config'),
    storageDir: join(root, 'storage'),
    logDir: join(root, 'log'),
    version: '0.0.1',
    lithosSwitch: ['/bin/false'],
    roundIntervalMs: 300,
    workerUrl: options.workerUrl,
    log: (line) => said.push(line),
    ...options.verwalter,
  });
  const server = await startHttp({
    ...{ host: '127.0.0.1', port: 0, ...options.http },
    routes: options.routes(verwalter, peers),
    streams: options.streams?.() ?? [],
  });
  const { port } = server;
  return {
    ...{ root, verwalter, server, said, put },
    read(path) {
      try {
        return readFileSync(join(root, path), 'utf8');
      } catch {
        return '';
      }
    },
    lead(on) {
      leadership = { role: on ? 'leader' : 'none', epoch: leadership.epoch + 1 };
      for (const listener of listeners) listener();
    },
    get: (path, headers = {}) => ask({ port, path, headers }),
    post: (path, body, headers = {}) =>
      ask({ port, method: 'POST', path, headers: { ...asJson, ...headers }, body: JSON.stringify(body) }),
    async stop() {
      await server.stop();
      await verwalter.stop();
      rmSync(root, { recursive: true, force: true });
    },
  };
};
