import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { join } from 'node:path';

/** Lines of terminal.py. */
export type TerminalScript = readonly (readonly string[])[];

/** Plays the script in an interactive bash, which `setUser` starts, at a terminal of its own. */
export function playInShell(
  setUser: readonly string[],
  script: TerminalScript,
  home: string,
): SpawnSyncReturns<string> {
  const shell = [...setUser, 'bash', '--norc', '-i'];
  return spawnSync('python3', [join(import.meta.dirname, 'terminal.py'), ...shell], {
    input: JSON.stringify(script),
    encoding: 'utf8',
    env: { PATH: process.env.PATH ?? '', HOME: home, TERM: 'vt100' },
  });
}
