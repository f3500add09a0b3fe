import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import {
  appendFileSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { treeClient } from '../../src/lithos/client.ts';
import { startTimeOf } from '../../src/lithos/process-identity.ts';
import type { ContainerStatus, TreeStatus } from '../../src/lithos/status.ts';
import { packageRoot } from '../../src/native/load.ts';

const ownProgram = join(packageRoot(), 'bin', 'stellwerk.js');

/** Container configs of the image; programs come from the host's /usr. */
const containers: Readonly<Record<string, string>> = {
  sleeper: 'executable: /usr/bin/sleep\narguments: ["100000"]\nrestart-timeout: 0.5\n',
  deaf: `executable: /usr/bin/sh
arguments: [-c, "trap '' TERM; while :; do sleep 0.05; done"]
kill-timeout: 0.5
`,
  failing: 'executable: /usr/bin/sh\narguments: [-c, "exit 3"]\nrestart-timeout: 1\n',
  hungry: `executable: /usr/bin/python3
arguments: [-c, "import time; b = bytearray(200 << 20); time.sleep(1000)"]
memory-limit: 50Mi
restart-timeout: 60
`,
};

/** A host for one tree, in a folder of its own. */
export interface LithosHost {
  readonly dir: string;
  readonly master: string;
  readonly processes: string;
  readonly cgroupName: string;
  start(): Promise<void>;
  treePid(): number;
  /** Sends a signal and waits for the end of the tree; its exit code, null where the signal ended it. */
  endTree(signal: NodeJS.Signals): Promise<number | null>;
  /** Starts the tree, and does not wait for it to answer. */
  launch(): void;
  kill(signal: NodeJS.Signals): void;
  status(): Promise<TreeStatus>;
  running(): Promise<ReadonlyMap<string, ContainerStatus>>;
  until<T>(what: string, look: (status: TreeStatus) => T | null | undefined | false): Promise<T>;
  lithos(...words: readonly string[]): { readonly code: number | null; readonly out: string; readonly err: string };
  /** Puts a process config in place; the tree is told by `lithos switch` or a signal. */
  want(processes: Readonly<Record<string, number>>): void;
  file(processes: Readonly<Record<string, number>>): string;
  /** Adds a container config to the image; `/usr` and a small `/tmp` are mounted unless it has volumes of its own. */
  container(name: string, text: string): void;
  /** Adds to the sandbox's config. */
  sandbox(text: string): void;
  /** What programs of the sandbox have written. */
  output(): string;
  client(): ReturnType<typeof treeClient>;
  log(): string;
  /** What is left of it: processes, mounts, cgroups, files. */
  leftovers(): string[];
  remove(): Promise<void>;
}

const deadlineMs = 20_000;

export interface HostOptions {
  /** The stellwerk.js of another installation. */
  readonly program?: string;
  /** Words before `node stellwerk.js lithos tree …`; the tree is then what they start. */
  readonly within?: readonly string[];
}

export function lithosHost(user: number, { program = ownProgram, within = [] }: HostOptions = {}): LithosHost {
  const dir = mkdtempSync(join(tmpdir(), 'lithos-'));
  const cgroupName = `lithos-test-${process.pid}-${dir.slice(-6)}.slice`;
  const master = join(dir, 'master.yaml');
  const processes = join(dir, 'processes', 'box.yaml');
  const image = join(dir, 'images', 'app');
  for (const folder of ['dev', 'etc', 'proc', 'sys', 'tmp', 'usr', 'config'])
    mkdirSync(join(image, folder), { recursive: true });
  for (const link of ['bin', 'lib', 'lib64', 'sbin']) symlinkSync(`usr/${link}`, join(image, link));
  for (const folder of ['sandboxes', 'processes']) mkdirSync(join(dir, folder));
  const writeContainer = (name: string, text: string): void => {
    const volumes = text.includes('volumes:') ? '' : 'volumes:\n  /usr: !Readonly /usr\n  /tmp: !Tmpfs { size: 1Mi }\n';
    writeFileSync(join(image, 'config', `${name}.yaml`), text + volumes);
  };
  for (const [name, text] of Object.entries(containers)) writeContainer(name, text);
  const map =
    user === 0 ? '[{inside: 0, outside: 231000, count: 65536}]' : `[{inside: 1000, outside: ${user}, count: 1}]`;
  writeFileSync(
    master,
    `runtime-dir: ${dir}/run\ncgroup-name: ${cgroupName}\ndefault-log-dir: ${dir}/log\nstdio-log-dir: ${dir}/log/stdio\nconfig-log-dir: ${dir}/log/config\n`,
  );
  writeFileSync(
    join(dir, 'sandboxes', 'box.yaml'),
    `image-dir: ${dir}/images
allow-users: [1000]
allow-groups: [1000]
default-user: 1000
default-group: 1000
uid-map: ${map}
gid-map: ${map}
readonly-paths: { /usr: /usr }
executable-paths: [/usr]
`,
  );
  if (user !== 0) for (const path of [dir, ...below(dir)]) chownSync(path, user, user);

  let tree: ChildProcess | null = null;
  const identity = user === 0 ? {} : { uid: user, gid: user };
  const socket = join(dir, 'run', 'tree.sock');
  const file = (wanted: Readonly<Record<string, number>>): string =>
    Object.entries(wanted)
      .map(([name, count]) => `${name}: { image: app, config: /config/${name}.yaml, instances: ${count} }\n`)
      .join('') || '{}\n';

  const host: LithosHost = {
    dir,
    master,
    processes,
    cgroupName,
    launch() {
      const errors = join(dir, 'errors');
      const [first = '', ...rest] = [...within, process.execPath, program, 'lithos', 'tree', '-C', master];
      tree = spawn(first, [...rest, '--log-level', 'info'], {
        stdio: ['ignore', 'ignore', 'pipe'],
        detached: true,
        ...identity,
      });
      tree.stderr?.on('data', (chunk: Buffer) => appendFileSync(errors, chunk));
    },
    async start() {
      host.launch();
      const end = Date.now() + deadlineMs;
      for (;;) {
        const status = await host.status().catch(() => null);
        if (status !== null && (status.pid === tree?.pid || within.length > 0)) return;
        if (tree === null || tree.exitCode !== null || Date.now() > end)
          throw new Error(`the tree does not answer: ${readSafe(join(dir, 'errors'))}`);
        await sleep(20);
      }
    },
    treePid: () => tree?.pid ?? -1,
    kill: (signal) => void tree?.kill(signal),
    endTree(signal) {
      const ending = tree;
      if (ending === null) return Promise.resolve(null);
      return new Promise((resolve) => {
        if (ending.exitCode !== null || ending.signalCode !== null) resolve(ending.exitCode);
        ending.once('exit', (code) => resolve(code));
        ending.kill(signal);
      });
    },
    status: () => treeClient(socket).status(),
    async running() {
      const { containers: all } = await host.status();
      return new Map(all.filter(({ phase }) => phase === 'running').map((each) => [each.name, each]));
    },
    async until(what, look) {
      const end = Date.now() + deadlineMs;
      for (;;) {
        const status = await host.status().catch(() => null);
        const found = status === null ? null : look(status);
        if (found !== null && found !== undefined && found !== false) return found;
        if (Date.now() > end)
          throw new Error(`never: ${what}; ${JSON.stringify(status?.containers ?? null)}\n${host.log()}`);
        await sleep(20);
      }
    },
    lithos(...words) {
      const { status, stdout, stderr } = spawnSync(process.execPath, [program, 'lithos', ...words], {
        encoding: 'utf8',
        ...identity,
      });
      return { code: status, out: stdout, err: stderr };
    },
    want: (wanted) => writeFileSync(processes, file(wanted)),
    file(wanted) {
      const path = join(dir, `new-${Math.random().toString(36).slice(2)}.yaml`);
      writeFileSync(path, file(wanted), { mode: 0o644 });
      return path;
    },
    container: writeContainer,
    sandbox: (text) => appendFileSync(join(dir, 'sandboxes', 'box.yaml'), text),
    output: () => readSafe(join(dir, 'log', 'stdio', 'box.log')),
    client: () => treeClient(socket),
    log: () => readSafe(join(dir, 'log', 'master.log')) + readSafe(join(dir, 'log', 'box.log')),
    leftovers() {
      const ours = processesNaming(dir, program).filter((pid) => pid !== tree?.pid || tree.exitCode === null);
      const mounts = readFileSync('/proc/self/mountinfo', 'utf8')
        .split('\n')
        .filter((line) => line.includes(dir));
      const groups = spawnSync('find', ['/sys/fs/cgroup', '-name', cgroupName], { encoding: 'utf8' }).stdout.trim();
      const files = ['run/tree.sock', 'run/master.pid', 'run/metrics.meta', 'run/metrics.values'].filter((each) =>
        existsSync(join(dir, each)),
      );
      const states = existsSync(join(dir, 'run', 'state')) ? readdirSync(join(dir, 'run', 'state')) : [];
      return [
        ...ours.map((pid) => `process ${pid}`),
        ...mounts,
        ...(groups === '' ? [] : [groups]),
        ...files,
        ...states,
      ];
    },
    async remove() {
      tree?.kill('SIGKILL');
      for (const pid of processesNaming(dir, program)) killSafe(pid);
      await sleep(100);
      spawnSync('find', ['/sys/fs/cgroup', '-depth', '-path', `*${cgroupName}*`, '-type', 'd', '-delete']);
      rmSync(dir, { recursive: true, force: true });
    },
  };
  return host;
}

/** pid and start time: what makes a process the same one. */
export const identityOf = ({ pid, startTime }: ContainerStatus): string => `${pid}@${startTime}`;

/** Whether the process behind a container is still the very same one. */
export const lives = ({ pid, startTime }: ContainerStatus): boolean => pid !== null && startTimeOf(pid) === startTime;

/** Knots and trees of the folder: their command lines name it. */
function processesNaming(dir: string, program: string): number[] {
  return readdirSync('/proc').flatMap((name) => {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === process.pid) return [];
    const line = readSafe(`/proc/${name}/cmdline`);
    return line.includes(dir) && (/^\S*\/knot\0/.test(line) || line.includes(program)) ? [pid] : [];
  });
}

function below(dir: string): string[] {
  return readdirSync(dir, { withFileTypes: true }).flatMap((entry) => {
    const path = join(dir, entry.name);
    if (entry.isSymbolicLink()) return [];
    return entry.isDirectory() ? [path, ...below(path)] : [path];
  });
}

function readSafe(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function killSafe(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // Gone already.
  }
}
