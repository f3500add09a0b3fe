import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { InstanceLimits } from './desired.ts';

/** Where containers get their cgroups: one folder of v2, or one below each controller of v1 (cgroups(7)). */
export interface Hierarchy {
  /** Of v1: the controllers that are mounted together. Of v2: those that the kernel offers there. */
  readonly controllers: readonly string[];
  readonly unified: boolean;
  /** This process's own cgroup in it. */
  readonly own: string;
}

/** The usual list (lithos 2.1) and pids. `name` is the hierarchy that systemd names services by. */
const usualControllers = ['name', 'cpu', 'cpuacct', 'memory', 'blkio', 'pids'];
/** v1 memory.limit_in_bytes takes any number; this is lithos's word for none. */
const noMemoryLimit = 2 ** 53;

/** What is mounted, and where in it this process is. `procSelf` is /proc/self. */
export function findHierarchies(mountinfo: string, cgroup: string): readonly Hierarchy[] {
  const paths = cgroup.split('\n').flatMap((line) => {
    const { id, names, path } = /^(?<id>\d+):(?<names>[^:]*):(?<path>\/.*)$/.exec(line)?.groups ?? {};
    return id === undefined || names === undefined || path === undefined ? [] : [{ names: names.split(','), path }];
  });
  const seen = new Set<string>();
  return mountinfo.split('\n').flatMap((line): readonly Hierarchy[] => {
    const [before, after] = line.split(' - ');
    const [, , , root, point] = (before ?? '').split(' ');
    const [type, , options] = (after ?? '').split(' ');
    if (root === undefined || point === undefined || (type !== 'cgroup' && type !== 'cgroup2')) return [];
    const unified = type === 'cgroup2';
    const mounted = (options ?? '').split(',');
    const entry = paths.find(({ names }) => (unified ? names[0] === '' : names.some((name) => mounted.includes(name))));
    if (entry === undefined) return [];
    const controllers = unified ? [] : entry.names.map((name) => (name === 'name=systemd' ? 'name' : name));
    const key = unified ? 'unified' : controllers.join(',');
    if (seen.has(key)) return [];
    seen.add(key);
    // A container sees its part of the hierarchy; a path outside of it has nothing to say here.
    const inside = root === '/' ? entry.path : entry.path.startsWith(root) ? entry.path.slice(root.length) : '/';
    return [{ controllers, unified, own: join(unescapeMount(point), inside) }];
  });
}

const unescapeMount = (path: string): string =>
  path.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));

export interface CgroupsOptions {
  /** Folder below this process's own cgroup. */
  readonly name: string;
  /** As in master.yaml; empty: the usual ones. */
  readonly controllers: readonly string[];
  readonly warn: (text: string) => void;
}

export interface Cgroups {
  /** Makes the cgroup with its limits; the folders that a knot has to join. Empty: not possible here. */
  create(leaf: string, limits: InstanceLimits): readonly string[];
  /** A folder to show; null where there are none. */
  folderOf(leaf: string): string | null;
  /** False while processes are left in it. */
  remove(leaf: string): boolean;
  /** Removes the folder of all; true when it is gone. */
  removeAll(): boolean;
}

/** Throws where master.yaml names a controller that this host does not have. */
export function openCgroups({ name, controllers, warn }: CgroupsOptions): Cgroups {
  const all = findHierarchies(readFileSync('/proc/self/mountinfo', 'utf8'), readFileSync('/proc/self/cgroup', 'utf8'));
  const wanted = controllers.length === 0 ? usualControllers : controllers;
  const chosen = chooseHierarchies(all.map(withOffered), wanted);
  const offered = new Set(chosen.flatMap((hierarchy) => hierarchy.controllers));
  const missing = controllers.filter((each) => each !== 'name' && !offered.has(each));
  if (missing.length > 0) throw new Error(`cgroup-controllers: ${missing.join(', ')}: not available on this host`);

  let usable: readonly Hierarchy[] = chosen;
  const warned = new Set<string>();
  const warnOnce = (text: string): void => {
    if (warned.has(text)) return;
    warned.add(text);
    warn(text);
  };
  const folder = (hierarchy: Hierarchy, leaf: string): string => join(hierarchy.own, name, leaf);
  const give = (hierarchy: Hierarchy, file: string, text: string): void => {
    try {
      writeFileSync(file, text);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      // Swap accounting and the like may not be compiled in.
      if (code !== 'ENOENT')
        warnOnce(`cgroup: ${file.replace(/[^/]+\/([^/]+)$/, '…/$1')}: ${code}: limits do not hold there`);
      else if (hierarchy.unified) warnOnce(`cgroup: ${file.split('/').pop()} is not there: limits do not hold`);
    }
  };

  const prepare = (hierarchy: Hierarchy): boolean => {
    try {
      mkdirSync(join(hierarchy.own, name), { recursive: true });
      if (hierarchy.unified) delegate(hierarchy, name, warnOnce);
      return true;
    } catch (error) {
      const { code, path } = error as NodeJS.ErrnoException;
      warnOnce(`cgroup: ${path}: ${code}: containers run without a cgroup there, their limits do not hold`);
      return false;
    }
  };
  usable = chosen.filter(prepare);

  return {
    create(leaf, limits) {
      return usable.flatMap((hierarchy) => {
        const dir = folder(hierarchy, leaf);
        try {
          mkdirSync(dir, { recursive: true });
        } catch (error) {
          warnOnce(`cgroup: ${(error as Error).message}`);
          return [];
        }
        for (const [file, text] of limitFiles(hierarchy, limits)) give(hierarchy, join(dir, file), text);
        return [dir];
      });
    },
    folderOf(leaf) {
      // The one whose accounting is read most: memory.
      const shown = usable.find(({ controllers: each }) => each.includes('memory')) ?? usable[0];
      return shown === undefined ? null : folder(shown, leaf);
    },
    remove: (leaf) => usable.map((hierarchy) => removed(folder(hierarchy, leaf))).every((gone) => gone),
    removeAll: () =>
      usable
        .map((hierarchy) => {
          if (hierarchy.unified) undelegate(hierarchy, name);
          return removed(join(hierarchy.own, name));
        })
        .every((gone) => gone),
  };
}

