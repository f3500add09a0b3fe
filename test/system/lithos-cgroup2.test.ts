import { spawn, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { skipped } from '../skipped.ts';

const isRoot = process.getuid?.() === 0;
const hasKernel = spawnSync('linux.uml', ['--version']).error === undefined;
const isGuest = process.env.STELLWERK_ROOT !== undefined;
const mostMs = 200_000;

/** Not every host has cgroup v2 with controllers; a kernel that runs as a process of this host does. */
describe.skipIf(
  skipped(
    isRoot && hasKernel && !isGuest,
    'cgroup v2',
    'needs root and User Mode Linux (apt-get install user-mode-linux)',
  ),
)('cgroup v2', () => {
  it(
    'holds the same limits as v1, in a kernel of its own',
    async (context) => {
      const guest = spawn(
        'linux.uml',
        [
          ...[
            'mem=1200M',
            'root=/dev/root',
            'rootfstype=hostfs',
            'rootflags=/',
            'rw',
            'quiet',
            'con=null',
            'con0=fd:0,fd:1',
          ],
          `init=${join(process.cwd(), 'test/system/cgroup2/guest.sh')}`,
          ...[`STELLWERK_ROOT=${process.cwd()}`, `STELLWERK_NODE_PROGRAM=${process.execPath}`],
        ],
        { stdio: ['ignore', 'pipe', 'inherit'] },
      );
      let said = '';
      guest.stdout.on('data', (chunk: Buffer) => (said += chunk));
      const timer = setTimeout(() => guest.kill('SIGKILL'), mostMs);
      await new Promise((resolve) => guest.on('close', resolve));
      clearTimeout(timer);
      if (skipped(said.includes('GUEST STARTED'), 'cgroup v2', 'User Mode Linux does not start here')) context.skip();
      expect(said).toContain('GUEST ENDED WITH 0');
      expect(said).toMatch(/Tests\s+5 passed/);
    },
    mostMs + 20_000,
  );
});
