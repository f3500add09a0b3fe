import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { token, until } from './agents.ts';

export const program = join(import.meta.dirname, '..', '..', 'bin', 'stellwerk.js');

export interface Scheduler {
  readonly origin: string;
  readonly hostname: string;
  readonly id: string;
  /** Holds config, log, storage and whatever else a test wants there. */
  readonly folder: string;
  get(path: string): Promise<unknown>;
  /** Puts a file below its folder, as by an editor: another one, renamed. */
  write(path: string, text: string): void;
}

export interface Schedulers {
  readonly all: readonly Scheduler[];
  stop(): Promise<void>;
}

/** Real agents that schedule and render, on 127.0.0.1, 127.0.0.2 …; `files` by their path below the agent's folder. */
export async function startSchedulers(
  hostnames: readonly string[],
  files: (folder: string) => Readonly<Record<string, string>>,
): Promise<Schedulers> {
  const root = mkdtempSync(join(tmpdir(), 'verwalter-pages-'));
  const children: ChildProcess[] = [];
  const port = await freePort();
  writeFileSync(join(root, 'token'), `${token}\n`);
  const stop = async (): Promise<void> => {
    await Promise.all(children.map(ended));
    rmSync(root, { recursive: true, force: true });
  };
  try {
    const all = hostnames.map((hostname, index): Scheduler => {
      const folder = join(root, hostname);
      const host = `127.0.0.${index + 1}`;
      const origin = `http://${host}:${port}`;
      const write = (path: string, text: string): void => {
        const file = join(folder, path);
        mkdirSync(dirname(file), { recursive: true });
        writeFileSync(file, text);
      };
      for (const [path, text] of Object.entries(files(folder))) write(path, text);
      const id = String(index + 1).padStart(32, '0');
      children.push(
        spawn(
          process.execPath,
          [
            ...[program, 'agent', '--interval', '500', '--log-level', 'error', '--cluster-name', 'logs'],
            ...['--host', host, '--port', String(port), '--join', `127.0.0.1:${port}`],
            ...['--hostname', hostname, '--machine-id', id, '--token-file', join(root, 'token')],
            ...['--config-dir', join(folder, 'config'), '--carbon-dir', join(folder, 'carbon')],
            ...['--storage-dir', join(folder, 'storage'), '--log-dir', join(folder, 'log')],
            ...['--lithos-master', join(folder, 'master.yaml')],
          ],
          { stdio: ['ignore', 'ignore', 'inherit'] },
        ),
      );
      const get = async (path: string): Promise<unknown> =>
        (await fetch(origin + path, { signal: AbortSignal.timeout(5_000) })).json();
      return { origin, hostname, id, folder, get, write };
    });
    for (const { hostname, get } of all) {
      await until(
        `${hostname} has rendered a schedule`,
        async () => {
          const status = (await get('/v1/status').catch(() => null)) as { rendered_id?: unknown } | null;
          return typeof status?.rendered_id === 'string';
        },
        60_000,
      );
    }
    return { all, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, 'exit');
  child.kill('SIGKILL');
  await exit;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address !== null ? address.port : 0;
}
