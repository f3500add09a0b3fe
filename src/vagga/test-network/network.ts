import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { serialize } from 'node:v8';
import { containerAddon, isFailure } from '../../native/container.ts';
import { packageRoot } from '../../native/load.ts';
import { Refusal } from '../refusal.ts';
import { maximumIdMaps } from '../run/own-id-maps.ts';
import { plainSpec } from '../run/process.ts';
import { type Guest, hostsText } from './guests.ts';
import { firstFd, jobFd, type KeeperJob, readyFd } from './keeper-job.ts';
import { hasOriginalAddress, originalAddress } from './original-address.ts';
import { openOutside, resolverText } from './outside.ts';
import type { TestSpaces } from './place.ts';

/** A bridge with a keeper in it, and the empty namespaces of the nodes: they end with `close` or with this process. */
export interface TestNetwork {
  readonly guests: readonly Guest[];
  readonly spaces: TestSpaces;
  /** What the children have as /etc/hosts. */
  readonly hostsFile: string;
  /** And as /etc/resolv.conf. */
  readonly resolverFile: string;
  readonly close: () => Promise<void>;
}

export interface TestNetworkPlace {
  /** The storage folder of the project. */
  readonly storage: string;
  readonly guests: readonly Guest[];
  readonly tell: (message: string) => void;
}

const killSignal = 9;
/** Holds the pid of the keeper. */
const keeperFile = 'keeper';
const loopback = '127.0.0.1';
const hostResolver = '/etc/resolv.conf';
const backlog = 128;
const none = { user: false, mount: false, pid: false, ipc: false, uts: false, cgroup: false, net: false };

