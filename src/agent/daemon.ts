import type { Logger } from '../log.ts';
import { watchEventLoop } from '../native/scanner.ts';
import { serviceManager } from '../native/systemd.ts';

/** Spec cantal 9: what ended tells the service manager by the exit code, and is started again. */
export const exitCodes = {
  stopped: 0,
  badStart: 2,
  /** Of cantal; also how verwalter says that it could not start (spec verwalter 7). */
  noHttp: 3,
  storage: 81,
  /** Told by the scanner itself, whose thread cannot wait for ours (native/scanner). */
  scan: 82,
  eventLoop: 83,
  /** Of verwalter: the event loop does not move (spec verwalter 7.1). Told by a thread of its own. */
  stalled: 91,
} as const;

/** A part without which the agent is none. */
export type VitalPart = 'storage' | 'eventLoop';

export interface Stops {
  /** Called in the end, the last one first. */
  readonly stops: (() => Promise<void> | void)[];
  readonly warn: (line: string) => void;
  /** Ends the process at once with the part's exit code. */
  readonly fatal: (part: VitalPart, error: Error) => void;
}

export interface Running {
  /** For people: who this is and where it listens. */
  readonly greeting: string;
  /** Calls after each scan. */
  onScan(listener: () => void): void;
  /** At SIGHUP. */
  reload(): void;
}

export interface DaemonOptions {
  readonly log: Logger;
  /** Scan period. */
  readonly intervalMs: number;
  /** What is said at the end, before the parts stop. */
  readonly farewell: string;
  /** Puts the parts together. */
  start(stops: Stops): Promise<Running>;
  /** Exit code where the event loop does not move for a minute. */
  readonly stalledCode: number;
  /** Exit code of a start that failed. */
  failed(error: unknown): number;
}

/** Far longer than anything takes that the event loop has to do; a follower is missed by its leader after seconds. */
const longestStallMs = 60_000;
const beatIntervalMs = 1_000;
/** A disk that hangs must not hold the end up for longer: systemd would kill after 90 s. */
const longestStopMs = 20_000;

/** Runs until SIGTERM or SIGINT; returns the exit code. Tells systemd of start, scans and end where it listens. */
export async function runDaemon({
  log,
  intervalMs,
  farewell,
  stalledCode,
  start,
  failed,
}: DaemonOptions): Promise<number> {
  const stops: Stops['stops'] = [];
  const warn = (line: string): void => log.warn(line);
  const fatal: Stops['fatal'] = (part, error) => {
    log.fatal(`${part === 'storage' ? 'the storage' : 'the event loop'} has ended: ${error.stack ?? error.message}`);
    process.exit(exitCodes[part]);
  };
  const lost = (error: unknown): void => fatal('eventLoop', error instanceof Error ? error : new Error(String(error)));
  process.on('uncaughtException', lost);
  process.on('unhandledRejection', lost);

  const signal = endSignal();
  let running: Running;
  const manager = serviceManager(process.env, intervalMs, warn);
  try {
    running = await start({ stops, warn, fatal });
  } catch (error) {
    log.fatal(`cannot start: ${error instanceof Error ? error.message : String(error)}`);
    await stopAll(stops);
    return failed(error);
  }
  const watch = watchEventLoop(longestStallMs, stalledCode);
  const beat = setInterval(() => watch.beat(), beatIntervalMs).unref();
  let scanned = false;
  running.onScan(() => {
    // With the first scan there is something to answer with.
    if (!scanned) manager.ready(running.greeting);
    scanned = true;
    manager.alive();
  });
  const reread = (): void => {
    manager.reloading('reads the receivers again');
    running.reload();
    manager.ready(running.greeting);
  };
  process.on('SIGHUP', reread);
  // Nothing is left to wait for, and nobody asked for the end.
  const empty = (): void => lost(new Error('nothing is left to do'));
  process.on('beforeExit', empty);
  log.info(running.greeting);

  const name = await signal;
  process.off('SIGHUP', reread);
  process.off('beforeExit', empty);
  log.info(`${name}: ${farewell}`);
  manager.stopping(farewell);
  const stopped = await stopAll(stops);
  clearInterval(beat);
  watch.stop();
  if (stopped) return exitCodes.stopped;
  // What holds the end up is a disk: nothing else that stops waits for anybody.
  log.error(`not everything stopped within ${longestStopMs} ms; the last snapshot may be missing`);
  process.exit(exitCodes.storage);
}

/** Also one that comes while the parts are put together. */
function endSignal(): Promise<string> {
  return new Promise((resolve) => {
    for (const name of ['SIGTERM', 'SIGINT'] as const) process.once(name, () => resolve(name));
  });
}

/** False: time was up. */
async function stopAll(stops: Stops['stops']): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const timeUp = new Promise<false>((resolve) => {
    timer = setTimeout(resolve, longestStopMs, false);
  });
  const all = async (): Promise<true> => {
    for (const stop of stops.splice(0).reverse()) await stop();
    return true;
  };
  const done = await Promise.race([all(), timeUp]);
  clearTimeout(timer);
  return done;
}
