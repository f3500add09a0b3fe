import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { packageRoot } from '../../src/native/load.ts';
import { must } from '../container/starts.ts';

/** Who starts, and from where. */
export interface Caller {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  /** A project of this user with a command `now`. */
  readonly project: string;
  readonly env: Readonly<Record<string, string>>;
}

export interface Place {
  /** Prints the time of its first instruction inside; starts others outside. */
  readonly program: string;
  /** A root folder that holds `/bin/now`, the same as in the containers of the projects. */
  readonly root: string;
  readonly callers: readonly Caller[];
  readonly remove: () => void;
}

const yaml = `
containers: { c: { setup: [!Tar { url: ./root.tar } ] } }
commands: { now: !Command { container: c, run: [/bin/now] } }
`;

/** Root has projects of its own and of an ordinary user who is made for it; anybody else has their own. */
export function makePlace(): Place {
  const folder = mkdtempSync(join(tmpdir(), 'stellwerk-bench-'));
  chmodSync(folder, 0o755);
  const program = join(folder, 'first-instruction');
  const source = join(packageRoot(), 'bench/yardsticks/vagga/first-instruction.c');
  must(spawnSync('cc', ['-O2', '-static', '-o', program, source], { encoding: 'utf8' }), 'cc first-instruction.c');
  const root = join(folder, 'image');
  for (const name of ['bin', 'dev', 'proc', 'sys', 'tmp', 'run', 'work', 'etc', 'var/tmp']) {
    mkdirSync(join(root, name), { recursive: true });
  }
  copyFileSync(program, join(root, 'bin/now'));
  // podman makes them where they are not there.
  for (const name of ['resolv.conf', 'hosts', 'hostname']) writeFileSync(join(root, 'etc', name), '');
  symlinkSync('/proc/mounts', join(root, 'etc/mtab'));
  must(spawnSync('tar', ['-C', root, '-cf', join(folder, 'root.tar'), '.'], { encoding: 'utf8' }), 'tar');

  const made: string[] = [];
  const caller = (name: string, uid: number, gid: number): Caller => {
    const home = join(folder, `home-${uid}`);
    const project = join(home, 'project');
    mkdirSync(project, { recursive: true });
    copyFileSync(join(folder, 'root.tar'), join(project, 'root.tar'));
    writeFileSync(join(project, 'vagga.yaml'), yaml);
    const runtime = join(home, 'run');
    mkdirSync(runtime, { mode: 0o700 });
    for (const path of [home, project, runtime, join(project, 'root.tar'), join(project, 'vagga.yaml')]) {
      chownSync(path, uid, gid);
    }
    return { name, uid, gid, project, env: { PATH: process.env.PATH ?? '', HOME: home, XDG_RUNTIME_DIR: runtime } };
  };
  const own = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
  const callers: Caller[] = [];
  if (own.uid !== 0) callers.push(caller('an ordinary user', own.uid, own.gid));
  else {
    const account = `vagga-bench-${process.pid}`;
    must(spawnSync('useradd', ['--no-create-home', account], { encoding: 'utf8' }), 'useradd');
    made.push(account);
    const id = (kind: string): number => Number(spawnSync('id', [kind, account], { encoding: 'utf8' }).stdout);
    callers.push(caller('an ordinary user', id('-u'), id('-g')), caller('root', 0, 0));
  }
  return {
    ...{ program, root, callers },
    remove() {
      for (const { project } of callers) endPause(join(dirname(project), 'run'));
      // By force: podman's process may not have ended yet.
      for (const account of made) spawnSync('userdel', ['--force', account]);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** The process in which a rootless podman keeps its namespaces. */
function endPause(runtime: string): void {
  const file = join(runtime, 'libpod/tmp/pause.pid');
  if (existsSync(file)) process.kill(Number(readFileSync(file, 'utf8')), 'SIGKILL');
}
