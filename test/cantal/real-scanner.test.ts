import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Cantal, startCantal } from '../../src/cantal/shell.ts';
import { createScanner } from '../../src/native/scanner.ts';

/** The real scanner, on this machine, fast enough for a test. */
const intervalMs = 200;
let folder: string;
let cantal: Cantal;
let app: ReturnType<typeof spawn>;
const cleanups: (() => unknown)[] = [];

function writeValues(requests: number): void {
  const bytes = Buffer.alloc(24);
  bytes.writeBigUInt64LE(BigInt(requests), 0);
  bytes.writeBigUInt64LE(BigInt(Date.now()), 8);
  bytes.write('busy', 16);
  writeFileSync(join(folder, 'next'), bytes);
  renameSync(join(folder, 'next'), join(folder, 'app.values'));
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'cantal-'));
  cleanups.push(() => rmSync(folder, { recursive: true }));
  writeValues(1000);
  writeFileSync(
    join(folder, 'app.meta'),
    'counter 8: {"metric":"requests","group":"web","node":"n1"}\nstate 16: {"state":"http"}',
  );
  // A busy program: its processor time must show.
  app = spawn('/bin/sh', ['-c', 'while :; do :; done'], { env: { CANTAL_PATH: join(folder, 'app') }, stdio: 'ignore' });
  cleanups.push(() => app.kill('SIGKILL'));
  await once(app, 'spawn');
  cantal = startCantal({ scanner: createScanner({ intervalMs }), intervalMs, version: 'test' });
  cleanups.push(() => cantal.stop());
});
// One by one and newest first: a busy loop must not outlive a test that failed early.
afterAll(async () => {
  for (const clean of cleanups.reverse()) await clean();
});

const scans = (n: number) =>
  new Promise<void>((resolve) => {
    const leave = cantal.onScan(() => {
      n -= 1;
      if (n > 0) return;
      leave();
      resolve();
    });
  });

test('a counter of a program is seen, and its rate summed by node, from growth between scans', async () => {
  await scans(2);
  for (let step = 1; step <= 4; step++) {
    writeValues(1000 + 50 * step);
    await scans(1);
  }
  const answer = cantal.query({
    rate: {
      series: { source: 'Fine', condition: ['And', ['Eq', 'metric', 'requests'], ['Eq', 'group', 'web']] },
      extract: ['HistoryByNum', 6],
      functions: [['NonNegativeDerivative'], ['SumBy', 'node', 'Ignore']],
    },
    state: { series: { source: 'Tip', condition: ['Eq', 'state', 'http'] } },
  });
  if (answer.kind === 'refused') throw new Error(answer.reason);
  const { rate, state } = answer.values;
  if (rate?.[0] !== 'SingleSeries') throw new Error(JSON.stringify(rate));
  expect(rate[1]).toEqual({ node: 'n1' });
  const points = rate[2][1].map(Number).filter((point) => point > 0);
  expect(points.length).toBeGreaterThan(0);
  // 200 in all; each point is per second over some 200 ms.
  const grown = rate[2][1].reduce<number>((sum, point, index) => {
    const ms = index + 1 < rate[3].length ? (rate[3][index] ?? 0) - (rate[3][index + 1] ?? 0) : intervalMs;
    return sum + (Number(point ?? 0) * ms) / 1000;
  }, 0);
  expect(grown).toBeGreaterThan(100);
  expect(grown).toBeLessThan(260);
  expect(state?.[0]).toBe('SingleTip');
  expect(state?.[2]).toEqual(['State', [expect.any(Number), 'busy']]);
});

test('the machine and a process without a cgroup of its own use what they use', async () => {
  await scans(4);
  const machine = cantal.machineUsage();
  expect(machine.memoryTotalBytes).toBe(totalmem());
  expect(machine.memoryUsedBytes).toBeGreaterThan(10_000_000);
  expect(machine.cpuShare).toBeGreaterThan(0);
  expect(machine.cpuShare).toBeLessThanOrEqual(1);
  const [usage] = cantal.usageOfContainers([{ name: 'a/b.0', pid: app.pid ?? null, cgroup: null }]);
  expect(usage?.memoryBytes).toBeGreaterThan(100_000);
  expect(usage?.cpuShare).toBeGreaterThan(0.05);
  expect(usage?.cpuShare).toBeLessThan(1.5);
});

test('it is healthy, knows its processes, and serves everything at once', async () => {
  await scans(1);
  expect(cantal.healthy()).toBe(true);
  expect(cantal.processes().find(({ pid }) => pid === process.pid)?.name).toBeTruthy();
  const own = cantal.metrics((name) => name === 'uptime');
  expect(own).toMatchObject([{ labels: { metric: 'uptime' }, value: ['Float', expect.any(Number)] }]);
  expect(Math.abs((own[0]?.timestamp ?? 0) - Date.now())).toBeLessThan(5000);
  expect(cantal.status().health.scans).toBeGreaterThan(3);
});

test('`cantal once --json` prints a scan', async () => {
  const code = `import('${join(process.cwd(), 'src/cantal/commands.ts')}').then(({ cantalCommand }) => cantalCommand().parseAsync(['once', '--json'], { from: 'user' }))`;
  const { build } = await import('esbuild');
  await build({
    stdin: { contents: code, resolveDir: process.cwd() },
    bundle: true,
    platform: 'node',
    format: 'esm',
    // Beside package.json, as the program finds its addon from there.
    outfile: join(process.cwd(), 'build', 'once-test.mjs'),
    banner: { js: "import { createRequire as c } from 'node:module'; const require = c(import.meta.url);" },
    logLevel: 'silent',
  });
  const built = join(process.cwd(), 'build', 'once-test.mjs');
  try {
    const { stdout } = await promisify(execFile)(process.execPath, [built], { maxBuffer: 64 * 1024 * 1024 });
    const scan = JSON.parse(stdout);
    expect(scan.processes.length).toBeGreaterThan(5);
    expect(scan.metrics).toContainEqual([{ metric: 'load_avg_1min' }, ['Float', expect.any(Number)]]);
  } finally {
    rmSync(built, { force: true });
  }
});
