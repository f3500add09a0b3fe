import { mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { Server } from 'node:http';
import { dirname, join, resolve } from 'node:path';
import { formatProblem } from '../config/problem.ts';
import { type Logger, logTo } from '../log.ts';
import { containerAddon, isFailure } from '../native/container.ts';
import { loadMaster } from './config/master.ts';
import type { LogLevel, MasterConfig } from './config/master-config.ts';
import { knotMissing } from './knots.ts';
import { metricsFile } from './metrics.ts';
import { serveSocket } from './socket.ts';
import { supervisor } from './supervisor.ts';

export interface TreeOptions {
  readonly config: string;
  readonly logStderr: boolean;
  /** Default: the master config's. */
  readonly logLevel: LogLevel | null;
}

/** lithos 3: fatal. */
const fatal = 1;
/** lithos 3: a sibling binary is missing. */
const missingBinary = 127;
const standardError = 2;

/**
 * Runs the supervisor of this host. Exit code 0 after an orderly shutdown (SIGTERM, SIGINT: containers are stopped;
 * SIGUSR2: they run on), 1 where it cannot start, 127 where the knot binary is missing. SIGHUP and SIGQUIT: read the
 * configs again.
 */
export async function runTree(options: TreeOptions): Promise<number> {
  const loaded = loadMaster(resolve(options.config));
  if (loaded.kind === 'refused') {
    for (const problem of loaded.problems) process.stderr.write(`${formatProblem(problem)}\n`);
    return fatal;
  }
  const missing = knotMissing();
  if (missing !== null) {
    process.stderr.write(`Fatal error: ${missing}\n`);
    return missingBinary;
  }
  const { master } = loaded;
  try {
    return await run(master, options);
  } catch (error) {
    process.stderr.write(`Fatal error: ${error instanceof Error ? error.message : String(error)}\n`);
    return fatal;
  }
}

async function run(master: MasterConfig, options: TreeOptions): Promise<number> {
  const folders = [master.runtimeDir, master.stateDir, master.logDir, master.stdioLogDir, master.configLogDir];
  for (const folder of folders) if (folder !== null) mkdirSync(folder, { recursive: true });
  const lock = takeLock(master.runtimeDir);
  const pidFile = join(master.runtimeDir, 'master.pid');
  writeFileSync(pidFile, `${process.pid}\n`);
  const log = openLog(master, options);

  const metrics = metricsFile(process.env.CANTAL_PATH ?? join(master.runtimeDir, 'metrics'));
  let finish: (reason: 'stopped' | 'left') => void = () => {};
  const finished = new Promise<'stopped' | 'left'>((resolveFinished) => {
    finish = resolveFinished;
  });
  const tree = supervisor({
    master,
    log,
    metrics,
    node: process.env.STELLWERK_NODE ?? null,
    nowMs: Date.now,
    stopped: () => finish('stopped'),
  });
  const socketPath = join(master.runtimeDir, 'tree.sock');
  let server: Server | null = null;
  try {
    tree.start();
    server = await serveSocket(socketPath, master.controlUsers, {
      ...tree,
      shutdown() {
        tree.shutdown();
        return { stopping: true };
      },
    });
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => tree.shutdown());
    for (const signal of ['SIGHUP', 'SIGQUIT'] as const) process.on(signal, () => tree.reload());
    process.on('SIGUSR2', () => finish('left'));
    log.info(`tree ${process.pid} supervises ${master.path}`);
    const reason = await finished;
    log.info(reason === 'stopped' ? 'all containers have ended' : 'the tree ends, containers run on');
    if (reason === 'stopped') tree.clean();
  } finally {
    tree.close();
    server?.close();
    server?.closeAllConnections();
    for (const path of [socketPath, pidFile]) rmSync(path, { force: true });
    containerAddon().closeFd(lock);
  }
  return 0;
}

/** One tree per runtime dir: flock(2), which ends with the process that holds it. */
function takeLock(runtimeDir: string): number {
  const path = join(runtimeDir, 'tree.lock');
  const lock = containerAddon().tryLock(path);
  if (isFailure(lock)) throw new Error(lock.message);
  if (lock !== null) return lock;
  let pid = 'unknown';
  try {
    pid = readFileSync(join(runtimeDir, 'master.pid'), 'utf8').trim();
  } catch {
    // It has only just started.
  }
  throw new Error(`${path} is held: another tree runs with this runtime-dir (pid ${pid})`);
}

function openLog(master: MasterConfig, options: TreeOptions): Logger {
  const path = resolve(master.logDir, master.logFile);
  if (!options.logStderr) mkdirSync(dirname(path), { recursive: true });
  const fd = options.logStderr ? standardError : openSync(path, 'a', 0o640);
  return logTo(fd, options.logLevel ?? master.logLevel);
}
