import { readFileSync } from 'node:fs';

/**
 * When a process started, in clock ticks since boot: proc_pid_stat(5) field 22. With the pid it names a process for as
 * long as the host is up. Null where there is none, or only a zombie.
 */
export function startTimeOf(pid: number): number | null {
  try {
    return parseStartTime(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return null;
  }
}

/** The name in field 2 may hold anything, so fields are counted from its last parenthesis. */
export function parseStartTime(stat: string): number | null {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const state = fields[0];
  const startTime = Number(fields[19]);
  if (state === 'Z' || state === 'X' || fields.length < 20 || !Number.isSafeInteger(startTime)) return null;
  return startTime;
}
