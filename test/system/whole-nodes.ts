import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  appendFileSync,
  cpSync,
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
import { promisify } from 'node:util';
import type { Overview } from '../../src/agent/api.ts';
import { treeClient } from '../../src/lithos/client.ts';
import type { TreeStatus } from '../../src/lithos/status.ts';
import { packageRoot } from '../../src/native/load.ts';
import { namespacesOf } from './netns-cluster.ts';

/**
 * Whole nodes on one host: each has a network namespace with an address on a common bridge, and a process namespace
 * whose init is its power: when that is killed, the kernel kills agent, tree, knots and containers at once, as a cut of
 * power does. The bridge is in a namespace too, so nothing of it is to be seen in the host's network.
 */
export interface WholeNodes {
  readonly dir: string;
  readonly count: number;
  /** Shared by all of them: scheduler, runtime, templates. */
  readonly configDir: string;
  readonly token: string;
  /** "n1" …; `number` from 1. */
  name(number: number): string;
  /** Folder that containers of the node see as /node. */
  stateDir(number: number): string;
  storageDir(number: number): string;
  /** Power on: init, tree and agent. */
  boot(number: number): Promise<void>;
  startAgent(number: number): void;
  /** SIGKILL of the agent alone. */
  killAgent(number: number): Promise<void>;
  /** Everything of the node ends at once, and its link is down. */
  cutPower(number: number): Promise<void>;
  linkDown(number: number): void;
  linkUp(number: number): void;
  get(number: number, path: string): Promise<HttpAnswer>;
  post(number: number, path: string, body: unknown): Promise<HttpAnswer>;
  /** As node `number` sees the cluster. */
  overview(number: number): Promise<Overview>;
  tree(number: number): Promise<TreeStatus>;
  /** What the agent wrote to standard error. */
  agentLog(number: number): string;
  stop(): Promise<void>;
  /** What is left of them: processes, cgroups, namespaces. */
  leftovers(): readonly string[];
}

export interface HttpAnswer {
  readonly status: number;
  readonly body: unknown;
}

export interface WholeNodesOptions {
  readonly count: number;
  /** Of namespaces and cgroups; at most 8 letters. */
  readonly prefix: string;
  /** Image folder below images/: what is in it beside mount points. */
  readonly image: (root: string) => void;
  readonly sandboxes: readonly string[];
  /** More words for each agent. */
  readonly agentOptions: readonly string[];
}

const port = 8379;
const run = promisify(execFile);
const program = join(packageRoot(), 'bin', 'stellwerk.js');
/** Reaps whatever is left to it, as an init does. */
const init = "$SIG{CHLD} = 'IGNORE'; $| = 1; print qq(up\\n); sleep 3600 while 1";

const childrenOf = (pid: number): number[] =>
  readSafe(`/proc/${pid}/task/${pid}/children`).split(' ').filter(Boolean).map(Number);

