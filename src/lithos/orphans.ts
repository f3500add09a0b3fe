import { readFileSync } from 'node:fs';
import { containerAddon } from '../native/container.ts';

/**
 * Children that nobody here has started: orphans, which come to process 1 of a pid namespace, and what an earlier image of
 * this process had started. Those that have ended are reaped, which nobody else would do (Node waits for its own children
 * only); the number of those that live is returned.
 */
export function reapOrphans(known: ReadonlySet<number>): number {
  let living = 0;
  for (const pid of children()) {
    if (!known.has(pid) && !containerAddon().reap(pid)) living += 1;
  }
  return living;
}

/** proc_pid_task_children(5): of the main thread, to which orphans come and which starts all processes. */
function children(): readonly number[] {
  try {
    const text = readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8');
    return text.trim().split(' ').filter(Boolean).map(Number);
  } catch {
    return [];
  }
}
