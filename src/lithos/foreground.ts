import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { readConfig } from '../config/load.ts';
import { formatProblem } from '../config/problem.ts';
import { type Cgroups, openCgroups } from './cgroups.ts';
import { namePattern } from './config/common.ts';
import { planProcess } from './config/instances.ts';
import { ownStarter } from './config/load-desired.ts';
import { loadMaster } from './config/master.ts';
import type { LogLevel, MasterConfig } from './config/master-config.ts';
import { loadProcesses, type ProcessConfig, processesSchema } from './config/process.ts';
import { loadSandbox } from './config/sandbox.ts';
import type { DesiredInstance } from './desired.ts';
import { knotMissing, knotProgram } from './knots.ts';
import { listeners } from './listeners.ts';
import { readyInstance } from './start-instance.ts';
import { forgetInstance } from './state-dirs.ts';

interface LogOptions {
  readonly master: string;
  readonly logStderr: boolean;
  readonly logLevel: LogLevel | null;
}

export interface CommandOptions extends LogOptions {
  readonly sandbox: string;
  readonly name: string;
  readonly arguments: readonly string[];
}

export interface KnotOptions extends LogOptions {
  /** `SANDBOX/PROCESS.N`, or `SANDBOX/cmd.NAME.PID`. */
  readonly name: string;
  /** Instance JSON (lithos 2.3). */
  readonly config: string;
  readonly arguments: readonly string[];
}

const failed = 1;
const usage = 2;
const missingBinary = 127;

function fail(who: string, messages: readonly string[], code = failed): number {
  for (const message of messages) process.stderr.write(`lithos ${who}: ${message}\n`);
  return code;
}

/** lithos 3, lithos_cmd: one run of a Command, with its exit code; 128 + N where signal N ended it. */
export async function runCommand(options: CommandOptions): Promise<number> {
  const { sandbox, name } = options;
  for (const each of [sandbox, name]) {
    if (!namePattern.test(each)) {
      return fail('cmd', [`${JSON.stringify(each)}: expected a name of letters, digits, _ and -`], usage);
    }
  }
  const loaded = loadMaster(resolve(options.master));
  if (loaded.kind === 'refused') return fail('cmd', loaded.problems.map(formatProblem));
  const { master } = loaded;
  const box = loadSandbox(join(master.sandboxesDir, `${sandbox}.yaml`));
  if (box.kind === 'refused') return fail('cmd', box.problems.map(formatProblem));
  const processes = loadProcesses(resolve(master.processesDir, box.value.configFile ?? `${sandbox}.yaml`));
  if (processes.kind === 'refused') return fail('cmd', processes.problems.map(formatProblem));
  const process_ = processes.value.get(name);
  if (process_ === undefined) {
    const known = [...processes.value].filter(([, { kind }]) => kind === 'Command').map(([each]) => each);
    return fail('cmd', [`${processes.file}: no ${name}; its Commands: ${known.join(', ') || 'none'}`]);
  }
  if (process_.kind !== 'Command') {
    return fail('cmd', [formatProblem(processes.problemAt(`${name}.kind`, 'a Daemon; expected a Command'))]);
  }
  const planned = planProcess({
    ...{ master, starter: ownStarter(), sandboxName: sandbox, sandbox: box, processes, processName: name },
    process: process_,
    command: { pid: process.pid, arguments: options.arguments },
  });
  if ('problems' in planned) return fail('cmd', planned.problems.map(formatProblem));
  const [instance] = planned.instances;
  if (instance === undefined) return fail('cmd', ['nothing to run']);
  return runKnot('cmd', master, instance, options, ['foreground', 'output-copy']);
}

/** lithos 3, lithos_knot: what the tree has its knots do, by hand. Exit code: that of a knot (lithos 3). */
export async function runOneKnot(options: KnotOptions): Promise<number> {
  const match = /^(?<sandbox>[\w-]+)\/(?:cmd\.(?<command>[\w-]+)\.(?<pid>\d+)|(?<daemon>[\w-]+)\.(?<index>\d+))$/.exec(
    options.name,
  );
  const { sandbox = '', command, pid, daemon, index } = match?.groups ?? {};
  const processName = command ?? daemon;
  if (processName === undefined) {
    return fail('knot', [`--name ${options.name}: expected SANDBOX/PROCESS.N or SANDBOX/cmd.NAME.PID`], usage);
  }
  const loaded = loadMaster(resolve(options.master));
  if (loaded.kind === 'refused') return fail('knot', loaded.problems.map(formatProblem));
  const { master } = loaded;
  const box = loadSandbox(join(master.sandboxesDir, `${sandbox}.yaml`));
  if (box.kind === 'refused') return fail('knot', box.problems.map(formatProblem));
  const read = readInstanceJson(processName, options.config);
  if ('problems' in read) return fail('knot', read.problems);
  const planned = planProcess({
    ...{ master, starter: ownStarter(), sandboxName: sandbox, sandbox: box, processes: read.processes, processName },
    process: read.process,
    firstIndex: Number(index ?? 0),
    ...(command === undefined ? {} : { command: { pid: Number(pid), arguments: options.arguments } }),
  });
  if ('problems' in planned) return fail('knot', planned.problems.map(formatProblem));
  const [instance] = planned.instances;
  if (instance === undefined) return fail('knot', [`kind ${read.process.kind} does not go with ${options.name}`]);
  return runKnot('knot', master, instance, options, []);
}

