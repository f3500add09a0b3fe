import { mkdirSync, readFileSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';

/** Real cgroups of v1 or v2, made for a bench and taken away behind it. */
export interface CgroupCrowd {
  readonly groups: number;
  remove(): void;
}

/** In which hierarchies of v1 how many of the groups are: together some 10 000 numbers. */
const v1Shares: readonly (readonly [controller: string, share: number])[] = [
  ['cpu', 1],
  ['cpuacct', 1],
  ['pids', 1],
  ['memory', 0.4],
];
const root = '/sys/fs/cgroup';

/** Throws where this user may make none. */
export function makeCgroups(count: number): CgroupCrowd {
  const made: string[] = [];
  const remove = (): void => {
    for (const folder of made.reverse()) rmdirSync(folder);
  };
  const make = (folder: string): void => {
    mkdirSync(folder);
    made.push(folder);
  };
  const name = `stellwerk-bench-${process.pid}`;
  const unified = /^cgroup2? \/sys\/fs\/cgroup cgroup2 /m.test(readFileSync('/proc/self/mounts', 'utf8'));
  try {
    for (const [controller, share] of unified ? ([['', 1]] as const) : v1Shares) {
      const parent = join(root, controller, name);
      make(parent);
      for (let index = 0; index < count * share; index++) make(join(parent, `g${index}`));
    }
  } catch (error) {
    remove();
    throw error;
  }
  return { groups: count, remove };
}
