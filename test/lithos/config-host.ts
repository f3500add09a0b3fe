import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { formatProblem } from '../../src/config/problem.ts';
import { loadDesired } from '../../src/lithos/config/load-desired.ts';
import { loadMaster, type MasterConfig } from '../../src/lithos/config/master.ts';
import type { DesiredState } from '../../src/lithos/desired.ts';

/** The files of one host with lithos, in a folder of their own; images have the layout of the quickstart's. */
export interface Host {
  readonly dir: string;
  /** Writes a file below the folder and says where it is. */
  write(path: string, text: string): string;
  folder(path: string): string;
  master(): MasterConfig;
  /** As root starts containers, unless told otherwise. */
  load(starter?: { readonly uid: number; readonly gid: number }): DesiredState;
  /** Problems of `load`, as people see them, the host's folder cut away. */
  problems(starter?: { readonly uid: number; readonly gid: number }): readonly string[];
  remove(): void;
}

export const sandboxText = (dir: string, more = ''): string => `image-dir: ${dir}/images
allow-users: [1000-1010]
allow-groups: [1000]
default-user: 1000
default-group: 1000
uid-map: [{inside: 0, outside: 231000, count: 65536}]
gid-map: [{inside: 0, outside: 231000, count: 65536}]
readonly-paths: {/usr: /usr}
executable-paths: [/usr]
allow-tcp-ports: [8000-9000]
${more}`;

export const processText = `web:
  image: app
  config: /config/web.yaml
`;

export const containerText = `executable: /bin/sh
arguments: [-c, "echo @{lithos:name}"]
volumes:
  /usr: !Readonly /usr
  /tmp: !Tmpfs { size: 1Mi, mode: 0o1777 }
`;

export function makeHost(): Host {
  const dir = mkdtempSync(join(tmpdir(), 'stellwerk-lithos-'));
  chmodSync(dir, 0o755);
  const write = (path: string, text: string): string => {
    const file = join(dir, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
    return file;
  };
  const folder = (path: string): string => {
    mkdirSync(join(dir, path), { recursive: true });
    return join(dir, path);
  };
  for (const name of ['dev', 'etc', 'proc', 'run', 'sys', 'tmp', 'usr', 'data']) folder(`images/app/${name}`);
  for (const name of ['bin', 'lib', 'lib64', 'sbin']) symlinkSync(`usr/${name}`, join(dir, 'images/app', name));
  write('master.yaml', `runtime-dir: ${dir}/run\ndefault-log-dir: ${dir}/log\nstdio-log-dir: ${dir}/log/stdio\n`);
  write('sandboxes/shop.yaml', sandboxText(dir));
  write('processes/shop.yaml', processText);
  write('images/app/config/web.yaml', containerText);
  const master = (): MasterConfig => {
    const loaded = loadMaster(join(dir, 'master.yaml'));
    if (loaded.kind === 'refused') throw new Error(loaded.problems.map(formatProblem).join('\n'));
    return loaded.master;
  };
  const load = ({ uid, gid } = { uid: 0, gid: 0 }): DesiredState =>
    loadDesired(master(), { starter: { uid, gid, term: 'dumb' } });
  return {
    dir,
    write,
    folder,
    master,
    load,
    problems: (starter) => load(starter).problems.map((problem) => formatProblem(problem).replaceAll(dir, '')),
    remove: () => rmSync(dir, { recursive: true, force: true }),
  };
}
