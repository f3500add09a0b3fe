import { existsSync, mkdirSync, readFileSync, rmdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DeviceLimit, InstanceLimits } from './desired.ts';

/** Where containers get their cgroups: one folder of v2, or one below each controller of v1 (cgroups(7)). */
export interface Hierarchy {
  /** Of v1: the controllers that are mounted together. Of v2: those that the kernel offers there. */
  readonly controllers: readonly string[];
  readonly unified: boolean;
  /** This process's own cgroup in it. */
  readonly own: string;
}

const supervisorLeaf = 'supervisor.scope';

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
  /** Below the cgroup of that process, a tree, which has made it ready; null: below this process's own. Default: null. */
  readonly ofTree?: number | null;
}

export interface Made {
  readonly folders: readonly string[];
  /** Limits that were asked for and do not hold. */
  readonly missing: readonly string[];
}

export interface Cgroups {
  /** Makes the cgroup with its limits: the folders that a knot has to join, none where that is not possible here. */
  create(leaf: string, limits: InstanceLimits): Made;
  /** A folder to show; null where there are none. */
  folderOf(leaf: string): string | null;
  /** False while processes are left in it. */
  remove(leaf: string): boolean;
  /** Removes the folder of all; true when it is gone. */
  removeAll(): boolean;
}

