import { suggestion } from '../config/suggest.ts';
import { containerAddon, isFailure } from '../native/container.ts';
import { showBanner } from './banner.ts';
import { type ChildrenNetwork, type NetworkPlan, openNetwork, planNetwork, startOrder } from './children-network.ts';
import {
  namesOf,
  readSuperviseLine,
  type Selection,
  type SuperviseLine,
  selectChildren,
} from './command-line/supervise-options.ts';
import type { Child, Command } from './config/command.ts';
import { builtFor, type ReadyCommand, readyCommand } from './container-command.ts';
import { exitCodes } from './exit-codes.ts';
import { expectInotifyLimit } from './inotify-limit.ts';
import type { Perform, Performance } from './perform.ts';
import { performBefore } from './prerequisites.ts';
import { containersOf } from './ready.ts';
import { Refusal } from './refusal.ts';
import { listen, prepareCommand, socketFd } from './run/command.ts';
import { type ReadyChild, supervise } from './run/supervise/processes.ts';

// A !Supervise: vagga 2.7.

type Supervise = Extract<Command, { tag: 'Supervise' }>['value'];

interface ReadiedChild extends ReadyCommand {
  readonly name: string;
  readonly child: Child;
}

/** Runs it after what it and its children say must run before; the exit code. Throws a Refusal. */
export async function performSupervise(
  given: Performance,
  perform: Perform,
  name: string,
  command: Supervise,
  args: readonly string[],
): Promise<number> {
  const line = readSuperviseLine(name, command, args, given.print);
  if (typeof line === 'number') return line;
  const performance = withFlags(given, line);
  const { place, options } = performance;
  for (const warning of unknownNames(command, line.selection)) place.tell(`WARNING: ${name}: ${warning}`);
  const children = selectChildren(command.children, line.selection);
  if (children.size === 0) throw new Refusal('nothing', `${name}: no children to supervise match`);
  const network = planNetwork(name, children, command.isolateNetwork || options.isolateNetwork);

  const prerequisites = [...children.values()].flatMap(({ value }) => value.prerequisites);
  const before = await performBefore(performance, perform, [...command.prerequisites, ...prerequisites]);
  if (before !== exitCodes.ok) return before;
  // All at once first: those that do not stand on each other are built side by side.
  await performance.containers.allReady([...children.values()].map(({ value }) => value.container));
  const built = new Map<string, Awaited<ReturnType<typeof builtFor>>>();
  for (const [child, { value }] of children) built.set(child, await builtFor(performance, value));
  if (options.containersOnly) return exitCodes.ok;

  const readied: ReadiedChild[] = [];
  try {
    for (const [childName, child] of children) {
      const variables = new Map([
        ['VAGGA_COMMAND', name],
        ['VAGGA_SUBCOMMAND', childName],
        ...child.value.environ,
        ...line.variables,
      ]);
      const filled = new Set(readied.flatMap(({ filling }) => [...filling.names]));
      const container = built.get(childName)!;
      const ready = await readyCommand(performance, perform, name, child.value, container, variables, [], filled);
      if (typeof ready === 'number') return ready;
      readied.push({ ...ready, name: childName, child });
    }
    const code = await run(performance, command, startOrder(readied), network);
    if (code === exitCodes.ok) {
      for (const { filling } of readied) filling.keep();
      if (command.epilog !== null) performance.print(command.epilog);
    }
    return code;
  } finally {
    for (const { filling } of readied) filling.release();
  }
}

async function run(
  { place, print }: Performance,
  command: Supervise,
  readied: readonly ReadiedChild[],
  plan: NetworkPlan,
): Promise<number> {
  const limits = [command, ...readied.map(({ child }) => child.value)].map((each) => each.expectInotifyLimit ?? 0);
  const limit = Math.max(...limits);
  expectInotifyLimit(limit === 0 ? null : limit, place);
  const socket = command.passTcpSocket === null ? null : listen(command.passTcpSocket);
  if (isFailure(socket)) throw new Refusal('launcher', socket.message);
  const releases: (() => Promise<void>)[] = [];
  const withdrawals: (() => void)[] = [];
  try {
    const network = await openNetwork(plan, place.store.storage, place.tell);
    releases.push(network.close);
    const children: ReadyChild[] = [];
    for (const each of readied) {
      const prepared = await prepareChild(each, network);
      releases.push(prepared.release);
      const { spec, problem } = prepared;
      // One of its own comes first.
      const passedFds = spec.passedFds ?? (socket === null ? [] : [{ from: socket, to: socketFd }]);
      children.push({ name: each.name, spec: { ...spec, passedFds }, problem });
    }
    for (const banner of [command, ...readied.map(({ child }) => child.value)]) {
      withdrawals.push(showBanner(banner, place.tell));
    }
    return await supervise({
      children,
      mode: command.mode,
      killAfterMs: command.killUnresponsiveAfter * 1000,
      print: (text) => print(`${text}\n`),
      tell: (text) => place.tell(`vagga: ${text}`),
    });
  } finally {
    for (const withdraw of withdrawals) withdraw();
    for (const release of releases) await release();
    if (socket !== null) containerAddon().closeFd(socket);
  }
}

/** A child that cannot be made ready is one that cannot be started. Throws a Refusal. */
async function prepareChild(
  { name, child, request }: ReadiedChild,
  network: ChildrenNetwork,
): ReturnType<typeof preparedOrRefused> {
  const prepared = await preparedOrRefused(name, network.request(child, request));
  const spec = network.place(name, child, prepared.spec);
  if (!('problem' in spec)) return { ...prepared, spec };
  await prepared.release();
  throw new Refusal('nothing', `child ${name} cannot be started: ${spec.problem}`);
}

async function preparedOrRefused(name: string, request: ReadyCommand['request']) {
  const prepared = await prepareCommand(request);
  if (!('exitCode' in prepared)) return prepared;
  throw new Refusal('nothing', `child ${name} cannot be started: ${prepared.problem}`);
}

/** `--no-build` and the like may stand after the command's name too. */
function withFlags(performance: Performance, { imageDownload, build, versionCheck }: SuperviseLine): Performance {
  if (imageDownload && build && versionCheck) return performance;
  const options = {
    ...performance.options,
    imageDownload: performance.options.imageDownload && imageDownload,
    build: performance.options.build && build,
    versionCheck: performance.options.versionCheck && versionCheck,
  };
  const containers = containersOf(performance.place, { force: false, ...options });
  return { ...performance, options, containers };
}

function unknownNames({ children }: Supervise, { only, exclude }: Selection): readonly string[] {
  const known = namesOf(children);
  return [...only, ...exclude]
    .filter((word) => !known.has(word))
    .map((word) => `there is no child and no tag ${word}${suggestion(word, [...known])}`);
}
