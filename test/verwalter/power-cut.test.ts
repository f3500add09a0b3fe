import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { bundleEntry } from './worker-bundle.ts';

/** Far more than a page: a write that is not whole shows. */
const bytes = 1 << 20;
let dir = '';
let bundle: Awaited<ReturnType<typeof bundleEntry>>;
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'power-cut-'));
  bundle = await bundleEntry('src/verwalter/render/file-journal.ts');
});
afterAll(() => {
  bundle.remove();
  rmSync(dir, { recursive: true, force: true });
});

it('a !Copy that is killed at any moment leaves the old file or the new one, never a mixture', async () => {
  const dest = join(dir, 'out.conf');
  const program = `
    import { startJournal } from ${JSON.stringify(bundle.path)};
    const rights = { mode: null, uid: null, gid: null };
    const write = (n) => {
      startJournal().write(${JSON.stringify(dest)}, Buffer.alloc(${bytes}, 65 + (n % 26)), rights);
      process.stdout.write('.');
      setImmediate(write, n + 1);
    };
    write(0);
  `;
  for (let round = 0; round < 12; round++) {
    const writer = spawn(process.execPath, ['--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const gone = new Promise((resolve) => writer.once('exit', resolve));
    let written = 0;
    await new Promise<void>((resolve, reject) => {
      writer.once('exit', () => reject(new Error('the writer ended by itself')));
      writer.stdout.on('data', (chunk: Buffer) => {
        written += chunk.length;
        if (written >= 3) resolve();
      });
    });
    // Another moment of the next write each time.
    await sleep(round);
    writer.kill('SIGKILL');
    await gone;
    const content = readFileSync(dest);
    expect(content.length).toBe(bytes);
    expect(content.every((byte) => byte === content[0])).toBe(true);
  }
});
