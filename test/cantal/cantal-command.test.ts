import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/native/load.ts';

const program = join(packageRoot(), 'bin/stellwerk.js');
let folder = '';
let base = '';
const children: ChildProcess[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cantal-command-'));
  base = join(folder, 'app');
  writeFileSync(`${base}.meta`, 'counter 8: {"metric":"requests"}\nlevel 8 float: {"metric":"heat"}\n');
  write(7n);
});
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

function write(requests: bigint): void {
  const bytes = Buffer.alloc(16);
  bytes.writeBigUInt64LE(requests, 0);
  bytes.writeDoubleLE(36.5, 8);
  writeFileSync(`${base}.values`, bytes);
}

const cantal = (...words: readonly string[]) =>
  spawnSync(process.execPath, [program, 'cantal', ...words], { encoding: 'utf8' });

async function until(what: () => boolean, tell: () => string): Promise<void> {
  for (let attempt = 0; attempt < 1000 && !what(); attempt++) await sleep(20);
  expect(what(), tell()).toBe(true);
}

describe('cantal FILE_OR_PID', () => {
  it('is the short form of `cantal values`: PREFIX: JSON VALUE', () => {
    const lines = `${base}: {"metric":"requests"} 7\n${base}: {"metric":"heat"} 36.5\n`;
    expect(cantal(base)).toMatchObject({ status: 0, stdout: lines, stderr: '' });
    expect(cantal('values', `${base}.values`)).toMatchObject({ status: 0, stdout: lines });
    const { stdout } = cantal('--json', base);
    expect(
      stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toEqual([
      { path: base, labels: { metric: 'requests' }, kind: 'Counter', value: 7 },
      { path: base, labels: { metric: 'heat' }, kind: 'Float', value: 36.5 },
    ]);
  });

  it('finds the file of a process by its environment, and ends with 1 if any failed', async () => {
    const app = spawn('/bin/sleep', ['1000'], { env: { CANTAL_PATH: base }, stdio: 'ignore' });
    children.push(app);
    await once(app, 'spawn');
    const { status, stdout, stderr } = cantal(String(app.pid), join(folder, 'none'));
    expect(stdout).toContain(`${base}: {"metric":"requests"} 7\n`);
    expect(stderr).toMatch(/none: .*none\.meta does not exist/);
    expect(status).toBe(1);
  });

  it('says its version with -V, and what is wrong with 2', () => {
    expect(cantal('-V')).toMatchObject({ status: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) });
    expect(cantal('--nonsense', base)).toMatchObject({ status: 2 });
    expect(cantal()).toMatchObject({ status: 2, stderr: expect.stringContaining('FILE_OR_PID') });
  });
});

describe('cantal --watch', () => {
  const watch = (words: readonly string[], terminal: boolean) => {
    const command = [process.execPath, program, 'cantal', '--watch', '--interval', '0.1', ...words];
    // script(1) gives the program a terminal.
    const child = terminal
      ? spawn('script', ['-qefc', command.join(' '), '/dev/null'], { stdio: ['ignore', 'pipe', 'pipe'] })
      : spawn(command[0] ?? '', command.slice(1), { stdio: ['ignore', 'pipe', 'pipe'] });
    children.push(child);
    let out = '';
    let err = '';
    child.stdout?.on('data', (bytes) => {
      out += bytes;
    });
    child.stderr?.on('data', (bytes) => {
      err += bytes;
    });
    return { child, out: () => out, err: () => err };
  };

  it('writes lines where there is no terminal, says a problem once, and ends with 0 at SIGTERM', async () => {
    const { child, out, err } = watch([base], false);
    await until(() => out().split('"requests"} 7').length > 3, err);
    rmSync(`${base}.values`);
    await until(() => err().includes('does not exist'), err);
    await sleep(400);
    write(8n);
    await until(() => out().includes('"requests"} 8'), err);
    expect(err().split('does not exist')).toHaveLength(2);
    expect(out()).not.toContain('\x1b');
    const exit = once(child, 'exit');
    child.kill('SIGTERM');
    expect((await exit)[0]).toBe(0);
  });

  it('redraws a terminal', async () => {
    const { out, err } = watch([base], true);
    await until(() => out().split('\x1b[H').length > 3, err);
    write(9n);
    await until(() => out().includes('"requests"} 9\x1b[K'), err);
  });

  it('ends quietly when nobody reads any more', () => {
    const words = ['--watch', '--interval', '0.1', base].map((word) => `'${word}'`).join(' ');
    const script = `'${process.execPath}' '${program}' cantal ${words} | head -n 1`;
    const { status, stdout, stderr } = spawnSync('bash', ['-o', 'pipefail', '-c', script], {
      encoding: 'utf8',
      timeout: 30_000,
    });
    expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: `${base}: {"metric":"requests"} 7\n`, stderr: '' });
  });
});
