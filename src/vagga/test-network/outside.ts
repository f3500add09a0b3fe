import { spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';

// The way out of a test network: slirp4netns, an ordinary process that connects for those inside (slirp4netns(1)).

export const outsideInterface = 'tap0';
/** Of slirp4netns: it asks the resolvers of the host, those on its loopback too. */
export const outsideResolver = '10.0.2.3';

const mostSaid = 4096;
const program = 'slirp4netns';
const [readyFd, exitFd] = [3, 4];

export type Outside =
  | { readonly kind: 'open'; readonly stop: () => Promise<void> }
  /** It is not installed, or may not make interfaces. */
  | { readonly kind: 'absent' }
  | { readonly kind: 'failed'; readonly problem: string };

/** `user`, `net`: descriptors of the namespaces. It ends with this process, however that ends. */
export async function openOutside(user: number, net: number, env: NodeJS.ProcessEnv = process.env): Promise<Outside> {
  const path = installed(env.PATH ?? '');
  if (path === undefined || !mayUse('/dev/net/tun')) return { kind: 'absent' };
  const own = `/proc/${process.pid}/fd`;
  const child = spawn(
    path,
    [
      ...['--configure', '--mtu=65520', `--ready-fd=${readyFd}`, `--exit-fd=${exitFd}`],
      ...['--netns-type=path', `--userns-path=${own}/${user}`, `${own}/${net}`, outsideInterface],
    ],
    // Signals of the terminal are for the supervisor alone.
    { stdio: ['ignore', 'ignore', 'pipe', 'pipe', 'pipe'], detached: true },
  );
  let said = '';
  child.stderr?.on('data', (part) => {
    said = `${said}${part}`.slice(-mostSaid);
  });
  const ended = new Promise<void>((resolve) => {
    child.on('error', (error) => {
      said = error.message;
      resolve();
    });
    child.on('close', () => resolve());
  });
  const ready = new Promise<true>((resolve) => child.stdio[readyFd]?.once('data', () => resolve(true)));
  if ((await Promise.race([ready, ended])) !== true) {
    return { kind: 'failed', problem: `${program}: ${said.trim().split('\n').at(-1) || 'it ended'}` };
  }
  return {
    kind: 'open',
    async stop() {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

function installed(path: string): string | undefined {
  const places = path.split(':').filter((folder) => folder.startsWith('/'));
  return places.map((folder) => join(folder, program)).find((file) => mayUse(file, constants.X_OK));
}

function mayUse(path: string, how: number = constants.R_OK | constants.W_OK): boolean {
  try {
    accessSync(path, how);
    return true;
  } catch {
    return false;
  }
}

/** What nodes have as /etc/resolv.conf, where the host's names resolvers on its own loopback. */
export function resolverText(ofHost: string): string {
  const onLoopback = /^\s*nameserver\s+(127\.|::1\b)/m.test(ofHost);
  if (!onLoopback) return ofHost;
  const rest = ofHost.split('\n').filter((line) => !/^\s*nameserver\b/.test(line));
  return [`nameserver ${outsideResolver}`, ...rest].join('\n');
}
