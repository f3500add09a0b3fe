import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { commandLine } from './cluster.ts';
import type { Layout } from './layout.ts';

/** What a stopped cluster left on the host, each as a sentence; empty is what is wanted. */
export function findLeftovers(layout: Layout): string[] {
  return [...processes(layout), ...mounts(layout), ...cgroups(layout), ...sockets(layout)];
}

function processes(layout: Layout): string[] {
  const found: string[] = [];
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    const line = commandLine(pid);
    if (line.includes(`${layout.dir}/node`)) found.push(`process ${pid}: ${line.replaceAll('\0', ' ').trim()}`);
  }
  return found;
}

function mounts(layout: Layout): string[] {
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .filter((line) => line.includes(layout.dir))
    .map((line) => `mount ${line.split(' ')[4] ?? line}`);
}

/** Folders of our slices in any hierarchy. */
function cgroups(layout: Layout): string[] {
  const names = new Set(layout.nodes.map((node) => node.cgroupName));
  const found: string[] = [];
  const look = (folder: string, depth: number): void => {
    let entries: string[];
    try {
      entries = readdirSync(folder, { withFileTypes: true })
        .filter((entry) => entry.isDirectory())
        .map((entry) => entry.name);
    } catch {
      return;
    }
    for (const name of entries) {
      if (names.has(name)) found.push(`cgroup ${join(folder, name)}`);
      else if (depth > 0) look(join(folder, name), depth - 1);
    }
  };
  look('/sys/fs/cgroup', 4);
  return found;
}

function sockets(layout: Layout): string[] {
  return layout.nodes
    .map((node) => join(node.lithosRuntime, 'tree.sock'))
    .filter((socket) => existsSync(socket))
    .map((socket) => `socket ${socket}`);
}
