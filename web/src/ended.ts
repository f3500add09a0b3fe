import type { ContainerEnd } from './api.ts';
import { formatAge } from './format.ts';

/** signal(7), numbers of x86 and ARM. */
const signals: Readonly<Record<number, string>> = {
  1: 'SIGHUP',
  2: 'SIGINT',
  3: 'SIGQUIT',
  4: 'SIGILL',
  5: 'SIGTRAP',
  6: 'SIGABRT',
  7: 'SIGBUS',
  8: 'SIGFPE',
  9: 'SIGKILL',
  10: 'SIGUSR1',
  11: 'SIGSEGV',
  12: 'SIGUSR2',
  13: 'SIGPIPE',
  14: 'SIGALRM',
  15: 'SIGTERM',
  24: 'SIGXCPU',
  25: 'SIGXFSZ',
  31: 'SIGSYS',
};

/** "exit 1", "SIGKILL", "not started: mount: mount: /proc: permission denied". */
export function endCause(end: ContainerEnd): string {
  const { failure } = end;
  if (failure !== null) {
    return `not started: ${failure.message}`;
  }
  if (end.signal !== null) return signals[end.signal] ?? `signal ${end.signal}`;
  if (end.exitCode !== null) return `exit ${end.exitCode}`;
  return 'ended';
}

/** "exit 1 3 s ago" */
export function endedWords(end: ContainerEnd, now: number): string {
  return `${endCause(end)} ${formatAge(end.atMs, now)} ago`;
}

/** Whether the end is one that an operator should look at. A SIGTERM is our own wish. */
export function endedBadly(end: ContainerEnd): boolean {
  if (end.failure !== null) return true;
  if (end.signal !== null) return end.signal !== 15;
  return end.exitCode !== 0;
}