/** v2 where it has what limits need, else v1: never both for one controller. */
export function chooseHierarchies(all: readonly Hierarchy[], wanted: readonly string[]): readonly Hierarchy[] {
  const unified = all.find((each) => each.unified);
  if (unified !== undefined && ['cpu', 'memory'].some((each) => unified.controllers.includes(each))) return [unified];
  return all.filter((each) => !each.unified && each.controllers.some((controller) => wanted.includes(controller)));
}

function withOffered(hierarchy: Hierarchy): Hierarchy {
  if (!hierarchy.unified) return hierarchy;
  try {
    const offered = readFileSync(join(hierarchy.own, 'cgroup.controllers'), 'utf8').trim().split(/\s+/);
    // cpu.stat is always there, which is what cpuacct is for.
    return { ...hierarchy, controllers: [...offered.filter((each) => each !== ''), 'cpuacct'] };
  } catch {
    return hierarchy;
  }
}

/**
 * cgroup-v2.rst, "no internal processes": a group that gives controllers to its children holds no process itself, so
 * this process moves to a leaf. Where others share its group (a login session) controllers cannot be had.
 */
function delegate(hierarchy: Hierarchy, name: string, warnOnce: (text: string) => void): void {
  const supervisor = join(hierarchy.own, name, 'supervisor.scope');
  mkdirSync(supervisor, { recursive: true });
  try {
    writeFileSync(join(supervisor, 'cgroup.procs'), `${process.pid}`);
    for (const dir of [hierarchy.own, join(hierarchy.own, name)]) {
      writeFileSync(join(dir, 'cgroup.subtree_control'), delegated(hierarchy, '+'));
    }
  } catch (error) {
    const { code, path } = error as NodeJS.ErrnoException;
    warnOnce(
      `cgroup: ${path}: ${code}: limits do not hold; run the tree in a cgroup of its own (systemd: Delegate=yes)`,
    );
  }
}

const delegated = ({ controllers }: Hierarchy, sign: '+' | '-'): string =>
  ['cpu', 'memory', 'pids', 'io'].flatMap((each) => (controllers.includes(each) ? [`${sign}${each}`] : [])).join(' ');

/** The way back, so that the folders can go before this process does. */
function undelegate(hierarchy: Hierarchy, name: string): void {
  try {
    for (const dir of [join(hierarchy.own, name), hierarchy.own]) {
      writeFileSync(join(dir, 'cgroup.subtree_control'), delegated(hierarchy, '-'));
    }
    writeFileSync(join(hierarchy.own, 'cgroup.procs'), `${process.pid}`);
  } catch {
    // It was never delegated, or others live there: what is left, the removal tells.
  }
}

/** cgroup-v2.rst; cgroup-v1/{memory,pids}.rst, scheduler/sched-design-CFS.rst. */
export function limitFiles(
  { unified, controllers }: Hierarchy,
  { memoryBytes, cpuShares, pids }: InstanceLimits,
): readonly (readonly [file: string, text: string])[] {
  const files: (readonly [string, string])[] = [];
  const memory = memoryBytes === null || memoryBytes >= noMemoryLimit ? null : memoryBytes;
  if (controllers.includes('memory') && memory !== null) {
    if (unified) files.push(['memory.max', `${memory}`], ['memory.swap.max', '0'], ['memory.oom.group', '1']);
    // The limit with swap may not be below the one without it, at no moment.
    else files.push(['memory.limit_in_bytes', `${memory}`], ['memory.memsw.limit_in_bytes', `${memory}`]);
  }
  if (controllers.includes('cpu') && cpuShares !== null) {
    files.push(unified ? ['cpu.weight', `${weightOf(cpuShares)}`] : ['cpu.shares', `${cpuShares}`]);
  }
  if (controllers.includes('pids') && pids !== null) files.push(['pids.max', `${pids}`]);
  return files;
}

/** Shares 2…262144 on weights 1…10000, the straight line of lithos 5.5. */
export function weightOf(shares: number): number {
  return Math.min(10_000, Math.max(1, Math.round(1 + ((shares - 2) * 9999) / 262_142)));
}

function removed(dir: string): boolean {
  for (const path of [join(dir, 'supervisor.scope'), dir]) {
    try {
      rmdirSync(path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT' && existsSync(path)) return false;
    }
  }
  return true;
}