/** Throws where master.yaml names a controller that this host does not have. */
export function openCgroups({ name, controllers, warn, ofTree = null }: CgroupsOptions): Cgroups {
  const supervisor = `/${name}/${supervisorLeaf}`;
  const all = findHierarchies(
    readFileSync('/proc/self/mountinfo', 'utf8'),
    readFileSync(`/proc/${ofTree ?? 'self'}/cgroup`, 'utf8'),
  ).map((each) =>
    // An earlier image of the tree has moved there (see delegate).
    each.own.endsWith(supervisor) ? { ...each, own: each.own.slice(0, -supervisor.length) } : each,
  );
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
  const give = (dir: string, { file, text, needed }: LimitFile): string | null => {
    try {
      writeFileSync(join(dir, file), text);
      return null;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (!needed) return null;
      warnOnce(`cgroup: …/${file}: ${code}: this limit does not hold`);
      return `${file}: ${code}`;
    }
  };

  const prepare = (hierarchy: Hierarchy): boolean => {
    try {
      mkdirSync(join(hierarchy.own, name), { recursive: true });
      if (hierarchy.unified && ofTree === null) delegate(hierarchy, name, warnOnce);
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
      const folders: string[] = [];
      const missing: string[] = [];
      for (const hierarchy of usable) {
        const dir = folder(hierarchy, leaf);
        try {
          mkdirSync(dir, { recursive: true });
        } catch (error) {
          warnOnce(`cgroup: ${(error as Error).message}`);
          continue;
        }
        folders.push(dir);
        for (const limit of limitFiles(hierarchy, limits)) {
          const problem = give(dir, limit);
          if (problem !== null) missing.push(problem);
        }
      }
      const held = usable.flatMap(({ controllers: each }) => each);
      return { folders, missing: [...missing, ...withoutController(held, limits)] };
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
  const supervisor = join(hierarchy.own, name, supervisorLeaf);
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

/** One file of a cgroup. Not `needed`: it helps where the kernel has it. */
export interface LimitFile {
  readonly file: string;
  readonly text: string;
  readonly needed: boolean;
}

const periodUs = 100_000;

/** cgroup-v2.rst; cgroup-v1/{memory,pids,blkio-controller}.rst, scheduler/sched-bwc.rst. */
export function limitFiles({ unified, controllers }: Hierarchy, limits: InstanceLimits): readonly LimitFile[] {
  const files: LimitFile[] = [];
  const need = (file: string, text: string | number): void => void files.push({ file, text: `${text}`, needed: true });
  const help = (file: string, text: string | number): void => void files.push({ file, text: `${text}`, needed: false });
  const { memoryBytes, memoryHighBytes, cpuShares, cpuCores, pids, ioWeight, ioMax } = limits;
  const memory = memoryBytes === null || memoryBytes >= noMemoryLimit ? null : memoryBytes;
  if (controllers.includes('memory')) {
    if (memory !== null) {
      need(unified ? 'memory.max' : 'memory.limit_in_bytes', memory);
      // The limit with swap may not be below the one without it, at no moment. Swap may not be counted at all.
      help(unified ? 'memory.swap.max' : 'memory.memsw.limit_in_bytes', unified ? 0 : memory);
      if (unified) help('memory.oom.group', 1);
    }
    if (memoryHighBytes !== null) need(unified ? 'memory.high' : 'memory.soft_limit_in_bytes', memoryHighBytes);
  }
  if (controllers.includes('cpu')) {
    if (cpuShares !== null) need(unified ? 'cpu.weight' : 'cpu.shares', unified ? weightOf(cpuShares) : cpuShares);
    if (cpuCores !== null) {
      const quota = Math.round(cpuCores * periodUs);
      if (unified) need('cpu.max', `${quota} ${periodUs}`);
      else {
        help('cpu.cfs_period_us', periodUs);
        need('cpu.cfs_quota_us', quota);
      }
    }
  }
  if (controllers.includes('pids') && pids !== null) need('pids.max', pids);
  if (controllers.includes(unified ? 'io' : 'blkio')) {
    if (ioWeight !== null) {
      // v1 knows 10 to 1000 for what v2 calls 1 to 10000, and only some schedulers heed either.
      if (unified) help('io.weight', `default ${ioWeight}`);
      else help('blkio.weight', Math.min(1000, Math.max(10, Math.round(ioWeight / 10))));
    }
    for (const limit of ioMax) files.push(...deviceFiles(unified, limit));
  }
  return files;
}

function deviceFiles(unified: boolean, limit: DeviceLimit): readonly LimitFile[] {
  const number = deviceNumber(limit.device);
  const parts = [
    ['rbps', 'blkio.throttle.read_bps_device', limit.readBytes],
    ['wbps', 'blkio.throttle.write_bps_device', limit.writeBytes],
    ['riops', 'blkio.throttle.read_iops_device', limit.reads],
    ['wiops', 'blkio.throttle.write_iops_device', limit.writes],
  ] as const;
  const asked = parts.filter(([, , value]) => value !== null);
  if (!unified) return asked.map(([, file, value]) => ({ file, text: `${number} ${value}`, needed: true }));
  const text = asked.map(([name, , value]) => ` ${name}=${value}`).join('');
  return asked.length === 0 ? [] : [{ file: 'io.max', text: `${number}${text}`, needed: true }];
}

/** MAJOR:MINOR of makedev(3); a file that is none is told by the kernel, which refuses 0:0. */
function deviceNumber(path: string): string {
  const rdev = statSync(path, { throwIfNoEntry: false })?.rdev ?? 0;
  return `${(rdev >> 8) & 0xfff}:${(rdev & 0xff) | ((rdev >> 12) & 0xfff00)}`;
}

/** Limits whose controller no hierarchy here has. */
function withoutController(held: readonly string[], limits: InstanceLimits): readonly string[] {
  const asked = [
    ['memory', limits.memoryBytes ?? limits.memoryHighBytes],
    ['cpu', limits.cpuShares ?? limits.cpuCores],
    ['pids', limits.pids],
  ] as const;
  const missing = asked.filter(([name, value]) => value !== null && !held.includes(name)).map(([name]) => name);
  const io = limits.ioMax.length > 0 && !held.includes('io') && !held.includes('blkio') ? ['io'] : [];
  return [...missing, ...io].map((name) => `controller ${name} is not available`);
}

/** Shares 2…262144 on weights 1…10000, the straight line of lithos 5.5. */
export function weightOf(shares: number): number {
  return Math.min(10_000, Math.max(1, Math.round(1 + ((shares - 2) * 9999) / 262_142)));
}

function removed(dir: string): boolean {
  for (const path of [join(dir, supervisorLeaf), dir]) {
    try {
      rmdirSync(path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT' && existsSync(path)) return false;
    }
  }
  return true;
}
