import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { parseMeta, readValues } from '../../src/cantal/values-file.ts';
import { skipped } from '../skipped.ts';
import { type LithosHost, lithosHost } from './lithos-host.ts';

// Runs with what this host has: v1 hierarchies, or v2 where its controllers are there (lithos-cgroup2.test.ts boots one).
const isRoot = process.getuid?.() === 0;
const isUnified =
  existsSync('/sys/fs/cgroup/cgroup.controllers') &&
  readFileSync('/sys/fs/cgroup/cgroup.controllers', 'utf8').includes('memory');
const hasV1 = existsSync('/sys/fs/cgroup/memory/memory.limit_in_bytes');

let host: LithosHost;
afterEach(async () => {
  await host.endTree('SIGTERM');
  await host.remove();
});

async function runs(text: string, more = ''): Promise<number> {
  host = lithosHost(0);
  writeFileSync(host.master, readFileSync(host.master, 'utf8') + more);
  host.container('app', text);
  host.want({ app: 1 });
  await host.start();
  const running = await host.until('running', ({ containers: [each] }) => each?.phase === 'running' && each);
  return running.pid ?? -1;
}

/** A file of the instance's cgroup, in whichever hierarchy it is. */
function limit(file: string): string {
  const found = spawnSync('find', ['/sys/fs/cgroup', '-path', `*${host.cgroupName}*box:app.0.scope/${file}`], {
    encoding: 'utf8',
  });
  const path = found.stdout.trim().split('\n')[0] ?? '';
  return path === '' ? 'not there' : readFileSync(path, 'utf8').trim();
}

const sleeper = 'executable: /usr/bin/sleep\narguments: ["100000"]\n';
const allLimits = `${sleeper}memory-limit: 64Mi
memory-high: 48Mi
cpu-shares: 512
cpu-limit: 0.5
pids-limit: 20
`;

