import type { ConfigProblem } from '../config/problem.ts';

/** GET /v1/status of tree.sock: what a tree supervises. */
export interface TreeStatus {
  readonly pid: number;
  /** Milliseconds since the epoch. */
  readonly startTimeMs: number;
  readonly version: string;
  readonly containers: readonly ContainerStatus[];
  /** Of the configs, as they were read last. */
  readonly problems: readonly ConfigProblem[];
  /** Listening sockets that the tree keeps open. */
  readonly sockets: readonly string[];
}

/** waiting: for the time of its next start. */
export type ContainerPhase = 'waiting' | 'starting' | 'running' | 'stopping';

export interface ContainerStatus {
  /** `SANDBOX/PROCESS.N` */
  readonly name: string;
  readonly sandbox: string;
  readonly process: string;
  readonly instance: number;
  readonly phase: ContainerPhase;
  /** The program, as the host sees it. */
  readonly pid: number | null;
  readonly knotPid: number | null;
  /** Of the program, clock ticks since boot, proc_pid_stat(5) field 22. */
  readonly startTime: number | null;
  readonly startedAtMs: number | null;
  /** Starts after an end, counted by this tree. */
  readonly restarts: number;
  /** Started by an earlier tree. */
  readonly adopted: boolean;
  readonly lastEnd: ContainerEnd | null;
  readonly nextStartAtMs: number | null;
  /** Empty where it only runs on because its config cannot be read any more. */
  readonly image: string;
  /** A folder of its own cgroup, of v1 one of several; null: none. */
  readonly cgroup: string | null;
}

export interface ContainerEnd {
  readonly atMs: number;
  readonly exitCode: number | null;
  readonly signal: number | null;
  /** Why it could not be started. */
  readonly failure: StartFailure | null;
  /** The kernel has killed in its cgroup for want of memory, since its start. */
  readonly oomKilled: boolean;
  /** `some` line of its memory.pressure at that moment (psi.rst); null: not measured. */
  readonly memoryPressure: string | null;
}

/** An end as it was written down; null where it is none. */
export function parseEnd(value: unknown): ContainerEnd | null {
  if (typeof value !== 'object' || value === null) return null;
  const { atMs, exitCode, signal, failure, oomKilled, memoryPressure } = value as Readonly<Record<string, unknown>>;
  if (typeof atMs !== 'number') return null;
  const message = (failure as { message?: unknown } | null | undefined)?.message;
  return {
    atMs,
    exitCode: typeof exitCode === 'number' ? exitCode : null,
    signal: typeof signal === 'number' ? signal : null,
    failure: typeof message === 'string' ? { step: '', call: '', subject: '', errno: 0, message } : null,
    oomKilled: oomKilled === true,
    memoryPressure: typeof memoryPressure === 'string' ? memoryPressure : null,
  };
}

export interface StartFailure {
  readonly step: string;
  readonly call: string;
  readonly subject: string;
  readonly errno: number;
  /** All of it in words. */
  readonly message: string;
}
