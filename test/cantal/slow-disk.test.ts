import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { cantalRoutes } from '../../src/cantal/routes.ts';
import { startCantal } from '../../src/cantal/shell.ts';
import { startStorage } from '../../src/cantal/storage.ts';
import { startHttp } from '../../src/http/server.ts';
import { createScanner } from '../../src/native/scanner.ts';
import { skipped } from '../skipped.ts';

/** What a disk that hangs does to the processes that write to it: fsfreeze(8) on a file system in a file. */
const disk = mkdtempSync(join(tmpdir(), 'slow-disk-'));
const mounted = join(disk, 'mounted');
const does = (program: string, ...args: readonly string[]): boolean =>
  spawnSync(program, args, { stdio: 'ignore' }).status === 0;

function mountDisk(): boolean {
  const image = join(disk, 'image');
  mkdirSync(mounted, { recursive: true });
  return (
    process.getuid?.() === 0 &&
    does('truncate', '-s', '64M', image) &&
    does('mkfs.ext4', '-q', image) &&
    does('mount', '-o', 'loop', image, mounted)
  );
}

const hasDisk = mountDisk();
let thaw: ChildProcess | null = null;
beforeAll(() => {
  // Whatever happens to this test, the disk must not stay frozen.
  if (hasDisk) thaw = spawn('sh', ['-c', `sleep 50; fsfreeze -u ${mounted}`], { stdio: 'ignore', detached: true });
});
afterAll(() => {
  spawnSync('fsfreeze', ['-u', mounted], { stdio: 'ignore' });
  try {
    if (thaw?.pid !== undefined) process.kill(-thaw.pid, 'SIGKILL');
  } catch {
    // It has done its work.
  }
  spawnSync('umount', [mounted], { stdio: 'ignore' });
  rmSync(disk, { recursive: true, force: true });
});

async function until(what: () => boolean): Promise<void> {
  for (let attempt = 0; attempt < 1500 && !what(); attempt++) await sleep(20);
  expect(what()).toBe(true);
}

it.skipIf(skipped(hasDisk, 'a disk that hangs', 'needs root, a loop device and mkfs.ext4'))(
  'a disk that hangs delays neither scans nor answers, leaves the old snapshot, and no snapshots queue',
  async () => {
    const scanner = createScanner({ intervalMs: 50 });
    let saves = 0;
    const counted = {
      snapshot: () => scanner.snapshot(),
      restoreHistory: () => scanner.restoreHistory(Buffer.alloc(0), 0),
      saveHistory: () => {
        saves += 1;
        return scanner.saveHistory();
      },
    };
    const cantal = startCantal({ scanner, intervalMs: 50, version: '1' });
    const folder = join(mounted, 'history');
    const said: string[] = [];
    const storage = startStorage({
      scanner: counted,
      folder,
      keepHistoryMs: 3_600_000,
      log: (line) => said.push(line),
      everyMs: 100,
    });
    const server = await startHttp({ host: '127.0.0.1', port: 0, routes: cantalRoutes(cantal, null) });
    const scans = () => scanner.health().scans;
    try {
      await until(() => storage.status() !== null);
      const [freeze] = (await once(spawn('fsfreeze', ['-f', mounted], { stdio: 'ignore' }), 'exit')) as [number];
      expect(freeze).toBe(0);
      const frozen = { status: storage.status(), saves, scans: scans() };
      const old = readFileSync(join(folder, 'current.history'));
      // Were anything held up by the disk, none of this would come to an end before it thaws.
      // One snapshot may have been under way; by now another was due many times.
      await until(() => scans() > frozen.scans + 40);
      const stuck = saves;
      expect(stuck).toBeLessThanOrEqual(frozen.saves + 1);
      for (let asked = 0; asked < 50; asked++) {
        expect((await fetch(`${server.url}/status`)).status).toBe(200);
        await sleep(10);
      }
      await until(() => scans() > frozen.scans + 80);
      expect(saves).toBe(stuck);
      expect(storage.status()?.time).toBeLessThanOrEqual((frozen.status?.time ?? 0) + 1000);
      expect(readFileSync(join(folder, 'current.history'))).toEqual(old);

      spawnSync('fsfreeze', ['-u', mounted]);
      await until(() => saves > stuck + 1);
      expect(readFileSync(join(folder, 'current.history'))).not.toEqual(old);
      expect(said).toEqual([]);
    } finally {
      spawnSync('fsfreeze', ['-u', mounted], { stdio: 'ignore' });
      await storage.stop();
      await server.stop();
      await cantal.stop();
    }
  },
  60_000,
);