describe.skipIf(skipped(isRoot && (isUnified || hasV1), 'limits', 'needs root and cgroups with a memory controller'))(
  'limits',
  () => {
    it('hold in the cgroup of the instance, where the program is from its first moment on', async () => {
      await runs(
        allLimits.replace(sleeper, 'executable: /usr/bin/sh\narguments: [-c, "cat /proc/self/cgroup; sleep 100000"]\n'),
      );
      if (isUnified) {
        expect(limit('memory.max')).toBe(`${64 * 1024 ** 2}`);
        expect(limit('memory.high')).toBe(`${48 * 1024 ** 2}`);
        expect(limit('memory.oom.group')).toBe('1');
        expect(limit('cpu.weight')).toBe('20');
        expect(limit('cpu.max')).toBe('50000 100000');
      } else {
        expect(limit('memory.limit_in_bytes')).toBe(`${64 * 1024 ** 2}`);
        expect(limit('memory.soft_limit_in_bytes')).toBe(`${48 * 1024 ** 2}`);
        expect(limit('cpu.shares')).toBe('512');
        expect(limit('cpu.cfs_quota_us')).toBe('50000');
      }
      expect(limit('pids.max')).toBe('20');
      // The root of its own cgroup namespace: it was there before it could look.
      await host.until('its view', () => host.output().includes(isUnified ? '0::/\n' : ':memory:/\n'));
    });

    it('of processes stop a fork bomb inside', async () => {
      const bomb = `import os, time
for n in range(100):
    try:
        if os.fork() == 0: time.sleep(1000)
    except BlockingIOError:
        print("stopped after", n, flush=True)
        break
time.sleep(1000)`;
      await runs(`executable: /usr/bin/python3\narguments: [-c, ${JSON.stringify(bomb)}]\npids-limit: 15\n`);
      await host.until('its complaint', () => /stopped after \d+/.test(host.output()));
      // 15 with the init, the program itself, and before its clone the parts of the knot's own.
      expect(Number(/stopped after (\d+)/.exec(host.output())?.[1])).toBe(13);
    });

    it('of memory are told apart from any other end, in status, ps, log and metrics', async () => {
      await runs(
        'executable: /usr/bin/python3\narguments: [-c, "import time; time.sleep(0.3); b = bytearray(200 << 20)"]\nmemory-limit: 50Mi\nrestart-timeout: 60\n',
      );
      const end = await host.until('the end', ({ containers: [each] }) => each?.lastEnd);
      expect(end).toMatchObject({ oomKilled: true, signal: 9 });
      // Log and metrics follow the status; on a busy machine not at once.
      const soon = { timeout: 30_000, interval: 50 };
      await expect.poll(() => host.log(), soon).toContain('box/app.0: out of memory: killed by the kernel');
      await expect.poll(() => host.log(), soon).toContain('ended by signal 9, out of memory');
      expect(host.lithos('ps', '-C', host.master, '--no-color').out).toMatch(/out of memory/i);
      await host.until('the metric', () => metric('processes.box.app.oom_kills') >= 1n);
      await expect
        .poll(() => readFileSync(join(host.dir, 'run', 'metrics.prom'), 'utf8'), soon)
        .toContain('lithos_process_oom_kills_total{sandbox="box",process="app"} 1');
      // Found by whoever looks through the environment of processes, as cantal does.
      expect(readFileSync(`/proc/${host.treePid()}/environ`, 'utf8')).toContain(`CANTAL_PATH=${host.dir}/run/metrics`);
    });

    it('that cannot be set keep the container from starting, unless the master config lets it', async () => {
      host = lithosHost(0);
      const controllers = 'cgroup-controllers: [memory]\n';
      if (isUnified) {
        // v2 gives what the kernel offers; a device that is none cannot be limited.
        host.sandbox('io-max: { /dev/null: { read-bytes: 1000 } }\n');
      }
      writeFileSync(host.master, readFileSync(host.master, 'utf8') + (isUnified ? '' : controllers));
      host.container('app', `${sleeper}pids-limit: 10\nrestart-timeout: 0.2\n`);
      host.want({ app: 1 });
      await host.start();
      const end = await host.until('a refusal', ({ containers: [each] }) => each?.lastEnd?.failure);
      expect(end.message).toMatch(
        isUnified ? /limits do not hold: io\.max/ : /limits do not hold: controller pids is not available/,
      );
      await host.endTree('SIGTERM');
      writeFileSync(host.master, `${readFileSync(host.master, 'utf8')}limits-required: false\n`);
      await host.start();
      await host.until('running', ({ containers: [each] }) => each?.phase === 'running');
    });

    it('hold for what is started after the tree has started again in place', async () => {
      await runs(allLimits);
      const { startTimeMs } = await host.status();
      host.kill('SIGHUP');
      const before = await host.until(
        'a new image',
        (status) => status.startTimeMs > startTimeMs && status.containers[0],
      );
      process.kill(before.pid ?? -1, 'SIGKILL');
      const after = await host.until(
        'a restart',
        ({ containers: [each] }) => (each?.restarts ?? 0) > 0 && each?.phase === 'running' && each,
      );
      expect(after.cgroup).toBe(before.cgroup);
      expect(limit('pids.max')).toBe('20');
      expect(await host.endTree('SIGTERM')).toBe(0);
      const left = spawnSync('find', ['/sys/fs/cgroup', '-name', host.cgroupName], { encoding: 'utf8' }).stdout;
      expect(left).toBe('');
    });
  },
);

/** A counter of the tree's values files. */
function metric(name: string): bigint {
  const path = join(host.dir, 'run', 'metrics');
  const meta = parseMeta(readFileSync(`${path}.meta`));
  if (meta.kind === 'bad') throw new Error(meta.reason);
  const text = JSON.stringify(readValues(meta.meta, readFileSync(`${path}.values`)), (_, value) =>
    typeof value === 'bigint' ? `${value}` : value,
  );
  const found = new RegExp(`"metric":"${name}"[^}]*}[^}]*?"value":"?(\\d+)`).exec(text)?.[1];
  return BigInt(found ?? 0);
}
