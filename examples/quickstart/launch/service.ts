import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, rmSync, writeFileSync } from 'node:fs';

export interface ServiceOptions {
  readonly name: string;
  readonly argv: readonly [string, ...string[]];
  readonly env: Readonly<Record<string, string>>;
  readonly logFile: string;
  readonly pidFile: string;
  /** As systemd's RestartSec: how long it stays down after it was killed. */
  readonly restartDelayMs: number;
  readonly say: (line: string) => void;
  /** Told why it cannot be started; it is tried again after the delay. */
  readonly problem: (line: string) => void;
}

/** What a service manager does for a daemon: start it, start it again when it dies, stop it in the end. */
export interface Service {
  readonly name: string;
  readonly logFile: string;
  pid(): number | null;
  /** SIGKILL; the restart waits for `startAgain` if held, else for the delay. */
  kill(hold: boolean): void;
  startAgain(): void;
  stop(): Promise<void>;
}

export function startService(options: ServiceOptions): Service {
  let child: ChildProcess | null = null;
  let timer: NodeJS.Timeout | null = null;
  let held = false;
  let stopping = false;

  const start = (): void => {
    try {
      launch();
    } catch (error) {
      options.problem(`${options.name}: cannot start: ${error instanceof Error ? error.message : String(error)}`);
      if (!stopping) timer = setTimeout(start, options.restartDelayMs);
    }
  };

  const launch = (): void => {
    timer = null;
    const log = openSync(options.logFile, 'a', 0o640);
    const [program, ...args] = options.argv;
    // A process group of its own: Ctrl-C in the terminal is for the launcher, which stops things in order.
    const started = spawn(program, args, { stdio: ['ignore', log, log], env: options.env, detached: true });
    closeSync(log);
    child = started;
    started.once('error', (error) => options.problem(`${options.name}: cannot start: ${error.message}`));
    started.once('exit', (code, signal) => {
      child = null;
      rmSync(options.pidFile, { force: true });
      if (stopping) return;
      const end = signal === null ? `exited with ${code}` : `was killed by ${signal}`;
      if (held) return;
      options.say(
        `${options.name} ${end}; starts again in ${options.restartDelayMs / 1000} s (log: ${options.logFile})`,
      );
      timer = setTimeout(start, options.restartDelayMs);
    });
    // Last: a full disk loses the file, not the hold on the program.
    writePid(options, started.pid);
  };
  start();

  return {
    name: options.name,
    logFile: options.logFile,
    pid: () => child?.pid ?? null,
    kill(hold) {
      held = hold;
      child?.kill('SIGKILL');
    },
    startAgain() {
      held = false;
      if (child === null && timer === null) start();
    },
    stop() {
      stopping = true;
      if (timer !== null) clearTimeout(timer);
      const running = child;
      if (running === null) return Promise.resolve();
      return new Promise((resolve) => {
        // A tree waits for its containers' kill-timeout; beyond this it hangs.
        const deadline = setTimeout(() => running.kill('SIGKILL'), 20_000);
        running.once('exit', () => {
          clearTimeout(deadline);
          resolve();
        });
        running.kill('SIGTERM');
      });
    },
  };
}

function writePid({ pidFile, name, problem }: ServiceOptions, pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    writeFileSync(pidFile, `${pid}\n`);
  } catch (error) {
    problem(`${name}: ${pidFile}: ${error instanceof Error ? error.message : String(error)}`);
  }
}
