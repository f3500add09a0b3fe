import type { ClusterMember } from '../../../src/cantal/remote/by-host.ts';
import { type Remote, type RemoteCluster, startRemote } from '../../../src/cantal/remote/remote.ts';
import { cantalRoutes } from '../../../src/cantal/routes.ts';
import { type Cantal, startCantal } from '../../../src/cantal/shell.ts';
import { type PeerClient, peerHttp } from '../../../src/http/peer-http.ts';
import { type HttpServer, startHttp } from '../../../src/http/server.ts';
import { SeriesKind } from '../../../src/native/scanner.ts';
import { type MemoryScanner, memoryScanner } from '../memory-scanner.ts';

const key = Buffer.alloc(32, 5);
export const interval = 2000;
export const idOf = (number: number): string => number.toString(16).padStart(2, '0').repeat(16);

export interface TestNode {
  readonly scanner: MemoryScanner;
  readonly cantal: Cantal;
  readonly remote: Remote;
  readonly port: number;
  readonly announced: boolean[];
  /** Requests of this node to others: path, host, bytes of the answer. */
  readonly asked: { readonly path: string; readonly addr: string; readonly bytes: number }[];
  /** One scan, a period after the one before: series `load` and `ticks` of this host. */
  scan(): void;
  post(path: string, body: unknown): Promise<{ readonly status: number; readonly json: Answer }>;
  get(path: string): Promise<unknown>;
  stopServer(): Promise<void>;
  startServer(): Promise<void>;
}

// biome-ignore lint/suspicious/noExplicitAny: JSON of whatever path was asked
type Answer = any;

/** Agents' cantal without scanner threads and gossip: everything between them is real. */
export async function testNodes(count: number, labels: (number: number) => Record<string, string> = () => ({})) {
  const members = new Map<string, ClusterMember>();
  const listeners = new Set<() => void>();
  const nodes: TestNode[] = [];
  const stops: (() => unknown)[] = [];
  const tellAll = () => {
    for (const listener of [...listeners]) listener();
  };

  for (let number = 1; number <= count; number++) nodes.push(await node(number));
  tellAll();

  async function node(number: number): Promise<TestNode> {
    const id = idOf(number);
    const scanner = memoryScanner();
    const load = scanner.series({ metric: 'load' }, SeriesKind.float);
    const ticks = scanner.series({ metric: 'ticks' }, SeriesKind.counter);
    let time = Date.now() - 60_000;
    let scans = 0;
    const scan = () => {
      scans += 1;
      time += interval;
      scanner.scan(time, { [load]: number + (scans % 7) / 100, [ticks]: scans * 100 * number });
    };
    const cantal = startCantal({ scanner, intervalMs: interval, version: '1' });
    const announced: boolean[] = [];
    const cluster: RemoteCluster = {
      self: { id },
      members: () => [...members.values()].filter((member) => member.id !== id),
      onChange(listener) {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
      announceRemote: (on) => void announced.push(on),
    };
    const http: PeerClient = peerHttp({ keys: [key] });
    const asked: { path: string; addr: string; bytes: number }[] = [];
    let server: HttpServer | null = null;
    let port = 0;
    const remote = startRemote({
      cantal,
      cluster,
      http: {
        async postJson(addr, path, ...rest) {
          const reply = await http.postJson(addr, path, ...rest);
          asked.push({ path, addr, bytes: JSON.stringify(reply).length });
          return reply;
        },
      },
      keys: [key],
      host: {
        ...{ id, hostname: `h${number}`, name: `h${number}`, labels: labels(number) },
        ...{ addr: `127.0.0.1:${port}`, clusterName: 'test', version: '1' },
      },
      intervalMs: interval,
      log() {},
    });
    const startServer = async () => {
      server = await startHttp({
        host: '127.0.0.1',
        port,
        clusterKeys: [key],
        tokens: ['secret'],
        routes: cantalRoutes(cantal, remote),
        peerStreams: [remote.stream],
      });
      port = server.port;
    };
    // Below the ports that the kernel gives to clients, one of which could have ours between a stop and a start.
    for (let attempt = 0; server === null; attempt++) {
      port = 20_000 + Math.floor(Math.random() * 12_000);
      await startServer().catch((error: unknown) => {
        if (attempt > 20) throw error;
      });
    }
    stops.push(async () => {
      remote.stop();
      http.stop();
      await server?.stop(1);
      await cantal.stop();
    });
    members.set(id, {
      ...{ id, addr: `127.0.0.1:${port}`, hostname: `h${number}`, name: `h${number}` },
      ...{ knownSince: 1, lastReportDirect: null, liveness: 'alive' },
    });
    return {
      ...{ scanner, cantal, remote, announced, asked, scan, startServer },
      get port() {
        return port;
      },
      async post(path, body) {
        const headers = { 'content-type': 'application/json', authorization: 'Bearer secret' };
        const reply = await fetch(`http://127.0.0.1:${port}${path}`, {
          method: 'POST',
          headers,
          body: JSON.stringify(body),
        });
        return { status: reply.status, json: await reply.json() };
      },
      get: async (path) => (await fetch(`http://127.0.0.1:${port}${path}`)).json(),
      stopServer: async () => server?.stop(1),
    };
  }

  return {
    nodes,
    setLiveness(number: number, liveness: ClusterMember['liveness']) {
      const known = members.get(idOf(number));
      if (known !== undefined) members.set(idOf(number), { ...known, liveness });
      tellAll();
    },
    async stop() {
      for (const stop of stops) await stop();
    },
  };
}

export async function until(what: string, holds: () => boolean | Promise<boolean>, limitMs = 15_000): Promise<void> {
  const end = Date.now() + limitMs;
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(`not within ${limitMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
