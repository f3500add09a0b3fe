import { existsSync, mkdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import type { Server } from 'node:http';
import { join, resolve } from 'node:path';
import { formatProblem } from '../config/problem.ts';
import { containerAddon, isFailure } from '../native/container.ts';
import { loadMaster } from './config/master.ts';
import type { LogLevel, MasterConfig } from './config/master-config.ts';
import { readJournal } from './journal.ts';
import { knotMissing } from './knots.ts';
import { listeners } from './listeners.ts';
import { metricsFile } from './metrics.ts';
import { programChanged, startAgain, watchCrashes } from './same-process.ts';
import { serveSocket } from './socket.ts';
import { type Supervisor, supervisor } from './supervisor.ts';
import { type TreeLog, treeLog } from './tree-log.ts';

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
/** Descriptor of tree.lock, handed over from image to image. */
const lockVariable = 'STELLWERK_TREE_LOCK';

/**
 * Runs the supervisor of this host. Exit code 0 after an orderly shutdown (SIGTERM, SIGINT: containers are stopped;
 * SIGUSR2: they run on), 1 where it cannot start, 127 where the knot binary is missing. SIGHUP and SIGQUIT: it starts
 * again in the same process, from the program that is on disk by then. SIGUSR1: logs are opened anew.
 */
export async function runTree(options: TreeOptions): Promise<number> {
  const loaded = loadMaster(resolve(options.config), (text) => process.stderr.write(`${text}\n`));
  if (loaded.kind === 'refused') {
    process.stderr.write('Error reading master config\n');
    for (const problem of loaded.problems) process.stderr.write(`${formatProblem(problem)}\n`);
    return fatal;
  }
  const { master } = loaded;
  const missing = knotMissing();
  if (missing !== null) {
    process.stderr.write(`Fatal error: ${missing}\n`);
    return missingBinary;
  }
  try {
    return await run(master, options);
  } catch (error) {
    process.stderr.write(`Fatal error: ${error instanceof Error ? error.message : String(error)}\n`);
    return fatal;
  }
}

async function run(master: MasterConfig, options: TreeOptions): Promise<number> {
  if (master.devfsDir !== null && !existsSync(master.devfsDir)) {
    throw new Error(`devfs-dir: ${master.devfsDir} is not there; lithos mkdev ${master.devfsDir} makes it`);
  }
  const folders = [master.runtimeDir, master.stateDir, master.logDir, master.stdioLogDir, master.configLogDir];
  for (const folder of folders) if (folder !== null) mkdirSync(folder, { recursive: true });
  const lock = takeLock(master.runtimeDir);
  // Cantal finds the metrics by the environment of this process, which only a new image can have changed.
  if (process.env.CANTAL_PATH === undefined) {
    const failure = startAgain({ CANTAL_PATH: join(master.runtimeDir, 'metrics'), [lockVariable]: `${lock}` });
    throw new Error(failure);
  }
  const pidFile = join(master.runtimeDir, 'master.pid');
  writeFileSync(pidFile, `${process.pid}\n`);
  const log = openLog(master, options);
  const environment = { [lockVariable]: `${lock}` };
  watchCrashes(environment, log);

  let finish: (reason: 'stopped' | 'left') => void = () => {};
  const finished = new Promise<'stopped' | 'left'>((resolveFinished) => {
    finish = resolveFinished;
  });
  const before = readJournal(join(master.runtimeDir, 'journal.json'));
  const sockets = listeners();
  sockets.adopt(containerAddon().ownSockets());
  const tree = supervisor({
    master,
    log,
    metrics: metricsFile(process.env.CANTAL_PATH),
    listeners: sockets,
    journal: { ...before, treeStarts: before.treeStarts + 1 },
    node: process.env.STELLWERK_NODE ?? null,
    nowMs: Date.now,
    stopped: () => finish('stopped'),
  });
  const again = (): void => {
    log.info('starts again in place');
    tree.remember();
    const failure = startAgain(environment);
    log.error(`${failure}; the configs are read all the same`);
    tree.reload();
  };
  const socketPath = join(master.runtimeDir, 'tree.sock');
  let server: Server | null = null;
  try {
    tree.start();
    server = await serveSocket(socketPath, master.controlUsers, socketHandlers(tree, again));
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => tree.shutdown());
    for (const signal of ['SIGHUP', 'SIGQUIT'] as const) process.on(signal, again);
    process.on('SIGUSR1', () => tree.reopenLogs());
    process.on('SIGUSR2', () => finish('left'));
    process.on('SIGCHLD', () => setImmediate(() => tree.reap()));
    containerAddon().unblockSignals();
    log.info(`tree ${process.pid} supervises ${master.path}`);
    const reason = await finished;
    log.info(reason === 'stopped' ? 'all containers have ended' : 'the tree ends, containers run on');
    if (reason === 'stopped') tree.clean();
    else tree.remember();
  } finally {
    tree.close();
    server?.close();
    server?.closeAllConnections();
    for (const path of [socketPath, pidFile]) rmSync(path, { force: true });
    containerAddon().closeFd(lock);
  }
  return 0;
}

function socketHandlers(tree: Supervisor, again: () => void) {
  return {
    ...tree,
    reload() {
      const answer = tree.reload();
      // Whoever changes the configs expects them to be read by the program that is installed.
      if (programChanged()) setTimeout(again, answerMs);
      return answer;
    },
    shutdown() {
      tree.shutdown();
      return { stopping: true };
    },
  };
}

/** Until an answer has left this process. */
const answerMs = 100;

/** One tree per runtime dir: flock(2), which ends with the process that holds it. */
function takeLock(runtimeDir: string): number {
  const path = join(runtimeDir, 'tree.lock');
  const handed = Number(process.env[lockVariable] ?? Number.NaN);
  delete process.env[lockVariable];
  const lock = Number.isInteger(handed) && isOpen(handed, path) ? handed : containerAddon().tryLock(path);
  if (isFailure(lock)) throw new Error(lock.message);
  if (lock !== null) {
    containerAddon().keepFd(lock, true);
    return lock;
  }
  let pid = 'unknown';
  try {
    pid = readFileSync(join(runtimeDir, 'master.pid'), 'utf8').trim();
  } catch {
    // It has only just started.
  }
  throw new Error(`Master pid is ${pid}. And there is alive process with that pid: it holds ${path}`);
}

function isOpen(fd: number, path: string): boolean {
  try {
    return resolve(readlinkSync(`/proc/self/fd/${fd}`)) === resolve(path);
  } catch {
    return false;
  }
}

function openLog(master: MasterConfig, options: TreeOptions): TreeLog {
  const level = options.logLevel ?? master.logLevel;
  if (options.logStderr) return treeLog({ kind: 'stderr' }, level);
  if (master.syslog !== null) return treeLog({ kind: 'syslog', ...master.syslog }, level);
  return treeLog({ kind: 'file', path: resolve(master.logDir, master.logFile) }, level);
}
