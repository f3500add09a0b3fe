import { lookup } from 'node:dns/promises';
import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { joinAddr, splitAddr } from './addr.ts';

/** Where other nodes are looked for. */
export type JoinTarget =
  /** "IP:PORT" */
  | { readonly kind: 'address'; readonly addr: string }
  /** All addresses of the name, A and AAAA. */
  | { readonly kind: 'name'; readonly name: string; readonly port: number }
  /** A line each of the two above; `#` begins a comment. */
  | { readonly kind: 'file'; readonly path: string };

/** `IP:PORT`, `[IP6]:PORT`, `NAME:PORT` or `@FILE`; null: none of them. */
export function parseJoin(text: string): JoinTarget | null {
  if (text.startsWith('@')) return text.length > 1 ? { kind: 'file', path: text.slice(1) } : null;
  return parseHost(text);
}

function parseHost(text: string): Exclude<JoinTarget, { kind: 'file' }> | null {
  const { host = '', port = '' } = /^(?<host>.+):(?<port>\d{1,5})$/.exec(text)?.groups ?? {};
  const ip = host.replace(/^\[(.+)\]$/, '$1');
  if (Number(port) < 1 || Number(port) > 65_535) return null;
  const addr = joinAddr(ip, Number(port));
  if (isIP(ip) !== 0) return splitAddr(addr) === null ? null : { kind: 'address', addr };
  // RFC 1123, 2.1, and the underscores that private zones have all the same.
  return /^(?!.*\.\.)[a-z\d_]([\w.-]*[a-z\d_])?\.?$/i.test(host) && !/^[\d.]+$/.test(host)
    ? { kind: 'name', name: host, port: Number(port) }
    : null;
}

/** The hosts of a file's text, and what is wrong in it as `FILE:LINE: …`. */
export function parseJoinFile(
  path: string,
  text: string,
): { readonly hosts: readonly Exclude<JoinTarget, { kind: 'file' }>[]; readonly problems: readonly string[] } {
  const hosts: Exclude<JoinTarget, { kind: 'file' }>[] = [];
  const problems: string[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    const plain = line.replace(/#.*/, '').trim();
    if (plain === '') continue;
    const host = parseHost(plain);
    if (host !== null) hosts.push(host);
    else problems.push(`${path}:${index + 1}: ${JSON.stringify(plain)}: expected IP:PORT or NAME:PORT`);
  }
  return { hosts, problems };
}

export interface DiscoveryOptions {
  readonly targets: readonly JoinTarget[];
  /** Of src/cluster/shell.ts. */
  readonly addHost: (addr: string) => unknown;
  /** Whether any other node is alive; while none is, all are looked for again and again. */
  readonly hasPeers: () => boolean;
  readonly log: (line: string) => void;
  /** Default: that of the system (getaddrinfo(3)). */
  readonly resolve?: (name: string) => Promise<readonly string[]>;
  /** Default 60 s, and 5 s while no node is alive. */
  readonly everyMs?: number;
  readonly aloneEveryMs?: number;
}

const usualEveryMs = 60_000;
const usualAloneEveryMs = 5_000;

const systemResolve = async (name: string): Promise<readonly string[]> =>
  (await lookup(name, { all: true })).map(({ address }) => address);

/**
 * Introduces the nodes that names and files stand for: at once, and again as names come to mean other addresses and
 * files change. What cannot be resolved or read is said once, until it is another trouble or none.
 */
export function startDiscovery(options: DiscoveryOptions): { stop(): void } {
  const { targets, addHost, hasPeers, log, resolve = systemResolve } = options;
  const { everyMs = usualEveryMs, aloneEveryMs = usualAloneEveryMs } = options;
  const introduced = new Set<string>();
  const said = new Map<string, string>();
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;

  const say = (about: string, line: string): void => {
    if (said.get(about) !== line && line !== '') log(line);
    said.set(about, line);
  };

  const introduce = (addr: string): void => {
    if (introduced.has(addr) && hasPeers()) return;
    introduced.add(addr);
    addHost(addr);
  };

  const visit = async (target: JoinTarget): Promise<void> => {
    switch (target.kind) {
      case 'address':
        introduce(target.addr);
        return;
      case 'name': {
        const { name, port } = target;
        try {
          const addresses = await resolve(name);
          if (stopped) return;
          say(name, '');
          for (const ip of addresses) introduce(joinAddr(ip, port));
        } catch (error) {
          say(name, `--join ${name}:${port}: ${(error as Error).message}; tried again`);
        }
        return;
      }
      case 'file': {
        const { path } = target;
        let text: string;
        try {
          text = readFileSync(path, 'utf8');
        } catch (error) {
          say(path, `--join @${path}: ${(error as Error).message}; tried again`);
          return;
        }
        const { hosts, problems } = parseJoinFile(path, text);
        say(path, problems.join('\n'));
        await Promise.all(hosts.map(visit));
        return;
      }
      default:
        target satisfies never;
    }
  };

  const round = async (): Promise<void> => {
    await Promise.all(targets.map(visit));
    if (stopped) return;
    timer = setTimeout(() => void round(), hasPeers() ? everyMs : aloneEveryMs);
    timer.unref();
  };
  if (targets.length > 0) void round();

  return {
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };
}
