import { readdirSync, readFileSync } from 'node:fs';

/** 100 = one core, since the report before. */
export interface ThreadUsage {
  readonly cpu_usage: number;
  readonly user_cpu: number;
  readonly system_cpu: number;
}

/**
 * By name: `main` is the event loop, `scan` the scanner's thread, `storage` the copying of the history (which a thread of
 * Node's pool does, so that it is in that thread's time too). Threads of one name are one, those of Node under the names
 * that Node gives them.
 */
export type ThreadsReport = Readonly<Record<string, ThreadUsage>>;

/** Processor time so far, ms, by thread: `key` tells threads apart, `name` names them. */
export interface ThreadTime {
  readonly key: string;
  readonly name: string;
  readonly userMs: number;
  readonly systemMs: number;
}

export interface ThreadReading {
  /** Of a clock that nobody sets, ms. */
  readonly at: number;
  readonly threads: readonly ThreadTime[];
}

const shortestMs = 100;
/** USER_HZ, see usage.ts. */
const msPerTick = 10;

/** Each call measures since the one before. `storage`: processor time of the copying so far, µs. */
export function threadsReporter(
  storage: () => { readonly user: number; readonly system: number },
  read: () => ThreadReading = () => readThreads(storage()),
): () => ThreadsReport {
  let last = read();
  let report: ThreadsReport = {};
  return () => {
    const now = read();
    if (now.at - last.at >= shortestMs) {
      report = threadsReport(last, now);
      last = now;
    }
    return report;
  };
}

export function threadsReport(before: ThreadReading, now: ThreadReading): ThreadsReport {
  const old = new Map(before.threads.map((thread) => [thread.key, thread]));
  const percent = (ms: number): number => (100 * Math.max(0, ms)) / (now.at - before.at);
  const report: Record<string, ThreadUsage> = {};
  for (const { key, name, userMs, systemMs } of now.threads) {
    const user = percent(userMs - (old.get(key)?.userMs ?? 0));
    const system = percent(systemMs - (old.get(key)?.systemMs ?? 0));
    const sum = report[name] ?? { cpu_usage: 0, user_cpu: 0, system_cpu: 0 };
    report[name] = {
      cpu_usage: sum.cpu_usage + user + system,
      user_cpu: sum.user_cpu + user,
      system_cpu: sum.system_cpu + system,
    };
  }
  return report;
}

/** proc_pid_task(5). */
function readThreads(storage: { readonly user: number; readonly system: number }): ThreadReading {
  const threads = readdirSync('/proc/self/task').flatMap((id): ThreadTime[] => {
    try {
      const stat = readFileSync(`/proc/self/task/${id}/stat`, 'latin1');
      const name = stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')'));
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      // A thread of the pool has the name of what it does; that is told below.
      const shown = id === String(process.pid) ? 'main' : name === 'storage' ? 'node' : name;
      return [
        { key: id, name: shown, userMs: Number(fields[11]) * msPerTick, systemMs: Number(fields[12]) * msPerTick },
      ];
    } catch {
      return []; // it has ended
    }
  });
  const own = { key: 'storage', name: 'storage', userMs: storage.user / 1000, systemMs: storage.system / 1000 };
  return { at: performance.now(), threads: [...threads, own] };
}