/** All of it is of this process's user namespaces: nothing has to be set up before, and nothing stays. Throws a Refusal. */
export async function openTestNetwork({ storage, guests, tell }: TestNetworkPlace): Promise<TestNetwork> {
  const open: number[] = [];
  const stops: (() => Promise<void>)[] = [];
  const folder = runFolder(storage);
  const close = async (): Promise<void> => {
    for (const stop of stops.splice(0)) await stop();
    for (const fd of open.splice(0)) containerAddon().closeFd(fd);
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    const spaces = makeSpaces(guests, open);
    const relays = listenForGuests(guests, open);
    const hostsFile = join(folder, 'hosts');
    writeFileSync(hostsFile, hostsText(guests, readFileSync('/etc/hosts', 'utf8')));
    const resolverFile = join(folder, 'resolv.conf');
    const outside = await openOutside(spaces.user, spaces.bridge);
    if (outside.kind === 'failed') tell(`WARNING: the test network has no way outside: ${outside.problem}`);
    if (outside.kind === 'open') stops.push(outside.stop);
    const resolver = existsSync(hostResolver) ? readFileSync(hostResolver, 'utf8') : '';
    writeFileSync(resolverFile, outside.kind === 'open' ? resolverText(resolver) : resolver);
    const { pid, stop } = await startKeeper(folder, spaces, guests, relays, outside.kind === 'open', tell);
    stops.push(stop);
    writeFileSync(join(folder, keeperFile), String(pid));
    // The keeper has its own.
    for (const { fd } of relays) containerAddon().closeFd(fd);
    open.splice(open.length - relays.length);
    return {
      guests,
      spaces,
      hostsFile,
      resolverFile,
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

const runFolders = (storage: string): string => join(storage, '.test-networks');

/** Of this process; those of processes that are gone without removing theirs go with it. */
function runFolder(storage: string): string {
  const all = runFolders(storage);
  mkdirSync(all, { recursive: true });
  for (const pid of readdirSync(all)) {
    if (!isAlive(Number(pid))) rmSync(join(all, pid), { recursive: true, force: true });
  }
  const own = join(all, String(process.pid));
  rmSync(own, { recursive: true, force: true });
  mkdirSync(own);
  return own;
}

/** The pids of the keepers of all test networks of the project that run now. */
export function runningKeepers(storage: string): readonly number[] {
  if (!existsSync(runFolders(storage))) return [];
  return readdirSync(runFolders(storage)).flatMap((pid) => {
    const file = join(runFolders(storage), pid, keeperFile);
    return isAlive(Number(pid)) && existsSync(file) ? [Number(readFileSync(file, 'utf8'))] : [];
  });
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function makeSpaces(guests: readonly Guest[], open: number[]): TestSpaces {
  const addon = containerAddon();
  const maps = maximumIdMaps();
  if ('problem' in maps) throw new Refusal('launcher', maps.problem);
  const made = (spec: Parameters<typeof addon.makeNamespaces>[0]): { user: number; net: number; uts: number } => {
    const fds = addon.makeNamespaces(spec);
    if (isFailure(fds)) throw new Refusal('container', `the test network cannot be made: ${fds.message}`);
    open.push(...Object.values(fds));
    return { user: fds.user ?? -1, net: fds.net ?? -1, uts: fds.uts ?? -1 };
  };
  const { user, net } = made({ namespaces: { ...none, user: true, net: true }, ...maps.value });
  const spaces = guests.map(({ name, hostname }) => {
    const namespaces = { ...none, net: true, uts: true };
    const space = made({ namespaces, join: { user }, uidMap: [], gidMap: [], hostname });
    return [name, { net: space.net, uts: space.uts }] as const;
  });
  return { maps: maps.value, user, bridge: net, guests: new Map(spaces) };
}

interface HostPort {
  readonly fd: number;
  readonly ip: string;
  readonly port: number;
}

/** Pushes as many descriptors as it returns. */
function listenForGuests(guests: readonly Guest[], open: number[]): readonly HostPort[] {
  const addon = containerAddon();
  const ports: HostPort[] = [];
  for (const { name, ip, ports: wanted } of guests) {
    for (const [external, internal] of wanted) {
      for (const host of hasOriginalAddress() ? [loopback, originalAddress] : [loopback]) {
        const fd = addon.listen({ host, port: external, backlog, reuseAddr: true, reusePort: false, nonBlock: true });
        if (isFailure(fd)) throw new Refusal('launcher', `child ${name}: port ${external} of ${host}: ${fd.message}`);
        open.push(fd);
        ports.push({ fd, ip, port: internal });
      }
    }
  }
  return ports;
}

/** Starts the keeper and waits until the network is there; what it returns ends it. Throws a Refusal. */
async function startKeeper(
  folder: string,
  spaces: TestSpaces,
  guests: readonly Guest[],
  relays: readonly HostPort[],
  outside: boolean,
  tell: (message: string) => void,
): Promise<{ readonly pid: number; readonly stop: () => Promise<void> }> {
  const addon = containerAddon();
  const pipe = addon.makePipe();
  if (isFailure(pipe)) throw new Refusal('container', pipe.message);
  const nets = guests.map(({ name }) => spaces.guests.get(name)?.net ?? -1);
  const passed = [...nets, ...relays.map(({ fd }) => fd)].map((from, index) => ({ from, to: firstFd + index }));
  const job: KeeperJob = {
    nodes: guests.map(({ name, ip }, index) => ({ name, ip, net: firstFd + index })),
    outside,
    relays: relays.map(({ ip, port }, index) => ({ fd: firstFd + nets.length + index, ip, port })),
  };
  const jobFile = unnamedFile(folder, serialize(job));
  const started = addon.start(
    plainSpec({
      argv: [process.execPath, '--enable-source-maps', join(packageRoot(), 'dist', 'vagga-network-keeper.js')],
      env: { PATH: process.env.PATH ?? '/usr/bin:/bin' },
      cwd: '/',
      namespaces: none,
      join: { user: spaces.user, net: spaces.bridge },
      stdio: [-1, 2, 2],
      passedFds: [{ from: jobFile, to: jobFd }, { from: pipe.write, to: readyFd }, ...passed],
      // Signals of the terminal are for the supervisor alone.
      ownGroup: true,
    }),
  );
  closeSync(jobFile);
  addon.closeFd(pipe.write);
  if (isFailure(started)) {
    addon.closeFd(pipe.read);
    throw new Refusal('container', `the test network cannot be made: ${started.message}`);
  }
  const { pid, pidfd } = started;
  const ended = addon.waitPidfd(pidfd).then(() => addon.closeFd(pidfd));
  const said = await readAll(pipe.read);
  if (said !== 'ready') {
    await ended;
    throw new Refusal('container', `the test network cannot be made: ${said || 'its keeper ended'}`);
  }
  let stopping = false;
  void ended.then(() => {
    if (!stopping)
      tell('WARNING: the keeper of the test network has ended: its ports and _network do not work any more');
  });
  return {
    pid,
    async stop() {
      stopping = true;
      addon.pidfdSendSignal(pidfd, killSignal);
      await ended;
    },
  };
}

function unnamedFile(folder: string, bytes: Uint8Array): number {
  const path = join(folder, 'job');
  writeFileSync(path, bytes, { mode: 0o600 });
  const fd = openSync(path, 'r');
  unlinkSync(path);
  return fd;
}

function readAll(fd: number): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    const stream = new Socket({ fd, readable: true, writable: false });
    stream.on('data', (part) => {
      text += part.toString();
    });
    stream.on('error', () => stream.destroy());
    stream.on('close', () => resolve(text));
  });
}
