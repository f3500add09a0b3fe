import { spawnSync } from 'node:child_process';
import { accessSync, chownSync, constants, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/native/load.ts';
import { skipped } from '../skipped.ts';

const program = join(packageRoot(), 'dist', 'quickstart.js');
const steps = [
  '10 + 5 up',
  'load flows',
  'load doubled',
  '20 + 2',
  'leader killed',
  'scheduling goes on',
  'old leader rejoins',
  'tree killed',
  'next tree adopts',
  'container killed',
  'back to 10 + 5',
  'everything gone',
];
/** Any ordinary user does; this one exists everywhere. */
const nobody = 65_534;

function play(user?: number): { status: number | null; lines: string[] } {
  const dir = mkdtempSync(join(tmpdir(), 'stellwerk-'));
  if (user !== undefined) chownSync(dir, user, user);
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, '--check', '--dir', join(dir, 'cluster')], {
    encoding: 'utf8',
    cwd: dir,
    ...(user === undefined ? {} : { uid: user, gid: user }),
  });
  process.stdout.write(stdout + stderr);
  if (status === 0) rmSync(dir, { recursive: true, force: true });
  return { status, lines: stdout.split('\n') };
}

function expectWholeStory(played: { status: number | null; lines: string[] }): void {
  const passed = played.lines.filter((line) => line.startsWith('ok ')).map((line) => line.slice(6, 30).trim());
  expect(passed).toEqual(steps);
  expect(played.status).toBe(0);
}

function reachableByOthers(): boolean {
  try {
    // As root everything is accessible; what counts is the search bit for others on each folder above.
    for (let folder = packageRoot(); folder !== '/'; folder = join(folder, '..')) {
      const check = spawnSync('test', ['-x', folder], { uid: nobody, gid: nobody });
      if (check.status !== 0) return false;
    }
    accessSync(program, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}

describe('the quickstart cluster plays its whole story', () => {
  it('as the user who runs the tests', () => {
    expectWholeStory(play());
  });

  it('as an ordinary user', (context) => {
    const isRoot = process.getuid?.() === 0;
    if (skipped(isRoot, 'the quickstart as another user', 'the tests run as an ordinary user already')) context.skip();
    const reason = `an ordinary user cannot enter ${packageRoot()}`;
    if (skipped(reachableByOthers(), 'the quickstart as an ordinary user', reason)) context.skip();
    expectWholeStory(play(nobody));
  });
});
