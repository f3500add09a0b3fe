import { spawnSync } from 'node:child_process';
import { Command } from 'commander';
import { containerAddon, isFailure } from '../../native/container.ts';
import { exitCodes } from '../exit-codes.ts';
import { containersOf } from '../ready.ts';
import { Refusal } from '../refusal.ts';
import { maximumIdMaps } from '../run/own-id-maps.ts';
import { closeNetwork, type SharedNetwork } from '../run/shared-network.ts';
import { runningKeepers } from '../test-network/network.ts';
import {
  createCommands,
  destroyCommands,
  hasOriginalAddress,
  originalAddress,
  type Words,
} from '../test-network/original-address.ts';
import { usage } from '../test-network/partition.ts';
import type { BuiltIn, BuiltInContext } from './built-ins.ts';
import { runInside } from './run-inside.ts';

// Built-in commands about test networks: vagga 5.2 and 6.

interface SetUpFlags {
  dryRun?: boolean;
  iptables: boolean;
}

const setUpCommand = (name: string): Command =>
  new Command(name)
    .option('--dry-run', 'only print the commands')
    .option('--no-iptables', 'for compatibility: no rules of a firewall are made in any case');

/** Prints each command, and runs it. Throws a Refusal where one fails. */
function runAll({ print, end }: BuiltInContext, commands: readonly Words[], dryRun: boolean): void {
  for (const words of commands) {
    print(`${words.join(' ')}\n`);
    if (dryRun) continue;
    const [program, ...args] = words;
    const done = spawnSync(program, args, { stdio: ['inherit', 2, 2] });
    if (done.error !== undefined) throw new Refusal('launcher', `${program}: ${done.error.message}`);
    if (done.status !== 0) {
      end(exitCodes.failed);
      return;
    }
  }
}

const isRoot = (): boolean => process.geteuid?.() === 0;

/** Of a process, or of the bridge of the test network that runs. Throws a Refusal. */
function networkToEnter({ place }: BuiltInContext, pid: number | undefined): SharedNetwork {
  const keepers = pid === undefined ? runningKeepers(place.store.storage) : [pid];
  const [at] = keepers;
  if (at === undefined) throw new Refusal('launcher', 'no test network of this project runs now');
  if (keepers.length > 1) {
    throw new Refusal('launcher', `${keepers.length} test networks of this project run now; --pid of a process in one`);
  }
  const maps = maximumIdMaps();
  if ('problem' in maps) throw new Refusal('launcher', maps.problem);
  const join = containerAddon().openNamespaces(at);
  if (isFailure(join)) throw new Refusal('container', `the network of process ${at}: ${join.message}`);
  return { maps: maps.value, join };
}

export const networkBuiltIns: Readonly<Record<string, BuiltIn>> = {
  _create_netns: {
    summary: `give the host the address ${originalAddress} too; test networks work without it`,
    command: (context) =>
      setUpCommand('_create_netns').action(({ dryRun = false }: SetUpFlags) => {
        const { tell } = context.place;
        tell(
          `Test networks need no set-up: ports of their nodes are on 127.0.0.1. This adds them on ${originalAddress}.`,
        );
        if (!dryRun && hasOriginalAddress()) return tell('Namespaces already created');
        runAll(context, createCommands(isRoot()), dryRun);
      }),
  },
  _destroy_netns: {
    summary: 'take back what _create_netns has done',
    command: (context) =>
      setUpCommand('_destroy_netns').action(({ dryRun = false }: SetUpFlags) => {
        if (!dryRun && !hasOriginalAddress()) return context.place.tell('There is nothing to destroy');
        runAll(context, destroyCommands(isRoot()), dryRun);
      }),
  },
  _run_in_netns: {
    summary: 'run any program of a container in a running test network',
    command: (context) =>
      new Command('_run_in_netns')
        .option('--pid <pid>', 'in the network of this process; default: in that of the bridge', Number)
        .argument('<container>')
        .argument('<program>')
        .argument('[args...]')
        .passThroughOptions()
        .action(async (name: string, program: string, args: readonly string[], { pid }: { pid?: number }) => {
          if (pid !== undefined && !(Number.isInteger(pid) && pid > 0)) {
            throw new Refusal('arguments', '--pid: expected the number of a process');
          }
          const network = networkToEnter(context, pid);
          try {
            const { build, versionCheck } = context.options;
            const containers = containersOf(context.place, { force: false, build, versionCheck });
            context.end(await runInside(context, containers, name, [program, ...args], 'read-only', network));
          } finally {
            closeNetwork(network);
          }
        }),
  },
  _network: {
    summary: 'partition a test network; inside a !BridgeCommand only',
    command: ({ end, place, print }) =>
      new Command('_network')
        .argument('[words...]')
        .helpOption(false)
        .allowUnknownOption()
        .action((words: readonly string[]) => {
          if (words[0] === '--help' || words[0] === '-h') return print(usage);
          place.tell('vagga: _network works only inside a !BridgeCommand of a !Supervise');
          end(exitCodes.launcher);
        }),
  },
};
