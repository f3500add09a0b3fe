/** GET /all_processes (spec cantal 4.2), as far as pages show it. */
export interface Process {
  readonly pid: number;
  readonly ppid: number;
  readonly uid: number;
  readonly gid: number;
  readonly name: string;
  readonly state: string;
  readonly rss: number;
  readonly num_threads: number;
  readonly start_time: number;
  readonly start_timestamp: number;
  readonly user_time: number;
  readonly system_time: number;
  readonly cmdline: string;
  readonly read_bytes: number | null;
  readonly write_bytes: number | null;
  readonly cgroup: string | null;
  /** 12 digits of the id, and whose it is; null: its cgroup is no container. */
  readonly container: string | null;
  readonly runtime: string | null;
}

export interface ProcessTable {
  readonly boot_time: number;
  readonly all: readonly Process[];
}

export interface Row {
  readonly process: Process;
  readonly depth: number;
  readonly children: number;
  readonly folded: boolean;
}

export type Order = 'tree' | 'cpu' | 'memory' | 'age';

/** Rows in the order of the tree, or without it by what is asked; what is folded is left out. */
export function processRows(
  all: readonly Process[],
  order: Order,
  passes: (process: Process) => boolean,
  folded: ReadonlySet<number>,
  cpu: (process: Process) => number | null,
): Row[] {
  const flat = (list: readonly Process[]) =>
    list.map((process): Row => ({ process, depth: 0, children: 0, folded: false }));
  const found = all.filter(passes);
  switch (order) {
    case 'cpu':
      return flat(found.sort((a, b) => (cpu(b) ?? -1) - (cpu(a) ?? -1)));
    case 'memory':
      return flat(found.sort((a, b) => b.rss - a.rss));
    case 'age':
      return flat(found.sort((a, b) => b.start_time - a.start_time));
    case 'tree':
      return treeRows(all, new Set(found.map(({ pid }) => pid)), folded);
    default:
      return order satisfies never;
  }
}

/** Ancestors of what was found stay, so that it hangs somewhere. */
function treeRows(all: readonly Process[], found: ReadonlySet<number>, folded: ReadonlySet<number>): Row[] {
  const byPid = new Map(all.map((process) => [process.pid, process]));
  const shown = new Set<number>();
  for (const pid of found) {
    for (let at = byPid.get(pid); at !== undefined && !shown.has(at.pid); at = byPid.get(at.ppid)) shown.add(at.pid);
  }
  const children = new Map<number, Process[]>();
  const roots: Process[] = [];
  for (const process of all) {
    if (!shown.has(process.pid)) continue;
    if (process.ppid === process.pid || !shown.has(process.ppid)) roots.push(process);
    else children.set(process.ppid, [...(children.get(process.ppid) ?? []), process]);
  }
  const rows: Row[] = [];
  // A stack of its own: a chain of processes may be deeper than calls can be.
  const waiting = roots.reverse().map((process) => ({ process, depth: 0 }));
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { process, depth } = next;
    const below = children.get(process.pid) ?? [];
    const isFolded = folded.has(process.pid);
    rows.push({ process, depth, children: below.length, folded: isFolded });
    if (!isFolded) waiting.push(...[...below].reverse().map((child) => ({ process: child, depth: depth + 1 })));
  }
  return rows;
}

/** Those that have children, and whose parent is not in the table. */
export function rootsOf(all: readonly Process[]): number[] {
  const pids = new Set(all.map(({ pid }) => pid));
  const parents = new Set(all.map(({ ppid }) => ppid));
  return all.filter(({ pid, ppid }) => parents.has(pid) && (ppid === pid || !pids.has(ppid))).map(({ pid }) => pid);
}

/** Percent of one core between two tables; a pid that was given to another process has no past. */
export function cpuBetween(before: ProcessTable | null, after: ProcessTable, elapsedMs: number): Map<number, number> {
  const old = new Map(before?.all.map((process) => [process.pid, process]));
  const shares = new Map<number, number>();
  if (elapsedMs <= 0) return shares;
  for (const process of after.all) {
    const then = old.get(process.pid);
    if (then === undefined || then.start_time !== process.start_time) continue;
    const ticks = process.user_time + process.system_time - then.user_time - then.system_time;
    shares.set(process.pid, (Math.max(0, ticks) * 1000) / elapsedMs);
  }
  return shares;
}

/** cmdline has NUL between the words; a kernel thread has none. */
export const commandOf = ({ cmdline, name }: Process): string =>
  cmdline === '' ? `[${name}]` : cmdline.replaceAll('\0', ' ').trim();

/** What a supervisor does says nothing about what it supervises. */
export const isSupervisor = ({ name }: Process): boolean =>
  name.startsWith('lithos_knot') || name.startsWith('lithos-knot');
