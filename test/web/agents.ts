import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const root = join(import.meta.dirname, '..', '..');
export const token = 'a-token-of-the-test';
const startDeadlineMs = 30_000;

export interface TestAgent {
  readonly origin: string;
  readonly hostname: string;
  get(path: string): Promise<unknown>;
  /** As by a power cut. */
  kill(): Promise<void>;
}

export interface TestAgents {
  readonly all: readonly TestAgent[];
  /** Of the program that exports numbers. */
  readonly programPid: number;
  stop(): Promise<void>;
}

/**
 * Real agents of one cluster on 127.0.0.1, 127.0.0.2 …, and a program that exports numbers to them. Each gets a copy of
 * `config`, a configuration folder.
 */
export async function startAgents(hostnames: readonly string[], config?: string): Promise<TestAgents> {
  const folder = mkdtempSync(join(tmpdir(), 'cantal-pages-'));
  writeFileSync(join(folder, 'token'), `${token}\n`);
  // Without one, agents pass on no actions to the leader.
  writeFileSync(join(folder, 'key'), `${randomBytes(32).toString('hex')}\n`, { mode: 0o600 });
  const children: ChildProcess[] = [];
  const port = await freePort();
  const program = spawn(process.execPath, [join(import.meta.dirname, 'exporting.mjs')], {
    env: { ...process.env, CANTAL_PATH: join(folder, 'app'), CANTAL_APPNAME: 'shop' },
    stdio: 'inherit',
  });
  children.push(program);
  const stop = async () => {
    await Promise.all(children.map(ended));
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    const all: TestAgent[] = [];
    for (const [index, hostname] of hostnames.entries()) {
      if (config !== undefined) cpSync(config, join(folder, String(index + 1), 'config'), { recursive: true });
      const { child, agent } = startAgent(folder, index + 1, hostname, port);
      children.push(child);
      await answers(agent, join(folder, `${index + 1}.log`), child);
      all.push(agent);
    }
    await until('they know each other', async () => {
      const peers = await Promise.all(all.map((agent) => agent.get('/all_peers') as Promise<{ peers: unknown[] }>));
      return peers.every((each) => each.peers.length === all.length - 1);
    });
    await until('they have the figures of the program', async () => {
      const found = await Promise.all(all.map((agent) => agent.get('/v1/metrics?pattern=^requests$')));
      return found.every((each) => (each as { metrics: unknown[] }).metrics.length > 0);
    });
    return { all, programPid: program.pid ?? 0, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Monitoring alone, in no cluster; as a user that may not look into others' processes where this one can become it. */
export async function startAlone(): Promise<TestAgent> {
  const folder = mkdtempSync(join(tmpdir(), 'cantal-alone-'));
  const port = await freePort();
  const nobody = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534, cwd: '/' } : {};
  const child = spawn(
    process.execPath,
    [
      ...[join(root, 'bin', 'stellwerk.js'), 'cantal', 'agent', '--interval', '500', '--port', String(port)],
      ...['--config-dir', join(folder, 'config'), '--node-name', 'alone'],
    ],
    { ...nobody, env: { ...process.env, CANTAL_LOG: 'error' }, stdio: ['ignore', 'ignore', 'pipe'] },
  );
  const agent = agentOf(child, `http://127.0.0.1:${port}`, 'alone', join(folder, 'log'));
  const kill = async () => {
    await agent.kill();
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await answers(agent, join(folder, 'log'), child);
  } catch (error) {
    await kill();
    throw error;
  }
  return { ...agent, kill };
}

function agentOf(child: ChildProcess, origin: string, hostname: string, log: string): TestAgent {
  const lines: Buffer[] = [];
  child.stderr?.on('data', (chunk: Buffer) => {
    lines.push(chunk);
    writeFileSync(log, Buffer.concat(lines));
  });
  return {
    origin,
    hostname,
    get: async (path) => (await fetch(origin + path, { signal: AbortSignal.timeout(5_000) })).json(),
    kill: () => ended(child),
  };
}

function startAgent(folder: string, number: number, hostname: string, port: number) {
  const own = join(folder, String(number));
  mkdirSync(join(own, 'carbon'), { recursive: true });
  const origin = `http://127.0.0.${number}:${port}`;
  const child = spawn(
    process.execPath,
    [
      ...[join(root, 'bin', 'stellwerk.js'), 'agent', '--interval', '500', '--log-level', 'error'],
      ...['--host', `127.0.0.${number}`, '--port', String(port), '--hostname', hostname],
      ...['--machine-id', String(number).padStart(32, '0'), '--cluster-name', 'pages'],
      ...['--join', `127.0.0.1:${port}`, '--token-file', join(folder, 'token')],
      ...['--cluster-key-file', join(folder, 'key')],
      ...['--config-dir', join(own, 'config'), '--carbon-dir', join(own, 'carbon')],
      ...['--storage-dir', join(own, 'storage'), '--log-dir', join(own, 'log')],
      ...['--lithos-master', join(own, 'master.yaml')],
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  return { child, agent: agentOf(child, origin, hostname, join(folder, `${number}.log`)) };
}

async function answers(agent: TestAgent, log: string, child: ChildProcess): Promise<void> {
  await until(`the agent at ${agent.origin} answers`, async () => {
    if (child.exitCode !== null) throw new Error(`the agent ended: ${readFileSync(log, 'utf8')}`);
    const status = (await agent.get('/status').catch(() => null)) as { health: { scans: number } } | null;
    return (status?.health.scans ?? 0) >= 3;
  });
}

export async function until(what: string, holds: () => Promise<boolean>, deadlineMs = startDeadlineMs): Promise<void> {
  const end = Date.now() + deadlineMs;
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(`not within ${deadlineMs} ms: ${what}`);
    await sleep(100);
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
