import { getSystemErrorMap } from 'node:util';
import type { StartFailure } from './status.ts';

/** What a knot writes into its state dir (native/knot/status.hpp). */
export interface KnotStatus {
  readonly phase: 'starting' | 'running' | 'stopping' | 'ended';
  readonly knotPid: number;
  /** Clock ticks since boot. */
  readonly knotStartTime: number;
  readonly pid: number;
  readonly startTime: number;
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  readonly exitCode: number | null;
  readonly signal: number | null;
  readonly failure: StartFailure | null;
  /** Starts of the program in the same container. */
  readonly restarts: number;
  /** Kills for want of memory in its cgroup, since its start. */
  readonly oomKills: number;
  readonly memoryPressure: string | null;
}

const phases = ['starting', 'running', 'stopping', 'ended'] as const;
const numbers = ['knotPid', 'knotStartTime', 'pid', 'startTime', 'startedAtMs', 'endedAtMs'] as const;

/** Null where the text is no status of a version that we know: then nothing is known of that knot. */
export function parseKnotStatus(text: string): KnotStatus | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof value !== 'object' || value === null) return null;
  const fields = value as Readonly<Record<string, unknown>>;
  const phase = phases.find((each) => each === fields.phase);
  if (fields.version !== 1 || phase === undefined) return null;
  if (numbers.some((name) => !Number.isSafeInteger(fields[name]) || Number(fields[name]) < 0)) return null;
  const known = fields as unknown as Record<(typeof numbers)[number], number>;
  return {
    phase,
    knotPid: known.knotPid,
    knotStartTime: known.knotStartTime,
    pid: known.pid,
    startTime: known.startTime,
    startedAtMs: known.startedAtMs,
    endedAtMs: known.endedAtMs,
    exitCode: integerOrNull(fields.exitCode),
    signal: integerOrNull(fields.signal),
    failure: parseFailure(fields.failure),
    // A knot of before these were written has none.
    restarts: integerOrNull(fields.restarts) ?? 0,
    oomKills: integerOrNull(fields.oomKills) ?? 0,
    memoryPressure: typeof fields.memoryPressure === 'string' ? fields.memoryPressure : null,
  };
}

const integerOrNull = (value: unknown): number | null =>
  typeof value === 'number' && Number.isSafeInteger(value) ? value : null;

function parseFailure(value: unknown): StartFailure | null {
  if (typeof value !== 'object' || value === null) return null;
  const { step, call, subject, errno } = value as Readonly<Record<string, unknown>>;
  if (typeof step !== 'string' || typeof call !== 'string' || typeof subject !== 'string') return null;
  const number = integerOrNull(errno) ?? 0;
  const reason = getSystemErrorMap().get(-number)?.[1] ?? `errno ${number}`;
  return {
    step,
    call,
    subject,
    errno: number,
    message: [step, call, subject, reason].filter((word) => word !== '').join(': '),
  };
}
