import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** What this process uses: spec cantal 4.6. Bytes, bytes or operations per second, percent, ms. */
export interface SelfReport {
  /** When it was made, since the epoch; `duration` is the time that it is about, until then. */
  readonly timestamp: number;
  readonly duration: number;
  /** Of this process, since the epoch. */
  readonly start_time: number;
  readonly system_uptime: number;
  /** Of the machine; 100 = all cores. */
  readonly global_cpu_usage: number | null;
  /** 100 = one core; gross: with the children that ended in this time. */
  readonly process_cpu_usage: number | null;
  readonly gross_cpu_usage: number | null;
  readonly memory_rss: number;
  readonly memory_rss_peak: number;
  readonly memory_virtual: number;
  readonly memory_virtual_peak: number;
  readonly memory_swap: number;
  /** Of the reports so far: the kernel does not keep it. */
  readonly memory_swap_peak: number;
  /** Of V8. */
  readonly memory_heap: number;
  /** Of disks, and given up before they were written; proc_pid_io(5). Null: may not be read. */
  readonly disk_read: number | null;
  readonly disk_write: number | null;
  readonly disk_cancelled: number | null;
  /** By system calls, of files, sockets and pipes alike. */
  readonly io_read: number | null;
  readonly io_write: number | null;
  readonly io_read_ops: number | null;
  readonly io_write_ops: number | null;
}

/** One reading of the kernel's files. */
export interface SelfReading {
  /** Of a clock that nobody sets, ms. */
  readonly at: number;
  readonly timestamp: number;
  readonly heapBytes: number;
  /** Of this process, ms: user and system together, of it and of its dead children. */
  readonly cpuMs: number;
  readonly childCpuMs: number;
  /** Texts of proc(5): /proc/stat, /proc/uptime, /proc/self/status, /proc/self/io. */
  readonly stat: string;
  readonly uptime: string;
  readonly status: string;
  readonly io: string;
}

/** Two questions in one moment have nothing between them to measure. */
const shortestMs = 100;
/** USER_HZ, see usage.ts. */
const msPerTick = 10;

/** Each call measures since the one before. */
export function selfReporter(read: () => SelfReading = readSelf): () => SelfReport {
  let last = read();
  let report: SelfReport | null = null;
  return () => {
    const now = read();
    if (report !== null && now.at - last.at < shortestMs) return report;
    report = selfReport(last, now, report?.memory_swap_peak ?? 0);
    last = now;
    return report;
  };
}

export function selfReport(before: SelfReading, now: SelfReading, swapPeak: number): SelfReport {
  const duration = now.at - before.at;
  const percent = (ms: number): number | null => (duration >= shortestMs ? (100 * ms) / duration : null);
  const kilobytes = (name: string): number => Number(field(now.status, name) ?? 0) * 1024;
  const perSecond = (name: string): number | null => {
    const [old, young] = [field(before.io, name), field(now.io, name)];
    if (old === null || young === null || duration < shortestMs) return null;
    return (1000 * (Number(young) - Number(old))) / duration;
  };
  const uptime = Number(now.uptime.split(' ')[0]) * 1000;
  const swap = kilobytes('VmSwap');
  const own = now.cpuMs - before.cpuMs;
  return {
    timestamp: now.timestamp,
    duration,
    start_time: Math.round(now.timestamp - now.at),
    system_uptime: uptime,
    global_cpu_usage: machineUsage(before.stat, now.stat),
    process_cpu_usage: percent(own),
    gross_cpu_usage: percent(own + now.childCpuMs - before.childCpuMs),
    memory_rss: kilobytes('VmRSS'),
    memory_rss_peak: kilobytes('VmHWM'),
    memory_virtual: kilobytes('VmSize'),
    memory_virtual_peak: kilobytes('VmPeak'),
    memory_swap: swap,
    memory_swap_peak: Math.max(swap, swapPeak),
    memory_heap: now.heapBytes,
    disk_read: perSecond('read_bytes'),
    disk_write: perSecond('write_bytes'),
    disk_cancelled: perSecond('cancelled_write_bytes'),
    io_read: perSecond('rchar'),
    io_write: perSecond('wchar'),
    io_read_ops: perSecond('syscr'),
    io_write_ops: perSecond('syscw'),
  };
}

function field(text: string, name: string): string | null {
  return new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text)?.[1] ?? null;
}

/** Line `cpu` of proc_stat(5): user nice system idle iowait irq softirq steal; guest time is within user. */
function machineUsage(before: string, now: string): number | null {
  const ticks = (text: string): readonly number[] =>
    (/^cpu +(.*)$/m.exec(text)?.[1] ?? '').split(' ').slice(0, 8).map(Number);
  const [old, young] = [ticks(before), ticks(now)];
  const grown = young.map((value, index) => value - (old[index] ?? value));
  const all = grown.reduce((sum, value) => sum + value, 0);
  const idle = (grown[3] ?? 0) + (grown[4] ?? 0);
  return all > 0 ? (100 * (all - idle)) / all : null;
}

function readSelf(): SelfReading {
  const cpu = process.cpuUsage();
  const text = textIn('/proc');
  const own = text('self/stat');
  // Fields 16 and 17, behind the name, which may have blanks.
  const fields = own.slice(own.lastIndexOf(')') + 2).split(' ');
  return {
    at: performance.now(),
    timestamp: Date.now(),
    heapBytes: process.memoryUsage().heapUsed,
    cpuMs: (cpu.user + cpu.system) / 1000,
    childCpuMs: (Number(fields[13] ?? 0) + Number(fields[14] ?? 0)) * msPerTick,
    stat: text('stat'),
    uptime: text('uptime'),
    status: text('self/status'),
    io: text('self/io'),
  };
}

const textIn =
  (root: string) =>
  (name: string): string => {
    try {
      return readFileSync(join(root, name), 'latin1');
    } catch {
      // Not for this user: what it has is absent.
      return '';
    }
  };
