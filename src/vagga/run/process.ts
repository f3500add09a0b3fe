import { Socket } from 'node:net';
import { type ContainerSpec, containerAddon, isFailure, type NativeFailure } from '../../native/container.ts';
import { type JobEffect, type JobEvent, type JobSignal, jobSignals, jobStep } from './job-control.ts';

/** 0 to 255: the command's own code, or 128 + the signal that ended it. */
export type CommandEnd = { readonly kind: 'ended'; readonly exitCode: number };

/** A spec with what is the same for everything that vagga starts. */
export function plainSpec(
  change: Pick<ContainerSpec, 'argv' | 'env' | 'cwd' | 'namespaces'> & Partial<ContainerSpec>,
): ContainerSpec {
  return {
    uidMap: [],
    gidMap: [],
    uid: 0,
    gid: 0,
    mounts: [],
    rlimits: {},
    // Root inside has all of them, over the namespace's own things; another user has none.
    keepCapabilities: change.uid === undefined || change.uid === 0 ? allCapabilities : [],
    noNewPrivileges: false,
    seccomp: 'off',
    cgroups: [],
    stdio: [0, 1, 2],
    init: true,
    ...change,
  };
}

/** Runs it to its end, signals of this process and its terminal left alone. */
export async function runQuietly(spec: ContainerSpec): Promise<CommandEnd | NativeFailure> {
  const addon = containerAddon();
  const started = addon.start(spec);
  if (isFailure(started)) return started;
  const ending = await addon.waitPidfd(started.pidfd);
  addon.closeFd(started.pidfd);
  return { kind: 'ended', exitCode: ending.exitCode ?? 128 + (ending.signal ?? 0) };
}

/** Runs it as a shell would run it: in a process group of its own, with the terminal if this process has it. */
export async function runAtTerminal(spec: ContainerSpec, onStart?: () => void): Promise<CommandEnd | NativeFailure> {
  const addon = containerAddon();
  const terminal = controllingTerminal();
  const own = addon.ownGroup();
  const isForeground = (): boolean => terminal >= 0 && addon.foregroundGroup(terminal) === own;
  // What comes before the command is there waits for it.
  let perform = (event: JobEvent): void => {
    early.push(event);
  };
  const early: JobEvent[] = [];
  const handlers = jobSignals.map((signal) => [signal, () => perform({ kind: 'signal', signal })] as const);
  for (const [signal, handler] of handlers) process.on(signal, handler);
  try {
    const started = addon.start({ ...spec, ownGroup: true, terminal: isForeground() ? terminal : -1 });
    if (isFailure(started)) {
      takeBack(terminal, own, -1);
      return started;
    }
    const group = started.programPid;
    perform = (event) => {
      for (const effect of jobStep(event, isForeground())) apply(effect, terminal, group);
    };
    for (const event of early) perform(event);
    const stops = started.stops === undefined ? undefined : readStops(started.stops, (event) => perform(event));
    onStart?.();
    const ending = await addon.waitPidfd(started.pidfd);
    stops?.destroy();
    addon.closeFd(started.pidfd);
    takeBack(terminal, own, group);
    return { kind: 'ended', exitCode: ending.exitCode ?? 128 + (ending.signal ?? 0) };
  } finally {
    for (const [signal, handler] of handlers) process.off(signal, handler);
  }
}

/** The first of 0 to 2 that is the terminal of this session: what is no terminal has no foreground; -1: none. */
export function controllingTerminal(): number {
  return [0, 1, 2].find((fd) => !isFailure(containerAddon().foregroundGroup(fd))) ?? -1;
}

function apply(effect: JobEffect, terminal: number, group: number): void {
  switch (effect.kind) {
    case 'signal-group':
      send(-group, effect.signal);
      return;
    case 'signal-command':
      send(group, effect.signal);
      return;
    case 'hand-over-terminal':
      containerAddon().setForegroundGroup(terminal, group);
      return;
    case 'stop-self':
      process.kill(process.pid, 'SIGSTOP');
      return;
    default:
      effect satisfies never;
  }
}

function send(to: number, signal: JobSignal): void {
  try {
    process.kill(to, signal);
  } catch {
    // It has ended meanwhile.
  }
}

/** Where the command's group still has the terminal: a shell without job control would not take it back. */
export function takeBack(terminal: number, own: number, group: number): void {
  if (terminal < 0) return;
  const now = containerAddon().foregroundGroup(terminal);
  if (now === group || !isAlive(now)) containerAddon().setForegroundGroup(terminal, own);
}

function isAlive(group: number | NativeFailure): boolean {
  if (typeof group !== 'number' || group <= 0) return false;
  try {
    process.kill(-group, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Wait statuses as waitpid(2) gives them: the low byte 0x7f, the signal above it. */
export function readStops(fd: number, tell: (event: Extract<JobEvent, { kind: 'stopped' }>) => void): Socket {
  const intBytes = 4; // a write of one is never split (pipe(7))
  const [ttin, ttou] = [21, 22];
  const stream = new Socket({ fd, readable: true, writable: false });
  stream.unref();
  stream.on('data', (bytes) => {
    for (let at = 0; at + intBytes <= bytes.length; at += intBytes) {
      const signal = (bytes.readInt32LE(at) >> 8) & 0xff;
      tell({ kind: 'stopped', by: signal === ttin || signal === ttou ? 'terminal-access' : 'stop' });
    }
  });
  stream.on('error', () => stream.destroy());
  return stream;
}

const allCapabilities = [
  'CHOWN',
  'DAC_OVERRIDE',
  'DAC_READ_SEARCH',
  'FOWNER',
  'FSETID',
  'KILL',
  'SETGID',
  'SETUID',
  'SETPCAP',
  'LINUX_IMMUTABLE',
  'NET_BIND_SERVICE',
  'NET_BROADCAST',
  'NET_ADMIN',
  'NET_RAW',
  'IPC_LOCK',
  'IPC_OWNER',
  'SYS_MODULE',
  'SYS_RAWIO',
  'SYS_CHROOT',
  'SYS_PTRACE',
  'SYS_PACCT',
  'SYS_ADMIN',
  'SYS_BOOT',
  'SYS_NICE',
  'SYS_RESOURCE',
  'SYS_TIME',
  'SYS_TTY_CONFIG',
  'MKNOD',
  'LEASE',
  'AUDIT_WRITE',
  'AUDIT_CONTROL',
  'SETFCAP',
  'MAC_OVERRIDE',
  'MAC_ADMIN',
  'SYSLOG',
  'WAKE_ALARM',
  'BLOCK_SUSPEND',
  'AUDIT_READ',
];
