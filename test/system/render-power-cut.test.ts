import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { skipped } from '../skipped.ts';
import { bundleEntry } from '../verwalter/worker-bundle.ts';

// A disk of its own on a loop device. What its image holds while the writer stands still is what a power cut would
// leave: all that was flushed, and nothing of what is only in memory. Mounting a copy of it replays the journal, as the
// next boot would.

const run = (program: string, ...args: readonly string[]): void =>
  void execFileSync(program, args, { stdio: ['ignore', 'ignore', 'pipe'] });

function loopProblem(): string | null {
  const folder = mkdtempSync(join(tmpdir(), 'stellwerk-loop-'));
  const mounted = join(folder, 'm');
  try {
    run('truncate', '-s', '1M', join(folder, 'image'));
    run('mkfs.ext4', '-q', join(folder, 'image'));
    mkdirSync(mounted);
    run('mount', '-o', 'loop', join(folder, 'image'), mounted);
    run('umount', mounted);
    return null;
  } catch (error) {
    return (error as Error).message.split('\n', 1)[0] ?? '';
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const problem = loopProblem();
const noDisk = skipped(problem === null, 'power cuts', `no disk on a loop device can be mounted: ${problem}`);

describe.skipIf(noDisk)('a file that is rendered', () => {
  let folder: string;
  let bundle: Awaited<ReturnType<typeof bundleEntry>>;
  beforeAll(async () => {
    bundle = await bundleEntry('test/verwalter/power-cut/writer.ts');
    folder = mkdtempSync(join(tmpdir(), 'stellwerk-power-cut-'));
    for (const name of ['live', 'after']) mkdirSync(join(folder, name));
  });
  afterAll(() => {
    bundle.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  /** What each of some power cuts leaves: the number that was told as written before it, and what the file says then. */
  const cuts = async (count: number, how: string): Promise<readonly { told: number; found: readonly string[] }[]> => {
    const [image, copy] = [join(folder, 'image'), join(folder, 'copy')];
    const [live, after] = [join(folder, 'live'), join(folder, 'after')];
    rmSync(image, { force: true });
    run('truncate', '-s', '16M', image);
    run('mkfs.ext4', '-q', image);
    run('mount', '-o', 'loop', image, live);
    const writer = spawn(process.execPath, [bundle.path, join(live, 'file'), how], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const results: { told: number; found: readonly string[] }[] = [];
    try {
      const told = numbers(writer);
      for (let cut = 0; cut < count; cut++) {
        // Another point of the work each time.
        const before = told.last();
        await told.beyond(before + 1 + (cut % 3));
        process.kill(writer.pid ?? 0, 'SIGSTOP');
        const number = told.last();
        copyFileSync(image, copy);
        process.kill(writer.pid ?? 0, 'SIGCONT');
        run('mount', '-o', 'loop', copy, after);
        try {
          results.push({ told: number, found: linesOf(join(after, 'file')) });
        } finally {
          run('umount', after);
        }
      }
    } finally {
      writer.kill('SIGKILL');
      await new Promise((resolve) => writer.once('close', resolve));
      run('umount', live);
    }
    return results;
  };

  test('is whole after a power cut, and not older than what was told as written', async () => {
    for (const { told, found } of await cuts(25, 'as-rendered')) {
      expect(found).toHaveLength(4096);
      expect(new Set(found).size).toBe(1);
      expect(Number(found[0])).toBeGreaterThanOrEqual(told);
    }
  });

  test('would be lost by a writer that does not wait for the disk: such a power cut shows it', async () => {
    const results = await cuts(5, 'without-sync');
    expect(results.some(({ told, found }) => found.length !== 4096 || Number(found[0]) < told)).toBe(true);
  });
});

const linesOf = (path: string): readonly string[] => {
  try {
    return readFileSync(path, 'utf8').split('\n').slice(0, -1);
  } catch {
    return [];
  }
};

function numbers(writer: ChildProcess): { last(): number; beyond(number: number): Promise<void> } {
  let last = 0;
  let rest = '';
  const waiting: { number: number; resolve: () => void; reject: (error: Error) => void }[] = [];
  writer.stdout?.setEncoding('utf8').on('data', (text: string) => {
    const lines = `${rest}${text}`.split('\n');
    rest = lines.pop() ?? '';
    last = Number(lines.at(-1) ?? last);
    for (const each of waiting.splice(0)) {
      if (last > each.number) each.resolve();
      else waiting.push(each);
    }
  });
  writer.once('close', () => {
    for (const each of waiting) each.reject(new Error('the writer has ended'));
  });
  return {
    last: () => last,
    beyond: (number) =>
      last > number
        ? Promise.resolve()
        : new Promise((resolve, reject) => void waiting.push({ number, resolve, reject })),
  };
}