export function wholeNodes({ count, prefix, image, sandboxes, agentOptions }: WholeNodesOptions): WholeNodes {
  const dir = mkdtempSync(join(tmpdir(), 'whole-'));
  const numbers = Array.from({ length: count }, (_, index) => index + 1);
  const token = randomBytes(16).toString('hex');
  const key = join(dir, 'cluster.key');
  const tokenFile = join(dir, 'token');
  writeFileSync(key, `${randomBytes(32).toString('hex')}\n`, { mode: 0o600 });
  writeFileSync(tokenFile, `${token}\n`, { mode: 0o600 });
  const configDir = join(dir, 'config');
  const hub = `${prefix}-hub`;
  const namespace = (number: number): string => `${prefix}-${number}`;
  const name = (number: number): string => `n${number}`;
  const folder = (number: number, ...parts: string[]): string => join(dir, name(number), ...parts);
  const address = (number: number): string => `10.78.1.${number}`;
  const ip = (...words: string[]): void => void execFileSync('ip', words);
  /** unshare(1), which is the init's parent and takes it along when it is killed. */
  const power = new Map<number, { readonly outside: ChildProcess; readonly init: number }>();
  const agents = new Map<number, ChildProcess>();

  const link = (number: number, state: 'up' | 'down'): void =>
    ip('-n', namespace(number), 'link', 'set', 'eth0', state);

  const makeNetwork = (): void => {
    ip('netns', 'add', hub);
    ip('-n', hub, 'link', 'add', 'br0', 'type', 'bridge');
    ip('-n', hub, 'link', 'set', 'br0', 'up');
    for (const number of numbers) {
      ip('netns', 'add', namespace(number));
      ip('-n', namespace(number), 'link', 'set', 'lo', 'up');
      const outside = `v${number}`;
      ip('-n', namespace(number), 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', outside, 'netns', hub);
      ip('-n', hub, 'link', 'set', outside, 'master', 'br0', 'up');
      ip('-n', namespace(number), 'address', 'add', `${address(number)}/24`, 'dev', 'eth0');
      link(number, 'up');
    }
  };

  const writeImage = (): void => {
    const root = join(dir, 'images', 'app');
    for (const part of ['dev', 'etc', 'node', 'proc', 'run', 'sys', 'tmp', 'usr', 'config'])
      mkdirSync(join(root, part), { recursive: true });
    for (const part of ['bin', 'lib', 'lib64', 'sbin']) symlinkSync(`usr/${part}`, join(root, part));
    image(root);
  };

  const writeNode = (number: number): void => {
    for (const part of ['lithos/sandboxes', 'lithos/processes', 'run', 'log', 'storage', 'carbon', 'state'])
      mkdirSync(folder(number, part), { recursive: true });
    writeFileSync(
      folder(number, 'lithos', 'master.yaml'),
      `runtime-dir: ${folder(number, 'run')}
cgroup-name: ${prefix}-${name(number)}.slice
default-log-dir: ${folder(number, 'log')}
stdio-log-dir: ${folder(number, 'log/stdio')}
config-log-dir: ${folder(number, 'log/config')}
`,
    );
    for (const sandbox of sandboxes) {
      writeFileSync(
        folder(number, 'lithos', 'sandboxes', `${sandbox}.yaml`),
        `image-dir: ${join(dir, 'images')}
allow-users: [1000]
allow-groups: [1000]
default-user: 1000
default-group: 1000
uid-map: [{inside: 0, outside: 231000, count: 65536}]
gid-map: [{inside: 0, outside: 231000, count: 65536}]
readonly-paths: { /usr: /usr, /node: ${folder(number, 'state')} }
executable-paths: [/usr]
`,
      );
      writeFileSync(folder(number, 'lithos', 'processes', `${sandbox}.yaml`), '{}\n');
    }
  };

  /** Starts a program on the node. It runs as a child of what is returned, which nsenter(1) is. */
  const start = (number: number, log: string, words: readonly string[]): ChildProcess => {
    const on = power.get(number);
    if (on === undefined) throw new Error(`${name(number)} is off`);
    const started = spawn(
      'nsenter',
      ['--target', String(on.init), '--pid', '--mount', `--net=/run/netns/${namespace(number)}`, '--', ...words],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    );
    started.stderr?.on('data', (chunk: Buffer) => appendFileSync(folder(number, 'log', log), chunk));
    return started;
  };

  const turnOn = async (number: number): Promise<void> => {
    const outside = spawn(
      'nsenter',
      [
        `--net=/run/netns/${namespace(number)}`,
        ...['unshare', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc', 'perl', '-e', init],
      ],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    await new Promise((resolve) => outside.stdout?.once('data', resolve));
    const [pid] = childrenOf(outside.pid ?? -1);
    if (pid === undefined) throw new Error(`${name(number)} has no init`);
    power.set(number, { outside, init: pid });
  };

  const curl = async (number: number, words: readonly string[], path: string): Promise<HttpAnswer> => {
    const { stdout } = await run(
      'nsenter',
      [
        `--net=/run/netns/${namespace(number)}`,
        ...['curl', '-sS', '-m', '70', '-w', '\n%{http_code}', '-H', `authorization: Bearer ${token}`, ...words],
        `http://127.0.0.1:${port}${path}`,
      ],
      { maxBuffer: 16 * 1024 * 1024 },
    );
    const cut = stdout.lastIndexOf('\n');
    const text = stdout.slice(0, cut);
    const status = Number(stdout.slice(cut + 1));
    try {
      return { status, body: JSON.parse(text) as unknown };
    } catch {
      return { status, body: text };
    }
  };

  const waitFor = async (what: string, look: () => Promise<unknown>): Promise<void> => {
    const end = Date.now() + 60_000;
    for (;;) {
      try {
        await look();
        return;
      } catch (error) {
        if (Date.now() > end) throw new Error(`${what}: ${(error as Error).message}`);
        await sleep(100);
      }
    }
  };

  const killed = async (child: ChildProcess, kill: () => void): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    kill();
    await gone;
  };

  const nodes: WholeNodes = {
    ...{ dir, count, configDir, token, name },
    stateDir: (number) => folder(number, 'state'),
    storageDir: (number) => folder(number, 'storage'),
    async boot(number) {
      await turnOn(number);
      link(number, 'up');
      const master = folder(number, 'lithos', 'master.yaml');
      start(number, 'tree.stderr', [process.execPath, program, 'lithos', 'tree', '-C', master]);
      nodes.startAgent(number);
      await waitFor(`${name(number)}’s tree`, () => nodes.tree(number));
    },
    startAgent(number) {
      const words = [
        ...['--host', '0.0.0.0', '--port', String(port), '--machine-id', number.toString(16).padStart(32, '0')],
        ...['--hostname', name(number), '--cluster-name', prefix, '--cluster-key-file', key, '--token-file', tokenFile],
        ...numbers.slice(0, 3).flatMap((other) => ['--join', `${address(other)}:${port}`]),
        ...['--config-dir', configDir, '--carbon-dir', folder(number, 'carbon')],
        ...['--storage-dir', folder(number, 'storage'), '--log-dir', folder(number, 'log', 'verwalter')],
        ...['--lithos-master', folder(number, 'lithos', 'master.yaml'), '--log-level', 'info', ...agentOptions],
      ];
      agents.set(number, start(number, 'agent.stderr', [process.execPath, program, 'agent', ...words]));
    },
    async killAgent(number) {
      const agent = agents.get(number);
      if (agent === undefined) return;
      const pids = childrenOf(agent.pid ?? -1);
      if (pids.length === 0) throw new Error(`${name(number)} has no agent`);
      await killed(agent, () => {
        for (const pid of pids) process.kill(pid, 'SIGKILL');
      });
    },
    async cutPower(number) {
      const on = power.get(number);
      if (on === undefined) return;
      link(number, 'down');
      power.delete(number);
      await killed(on.outside, () => on.outside.kill('SIGKILL'));
    },
    linkDown: (number) => link(number, 'down'),
    linkUp: (number) => link(number, 'up'),
    get: (number, path) => curl(number, [], path),
    post: (number, path, body) =>
      curl(number, ['-H', 'content-type: application/json', '-d', JSON.stringify(body)], path),
    async overview(number) {
      const { status, body } = await nodes.get(number, '/v1/overview');
      if (status !== 200) throw new Error(`${name(number)}: ${status} ${JSON.stringify(body)}`);
      return body as Overview;
    },
    tree: (number) => treeClient(folder(number, 'run', 'tree.sock')).status(),
    agentLog: (number) => readSafe(folder(number, 'log', 'agent.stderr')),
    async stop() {
      for (const number of numbers) await nodes.cutPower(number);
      for (const each of namespacesOf(prefix)) ip('netns', 'del', each);
      for (let tries = 0; tries < 50 && cgroupsOf(prefix).length > 0; tries++) {
        for (const group of cgroupsOf(prefix)) {
          try {
            execFileSync('find', [group, '-depth', '-type', 'd', '-delete'], { stdio: 'ignore' });
          } catch {
            // What has just been killed still stands in it.
          }
        }
        await sleep(100);
      }
      if (process.env.KEEP_NODES === undefined) rmSync(dir, { recursive: true, force: true });
    },
    leftovers: () => [...processesNaming(dir), ...cgroupsOf(prefix), ...namespacesOf(prefix)],
  };

  try {
    writeImage();
    for (const number of numbers) writeNode(number);
    makeNetwork();
  } catch (error) {
    for (const each of namespacesOf(prefix)) ip('netns', 'del', each);
    rmSync(dir, { recursive: true, force: true });
    throw error;
  }
  return nodes;
}

const cgroupsOf = (prefix: string): string[] =>
  execFileSync('find', ['/sys/fs/cgroup', '-maxdepth', '5', '-type', 'd', '-name', `${prefix}-*.slice`], {
    encoding: 'utf8',
  })
    .split('\n')
    .filter((line) => line !== '');

function processesNaming(dir: string): string[] {
  return readdirSync('/proc').flatMap((entry) => {
    if (!/^\d+$/.test(entry) || Number(entry) === process.pid) return [];
    const line = readSafe(`/proc/${entry}/cmdline`);
    return line.includes(dir) ? [`process ${entry}: ${line.replaceAll('\0', ' ')}`] : [];
  });
}

function readSafe(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** Puts a file in place by a rename, as whoever brings runtime metadata should. */
export function putFile(path: string, text: string): void {
  const fresh = `${path}.tmp`;
  writeFileSync(fresh, text);
  execFileSync('mv', [fresh, path]);
}

/** The Python client of mapped values, into an image. */
export function copyPythonClient(root: string): void {
  const from = join(packageRoot(), 'clients', 'python', 'stellwerk_cantal');
  if (!existsSync(from)) throw new Error(`${from} is not there`);
  cpSync(from, join(root, 'app', 'stellwerk_cantal'), { recursive: true });
}
