import { describe, expect, it } from 'vitest';
import { type SelfReading, selfReport, selfReporter } from '../../src/cantal/self-report.ts';
import { type ThreadReading, threadsReport } from '../../src/cantal/threads-report.ts';
import { createScanner } from '../../src/native/scanner.ts';

const reading = (own: Partial<SelfReading>): SelfReading => ({
  at: 0,
  timestamp: 1_000_000,
  heapBytes: 5,
  cpuMs: 0,
  childCpuMs: 0,
  stat: 'cpu  100 0 100 800 0 0 0 0 0 0\ncpu0 1 1 1 1\n',
  uptime: '12.50 20.00\n',
  status: 'VmPeak:\t 9 kB\nVmSize:\t 8 kB\nVmHWM:\t 7 kB\nVmRSS:\t 6 kB\nVmSwap:\t 2 kB\n',
  io: 'rchar: 1000\nwchar: 100\nsyscr: 10\nsyscw: 1\nread_bytes: 0\nwrite_bytes: 4096\ncancelled_write_bytes: 0\n',
  ...own,
});

describe('the report of a process', () => {
  it('has rates over the time between two readings, and levels of the second', () => {
    const report = selfReport(
      reading({}),
      reading({
        at: 2000,
        timestamp: 1_002_000,
        cpuMs: 500,
        childCpuMs: 100,
        stat: 'cpu  150 0 150 900 0 0 0 0 0 0\n',
        io: 'rchar: 5000\nwchar: 300\nsyscr: 30\nsyscw: 5\nread_bytes: 8192\nwrite_bytes: 4096\ncancelled_write_bytes: 0\n',
      }),
      4096,
    );
    expect(report).toEqual({
      timestamp: 1_002_000,
      duration: 2000,
      start_time: 1_000_000,
      system_uptime: 12_500,
      global_cpu_usage: 50,
      process_cpu_usage: 25,
      gross_cpu_usage: 30,
      memory_rss: 6144,
      memory_rss_peak: 7168,
      memory_virtual: 8192,
      memory_virtual_peak: 9216,
      memory_swap: 2048,
      memory_swap_peak: 4096,
      memory_heap: 5,
      disk_read: 4096,
      disk_write: 0,
      disk_cancelled: 0,
      io_read: 2000,
      io_write: 100,
      io_read_ops: 10,
      io_write_ops: 2,
    });
  });

  it('leaves out what may not be read', () => {
    const report = selfReport(reading({ io: '', stat: '' }), reading({ at: 2000, io: '', stat: '' }), 0);
    expect([report.disk_read, report.io_write_ops, report.global_cpu_usage]).toEqual([null, null, null]);
    expect(report.process_cpu_usage).toBe(0);
  });

  it('is the same for two questions in one moment', () => {
    const readings = [reading({}), reading({ at: 1000, cpuMs: 100 }), reading({ at: 1001, cpuMs: 101 })];
    const report = selfReporter(() => readings.shift() ?? reading({ at: 3001, cpuMs: 301 }));
    expect(report().process_cpu_usage).toBe(10);
    expect(report().process_cpu_usage).toBe(10);
    expect(report().process_cpu_usage).toBeCloseTo((100 * 201) / 2001);
  });

  it('of this process is made of the kernel’s own files', () => {
    const report = selfReporter()();
    expect(report.memory_rss).toBeGreaterThan(10_000_000);
    expect(report.memory_rss_peak).toBeGreaterThanOrEqual(report.memory_rss);
    expect(report.memory_virtual).toBeGreaterThan(report.memory_rss);
    expect(report.system_uptime).toBeGreaterThan(0);
    expect(report.start_time).toBeLessThanOrEqual(Date.now());
  });
});

describe('the report of threads', () => {
  it('adds threads of one name, and starts those that are new at nothing', () => {
    const before: ThreadReading = {
      at: 0,
      threads: [
        { key: '1', name: 'main', userMs: 100, systemMs: 0 },
        { key: '2', name: 'node', userMs: 0, systemMs: 0 },
      ],
    };
    const now: ThreadReading = {
      at: 1000,
      threads: [
        { key: '1', name: 'main', userMs: 300, systemMs: 100 },
        { key: '2', name: 'node', userMs: 10, systemMs: 0 },
        { key: '3', name: 'node', userMs: 20, systemMs: 10 },
      ],
    };
    expect(threadsReport(before, now)).toEqual({
      main: { cpu_usage: 30, user_cpu: 20, system_cpu: 10 },
      node: { cpu_usage: 4, user_cpu: 3, system_cpu: 1 },
    });
  });
});

describe('the scanner’s time for the storage', () => {
  it('is counted, although threads that come and go do the work', async () => {
    const scanner = createScanner();
    scanner.scanOnce();
    expect(scanner.health().storageUs).toEqual({ user: 0, system: 0 });
    let spent = 0;
    for (let save = 0; save < 200 && spent === 0; save++) {
      await scanner.saveHistory();
      const { user, system } = scanner.health().storageUs;
      spent = user + system;
    }
    expect(spent).toBeGreaterThan(0);
  });
});