/** The instance JSON is an entry of a process config, but for its one address. */
function readInstanceJson(name: string, text: string) {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return { problems: [`--config: no JSON: ${(error as Error).message}`] };
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return { problems: ['--config: expected a JSON object'] };
  }
  const { ip_address: address, ...rest } = value as Readonly<Record<string, unknown>>;
  const entry = address === undefined ? rest : { ...rest, ip_addresses: [address] };
  const processes = readConfig('--config', Buffer.from(JSON.stringify({ [name]: entry })), processesSchema);
  if (processes.kind === 'refused') return { problems: processes.problems.map(formatProblem) };
  const process_: ProcessConfig | undefined = processes.value.get(name);
  return process_ === undefined ? { problems: ['--config: empty'] } : { processes, process: process_ };
}

async function runKnot(
  who: string,
  master: MasterConfig,
  instance: DesiredInstance,
  { logStderr, logLevel }: LogOptions,
  words: readonly string[],
): Promise<number> {
  const missing = knotMissing();
  if (missing !== null) return fail(who, [missing], missingBinary);
  let cgroups: Cgroups | null = null;
  try {
    for (const folder of [master.stateDir, master.logDir, master.stdioLogDir]) mkdirSync(folder, { recursive: true });
    cgroups = cgroupsOf(master, who);
    const place = {
      ...{ stateDir: master.stateDir, cgroups, listeners: listeners(), limitsRequired: master.limitsRequired },
    };
    const ready = readyInstance(place, withLog(instance, logStderr, logLevel), words);
    if ('message' in ready) return fail(who, [ready.message]);
    return await ended(ready.plan, ready.fds);
  } catch (error) {
    return fail(who, [error instanceof Error ? error.message : String(error)]);
  } finally {
    forgetInstance(master.stateDir, instance.name);
    // The kernel takes a moment to bury the last process.
    for (let round = 0; cgroups !== null && !cgroups.remove(instance.cgroupLeaf) && round < removalRounds; round++) {
      await sleep(removalMs);
    }
  }
}

const removalRounds = 50;
const removalMs = 20;

/** Beside the containers of the tree, where one runs. */
function cgroupsOf(master: MasterConfig, who: string): Cgroups | null {
  const { cgroupName: name, cgroupControllers: controllers } = master;
  if (name === null) return null;
  const warn = (text: string): void => void process.stderr.write(`lithos ${who}: warning: ${text}\n`);
  return openCgroups({ name, controllers, warn, ofTree: treePid(master) });
}

function treePid(master: MasterConfig): number | null {
  try {
    const pid = Number(readFileSync(join(master.runtimeDir, 'master.pid'), 'utf8'));
    readFileSync(`/proc/${pid}/cgroup`);
    return pid;
  } catch {
    return null;
  }
}

/** The plan tells the knot where to log; the words stand before any that a config could choose. */
function withLog(instance: DesiredInstance, logStderr: boolean, logLevel: LogLevel | null): DesiredInstance {
  const words = [...instance.planWords];
  const at = words.indexOf('log-file');
  if (at !== -1) {
    if (logLevel !== null) words[words.indexOf('log-level', at) + 1] = logLevel;
    if (logStderr) words.splice(at, 2);
  }
  return { ...instance, planWords: words };
}

function ended(plan: string, fds: readonly number[]): Promise<number> {
  return new Promise((resolveCode, reject) => {
    const knot = spawn(knotProgram(), ['--plan', plan], { stdio: ['inherit', 'inherit', 'inherit', ...fds], cwd: '/' });
    // A terminal's signals reach the knot and its program as well.
    const ignore = (): void => {};
    const pass = (): void => void knot.kill('SIGTERM');
    process.on('SIGINT', ignore).on('SIGQUIT', ignore).on('SIGTERM', pass).on('SIGHUP', pass);
    knot.on('error', reject);
    knot.on('close', (code, signal) => resolveCode(code ?? (signal === null ? failed : 128 + 9)));
  });
}
