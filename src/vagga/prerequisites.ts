import { findCommand } from './command-line/find-command.ts';
import { exitCodes } from './exit-codes.ts';
import type { Perform, Performance } from './perform.ts';

/** Runs those that have not run yet, until one fails; its exit code. */
export async function performBefore(
  performance: Performance,
  perform: Perform,
  words: readonly string[],
): Promise<number> {
  if (!performance.options.prerequisites) return exitCodes.ok;
  for (const word of words) {
    if (performance.done.has(findCommand(performance.place.project, word)?.name ?? word)) continue;
    const code = await perform(performance, word, []);
    if (code !== exitCodes.ok) return code;
  }
  return exitCodes.ok;
}
