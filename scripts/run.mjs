// Running other programs from the build scripts: output passes through, a failure ends the script with its name.
import { spawnSync } from 'node:child_process';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));

export function fail(message) {
  process.stderr.write(`stellwerk: ${message}\n`);
  process.exit(1);
}

/** Runs to the end with the output shown; exits with a message where it fails. */
export function run(program, args, options = {}) {
  const { quiet, ...spawnOptions } = options;
  const result = spawnSync(program, args, {
    cwd: root,
    stdio: quiet ? ['ignore', 'pipe', 'pipe'] : 'inherit',
    encoding: 'utf8',
    ...spawnOptions,
  });
  if (result.error) fail(`cannot run ${program}: ${result.error.message}`);
  if (result.status !== 0) {
    if (quiet) process.stderr.write(`${result.stdout ?? ''}${result.stderr ?? ''}`);
    fail(`${program} ${args.join(' ')} ended with ${result.signal ?? `exit code ${result.status}`}`);
  }
}

export function succeeds(program, args) {
  return spawnSync(program, args, { stdio: 'ignore' }).status === 0;
}
