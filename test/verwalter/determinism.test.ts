import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hashJson } from '../../src/verwalter/canonical.ts';
import { runScheduler, type SchedulerRequest } from '../../src/verwalter/scheduler/engine.ts';
import { bundleEntry } from './worker-bundle.ts';

// The golden file holds every machine and every later Node.js to what this one gave. After a change that means to give
// another result: UPDATE_GOLDEN=1 npx vitest run --project unit test/verwalter/determinism.test.ts

const golden = join(import.meta.dirname, 'golden');
const request: SchedulerRequest = {
  sources: { 'main.lua': readFileSync(join(golden, 'main.lua'), 'utf8') },
  input: JSON.parse(readFileSync(join(golden, 'input.json'), 'utf8')),
  seed: 42,
};

describe('the same input', () => {
  let bundle: Awaited<ReturnType<typeof bundleEntry>>;
  let folder: string;
  beforeAll(async () => {
    bundle = await bundleEntry('test/verwalter/golden/process.ts');
    folder = mkdtempSync(join(tmpdir(), 'verwalter-golden-'));
    writeFileSync(join(folder, 'request.json'), JSON.stringify(request));
  });
  afterAll(() => {
    bundle.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  it('gives the result of the golden file', async () => {
    const run = await runScheduler(request);
    if (!run.ok) throw new Error(`${run.message}\n${run.traceback}`);
    const { machine, ...schedule } = JSON.parse(run.text ?? '');
    expect(machine.garbage.left).toBeLessThan(5000);
    const result = {
      schedule,
      log: run.log.split('\n'),
      warnings: run.warnings,
      answers: run.answers,
      sha256: hashJson(schedule),
    };
    const file = join(golden, 'output.json');
    if (process.env.UPDATE_GOLDEN === '1') writeFileSync(file, `${JSON.stringify(result, null, 1)}\n`);
    expect(result).toEqual(JSON.parse(readFileSync(file, 'utf8')));
  });

  it('gives the same bytes in 100 runs of four processes that have little in common', async () => {
    const run = await runScheduler(request);
    if (!run.ok) throw new Error(run.message);
    const own = createHash('sha256')
      .update(JSON.stringify([run.text, run.log, run.warnings, run.answers]))
      .digest('hex');
    const processes = [
      { flags: [], env: {} },
      { flags: ['--hash-seed=7', '--random-seed=7'], env: { TZ: 'Asia/Tokyo', LANG: 'de_DE.UTF-8' } },
      { flags: ['--no-opt'], env: { TZ: 'America/New_York', LC_ALL: 'C' } },
      { flags: ['--liftoff-only', '--max-old-space-size=128'], env: { NOISE: 'x'.repeat(5000) } },
    ];
    for (const { flags, env } of processes) {
      const args = [...flags, bundle.path, join(folder, 'request.json'), '25'];
      const { stdout } = await promisify(execFile)(process.execPath, args, { env: { ...process.env, ...env } });
      expect(JSON.parse(stdout)).toEqual([[own, 25]]);
    }
  }, 120_000);

  // A Node.js of another processor, under an emulator: STELLWERK_FOREIGN_NODE='qemu-aarch64-static /path/to/node'.
  const [foreign, ...words] = (process.env.STELLWERK_FOREIGN_NODE ?? '').split(' ').filter((word) => word !== '');
  it.skipIf(foreign === undefined)(
    'gives the same bytes on another processor',
    async () => {
      const args = [bundle.path, join(folder, 'request.json'), '2'];
      const { stdout: own } = await promisify(execFile)(process.execPath, args);
      const { stdout: arch } = await promisify(execFile)(foreign ?? '', [...words, '-p', 'process.arch']);
      expect(arch.trim()).not.toBe(process.arch);
      const { stdout } = await promisify(execFile)(foreign ?? '', [...words, ...args]);
      expect(stdout).toBe(own);
    },
    600_000,
  );
});
